"""``condense`` killed at its file operations: run again, it ends as if it had never been killed."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.outcome import Tally
from graphcond import condensers
from graphcond.cli.main import main

_KILLED = 137
_EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.truncate")


@dataclass(frozen=True, kw_only=True)
class Quick(condensers.GCondX):
    """A condenser that writes checkpoints and ends soon."""

    num_seeds: int = 3
    steps: int = 4


def _content(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder; the report without what a clock or a meter wrote."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            if path.suffix in (".json", ".jsonl"):
                lines = text.split(b"\n")
                text = b"\n".join(x for x in lines if b"seconds" not in x and b"peak_mib" not in x)
            found[path.name] = text
    return found


def kill_condense(points: int | None = None, every: int = 1) -> Tally:
    """Kill ``condense`` at its file operations, one after the other, and run it again.

    Args:
        points: Most kills; None goes on until a run ends unharmed.
        every: Kill at every so-many-th operation.

    Returns:
        ``right`` where the second run left the same bytes as an unharmed one, and nothing more.
    """
    tally = Tally()
    words = [
        "condense",
        "karate",
        "--method",
        f"{__name__}.Quick",
        "--num_nodes",
        "4",
        "--judge",
        "false",
    ]
    with tempfile.TemporaryDirectory() as root:
        want = _run(Path(root) / "unharmed", words, None)
        for number in range(points if points is not None else 10**6):
            stop = 1 + number * every
            folder = Path(root) / f"killed-{stop}" / "out"
            folder.parent.mkdir()
            status, _ = _call(folder, words, stop)
            if status != _KILLED:
                break  # it ended unharmed: there are no further operations
            got = _run(folder, words, None)
            if got == want:
                tally.note("right")
                continue
            odd = sorted(name for name in {*got, *want} if got.get(name) != want.get(name))
            tally.note("wrong", f"killed at operation {stop}", f"these differ: {odd}")
    return tally


def _run(folder: Path, words: list[str], stop: int | None) -> dict[str, bytes]:
    status, told = _call(folder, words, stop or 10**9)
    if status != 0:
        return {"status": f"{status} {told}".encode()}
    return {
        name: text.replace(str(folder).encode(), b"OUT") for name, text in _content(folder).items()
    }


def _call(folder: Path, words: list[str], stop: int) -> tuple[int, str]:
    """Run a command in a child process that dies at its so-many-th operation on the folder."""
    told = folder.parent / f"{folder.name}.log"
    child = os.fork()
    if child == 0:
        try:
            with told.open("w") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
            sys.addaudithook(_dying(str(folder), stop))
            status = main([*words, "--out", str(folder)])
        except BaseException:
            traceback.print_exc()
            status = 99
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), told.read_text(encoding="utf-8")[-300:]


def _dying(folder: str, stop: int) -> Callable[[str, tuple[Any, ...]], None]:
    count = 0

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in _EVENTS and isinstance(arguments[0], (str, os.PathLike)):
            if os.path.abspath(arguments[0]).startswith(folder + os.sep):
                count += 1
            if count == stop:
                os._exit(_KILLED)

    return listen
