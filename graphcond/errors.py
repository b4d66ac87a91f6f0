"""The errors users see: each names the law, the facts and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real


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


def require_at_least(least: float, hint: str, **values: float) -> None:
    """Raise unless numbers are large enough.

    Args:
        least: The smallest that is allowed.
        hint: What they are, or what is usual: a sentence.
        **values: The numbers, by the names that the user knows.

    Raises:
        InputError: If one is below, or NaN.

    Example:
        >>> require_at_least(1, "10 is usual.", steps=0)
        Traceback (most recent call last):
        ...
        graphcond.errors.InputError: `steps` must be at least 1, but it is 0. 10 is usual.
    """
    for name, value in values.items():
        require(value >= least, f"`{name}` must be at least {least}, but it is {value!r}. {hint}")


def require_positive(hint: str, **values: float) -> None:
    """Raise unless numbers are above 0; as :func:`require_at_least`."""
    for name, value in values.items():
        positive = isinstance(value, Real) and value > 0
        require(positive, f"`{name}` must be positive, but it is {value!r}. {hint}")


def require_share(hint: str, **values: float) -> None:
    """Raise unless numbers are in [0, 1); as :func:`require_at_least`."""
    for name, value in values.items():
        require(0 <= value < 1, f"`{name}` must be in [0, 1), but it is {value!r}. {hint}")


def require_range(low: float, high: float, hint: str, **values: float) -> None:
    """Raise unless numbers are in [low, high]; as :func:`require_at_least`."""
    for name, value in values.items():
        told = f"`{name}` must be from {low} to {high}, but it is {value!r}. {hint}"
        require(low <= value <= high, told)


def require_kind(kind: type, hint: str, **values: object) -> None:
    """Raise unless objects are None or of a class; as :func:`require_at_least`."""
    for name, value in values.items():
        found = f"`{name}` must be a {kind.__name__}, but it is {value!r}. {hint}"
        require(value is None or isinstance(value, kind), found)


def require_one_of(allowed: Sequence[str], hint: str, **values: str) -> None:
    """Raise unless words are among those allowed; as :func:`require_at_least`."""
    known = " or ".join(map(repr, allowed))
    for name, value in values.items():
        require(value in allowed, f"`{name}` must be {known}, but it is {value!r}. {hint}")
