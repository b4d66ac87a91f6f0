"""The search space of polynomial graph filters."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least, require_one_of
from graphcond.seeding import generator
from graphcond.spaces.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class PolynomialFilters(SearchSpace):
    """Coefficients λ ∈ [low, high]^H of C_λ(A) = Σ_k λ_k T_k(2L/λ_max - I).

    Args:
        order: Polynomial order K >= 0.
        basis: ``"chebyshev"`` or ``"power"``; give the network the same.
        num_layers: Layers with coefficients of their own (1: shared by all), so H = num_layers ·
            (order + 1).
        low: Lower bound of every coefficient.
        high: Upper bound, above ``low``.

    Source: HCDC appendix C.2-C.3 and G (continuous search space).

    Example:
        >>> space = PolynomialFilters(order=2)
        >>> lam = space.sample(4, seed=0)
        >>> lam.shape, bool(space.contains(lam).all())
        (torch.Size([4, 3]), True)
    """

    order: int = 2
    basis: Literal["chebyshev", "power"] = "chebyshev"
    num_layers: int = 1
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require(
            isinstance(self.order, Integral) and self.order >= 0,
            f"`order` must be a whole number of at least 0, but it is {self.order!r}."
            " It is the polynomial's degree.",
        )
        require_at_least(
            1, "1 means coefficients shared by all layers.", num_layers=self.num_layers
        )
        require_one_of(("chebyshev", "power"), "Pick one.", basis=self.basis)
        require(
            self.low < self.high,
            f"`low` must be below `high`, but they are {self.low} and {self.high}."
            " They bound every coefficient.",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """``"layer0.lambda0"`` and so on, or ``"lambda0"`` for shared coefficients."""
        prefix = [f"layer{i}." if self.num_layers > 1 else "" for i in range(self.num_layers)]
        return tuple(f"{layer}lambda{k}" for layer in prefix for k in range(self.order + 1))

    @property
    def size(self) -> int:
        """Number of hyperparameters H."""
        return self.num_layers * (self.order + 1)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw ``n`` uniform coefficient vectors.

        Args:
            n: How many, at least 1.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            λ [n, H].
        """
        require(
            isinstance(n, Integral) and not isinstance(n, bool) and n >= 1,
            f"`n` must be at least 1, and whole, but it is {n!r}. It counts the candidates.",
        )
        return (
            torch.rand(n, self.size, generator=generator(seed, "space")) * (self.high - self.low)
            + self.low
        )

    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows lie in the space.

        Args:
            lam: Candidates [n, H].

        Returns:
            Booleans [n]; all False when H differs.
        """
        if lam.dim() != 2 or lam.size(1) != self.size:
            return torch.zeros(lam.size(0), dtype=torch.bool, device=lam.device)
        return ((lam >= self.low) & (lam <= self.high)).all(1)

    def decode(self, lam: Tensor) -> list[dict[str, float]]:
        """Return candidates as named numbers, one dict a row.

        Args:
            lam: Candidates [n, H].

        Returns:
            ``[{"layer0.lambda0": …}, …]``, or ``{"lambda0": …}`` for shared coefficients.
        """
        return [dict(zip(self.names, row)) for row in lam.tolist()]

    def suggest(self, trial: BaseTrial) -> Tensor:
        """Return the filter λ [1, H] that a trial chooses, one ``suggest_float`` a coefficient.

        Args:
            trial: A trial, live, frozen or fixed.
        """
        return torch.tensor(
            [[trial.suggest_float(name, self.low, self.high) for name in self.names]]
        )

    def relax(self, lam: Tensor) -> Tensor:
        """Return the nearest point of the (connected) space, for gradient steps on λ.

        Args:
            lam: Any candidates [n, H].

        Returns:
            λ clamped to the bounds [n, H].
        """
        return lam.clamp(self.low, self.high)
