"""Which back end serves which case, and how a caller forces one."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from graphcond.errors import UnknownNameError, require
from graphcond.sparse.backends import torch as torch_backend

Backend = Literal["torch", "triton"]
Operation = Literal["spmm", "sddmm"]


class Case(NamedTuple):
    """One line of the table: None matches anything."""

    backend: Backend
    operation: Operation | None = None
    deterministic: bool | None = None


TABLE: tuple[Case, ...] = (
    Case("triton", operation="sddmm"),
    Case("triton", deterministic=True),
    Case("torch"),
)
"""What runs on CUDA; the first match wins. On CPU torch does all of it.

The lines follow ``benchmarks/results/device.json``, an H100. Triton's inner products take 0.1 to
0.7 of cuSPARSE's time. Its products take 0.6 to 1.2, but its launches keep the host busy for
longer: a training step of LightGCN takes 1.4 times as long. cuSPARSE promises no fixed order of its
sums, so that Triton serves deterministic algorithms.
"""

_forced: ContextVar[Backend | None] = ContextVar("graphcond_sparse_backend", default=None)


@functools.cache
def available() -> tuple[Backend, ...]:
    """Return the back ends that can run here; Triton needs CUDA, or its interpreter switched on
    before its import.
    """
    runs = torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1"
    if runs and importlib.util.find_spec("triton") is not None:
        return ("torch", "triton")
    return ("torch",)


@contextlib.contextmanager
def use(backend: Backend | None) -> Iterator[None]:
    """Force a back end inside a ``with`` block, backward passes of what was computed there
    included.

    Args:
        backend: Its name, or None for the dispatch table's choice.

    Raises:
        UnknownNameError: If there is no such back end.
        InputError: If it cannot run here.
    """
    names = get_args(Backend)
    require(
        backend is None or backend in names,
        f"`backend` must be one of {names}, but it is {backend!r}. None lets the table choose.",
        error=UnknownNameError,
    )
    require(
        backend is None or backend in available(),
        f"This needs a back end that runs here, but found backend = {backend!r}. See"
        " `backends.available()`.",
    )
    token = _forced.set(backend)
    try:
        yield
    finally:
        _forced.reset(token)


def forced() -> Backend | None:
    """Return the back end that an enclosing :func:`use` asks for."""
    return _forced.get()


def choose(operation: Operation, x: Tensor) -> Backend:
    """Return the table's back end for an operation.

    Args:
        operation: ``"spmm"`` or ``"sddmm"``.
        x: Its features.
    """
    if not x.is_cuda:
        return "torch"
    facts = (operation, torch.are_deterministic_algorithms_enabled())
    runnable = available()
    for case in TABLE:
        fits = all(want is None or want == fact for want, fact in zip(case[1:], facts, strict=True))
        if fits and case.backend in runnable:
            return case.backend
    return "torch"


def kernels(operation: Operation, x: Tensor, backend: Backend | None = None) -> ModuleType:
    """Return the module whose raw ``spmm`` or ``sddmm`` is to be called.

    Args:
        operation: Which of the two.
        x: Its features.
        backend: The back end that is asked for; None lets the table choose.
    """
    if (backend or choose(operation, x)) == "torch":
        return torch_backend
    return importlib.import_module("graphcond.sparse.backends.triton")
