"""Exact projection onto the capped simplex by Newton steps on a piecewise-linear sum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond.distributed import all_sum
from graphcond.errors import BudgetError, NumericalError, require

# Values that stay in a core's cache between the clamp and the two sums.
CHUNK = 1 << 15
# Every 16th value guesses the shift, at a sixteenth of a pass.
SAMPLE = 16
# Shares of the budget: where one more exact step is tried, and what counts as met. Sums of float32
# values are not known better than the latter.
CLOSE = 1e-6
ROUNDING = 5e-7
# Bisection alone ends after about 60.
MAX_PASSES = 200


@dataclass(frozen=True)
class CappedSimplex:
    r"""The feasible set of probabilities under a budget.

    .. math:: C = \{0 \le s \le 1,\; \sum_p s_p \le b\}

    Args:
        budget: b >= 0, the expected number of kept edges, over all shards.
        exact: Ask for a sum equal to b instead of at most b.
        sharded: Each process holds its own part of the vector; only sums cross processes.

    Raises:
        BudgetError: If the budget is negative or not finite.

    Source:
        DConRec, Eq. 11 and Algorithm 2. The shift is exact up to rounding, where the released code
        bisects to 1e-3; ``exact`` leaves out its second line.

    Example:
        >>> CappedSimplex(1.0).project(torch.tensor([0.75, 0.5, -0.5])).tolist()
        [0.625, 0.375, 0.0]
    """

    budget: float
    exact: bool = False
    sharded: bool = False

    def __post_init__(self) -> None:
        require(
            math.isfinite(self.budget) and self.budget >= 0,
            f"This needs a finite `budget` >= 0, but found budget = {self.budget!r}. It is the"
            " expected number of kept edges.",
            error=BudgetError,
        )

    def project(self, values: Tensor) -> Tensor:
        r"""Return the nearest point of C: clamp(values - v, 0, 1) with the one v >= 0 that meets
        the budget.

        Args:
            values: Any finite vector ``[P]``, floating point.

        Returns:
            A new vector ``[P]`` in C, same dtype and device.

        Raises:
            NumericalError: If a value is NaN or infinite.
            BudgetError: If ``exact`` and the budget exceeds the number of edges.
        """
        shift = self.shift(values)
        return (values - shift).clamp_(0, 1)

    def shift(self, values: Tensor) -> float:
        """Return the v of :meth:`project` (0 where the clamped vector already fits and ``exact`` is
        off).

        Args:
            values: Any finite vector ``[P]``.

        Returns:
            The shift v, a float.

        Raises:
            NumericalError: If a value is NaN or infinite.
            BudgetError: If ``exact`` and the budget exceeds the number of edges.
        """
        low, high, size = self._range(values)
        if self.exact:
            require(
                self.budget <= size,
                f"This needs budget <= number of edges, but found budget = {self.budget!r}, edges ="
                f" {int(size)!r}. Enlarge the pool.",
                error=BudgetError,
            )
        elif self.budget >= size:
            return 0.0
        v = self._newton(values, self._guess(values, size), (low, high))
        if self.exact:
            return v
        return max(0.0, v)

    def _guess(self, values: Tensor, size: float) -> float:
        """Solve the problem on every 16th value, which leaves two or three passes over all
        of them.
        """
        part = values[::SAMPLE]
        if values.numel() < SAMPLE**3 or self.sharded:
            return 0.0
        share = CappedSimplex(self.budget * part.numel() / size, exact=True)
        low, high, _ = share._range(part)
        return share._newton(part, 0.0, (low, high))

    def _newton(self, values: Tensor, v: float, bracket: tuple[float, float]) -> float:
        """Solve sum(clamp(values - v, 0, 1)) = budget from a first v; a bracket guards the steps,
        for the sum is not convex.
        """
        low, high = bracket
        for _ in range(MAX_PASSES):
            total, slope = self._sums(values, v)
            excess = total - self.budget
            if excess > 0:
                low = v
            else:
                high = v
            step = math.inf
            if slope:
                step = v + excess / slope
            inside = low < step < high
            if not excess:
                return v
            # Close by, the step is exact unless it crosses breakpoints, which a small slope may
            # make it do by the thousand.
            if inside and abs(excess) <= CLOSE * self.budget and self._meets(values, step):
                return step
            if not inside:
                step = (low + high) / 2
            if step == v or high - low <= 1e-15 * max(abs(low), abs(high), 1.0):
                break  # no number lies between the bounds
            v = step
        return v

    def _meets(self, values: Tensor, v: float) -> bool:
        """Whether the clamped sum at shift v is the budget, up to the rounding of the values."""
        return abs(self._sums(values, v)[0] - self.budget) <= ROUNDING * max(self.budget, 1.0)

    def _range(self, values: Tensor) -> tuple[float, float, float]:
        """Return a bracket of v and the number of edges, over all shards."""
        sums = torch.tensor([0.0, float(values.numel())], dtype=torch.float64, device=values.device)
        low = high = 0.0  # a shard may hold no edge
        if values.numel():
            low, high = (float(bound) for bound in torch.aminmax(values.detach()))
        sums[0] = max(abs(low), abs(high))
        spread, size = self._reduce(sums).tolist()
        require(
            math.isfinite(spread),
            f"This needs finite values, but found largest = {spread!r}. Lower the learning rate of"
            " the outer optimiser.",
            error=NumericalError,
        )
        # A value below v adds nothing, one above v + 1 adds 1: v lies between low - 1 and high.
        # Shards know no common low and high, only the largest magnitude.
        if self.sharded:
            return (-spread - 1.0, spread, size)
        return (low - 1.0, high, size)

    def _sums(self, values: Tensor, v: float) -> tuple[float, float]:
        """Return the clamped sum and its number of strictly interior terms at shift v."""
        sums = torch.zeros(2, dtype=torch.float64, device=values.device)
        if values.device.type == "cpu":
            chunk = CHUNK
        else:
            chunk = max(values.numel(), 1)
        for part in values.detach().split(chunk):
            kept = (part - v).clamp_(0, 1)
            sums[0] += kept.sum(dtype=torch.float64)
            # 1 for a number strictly between 0 and 1, else 0: the slope without a mask.
            sums[1] += kept.ceil().sum() - kept.floor_().sum()
        total, slope = self._reduce(sums).tolist()
        return total, slope

    def _reduce(self, value: Tensor) -> Tensor:
        if self.sharded:
            return all_sum(value)
        return value
