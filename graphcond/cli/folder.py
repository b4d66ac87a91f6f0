"""The folder of one run: what lies in it always tells one story."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphcond.data import check_writable
from graphcond.data.atomic import write_lines
from graphcond.errors import GraphcondError, StorageError, require

try:
    import fcntl
except ImportError:  # Windows: no lock, the rest holds
    fcntl = None  # type: ignore[assignment]

UNFINISHED = "unfinished.yaml"
"""Options of the run that is going on, or that was interrupted; beside its checkpoints."""
CONFIG = "config.yaml"
"""Options that the result in the folder was made with."""
_OF_A_RESULT = (CONFIG, "history.jsonl", "report.json", "comparison.png")
_LOCK = ".graphcond.lock"


@contextlib.contextmanager
def run_into(
    out: str | None, wanted: Mapping[str, Any], free: tuple[str, ...]
) -> Iterator[Path | None]:
    """Open the folder of a run; at the end remove what an unfinished run would go on from.

    Args:
        out: The folder, or None to write nothing.
        wanted: The run's options.
        free: Options that may change when an interrupted run is taken up again.

    Yields:
        The folder's path, or None.
    """
    if out is None:
        yield None
        return
    folder = Path(out)
    with held(folder):
        begin(folder, wanted, free)
        try:
            yield folder
        except GraphcondError:
            if not _checkpoints(folder):  # nothing to go on from
                (folder / UNFINISHED).unlink(missing_ok=True)
            raise
        for part in _checkpoints(folder):
            part.unlink()
        (folder / UNFINISHED).unlink(missing_ok=True)


def _checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("checkpoint*.safetensors*"))


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a folder; the death of a process lets go of it.

    Args:
        folder: The folder; made if missing, and removed again if it stays empty.

    Raises:
        StorageError: If it cannot be written, or another process is writing into it.
    """
    there = folder.exists()
    check_writable(folder / CONFIG)
    lock = _locked(folder)
    try:
        yield
    finally:
        if lock is not None:
            (folder / _LOCK).unlink(missing_ok=True)
            os.close(lock)
        if not there:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _locked(folder: Path) -> int | None:
    if fcntl is None:
        return None
    path = folder / _LOCK
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageError(
                f"{str(folder)!r} cannot be written: {error.strerror}. Free some space, or choose"
                " another --out."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(lock, 20).decode() or "unknown"
            os.close(lock)
            raise StorageError(
                f"Another process ({owner}) is writing into {str(folder)!r}. Wait for it to end, or"
                " choose another --out."
            ) from error
        # Its owner may have removed the file between our opening and locking it.
        try:
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                break
        except FileNotFoundError:
            pass
        os.close(lock)
    with contextlib.suppress(OSError):  # the number only helps whoever is refused
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
    return lock


def begin(folder: Path, wanted: Mapping[str, Any], free: tuple[str, ...]) -> None:
    """Note which run is going on, unless another one was interrupted here.

    Args:
        folder: The folder.
        wanted: The run's options.
        free: Options that may change when an interrupted run is taken up again.

    Raises:
        InputError: If checkpoints of another run are there.
    """
    note = folder / UNFINISHED
    if _checkpoints(folder):
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        other = [name for name in wanted if name not in free and found.get(name) != wanted[name]]
        was = ", ".join(f"{name} {found.get(name)!r}" for name in other)
        require(
            not other,
            f"{str(folder)!r} holds the checkpoint of another run, which was interrupted ({was})."
            f" Finish that run (--config {UNFINISHED}), delete its checkpoint files, or choose"
            " another --out.",
        )
    write_lines(note, [json.dumps(dict(wanted), indent=2)])


def forget_last_result(folder: Path) -> None:
    """Remove what described the result that was just replaced."""
    for name in _OF_A_RESULT:
        (folder / name).unlink(missing_ok=True)


def describe_result(
    folder: Path, wanted: Mapping[str, Any], history: tuple[Mapping[str, Any], ...]
) -> None:
    """Write the options and the history of the result in the folder."""
    # In sorted order, as records come back from a checkpoint.
    lines = (json.dumps(dict(record), sort_keys=True) for record in history)
    write_lines(folder / "history.jsonl", lines)
    write_lines(folder / CONFIG, [json.dumps(dict(wanted), indent=2)])
