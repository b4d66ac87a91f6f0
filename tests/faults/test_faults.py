"""Seeded accidents end in a documented error or the right result; a killed run loses nothing.

The default run takes a small sample; ``-m faults`` takes minutes; ``python -m benchmarks.faults``
writes the record.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.files import mutate_files
from benchmarks.faults.graphs import interaction_condensers, node_condensers, try_condensers
from benchmarks.faults.kills import kill_condense
from benchmarks.faults.outcome import Tally, attempt
from graphcond.errors import InputError

SAMPLE = pytest.param("sample")
ALL = pytest.param("all", marks=pytest.mark.faults)


@pytest.mark.parametrize("size", [SAMPLE, ALL])
def test_malformed_files_end_in_documented_errors(tmp_path: Path, size: str) -> None:
    count = 12 if size == "sample" else 1000
    for name, tally in mutate_files(count, tmp_path):
        assert tally.row()["tried"] == count
        assert not tally.wrong, (name, tally.wrong)


@pytest.mark.parametrize("size", [SAMPLE, ALL])
def test_awkward_inputs_end_in_documented_errors(size: str) -> None:
    known = {*node_condensers(), *interaction_condensers()}
    for name, tally in try_condensers(1 if size == "sample" else 60):
        assert not tally.wrong, (name, tally.wrong)
        known.remove(name)
    assert not known


@pytest.mark.faults
def test_a_killed_run_loses_nothing() -> None:
    tally = kill_condense()
    assert tally.ends["right"] > 10
    assert not tally.wrong


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
