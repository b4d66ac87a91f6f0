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
from graphcond.sparse.pattern import Pattern

Backend = Literal["torch", "triton"]


class Case(NamedTuple):
    """One line of the table: None matches anything."""

    backend: Backend
    cuda: bool | None = None
    half: bool | None = None
    epilogue: bool | None = None
    deterministic: bool | None = None


TABLE: tuple[Case, ...] = (
    Case("torch", cuda=False),
    Case("triton", half=True),
    Case("triton", epilogue=True),
    Case("triton", deterministic=True),
    Case("torch"),
)
"""First match wins. CPU rows follow ``benchmarks/results/kernels.json``; CUDA rows follow bytes
moved and are not yet measured.
"""

_forced: ContextVar[Backend | None] = ContextVar("graphcond_sparse_backend", default=None)


@functools.cache
def available() -> tuple[Backend, ...]:
    """Return the back ends that can run here; Triton needs CUDA, or its interpreter switched on
    before its import.
    """
    runs = torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1"
    return (
        ("torch", "triton")
        if runs and importlib.util.find_spec("triton") is not None
        else ("torch",)
    )


@contextlib.contextmanager
def use(backend: Backend | None) -> Iterator[None]:
    """Force a back end inside a ``with`` block, backward passes of what was computed there
    included.

    Masks compacted on the device without synchronisation (:func:`~graphcond.sparse.sample_compact`
    under Triton) stay with Triton.

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


def choose(pattern: Pattern, x: Tensor, epilogue: bool = False) -> Backend:
    """Return the back end for a product of a pattern with features.

    Args:
        pattern: The matrix's places.
        x: The features.
        epilogue: Whether something is added to the product.
    """
    if "padded" in pattern.cache:
        return "triton"
    forced = _forced.get()
    if forced is not None:
        return forced
    if not x.is_cuda:
        return "torch"
    facts = (
        True,
        x.dtype in (torch.bfloat16, torch.float16),
        epilogue,
        torch.are_deterministic_algorithms_enabled(),
    )
    runnable = available()
    for case in TABLE:
        if case.backend in runnable and all(
            want is None or want == fact for want, fact in zip(case[1:], facts, strict=True)
        ):
            return case.backend
    return "torch"


def kernels(backend: Backend) -> ModuleType:
    """Return the module with a back end's raw ``spmm`` and ``sddmm``."""
    return (
        torch_backend
        if backend == "torch"
        else importlib.import_module("graphcond.sparse.backends.triton")
    )
