"""Which workers of a search are still there: a trial of a live worker is left alone, one of a dead
worker is tried again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, TYPE_CHECKING

from graphcond.errors import StorageError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from optuna import Study

BEAT = 10.0
"""Seconds between two signs of life where no file can be locked."""

SILENCE = 60.0
"""Seconds of silence after which such a worker counts as dead; the machines' clocks must agree."""

LOCKS = fcntl is not None
"""Whether this system locks files."""


class Presence(ABC):
    """A worker's sign of life, from its making to :meth:`leave`."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(6)
        """This worker's name."""

    @abstractmethod
    def alive(self, token: str) -> bool:
        """Return whether a worker is still there.

        Args:
            token: Its name.
        """

    @abstractmethod
    def leave(self) -> None:
        """Give the last sign of life."""


class InProcess(Presence):
    """Workers of one process, on a study in memory."""

    _present: set[str] = set()

    def __init__(self) -> None:
        super().__init__()
        self._present.add(self.token)

    def alive(self, token: str) -> bool:
        """Return whether a search of this process has not ended.

        Args:
            token: The worker's name.
        """
        return token in self._present

    def leave(self) -> None:
        """End the search."""
        self._present.discard(self.token)


class LockedFile(Presence):
    """A locked file beside the storage; the lock ends with its process, however that dies.

    Args:
        beside: The storage's file.
    """

    def __init__(self, beside: Path) -> None:
        super().__init__()
        self._beside = beside
        self._stream: IO[bytes] = self._held()

    def _held(self) -> IO[bytes]:
        """Return the worker's file, locked."""
        file = self._file(self.token)
        while True:
            try:
                stream = open(file, "wb")  # noqa: SIM115 (held until the end)
            except OSError as error:
                raise StorageError(
                    f"{str(file)!r} cannot be written: {error.strerror}. Free some space, or keep"
                    " the trials elsewhere."
                ) from error
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Until it was locked, another worker may have taken it for a dead one's.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(stream.fileno()), os.stat(file)):
                    return stream
            stream.close()

    def alive(self, token: str) -> bool:
        """Return whether the worker's file is locked; the file of a dead one is removed.

        Args:
            token: The worker's name.
        """
        return token == self.token or _locked(self._file(token))

    def leave(self) -> None:
        """Remove the file, and those of dead workers."""
        self._file(self.token).unlink(missing_ok=True)
        self._stream.close()
        for left in self._beside.parent.glob(f"{self._beside.name}.*.alive"):
            _locked(left)

    def _file(self, token: str) -> Path:
        return self._beside.with_name(f"{self._beside.name}.{token}.alive")


class Heartbeat(Presence):
    """A time in the study that a thread renews, for storages on several machines.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        super().__init__()
        self._study = study
        self._left = threading.Event()
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)
        self._thread.start()

    def alive(self, token: str) -> bool:
        """Return whether the worker gave a sign of life in the last minute.

        Args:
            token: The worker's name.
        """
        last = self._study.user_attrs.get(f"alive {token}")
        return isinstance(last, float) and time.time() - last < SILENCE

    def leave(self) -> None:
        """Stop the thread and take the time back."""
        self._left.set()
        self._thread.join()
        self._study.set_user_attr(f"alive {self.token}", None)

    def _beat(self) -> None:
        self._study.set_user_attr(f"alive {self.token}", time.time())

    def _keep_beating(self) -> None:
        while not self._left.wait(BEAT):
            # A storage that is away for a moment does not end the worker.
            with contextlib.suppress(Exception):
                self._beat()


def _locked(file: Path) -> bool:
    """Return whether a live process holds a file; remove it if none does."""
    try:
        with open(file, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except OSError:  # the lock is taken
        return True
    return False
