"""Condense graph data sets and say honestly what that cost.

Subpackages are loaded when they are first named (``graphcond.condensers``), so that ``import
graphcond`` stays instant.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

_SUBPACKAGES = (
    "condensers",
    "data",
    "evaluation",
    "hypergrad",
    "linalg",
    "masks",
    "metrics",
    "nn",
    "pools",
    "search",
    "spaces",
    "sparse",
    "testing",
    "training",
)


def __getattr__(name: str) -> ModuleType:
    """Load a subpackage at its first use."""
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBPACKAGES])
