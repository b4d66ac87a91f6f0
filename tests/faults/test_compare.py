"""``compare`` keeps what it says that it keeps, and the report says what a repeat depends on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import graphcond.cli.compare
from graphcond.cli.main import main

WORDS = ("compare", "karate", "--num_nodes", "4", "--seeds", "1", "--candidates", "0")
METHODS = ("--methods", "benchmarks.faults.kills.Quick")


def _interrupted(*given: Any) -> None:
    raise KeyboardInterrupt


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    clocks = ("seconds", "peak_mib")
    return [
        {name: value for name, value in row.items() if not any(each in name for each in clocks)}
        for row in rows
    ]


def test_an_interrupted_comparison_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole"
    assert main([*WORDS, *METHODS, "--out", str(whole)]) == 0
    folder = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(graphcond.cli.compare, "judge", _interrupted)
        assert main([*WORDS, *METHODS, "--out", str(folder)]) == 130
    assert "go on" in capsys.readouterr().err
    kept = sorted(path.name for path in folder.glob("checkpoint*"))
    assert kept
    assert all("Quick-0" in name for name in kept)
    assert main([*WORDS, "--methods", "herding", "--out", str(folder)]) == 2
    assert "another run" in capsys.readouterr().err
    assert main([*WORDS, *METHODS, "--out", str(folder)]) == 0
    assert _rows(folder) == _rows(whole)
    names = [sorted(path.name for path in each.iterdir()) for each in (folder, whole)]
    assert names[0] == names[1]
    assert not [name for name in names[0] if "checkpoint" in name or "unfinished" in name]


def test_the_report_says_how_many_threads_summed(tmp_path: Path) -> None:
    words = ["condense", "karate", "--method", "herding", "--num_nodes", "4", "--judge", "false"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["card"]["threads"] == torch.get_num_threads()
