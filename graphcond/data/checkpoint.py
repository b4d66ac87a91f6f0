"""What a long run leaves behind so that it can go on: one file, bound to the run, that survives bad
paths and full disks.
"""

from __future__ import annotations

import hashlib
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond import __version__
from graphcond.data.atomic import check_writable
from graphcond.data.store import load_state, save_state
from graphcond.errors import FileFormatError, StorageError, require


class Checkpoint:
    """The file that one run writes as it goes and resumes from.

    A path that cannot be written fails at once, before any work; a disk that fills up later costs a
    warning, and the last file stands.

    Args:
        path: The file; missing folders are made.
        run: What runs on what: settings, seed and :func:`digest` of the data. A file of another run
            is refused.
        every: Seconds between two writes, >= 0; 0 writes whenever there is something new.
        device: Where tensors are read to.

    Raises:
        InputError: If the path cannot be written.
    """

    def __init__(
        self, path: str | Path, run: str, every: float = 30.0, device: torch.device | str = "cpu"
    ) -> None:
        check_writable(path)
        self.path = Path(path)
        self.run = run
        self.every = every
        self.device = torch.device(device)
        self._started = self._written = time.monotonic()
        self._before = 0.0
        self._parts = list[Checkpoint]()

    @property
    def seconds_before(self) -> float:
        """Seconds that the processes before this one had spent when they last wrote, in all
        parts.
        """
        return self._before + sum(part.seconds_before for part in self._parts)

    def beside(self, part: str) -> Checkpoint:
        """Return the checkpoint of one part of the run, in a file of its own:
        ``run.part.safetensors`` beside ``run.safetensors``.
        """
        self._parts.append(
            Checkpoint(
                self.path.with_name(f"{self.path.stem}.{part}{self.path.suffix}"),
                f"{self.run} {part}",
                self.every,
                self.device,
            )
        )
        return self._parts[-1]

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and the record that were written last, None without a file.

        Raises:
            FileFormatError: If the file is broken or of another run.
        """
        if not self.path.exists():
            return None
        try:
            tensors, record = load_state(self.path)
        except FileFormatError as error:
            raise FileFormatError(f"{error} Or delete it: the run then starts anew.") from error
        require(
            record.get("graphcond") == __version__,
            f"The checkpoint {str(self.path)!r} was written by graphcond"
            f" {record.get('graphcond', 'before 0.1')}, and this is {__version__}, which may go on"
            " otherwise. Finish the run with that version, or delete the file.",
            error=FileFormatError,
        )
        require(
            record.get("run") == self._name,
            f"The checkpoint {str(self.path)!r} is not a checkpoint of the same settings and data."
            " Delete the file or give another path.",
            error=FileFormatError,
        )
        self._before = float(record.pop("seconds"))
        return {name: self._placed(name, value) for name, value in tensors.items()}, record

    def _placed(self, name: str, value: Tensor) -> Tensor:
        """Return a tensor on the run's device; Adam keeps its step counts on the host."""
        return value if name.rpartition(".")[2] == "step" else value.to(self.device)

    def due(self) -> bool:
        """Whether the last write is long enough ago."""
        return time.monotonic() - self._written >= self.every

    def save(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Write the state of the run; a write that fails costs a warning.

        Args:
            tensors: Named tensors of any shape.
            record: Anything JSON can hold.
        """
        try:
            spent = self._before + time.monotonic() - self._started
            identity = {"run": self._name, "graphcond": __version__, "seconds": spent}
            save_state(self.path, tensors, {**record, **identity})
        except StorageError as error:
            warnings.warn(
                f"The checkpoint was not written, the last one stands ({error}). The run goes on.",
                RuntimeWarning,
                stacklevel=2,
            )
        self._written = time.monotonic()

    @property
    def _name(self) -> str:
        return hashlib.blake2b(self.run.encode(), digest_size=16).hexdigest()


def digest(*parts: Data | HeteroData | Tensor | str | None) -> str:
    """Return a short name of the content of data sets, tensors and words; cards do not count, sizes
    alone would confuse two data sets.

    Args:
        *parts: What is named, in this order; None for what is not there.

    Returns:
        32 hexadecimal digits.
    """
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        stores = part.stores if isinstance(part, (Data, HeteroData)) else [{"": part}]
        for store in stores:
            for name in sorted(key for key in store.keys() if key != "card"):  # noqa: SIM118
                found.update(f"{store._key if hasattr(store, '_key') else ''} {name} ".encode())
                _add(found, store[name])
    return found.hexdigest()


def _add(found: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        found.update(f"{tuple(value.shape)} {value.dtype}".encode())
        if value.layout == torch.strided:
            pieces = [value]
        else:
            pieces = [(c := value.to_sparse_coo().coalesce()).indices(), c.values()]
        for piece in pieces:
            found.update(
                piece.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
    else:
        found.update(repr(value).encode())


def describe(settings: object) -> str:
    """Return ``repr`` without addresses in memory, which differ in every process: a lambda is known
    by its place in the code alone.
    """
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(settings))
