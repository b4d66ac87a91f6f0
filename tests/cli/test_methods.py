"""Condensers by name on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from graphcond import condensers
from graphcond.cli.main import main
from graphcond.cli.methods import PURPOSES, TABLES, find
from graphcond.cli.options import Condense
from graphcond.errors import UnknownNameError

OWN = """
from dataclasses import dataclass
from graphcond.condensers import NodeSelection

@dataclass(frozen=True, kw_only=True)
class First(NodeSelection):
    def _choose(self, points, count, stream):
        import torch
        return torch.arange(count)
"""


@pytest.mark.parametrize("kind", list(TABLES))
def test_a_method_is_called_by_its_class_everywhere(kind: str) -> None:
    for name in TABLES[kind]:
        assert getattr(condensers, name.partition(".")[0])
        assert find(name, kind) is find(name.lower(), kind) is TABLES[kind][name]
    assert find("k-center", "nodes") is condensers.KCenter
    assert find("random", kind) is TABLES[kind][f"Random{kind.capitalize()}"]


def test_methods_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json", "true"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {kind: sorted(table) for kind, table in TABLES.items()} == {
        kind: sorted(rows) for kind, rows in found.items()
    }
    for sentence in (each for rows in found.values() for each in rows.values()):
        assert sentence.endswith(".")
        assert ":class:" not in sentence
    assert main(["methods"]) == 0
    assert "Partition " in capsys.readouterr().out


def test_a_condenser_of_ones_own_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    words = ["condense", "karate", "--num_nodes", "4", "--judge", "false", "--method"]
    assert main([*words, "mine.First"]) == 0
    assert "First" in capsys.readouterr().out
    for wrong, said in (
        ("mine.Second", "cannot be imported"),
        ("json.loads", "subclass"),
        ("graphcond.condensers.Condenser", "a base of condensers"),
    ):
        assert main([*words, wrong]) == 2
        assert said in capsys.readouterr().err


def test_an_unknown_method_names_those_that_are_known() -> None:
    with pytest.raises(UnknownNameError, match="Partition"):
        find("partitions", "nodes")


def _taken(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return the method that a command took, and what it said on stderr."""
    assert main(["condense", "karate", "--num_nodes", "4", "--judge", "false", *words]) == 0
    told = capsys.readouterr()
    line = next(each for each in told.out.splitlines() if each.startswith("method "))
    return line.split()[-1], told.err


@pytest.mark.parametrize(
    ("words", "method"),
    [
        ([], "Partition"),
        (["--for", "accuracy"], "Partition"),
        (["--for=architectures"], "SampledNeighbourhoods"),
        (["--purpose", "architectures"], "SampledNeighbourhoods"),
        (["--for", "architectures", "--method", "sampled-neighbourhoods"], "SampledNeighbourhoods"),
    ],
)
def test_a_purpose_takes_the_method_that_serves_it(
    words: list[str], method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _taken(words, capsys) == (method, "")


def test_a_method_wins_over_a_purpose_and_a_line_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    method, told = _taken(["--for", "filters", "--method", "kcenter"], capsys)
    assert method == "KCenter"
    assert "--for filters would take HypergradientMatching" in told
    assert told.count("\n") == 1


def test_filters_are_served_by_hcdc() -> None:
    assert PURPOSES["filters"] == "HypergradientMatching"
    assert set(PURPOSES) == set(get_args(get_args(get_type_hints(Condense)["purpose"])[0]))


def test_a_purpose_is_for_graphs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["condense", "southern-women", "--for", "accuracy", "--judge", "false"]) == 2
    assert "--for accuracy is for graphs" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["condense", "karate", "--for", "speed"])
    assert ended.value.code == 2


def test_purposes_are_told_where_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    told = capsys.readouterr().out
    assert "nodes (default: Partition)" in told
    for purpose, name in PURPOSES.items():
        assert f"--for {purpose}: {name}" in told
