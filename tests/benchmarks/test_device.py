"""Rows of a GPU survive faults and time-outs, and our own faults are told from a rival's."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from benchmarks.device import __main__ as command
from benchmarks.device.kernels import distance
from benchmarks.device.rows import Rows, machine, without_paths, write
from benchmarks.store import is_stale, read_record


def test_a_fault_costs_one_row(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.jsonl")
    with rows.guarded(section="kernels", method="graphcond") as row:
        row["us"] = 1.23456789
        raise ValueError("no such kernel")
    with rows.guarded(section="kernels", method="scatter") as row:
        row["us"] = float("nan")
    first, second = rows.read()
    assert first["us"] == 1.23457
    assert first["error"] == "ValueError: no such kernel"
    assert second == {"section": "kernels", "method": "scatter", "us": None}


@pytest.mark.parametrize(
    ("row", "ours"),
    [
        ({"section": "kernels", "method": "graphcond", "us": 1.0, "right": True}, False),
        ({"section": "kernels", "method": "graphcond", "us": 1.0, "right": False}, True),
        ({"section": "kernels", "method": "graphcond:triton", "error": "x"}, True),
        ({"section": "kernels", "method": "torch coo", "error": "x"}, False),
        ({"section": "condensers", "method": "Partition", "error": "x"}, True),
        ({"section": "tests", "row": "section", "exit": "time is up"}, True),
        ({"section": "tests", "row": "section", "exit": 0}, False),
    ],
)
def test_our_faults_are_told_from_a_rivals(row: dict[str, object], ours: bool) -> None:
    assert bool(list(command.faults([row]))) == ours


def test_a_section_that_hangs_is_ended_and_its_rows_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows(tmp_path / "rows.jsonl")
    rows.add({"section": "kernels", "us": 1.0})
    options = argparse.Namespace(out=tmp_path, device="cpu", quick=True)
    popen = command.subprocess.Popen
    monkeypatch.setattr(
        command.subprocess, "Popen", lambda _, **how: popen(["/bin/sleep", "30"], **how)
    )
    command._in_a_process("kernels", 0.2, options, rows)
    kept, ended = rows.read()
    assert kept["us"] == 1.0
    assert ended["exit"] == "time is up"
    assert ended["seconds"] < 10


def test_a_record_knows_its_code(tmp_path: Path) -> None:
    rows = [{"section": "kernels", "us": 1.0}, {"section": "condensers", "method": "Partition"}]
    write(tmp_path / "device.json", "command", machine(torch.device("cpu")), rows)
    found = read_record(tmp_path / "device.json")
    assert not any(is_stale(row, found["codes"]) for row in found["rows"])
    assert found["codes"][found["rows"][1]["code"]] == ["graphcond.condensers.Partition"]


def test_tracebacks_name_no_folder_of_the_machine() -> None:
    text = 'File "/home/me/x/graphcond/sparse/csr.py", line 1'
    assert without_paths(text) == 'File "graphcond/sparse/csr.py", line 1'


def test_the_distance_is_in_units_of_the_largest_number() -> None:
    wanted = torch.tensor([1.0, 4.0])
    assert distance((wanted + torch.tensor([2.0, 0.0]),), (wanted,)) == 0.5
