"""The Neumann series for A⁻¹ b, and the power iteration that finds its step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphcond import seeding
from graphcond.errors import require, require_at_least
from graphcond.linalg import vectors
from graphcond.linalg.operators import LinearOperator
from graphcond.linalg.solver import LinearSolver, Solution
from graphcond.typing import Tensors


def largest_eigenvalue(
    operator: LinearOperator, like: Tensors, steps: int = 30, seed: int = 0
) -> Tensor:
    """Return the largest |eigenvalue| of a symmetric operator, by power iteration.

    Args:
        operator: A, symmetric.
        like: Tensors that give names, shapes, device and dtype.
        steps: Products with A, ≥ 1.
        seed: Seed of the starting vector.

    Returns:
        |λ|_max from below, scalar, or ``[B]`` if batched.
    """
    require_at_least(1, "Thirty products are usually within a few percent.", steps=steps)
    device = next(iter(like.values())).device
    source = seeding.generator(seed, "power iteration", device=device)
    vector = {
        name: torch.randn(tensor.shape, generator=source, device=device, dtype=tensor.dtype)
        for name, tensor in like.items()
    }
    # A vector that the operator maps to zero stays zero, instead of becoming 0 / 0.
    tiny = torch.finfo(next(iter(like.values())).dtype).tiny
    size = vectors.norm(vector, operator.batched)
    for _ in range(steps):
        vector = operator @ vectors.scale(1.0 / size.clamp(min=tiny), vector)
        size = vectors.norm(vector, operator.batched)
    return size


@dataclass(frozen=True)
class Neumann(LinearSolver):
    """A⁻¹ b ≈ α Σ_{j < terms} (I - α A)^j b, in constant memory.

    It converges for 0 < α < 2 / λ_max of a positive definite A. The residual after i terms is (I -
    α A)^i b exactly, so a residual longer than b proves that the series diverges: the block then
    stops at its best partial sum, and the solution says so.

    Args:
        terms: Terms of the series, ≥ 1; i terms equal i unrolled gradient steps from the optimum.
        step: α > 0, or None for 1 / λ_max, by block.
        power_steps: Products spent on λ_max where ``step`` is None.
        tolerance: Relative residual at which a block is done, ≥ 0.
        guarded: Whether a block whose residual outgrows b stops at its best partial sum and says
            that it diverges; False sums all terms, whatever they are, as the paper does.

    Source: hcdc section 5.1 after Lorraine et al. 2020. Deviation: the paper's α is 1 and its sum
    has one term more (j = 0..i).
    """

    terms: int = 20
    step: float | None = None
    power_steps: int = 20
    tolerance: float = 1e-6
    guarded: bool = True

    def __post_init__(self) -> None:
        require_at_least(1, "The paper uses 5 to 20.", terms=self.terms)
        require(
            self.step is None or self.step > 0,
            f"`step` must be positive, but it is {self.step!r}. Leave it None for 1 / λ_max.",
        )
        require_at_least(1, "20 is usual.", power_steps=self.power_steps)
        require_at_least(0, "It is the relative residual to stop at.", tolerance=self.tolerance)

    def _solve(self, operator: LinearOperator, b: Tensors) -> Solution:
        batched = operator.batched
        size = vectors.norm(b, batched)
        alpha, steps = self._step(operator, b, size)
        x = vectors.scale(0.0, b)
        term = b
        length = size
        steps_taken = 0
        diverged = torch.zeros_like(size, dtype=torch.bool)
        best = x
        best_length = size
        while steps_taken < self.terms and bool(
            (active := (length > self.tolerance * size) & ~diverged).any()
        ):
            gain = torch.where(active, alpha, torch.zeros_like(alpha))
            x = vectors.add(x, term, gain)
            term = vectors.add(term, operator @ term, -gain)
            steps_taken += 1
            length = vectors.norm(term, batched)
            # The slack is rounding: a residual that merely stays as long as b is no divergence.
            if self.guarded:
                diverged = diverged | (active & ~(length <= size * (1 + 1e-5)))
            better = active & (length <= best_length)
            best = _choose(better, x, best)
            best_length = torch.where(better, length, best_length)
        value = _choose(~diverged, x, best)
        reached = torch.where(diverged, best_length, length)
        relative = torch.where(size > 0, reached / size, torch.zeros_like(size))
        done = (relative <= self.tolerance) & ~diverged
        return Solution(
            value, done, steps + steps_taken, relative, torch.zeros_like(diverged), diverged
        )

    def _step(self, operator: LinearOperator, b: Tensors, size: Tensor) -> tuple[Tensor, int]:
        if self.step is not None:
            return torch.full_like(size, self.step), 0
        # Half of the largest step that converges. The estimate comes from below, so the margin is
        # needed.
        largest = largest_eigenvalue(operator, b, self.power_steps)
        return torch.where(largest > 0, 1.0 / largest, torch.ones_like(largest)), self.power_steps


def _choose(mask: Tensor, a: Tensors, b: Tensors) -> Tensors:
    """Take block by block from ``a`` where the mask holds, else from ``b``."""
    return {
        name: torch.where(
            mask.view(-1, *[1] * (a[name].dim() - 1)) if mask.dim() else mask, a[name], b[name]
        )
        for name in a
    }
