"""What every search space is: a value that samples, checks, decodes and suggests candidates."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor

from graphcond.errors import require

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class SearchSpace(ABC):
    """A set of candidates; each is a row λ [H] of numbers, and a thing that λ decodes to.

    A space is a frozen dataclass whose fields are numbers, strings, tuples of them, or spaces. So
    it can be compared, and written as JSON with :meth:`to_json`.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that :meth:`suggest` asks a trial for."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Length H of λ."""

    @abstractmethod
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw candidates.

        Args:
            n: How many, at least 1.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            λ [n, H].
        """

    @abstractmethod
    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows are candidates of the space.

        Args:
            lam: Rows [n, H].

        Returns:
            Booleans [n]; all False when H differs.
        """

    @abstractmethod
    def decode(self, lam: Tensor) -> list[Any]:
        """Return the things that rows stand for.

        Args:
            lam: Candidates [n, H].

        Returns:
            One thing a row, for example a network's description.
        """

    @abstractmethod
    def suggest(self, trial: BaseTrial) -> Any:
        """Return one candidate, chosen by an Optuna trial.

        Args:
            trial: A trial, live, frozen or fixed; it is asked for every name once.

        Returns:
            What an objective builds on: an item of :meth:`decode`; for filters λ [1, H].
        """

    def to_json(self) -> str:
        """Return the space as one line of JSON; :func:`space_from_json` reads it."""
        return json.dumps(_plain(self), sort_keys=True)


def rebuild(kind: type[SearchSpace], fields: dict[str, Any]) -> SearchSpace:
    """Return a space of a class from the fields that JSON holds.

    Args:
        kind: The class.
        fields: Its fields; lists become tuples.

    Returns:
        The space.

    Raises:
        InputError: If a field is unknown or missing.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    strange = sorted(set(fields) - known)
    require(
        not strange,
        f"{kind.__name__} has no field {', '.join(strange)}. It has {', '.join(sorted(known))}.",
    )
    return kind(**{name: _tuples(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    """Return JSON-ready numbers, strings, lists and dicts."""
    if isinstance(value, SearchSpace):
        names = [field.name for field in dataclasses.fields(value)]  # type: ignore[arg-type]
        plain = {name: _plain(getattr(value, name)) for name in names}
        return {"space": type(value).__name__} | plain
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
