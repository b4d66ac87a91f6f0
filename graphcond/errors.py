"""The errors users see: each names the law, the facts and the cure."""

from __future__ import annotations


class GraphcondError(Exception):
    """Base of every error raised on purpose by graphcond."""


class InputError(GraphcondError, ValueError):
    """An argument or a data set breaks a stated law."""


class BudgetError(InputError):
    """A ratio, node count or edge count is outside what the data allow."""


class UnknownNameError(InputError, LookupError):
    """A data set, method or option has no such name."""


class FileFormatError(InputError):
    """A file is truncated, foreign, or of a newer format."""


class StorageError(InputError):
    """A file cannot be written: no such folder, no permission, no space."""


class NumericalError(GraphcondError, ArithmeticError):
    """A computation produced NaN or diverged; the message names the step and the cure."""


def require(holds: bool, law: str, cure: str, *, error: type[GraphcondError] = InputError, **facts: object) -> None:
    """Raise unless a law holds.

    Args:
        holds: Whether the law holds.
        law: The law in the user's words, for example ``"`ratio` in (0, 1]"``.
        cure: One sentence that says what to do.
        error: The class to raise.
        **facts: What was found, shown as ``name=value``.

    Raises:
        GraphcondError: Of class ``error``, if ``holds`` is false.

    Example:
        >>> require(1.4 <= 1, "`ratio` in (0, 1]", "It is the share of interactions to keep.", ratio=1.4)
        Traceback (most recent call last):
        ...
        graphcond.errors.InputError: `ratio` in (0, 1] must hold, but got (ratio=1.4). It is the share of interactions to keep.
    """
    if not holds:
        found = ", ".join(f"{name}={value!r}" for name, value in facts.items())
        raise error(f"{law} must hold, but got ({found}). {cure}")
