"""``python -m benchmarks.faults``: how many faults were tried, and how they ended.

Stopped, the same command goes on where it was: each row of the record says how many tries of its
kind are counted. Kinds whose code has changed begin anew.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.files import FORMATS, mutate_files
from benchmarks.faults.graphs import interaction_condensers, node_condensers, try_condensers
from benchmarks.faults.kills import COMMANDS, KINDS, try_kills
from benchmarks.faults.outcome import Tally
from benchmarks.store import RESULTS, Store, is_stale
from graphcond import condensers, data

_SLICE = {"malformed file": 200, "awkward input": 20, "fault of a run": 20}
"""Tries between two writings of the record."""


@dataclass(frozen=True)
class Kind:
    """One row of the record.

    Args:
        of: What is harmed.
        what: How: a format, a condenser, or a command and its fault.
        most: Numbers of tries that are asked for.
        attempt: Makes the tries of a range of numbers.
    """

    of: str
    what: str
    most: int
    attempt: Callable[[range], Tally]


def kinds(files: int, inputs: int, faults: int, kills: int, folder: Path) -> Iterator[Kind]:
    """Yield all kinds, those that end soon first.

    Args:
        files: Malformed files of each format.
        inputs: Awkward inputs of each condenser.
        faults: Tries of each fault of each command.
        kills: Tries of those that are kills.
        folder: Where files are written.
    """
    for form in FORMATS:
        yield Kind(
            "malformed file",
            form.name,
            files,
            lambda numbers, form=form: mutate_files(form, numbers, folder),  # type: ignore[misc]
        )
    for name in (*node_condensers(), *interaction_condensers()):
        yield Kind(
            "awkward input",
            name,
            inputs,
            lambda numbers, name=name: try_condensers(name, numbers),  # type: ignore[misc]
        )
    for command in COMMANDS:
        for kind in KINDS:
            yield Kind(
                "fault of a run",
                f"{command}: {kind}",
                kills if "kill" in kind else faults,
                lambda numbers, kind=kind, command=command: try_kills(kind, command, numbers),  # type: ignore[misc]
            )


def main() -> None:
    """Try, and write the counts into ``results/faults.json``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1300, help="malformed files of each format")
    parser.add_argument("--inputs", type=int, default=60, help="awkward inputs of each condenser")
    parser.add_argument(
        "--faults", type=int, default=20, help="tries of each fault of each command"
    )
    parser.add_argument("--kills", type=int, default=150, help="of those that are kills")
    parser.add_argument("--minutes", type=float, default=14.0, help="begin nothing after these")
    parser.add_argument("--only", default="", help="kinds whose name holds this text")
    parser.add_argument("--again", action="store_true", help="begin kinds that went wrong anew")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    store = Store(asked.out / "faults.json", ("of", "what"))
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds(asked.count, asked.inputs, asked.faults, asked.kills, Path(folder)):
            if asked.only in f"{kind.of} {kind.what}":
                _go_on(store, kind, end, asked.again)


def _go_on(store: Store, kind: Kind, end: float, again: bool) -> None:
    key = (kind.of, kind.what)
    row: dict[str, Any] = store.rows.get(key, {})
    if row and (is_stale(row, store.codes) or (again and row.get("wrong"))):
        row = {}
    number = row.get("next", 0)
    tally = Tally()
    tally.ends.update({name: row.get(name, 0) for name in ("right", "refused", "wrong")})
    tally.kills = row.get("kills", 0)
    found: list[str] = row.get("errors", [])
    while number < kind.most and time.monotonic() < end:
        numbers = range(number, min(kind.most, number + _SLICE[kind.of]))
        part = kind.attempt(numbers)
        tally.ends.update(part.ends)
        tally.kills += part.kills
        found = sorted({*found, *(f"{error}: {story}" for error, story in part.wrong.items())})
        number = kind.most if part.ended else numbers.stop
        counts = {"of": kind.of, "what": kind.what, **tally.row(), "next": number}
        store.add({**counts, "errors": found}, code=[data.load, condensers.Condenser])


if __name__ == "__main__":
    main()
