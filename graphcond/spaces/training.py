"""The search space of how a network is trained: learning rate, weight decay and dropout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least
from graphcond.seeding import generator
from graphcond.spaces.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_LOGARITHMIC = (True, True, False)
"""Rates differ by factors, so they are drawn on a logarithmic scale; dropout is not."""


@dataclass(frozen=True)
class TrainingChoice:
    """How one network is trained.

    Args:
        learning_rate: Step size of the optimiser.
        weight_decay: L2 penalty.
        dropout: Share of activations set to zero.
    """

    learning_rate: float
    weight_decay: float
    dropout: float


@dataclass(frozen=True)
class TrainingRanges(SearchSpace):
    """Learning rate × weight decay × dropout, each from a lowest to a highest value.

    λ ∈ [0, 1]^3 is the place between the two: on a logarithmic scale for the first two, on a linear
    one for dropout.

    Args:
        learning_rate: Bounds, above 0.
        weight_decay: Bounds, above 0.
        dropout: Bounds in [0, 1).

    Example:
        >>> space = TrainingRanges(dropout=(0.5, 0.5))
        >>> space.decode(torch.tensor([[0.5, 0.0, 0.3]]))
        [TrainingChoice(learning_rate=0.01, weight_decay=1e-05, dropout=0.5)]
    """

    learning_rate: tuple[float, float] = (1e-3, 1e-1)
    weight_decay: tuple[float, float] = (1e-5, 1e-2)
    dropout: tuple[float, float] = (0.0, 0.8)

    def __post_init__(self) -> None:
        for name, logarithmic in zip(self.names, _LOGARITHMIC):
            low, high = self._bounds(name)
            require(
                low <= high,
                f"`{name}` must go from low to high, but it is ({low}, {high}). Swap the two.",
            )
            require(
                not logarithmic or low > 0,
                f"`{name}` must start above 0, but it starts at {low}."
                " It is drawn on a logarithmic scale.",
            )
        low, high = self.dropout
        require(
            low >= 0 and high < 1,
            f"`dropout` must lie in [0, 1), but it is ({low}, {high}). At 1 nothing is left.",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """``learning_rate``, ``weight_decay``, ``dropout``."""
        return ("learning_rate", "weight_decay", "dropout")

    @property
    def size(self) -> int:
        """Length of λ: 3."""
        return len(self.names)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw uniform places between the bounds.

        Args:
            n: How many, at least 1.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            λ [n, 3].
        """
        require_at_least(1, "It counts the candidates.", n=n)
        return torch.rand(n, self.size, generator=generator(seed, "space"))

    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows lie in [0, 1]^3.

        Args:
            lam: Rows [n, 3].

        Returns:
            Booleans [n]; all False when the length differs.
        """
        if lam.dim() != 2 or lam.size(1) != self.size:
            return torch.zeros(lam.size(0), dtype=torch.bool, device=lam.device)
        return ((lam >= 0) & (lam <= 1)).all(1)

    def decode(self, lam: Tensor) -> list[TrainingChoice]:
        """Return the hyperparameters that rows stand for.

        Args:
            lam: Candidates [n, 3].
        """
        found = []
        for row in lam.tolist():
            places = zip(self.names, _LOGARITHMIC, row)
            found.append(TrainingChoice(*(self._value(*place) for place in places)))
        return found

    def suggest(self, trial: BaseTrial) -> TrainingChoice:
        """Return the hyperparameters that a trial chooses.

        Args:
            trial: A trial, live, frozen or fixed.
        """
        values = []
        for name, logarithmic in zip(self.names, _LOGARITHMIC):
            low, high = self._bounds(name)
            values.append(trial.suggest_float(name, low, high, log=logarithmic))
        return TrainingChoice(*values)

    def _bounds(self, name: str) -> tuple[float, float]:
        low, high = getattr(self, name)
        return float(low), float(high)

    def _value(self, name: str, logarithmic: bool, place: float) -> float:
        low, high = self._bounds(name)
        if low == high:
            return low
        if not logarithmic:
            return low + place * (high - low)
        # Rounded, so that the bounds themselves come back as they were written.
        return float(f"{math.exp(math.log(low) + place * math.log(high / low)):.6g}")
