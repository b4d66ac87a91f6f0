"""What a long condensation has finished so far: stages kept in one file, so that an interrupted run
resumes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from graphcond.data.checkpoint import Checkpoint
from graphcond.data.stateful import joined, part_of
from graphcond.typing import Tensors


class Progress:
    """Finished stages and the state of the running one, in memory and in a checkpoint file where
    one is given.

    Args:
        checkpoint: The file; None keeps nothing on disk.

    Raises:
        FileFormatError: If the file belongs to another run.
    """

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        found = None
        if checkpoint is not None:
            found = checkpoint.load()
        self.tensors: Tensors = {} if found is None else found[0]
        self.record: dict[str, Any] = {"stages": {}, "history": []} if found is None else found[1]

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
            self.history.append(
                {"step": 0, "part": name, "seconds": round(time.perf_counter() - start, 3)}
            )
            self._write()
        return self.get(name)

    def get(self, name: str) -> Tensors:
        """Return the tensors of a stage, empty if it never started."""
        return part_of(self.tensors, name)

    def done(self, name: str) -> int:
        """Return the steps of a running stage that are kept, 0 at first."""
        return int(self.record["stages"].get(name, 0))

    def note(
        self, name: str, done: int, tensors: Callable[[], Tensors], force: bool = False
    ) -> None:
        """Keep a running stage's state if the last write was long ago.

        Args:
            name: The stage.
            done: Its finished steps.
            tensors: Gives its state; only asked where it is written.
            force: Whether to write now.
        """
        if self.checkpoint is None or not (force or self.checkpoint.due()):
            return
        self._put(name, tensors())
        self.record["stages"][name] = done
        self._write()

    def _put(self, name: str, tensors: Tensors) -> None:
        # Cloned: a write that comes later must not hold what the run has changed since.
        copies = {key: value.clone() for key, value in tensors.items()}
        self.tensors |= joined(**{name: copies})

    def _write(self) -> None:
        if self.checkpoint is not None:
            self.checkpoint.save(self.tensors, self.record)
