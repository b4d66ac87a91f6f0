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


def require(holds: bool, message: str, *, error: type[GraphcondError] = InputError) -> None:
    """Raise unless a law holds.

    Args:
        holds: Whether the law holds.
        message: What is wrong, what was found and what to do, in two or three plain sentences.
        error: The class to raise.

    Raises:
        GraphcondError: Of class ``error``, if ``holds`` is false.

    Example:
        >>> ratio = 1.4
        >>> require(ratio <= 1, f"`ratio` must be in (0, 1], but it is {ratio}. Take a share.")
        Traceback (most recent call last):
        ...
        graphcond.errors.InputError: `ratio` must be in (0, 1], but it is 1.4. Take a share.
    """
    if not holds:
        raise error(message)
