"""Which back end serves which case, and how a caller forces one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Literal

from torch import Tensor

from graphcond.sparse.backends import torch as torch_backend

Backend = Literal["torch", "triton"]

_forced: ContextVar[Backend | None] = ContextVar("graphcond_sparse_backend", default=None)


def available() -> tuple[Backend, ...]:
    """Return the back ends that can run here."""
    return ("torch",)


@contextlib.contextmanager
def use(backend: Backend | None) -> Iterator[None]:
    """Force a back end inside a ``with`` block, backward passes of what was computed there included.

    Args:
        backend: Its name, or None for the dispatch table's choice.
    """
    token = _forced.set(backend)
    try:
        yield
    finally:
        _forced.reset(token)


def choose(x: Tensor, nnz: int) -> Backend:
    """Return the back end for features ``x`` and ``nnz`` entries."""
    return _forced.get() or "torch"


def kernels(backend: Backend) -> ModuleType:
    """Return the module with a back end's raw ``spmm`` and ``sddmm``."""
    return torch_backend
