"""What a long condensation has finished so far: stages kept in one file, so that an interrupted run resumes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphcond.data import load_state, save_state
from graphcond.errors import FileFormatError, require
from graphcond.typing import Tensors


class Progress:
    """Finished stages and the state of the running one, in memory and in a checkpoint file where one is given.

    Args:
        path: Checkpoint file; None keeps nothing on disk.
        label: What is being condensed and how; a file with another label is refused.
        every: Seconds between two writes of a running stage.

    Raises:
        FileFormatError: If the file belongs to another run.
    """

    def __init__(self, path: Path | None, label: str, every: float = 20.0) -> None:
        self.path, self.every, self._written = path, every, time.perf_counter()
        self.tensors: Tensors = {}
        self.record: dict[str, Any] = {"label": label, "stages": {}, "history": []}
        if path is not None and path.exists():
            self.tensors, self.record = load_state(path)
            same = self.record.get("label") == label
            cure = "Give this run another checkpoint path, or delete the file."
            require(same, "a checkpoint of this condenser and data set", cure, error=FileFormatError, path=str(path))

    @property
    def history(self) -> list[dict[str, Any]]:
        """Records of the run so far, live."""
        entries: list[dict[str, Any]] = self.record["history"]
        return entries

    def stage(self, name: str, make: Callable[[], Tensors]) -> Tensors:
        """Return a stage's tensors: kept ones, or made now, timed and kept.

        Args:
            name: The stage.
            make: Makes its tensors.
        """
        if name not in self.record["stages"]:
            start = time.perf_counter()
            self._put(name, make())
            self.record["stages"][name] = -1
            self.history.append({"step": 0, "part": name, "seconds": round(time.perf_counter() - start, 3)})
            self._write()
        return self.get(name)

    def get(self, name: str) -> Tensors:
        """Return the tensors of a stage, empty if it never started."""
        return {key.removeprefix(f"{name}/"): value for key, value in self.tensors.items() if key.startswith(f"{name}/")}

    def done(self, name: str) -> int:
        """Return the steps of a running stage that are kept, 0 at first."""
        return int(self.record["stages"].get(name, 0))

    def note(self, name: str, done: int, tensors: Callable[[], Tensors], force: bool = False) -> None:
        """Keep a running stage's state if the last write was long ago.

        Args:
            name: The stage.
            done: Its finished steps.
            tensors: Gives its state; only asked where it is written.
            force: Whether to write now.
        """
        if self.path is None or not (force or time.perf_counter() - self._written >= self.every):
            return
        self._put(name, tensors())
        self.record["stages"][name] = done
        self._write()

    def _put(self, name: str, tensors: Tensors) -> None:
        self.tensors |= {f"{name}/{key}": value.detach().clone() for key, value in tensors.items()}

    def _write(self) -> None:
        if self.path is not None:
            save_state(self.path, self.tensors, self.record)
            self._written = time.perf_counter()
