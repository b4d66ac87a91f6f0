"""DConRec's theory: Lemmas A.1 and A.2 for the library's projection, the steps of Theorem 3.1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from graphcond.condensers.dconrec.outer_loop import OuterLoop, Schedule, State
from graphcond.masks import BernoulliMask, CappedSimplex, LeaveOneOut, Reinforce
from graphcond.pools import make_pool
from graphcond.seeding import derive

SIMPLEX = CappedSimplex(3.0)


def points(seed: int, size: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    """Return two points anywhere and one of the feasible set."""
    draw = torch.Generator().manual_seed(seed)
    u, v, c = (2 * torch.randn(3, size, generator=draw, dtype=torch.float64)).unbind()
    return u, v, SIMPLEX.project(c)


@pytest.mark.parametrize("seed", range(20))
def test_lemma_a1_the_projection_is_firmly_nonexpansive(seed: int) -> None:
    u, v, _ = points(seed)
    gap = SIMPLEX.project(u) - SIMPLEX.project(v)
    assert float(gap @ gap) <= float((u - v) @ gap) + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_lemma_a2_steps_from_a_feasible_point_do_not_part(seed: int) -> None:
    u, v, c = points(seed)
    gap = SIMPLEX.project(c + u) - SIMPLEX.project(c + v)
    assert float(gap.norm()) <= float((u - v).norm()) + 1e-9


@dataclass(frozen=True, eq=False)
class Enumerable:
    """A loss for every mask of P edges.

    Args:
        losses: ``[2^P]``, by the mask read as a binary number.
    """

    losses: Tensor
    group: Tensor

    def at(self, step: int) -> Enumerable:
        """Return itself."""
        return self

    def __call__(self, masks: Sequence[Tensor]) -> Tensor:
        """Return the losses of masks ``[K, 1]``."""
        return torch.stack([self.losses[self._number(mask)] for mask in masks])[:, None]

    def _number(self, mask: Tensor) -> int:
        return int((mask.long() * 2 ** torch.arange(len(mask))).sum())

    def expected(self, probs: Tensor) -> Tensor:
        """Return Φ(S) by enumeration."""
        total = probs.new_zeros(())
        for bits in product((0, 1), repeat=len(probs)):
            mask = torch.tensor(bits)
            chance = torch.where(mask.bool(), probs, 1 - probs).prod()
            total = total + chance * self.losses[self._number(mask)]
        return total

    def gradient(self, probs: Tensor) -> Tensor:
        """Return ∇Φ(S)."""
        leaf = probs.clone().requires_grad_()
        return torch.autograd.grad(self.expected(leaf), leaf)[0]


def smoothness(losses: Tensor, size: int) -> float:
    """Return a bound on L: a second derivative of Φ is a mean of second differences of losses."""
    table = losses.view([2] * size)
    bound = 0.0
    for i, j in product(range(size), repeat=2):
        if i != j:
            second = table.diff(dim=i).diff(dim=j).abs().max()
            bound += float(second) ** 2
    return bound**0.5


@pytest.mark.parametrize("estimator", [Reinforce(samples=1), LeaveOneOut(samples=4)])
def test_theorem_31_bounds_the_step_that_the_run_takes(
    estimator: Reinforce | LeaveOneOut,
) -> None:
    """Each step of the proof, (η - L η² / 2) |Ĝ|² ≤ Φ_t - Φ_{t+1} + η ⟨δ, G⟩ + η |δ|²."""
    size, rate = 5, 0.02
    draw = torch.Generator().manual_seed(0)
    losses = torch.rand(2**size, generator=draw, dtype=torch.float64)
    edges = torch.stack([torch.arange(size), torch.arange(size)])
    pool = make_pool(edges, torch.zeros(size, dtype=torch.int8))
    objective, simplex = Enumerable(losses, edges[0]), CappedSimplex(2.0)
    schedule = Schedule(steps=8, learning_rate=rate, factor=1.0, plain=True)
    loop = OuterLoop(objective, pool, True, simplex, estimator, schedule, 0)  # type: ignore[arg-type]
    state = State(torch.full((size,), 0.4, dtype=torch.float64))
    bend = smoothness(losses, size)
    assert bend * rate < 2
    for step in range(schedule.steps):
        before = state.probs.clone()
        seed = derive(0, "masks", step)
        drawn = estimator(objective, BernoulliMask(before), seed=seed).grad
        loop.step(state)
        exact = objective.gradient(before)
        mapping = (before - simplex.project(before - rate * exact)) / rate
        error = drawn - exact
        taken = state.history[-1]["step_norm"]
        assert taken == pytest.approx(float((before - state.probs).norm()) / rate)
        left = (rate - bend * rate**2 / 2) * taken**2
        right = objective.expected(before) - objective.expected(state.probs)
        right = right + rate * error @ mapping + rate * error @ error
        assert left <= float(right) + 1e-9


def test_with_exact_gradients_plain_steps_descend_until_the_mapping_vanishes() -> None:
    size, rate = 5, 0.2
    losses = torch.rand(2**size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    objective, simplex = Enumerable(losses, torch.arange(size)), CappedSimplex(2.0)
    probs = torch.full((size,), 0.4, dtype=torch.float64)
    values = [float(objective.expected(probs))]
    for _ in range(150):
        after = simplex.project(probs - rate * objective.gradient(probs))
        mapping, probs = float((probs - after).norm()) / rate, after
        values.append(float(objective.expected(probs)))
    assert all(later <= earlier + 1e-12 for earlier, later in zip(values, values[1:], strict=False))
    assert mapping < 1e-3
