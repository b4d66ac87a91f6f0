"""Finite search spaces: one choice for each of several names."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from graphcond.errors import require, require_range
from graphcond.seeding import generator
from graphcond.spaces.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_LISTED = 1_000_000
"""Up to so many candidates a sample is the start of a permutation; a larger space is drawn from
until enough are distinct, since its permutation would fill the memory.
"""


class DiscreteSpace(SearchSpace):
    """All combinations of named choices; λ is one one-hot group for each name, side by side.

    A space says its choices in :attr:`options` and builds a candidate in :meth:`build`.
    """

    @property
    @abstractmethod
    def options(self) -> dict[str, tuple[Any, ...]]:
        """The choices of every name, distinct, in the order of λ's groups."""

    @abstractmethod
    def build(self, values: dict[str, Any]) -> Any:
        """Return the candidate with these choices.

        Args:
            values: One choice of each name.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the choices."""
        return tuple(self.options)

    @property
    def groups(self) -> tuple[int, ...]:
        """Sizes of the one-hot groups of λ."""
        return tuple(len(choices) for choices in self.options.values())

    @property
    def size(self) -> int:
        """Length H of λ."""
        return sum(self.groups)

    def __len__(self) -> int:
        """Return the number of candidates."""
        return math.prod(self.groups)

    def all(self) -> Tensor:
        """Return every candidate, one-hot [n, H]; the last name changes fastest."""
        picks = torch.tensor(list(product(*(range(size) for size in self.groups))))
        return self._one_hot(picks)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw distinct candidates.

        Args:
            n: How many, at most the size of the space.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            One-hot λ [n, H].

        Raises:
            InputError: If ``n`` is not positive, or larger than the space.
        """
        require_range(1, len(self), "The space holds no more candidates.", n=n)
        stream = generator(seed, "space")
        if len(self) <= _LISTED:
            return self._one_hot(self._digits(torch.randperm(len(self), generator=stream)[:n]))
        drawn: dict[int, None] = {}
        while len(drawn) < n:
            drawn.setdefault(int(torch.randint(len(self), (), generator=stream)))
        return self._one_hot(self._digits(torch.tensor(list(drawn))))

    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows are one-hot in every group.

        Args:
            lam: Rows [n, H].

        Returns:
            Booleans [n]; all False when H differs.
        """
        if lam.dim() != 2 or lam.size(1) != self.size:
            return torch.zeros(lam.size(0), dtype=torch.bool, device=lam.device)
        binary = ((lam == 0) | (lam == 1)).all(1)
        single = torch.stack([group.sum(1) == 1 for group in lam.split(list(self.groups), 1)])
        return binary & single.all(0)

    def decode(self, lam: Tensor) -> list[Any]:
        """Return the candidate that each row names, by the largest entry of every group.

        Args:
            lam: Candidates or relaxed candidates [n, H].
        """
        picks = torch.stack([group.argmax(1) for group in lam.split(list(self.groups), 1)], 1)
        choices = list(self.options.values())
        found = []
        for row in picks.tolist():
            values = [options[pick] for options, pick in zip(choices, row)]
            found.append(self.build(dict(zip(self.names, values))))
        return found

    def suggest(self, trial: BaseTrial) -> Any:
        """Return the candidate that a trial chooses, one ``suggest_categorical`` a name.

        Args:
            trial: A trial, live, frozen or fixed.
        """
        options = self.options.items()
        return self.build({name: trial.suggest_categorical(name, each) for name, each in options})

    def _digits(self, places: Tensor) -> Tensor:
        """Return the choices [n, groups] of candidates by their place [n] in :meth:`all`."""
        digits = []
        for size in reversed(self.groups):
            digits.append(places % size)
            places = places // size
        return torch.stack(digits[::-1], 1)

    def _one_hot(self, picks: Tensor) -> Tensor:
        columns = [one_hot(picks[:, group], size) for group, size in enumerate(self.groups)]
        return torch.cat(columns, 1).float()


def check_choices(**choices: Sequence[object]) -> None:
    """Raise unless there is a choice, and none twice.

    Args:
        **choices: By the names of the fields.
    """
    for name, values in choices.items():
        require(
            len(values) > 0 and len(set(values)) == len(values),
            f"`{name}` must be distinct, but it is {tuple(values)}. List every choice once.",
        )
