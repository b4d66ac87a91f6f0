"""The product of several search spaces, for example networks × how they are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least
from graphcond.seeding import derive
from graphcond.spaces.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class Product(SearchSpace):
    """One candidate of each space; λ holds theirs side by side.

    Args:
        spaces: The spaces; no two share a parameter's name.

    Example:
        >>> from graphcond.spaces import ModelChoices, TrainingRanges
        >>> space = Product((ModelChoices(), TrainingRanges()))
        >>> network, training = space.decode(space.sample(1))[0]
        >>> space.size, type(network).__name__, type(training).__name__
        (17, 'ModelChoice', 'TrainingChoice')
    """

    spaces: tuple[SearchSpace, ...]

    def __post_init__(self) -> None:
        require(len(self.spaces) > 0, "`spaces` is empty. Give at least one space.")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        require(
            not twice,
            f"Two of the spaces have a parameter {', '.join(twice)}."
            " Optuna tells parameters apart by their names: take spaces with different ones.",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parts."""
        return tuple(name for space in self.spaces for name in space.names)

    @property
    def size(self) -> int:
        """Length H of λ."""
        return sum(space.size for space in self.spaces)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw candidates of every part independently.

        A finite part smaller than ``n`` is gone through again, in another order.

        Args:
            n: How many, at least 1.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            λ [n, H].
        """
        require_at_least(1, "It counts the candidates.", n=n)
        seeds = [derive(seed, "product", place) for place in range(len(self.spaces))]
        return torch.cat([_rounds(space, n, own) for space, own in zip(self.spaces, seeds)], 1)

    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows every part contains its share of.

        Args:
            lam: Rows [n, H].

        Returns:
            Booleans [n]; all False when H differs.
        """
        if lam.dim() != 2 or lam.size(1) != self.size:
            return torch.zeros(lam.size(0), dtype=torch.bool, device=lam.device)
        inside = [space.contains(part) for space, part in zip(self.spaces, self._parts(lam))]
        return torch.stack(inside).all(0)

    def decode(self, lam: Tensor) -> list[tuple[Any, ...]]:
        """Return a tuple a row, one thing of every part.

        Args:
            lam: Candidates [n, H].
        """
        decoded = [space.decode(part) for space, part in zip(self.spaces, self._parts(lam))]
        return list(zip(*decoded))

    def suggest(self, trial: BaseTrial) -> tuple[Any, ...]:
        """Return what every part suggests.

        Args:
            trial: A trial, live, frozen or fixed.
        """
        return tuple(space.suggest(trial) for space in self.spaces)

    def _parts(self, lam: Tensor) -> tuple[Tensor, ...]:
        return tuple(lam.split([space.size for space in self.spaces], 1))


def _rounds(space: SearchSpace, n: int, seed: int) -> Tensor:
    """Return n rows of a space, going through a finite one as often as needed."""
    count = len(space) if hasattr(space, "__len__") else n
    rounds: list[Tensor] = []
    for start in range(0, n, count):
        # A whole round but the last, so that a longer sample starts with the shorter one.
        rounds.append(space.sample(min(count, n - start), derive(seed, "round", start)))
    return torch.cat(rounds)
