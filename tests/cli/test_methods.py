"""Condensers by name on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphcond import condensers
from graphcond.cli.main import main
from graphcond.cli.methods import TABLES, find
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
    for wrong, said in (("mine.Second", "cannot be imported"), ("json.loads", "subclass")):
        assert main([*words, wrong]) == 2
        assert said in capsys.readouterr().err


def test_an_unknown_method_names_those_that_are_known() -> None:
    with pytest.raises(UnknownNameError, match="Partition"):
        find("partitions", "nodes")
