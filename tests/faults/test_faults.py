"""Seeded accidents end in a documented error or the right result; a killed run loses nothing.

The default run takes a small sample; ``-m faults`` takes minutes; ``python -m benchmarks.faults``
writes the record.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.files import FORMATS, Format, mutate_files
from benchmarks.faults.graphs import interaction_condensers, node_condensers, try_condensers
from benchmarks.faults.kills import COMMANDS, KINDS, UNHARMED, judge_end, try_kills
from benchmarks.faults.outcome import Tally, attempt
from graphcond.errors import InputError

SAMPLE = pytest.param("sample")
ALL = pytest.param("all", marks=pytest.mark.faults)
CONDENSERS = (*node_condensers(), *interaction_condensers())


@pytest.mark.parametrize("size", [SAMPLE, ALL])
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_malformed_files_end_in_documented_errors(tmp_path: Path, form: Format, size: str) -> None:
    count = 12 if size == "sample" else 1000
    tally = mutate_files(form, range(count), tmp_path)
    assert tally.row()["tried"] == count
    assert not tally.wrong


@pytest.mark.parametrize("size", [SAMPLE, ALL])
@pytest.mark.parametrize("name", CONDENSERS)
def test_awkward_inputs_end_in_documented_errors(name: str, size: str) -> None:
    tally = try_condensers(name, range(1 if size == "sample" else 60))
    assert not tally.wrong


@pytest.mark.parametrize("kind", KINDS)
def test_a_harmed_run_loses_nothing(kind: str) -> None:
    tally = try_kills(kind, "condense", range(1, 3))
    assert not tally.wrong


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_harmed_run_loses_anything(command: str, kind: str) -> None:
    tally = try_kills(kind, command, range(20))
    assert tally.ends["right"] > 5
    assert not tally.wrong


def test_a_run_that_is_not_the_same_is_found(tmp_path: Path) -> None:
    tally = Tally()
    judge_end(tally, UNHARMED, 1, "", tmp_path, "condense", {})
    judge_end(tally, UNHARMED, 2, "Traceback (most recent call last)", tmp_path, "condense", {})
    assert tally.row() == {"tried": 2, "right": 0, "refused": 0, "wrong": 2}


def test_the_tally_tells_wrong_from_refused() -> None:
    tally = Tally()

    def refused() -> None:
        raise InputError("in a sentence")

    def hungry() -> None:
        bytearray(2**40)

    for call in (int, refused, hungry, lambda: [][0]):
        attempt(tally, "a try", call)
    assert tally.row() == {"tried": 4, "right": 1, "refused": 1, "wrong": 2}
    assert {kind.split()[0] for kind in tally.wrong} == {"MemoryError", "IndexError"}
