"""Draws of exactly n edges whose inclusion probabilities are the learned ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from graphcond.errors import BudgetError, require
from graphcond.masks.bernoulli import BernoulliMask
from graphcond.masks.poisson import ConditionalPoisson
from graphcond.masks.projection import CappedSimplex
from graphcond.seeding import generator


def inclusion(probs: Tensor, size: int) -> Tensor:
    """Return the inclusion probabilities nearest to ``probs`` that sum to ``size``.

    Args:
        probs: Probabilities S ``[P]`` in [0, 1]; the identity up to rounding where they already sum
            to ``size``.
        size: Number of edges to draw, 0 <= size <= P.

    Returns:
        ``[P]`` in [0, 1], summing to ``size``.

    Raises:
        BudgetError: If ``size`` is out of range.
    """
    require(
        0 <= size <= probs.numel(),
        f"This needs 0 <= `size` <= number of edges, but found size = {size!r}, edges ="
        f" {probs.numel()!r}. Lower the ratio or enlarge the pool.",
        error=BudgetError,
    )
    BernoulliMask(probs)
    return CappedSimplex(float(size), exact=True).project(probs)


def systematic(probs: Tensor, size: int, *, seed: int) -> Tensor:
    """Draw exactly ``size`` edges with one random number, walking along the cumulated
    probabilities.

    Edge p is kept iff an integer lies in (c_{p-1} + u, c_p + u], where c is the cumulated sum and u
    uniform. In a pool ordered by user, every user's count is within one of its expectation.

    Args:
        probs: Probabilities S ``[P]`` in [0, 1].
        size: Number of edges to draw.
        seed: The same seed gives the same draw.

    Returns:
        ``[P]`` bool with exactly ``size`` True; P(edge p is True) is ``inclusion(probs, size)[p]``.

    Raises:
        BudgetError: If ``size`` is out of range.

    Source:
        Madow, 1949; DConRec leaves the size of the draw to chance.

    Example:
        >>> systematic(torch.tensor([0.5, 1.0, 0.5, 0.0]), 2, seed=0).sum().item()
        2
    """
    # In float64 throughout: sums of float32 fall short, and a certain edge that is scaled above 1
    # may step over two integers.
    wanted = inclusion(probs.double(), size)
    # CUDA adds up in parallel, so that a later sum may round below an earlier one.
    if wanted.numel():
        walk = wanted.cumsum(0).cummax(0).values
    else:
        walk = wanted
    scale = 1.0
    if walk.numel() and float(walk[-1]) > 0:
        scale = size / float(walk[-1])
    start = torch.rand((), generator=generator(seed, "systematic"), dtype=torch.float64).item()
    steps = torch.floor(walk * scale + start)
    if steps.numel():
        steps[-1] = size  # whatever rounding did, the walk ends at the size
    before = torch.cat([steps.new_zeros(1), steps[:-1]])
    return steps > before


def conditional_poisson(probs: Tensor, size: int, *, seed: int) -> Tensor:
    """Draw exactly ``size`` edges with the largest entropy that the inclusion probabilities allow.

    The draw is a Bernoulli mask with working probabilities, conditioned on its size.

    Args:
        probs: Probabilities S ``[P]`` in [0, 1].
        size: Number of edges to draw.
        seed: The same seed gives the same draw.

    Returns:
        ``[P]`` bool with exactly ``size`` True. The inclusion probabilities are ``inclusion(probs,
        size)``, to 1e-9 up to 512 uncertain edges; above, the working probabilities come from
        Hájek's expansion, whose error falls with d = sum of s (1 - s). Where all edges are all but
        certain the working probabilities may not be found in double precision: the draw is then
        :func:`systematic`.

    Raises:
        BudgetError: If ``size`` is out of range.

    Source:
        Hájek, 1964; Chen, Dempster and Liu, 1994 (working probabilities).

    Example:
        >>> conditional_poisson(torch.tensor([0.5, 1.0, 0.5, 0.0]), 2, seed=0).tolist()[1:4:2]
        [True, False]
    """
    wanted = inclusion(probs, size).double()
    # What is certain up to rounding is decided here; the design needs odds that are finite.
    kept = wanted >= 1 - 1e-12
    open_ = ((wanted > 1e-12) & ~kept).nonzero().squeeze(1)
    left = size - int(kept.sum())
    if open_.numel() and 0 < left < open_.numel():
        design = ConditionalPoisson.with_inclusion(wanted[open_].cpu(), left)
        if design.meets_size:
            kept[open_] = design.sample(seed).to(kept.device)
        else:
            kept[open_] = systematic(wanted[open_], left, seed=seed)
    elif left == open_.numel():
        kept[open_] = True
    return kept


def bernoulli(probs: Tensor, *, seed: int) -> Tensor:
    """Draw every edge on its own, as the paper does; the size is random with mean sum(probs).

    Args:
        probs: Probabilities S ``[P]`` in [0, 1].
        seed: The same seed gives the same draw.

    Returns:
        ``[P]`` bool.

    Source:
        DConRec, Algorithm 1, line 8.
    """
    return BernoulliMask(probs).draws(1, seed=seed)[0]


class Draw(ABC):
    """How a mask is drawn from learned probabilities, as a value that a condenser can hold."""

    @abstractmethod
    def __call__(self, probs: Tensor, size: int, *, seed: int) -> Tensor:
        """Return a mask ``[P]`` bool for probabilities ``[P]`` in [0, 1].

        Args:
            probs: Probabilities S ``[P]``.
            size: Number of edges asked for; a random-size draw meets it in expectation only.
            seed: The same seed gives the same draw.
        """


@final
@dataclass(frozen=True)
class SystematicDraw(Draw):
    """Exactly ``size`` edges, every user's count within one of its expectation."""

    def __call__(self, probs: Tensor, size: int, *, seed: int) -> Tensor:
        """Return :func:`systematic`."""
        return systematic(probs, size, seed=seed)


@final
@dataclass(frozen=True)
class ConditionalPoissonDraw(Draw):
    """Exactly ``size`` edges, as random as their inclusion probabilities allow."""

    def __call__(self, probs: Tensor, size: int, *, seed: int) -> Tensor:
        """Return :func:`conditional_poisson`."""
        return conditional_poisson(probs, size, seed=seed)


@final
@dataclass(frozen=True)
class BernoulliDraw(Draw):
    """Every edge on its own, as in DConRec's Algorithm 1, line 8: the size is left to chance."""

    def __call__(self, probs: Tensor, size: int, *, seed: int) -> Tensor:
        """Return :func:`bernoulli`; ``size`` is met in expectation only."""
        return bernoulli(probs, seed=seed)
