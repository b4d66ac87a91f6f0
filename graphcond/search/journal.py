"""A journal of Optuna in a file that survives kills, full disks and foreign contents.

The file is Optuna's own format, one JSON line an operation, so Optuna and its dashboard read it.
Optuna's own backend keeps a lock file, which a killed process leaves behind, and reads a file whose
last line was torn only until the next line is glued to it.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from graphcond.errors import FileFormatError, StorageError, require

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

PATIENCE = 1.0
"""Seconds without a sign of life after which another program's lock file counts as left over.

Optuna holds its lock for milliseconds.
"""

_START = b'{"op_code":'


class JournalFile(BaseJournalBackend):
    """One file that several processes append to.

    A last line without its newline is what a killed process left; it is cut off. The operating
    system's lock on the file is used, which ends with its process.

    Args:
        path: The file; it is made where it is missing.

    Raises:
        FileFormatError: If the file is not a journal of Optuna.
        StorageError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._offsets = {0: 0}
        with self._locked() as stream:
            self._check(stream)
            _cut(stream)

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the operations from one on; a last line that is still being written is left out.

        Args:
            log_number_from: The number of the first operation.

        Raises:
            FileFormatError: If a line is no operation of Optuna.
        """
        with open(self._path, "rb") as stream:
            number = max(known for known in self._offsets if known <= log_number_from)
            place = self._offsets[number]
            stream.seek(place)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                place += len(line)
                number += 1
                self._offsets[number] = place
                if number > log_number_from:
                    yield self._operation(line, number)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write operations behind the last whole line, to the disk.

        Args:
            logs: The operations.

        Raises:
            StorageError: If they cannot be written to their end.
        """
        lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        left = "".join(lines).encode()
        with self._locked() as stream:
            _cut(stream)
            end = stream.seek(0, os.SEEK_END)
            # One unbuffered write, whose failure leaves nothing to be written later.
            try:
                while left:
                    left = left[stream.write(left) :]
                os.fsync(stream.fileno())
            except OSError as error:
                stream.truncate(end)
                raise self._unwritable(error) from error

    @contextmanager
    def _locked(self) -> Iterator[FileIO]:
        """Yield the file, opened for reading and appending, while no other process writes."""
        try:
            stream = FileIO(self._path, "ab+")
        except OSError as error:
            raise self._unwritable(error) from error
        with stream:
            if fcntl is not None:
                fcntl.flock(stream, fcntl.LOCK_EX)  # released with the file, or with its process
            self._wait_for_others()
            yield stream

    def _wait_for_others(self) -> None:
        """Wait while a program with Optuna's own backend writes; remove a lock file left over."""
        lock = self._path + ".lock"
        start = time.monotonic()
        while os.path.lexists(lock):
            if time.monotonic() - start > PATIENCE:
                warnings.warn(
                    f"The lock {lock} was left by a process that is gone. It was removed.",
                    stacklevel=2,
                )
                Path(lock).unlink(missing_ok=True)
                return
            time.sleep(0.01)

    def _check(self, stream: FileIO) -> None:
        """Raise unless the file is empty or starts like a journal, be it torn."""
        stream.seek(0)
        first = stream.readline()
        torn = not first.endswith(b"\n")
        begins = first.startswith(_START) or _START.startswith(first)
        if not (torn and begins):
            self._operation(first, 1)

    def _operation(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            log = json.loads(line)
        except ValueError:
            log = None
        known = isinstance(log, dict) and {"op_code", "worker_id"} <= set(log)
        require(
            known,
            f"{self._path!r} is not a journal of Optuna: line {number} is no operation."
            " Delete the file or give another path.",
            error=FileFormatError,
        )
        found: dict[str, Any] = log
        return found

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(
            f"The journal {self._path!r} cannot be written: {error.strerror}."
            " Free some space or give another path; what stood there before still does."
        )


def _cut(stream: FileIO) -> None:
    """Cut the file behind its last newline."""
    end = stream.seek(0, os.SEEK_END)
    keep = end
    while keep > 0:
        block = min(keep, 4096)
        stream.seek(keep - block)
        newline = stream.read(block).rfind(b"\n")
        if newline >= 0:
            keep = keep - block + newline + 1
            break
        keep -= block
    if keep < end:
        stream.truncate(keep)
