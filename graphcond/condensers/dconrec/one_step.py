"""A few gradient steps of matrix factorisation on weighted interactions, differentiable in the
weights in bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import torch
from torch import Tensor

from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.errors import require_at_least, require_one_of, require_positive
from graphcond.nn import Triplets, bpr_gradient
from graphcond.seeding import derive, generator
from graphcond.training import UniformNegatives

Tables = tuple[Tensor, Tensor]

BLOCK = 1 << 14
"""Triplets whose rows are gathered at once; their rows fit in the cache."""


@final
@dataclass(frozen=True)
class UnrolledBPR:
    r"""An inner training of T full gradient steps, for estimators that differentiate it and for
    cheap masks.

    .. math:: \theta_{t+1} = \theta_t - \eta \nabla_\theta \sum_p m_p\, \ell_p(\theta_t)

    Args:
        steps: T >= 1. The paper's one step is T = 1.
        learning_rate: η > 0, per interaction (the sum, not the mean, is descended). Large rates
            saturate the outer loss of users who keep much.
        start: θ_0. ``"items"``: the proxy's item embeddings and zero users, so that one step makes
            a user the sum of what it kept and a user's loss depends on its own mask alone.
            ``"proxy"``: both tables of the proxy. ``"fresh"``: random tables.
        dim: Width of random tables.
        init_std: Their standard deviation.

    Source:
        DConRec, Section 3.4.2; starting from the proxy is ours.
    """

    steps: int = 1
    learning_rate: float = 0.2
    start: Literal["items", "proxy", "fresh"] = "items"
    dim: int = 64
    init_std: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("dim", 1)):
            count = getattr(self, name)
            require_at_least(least, "Raise it.", **{name: count})
        for name in ("learning_rate", "init_std"):
            size = getattr(self, name)
            require_positive("Raise it.", **{name: size})
        require_one_of(
            ("items", "proxy", "fresh"),
            "It says where the inner training starts.",
            start=self.start,
        )


@final
@dataclass(frozen=True, eq=False)
class UnrolledObjective:
    """Masks, fractional ones too, to outer losses through :class:`UnrolledBPR` inner training.

    Args:
        inner: The inner training.
        edges: The interactions the mask decides on ``[2, P]``.
        kept: Which of them have mask 1 whatever is drawn ``[P]``, bool.
        outer: The outer loss.
        negatives: Draws the inner training's negatives.
        proxy: User and item embeddings to start from, ``[U, d]`` and ``[I, d]``; None for fresh
            starts.
        seed: Seed of the start and the negatives.

    Source:
        DConRec, Eq. 17 and, in :meth:`relaxed`, Eq. 14 for the one-step inner problem.
    """

    inner: UnrolledBPR
    edges: Tensor
    kept: Tensor
    outer: OuterLoss
    negatives: UniformNegatives
    proxy: Tables | None
    seed: int = 0

    @property
    def group(self) -> Tensor:
        """Return each edge's user ``[P]``."""
        return self.edges[0]

    def at(self, step: int) -> UnrolledObjective:
        """Return the objective of an outer step: the same, with a seed of its own."""
        return replace(self, seed=derive(self.seed, "step", step))

    def __call__(self, masks: Sequence[Tensor]) -> Tensor:
        """Return the losses ``[K, U]`` of K masks ``[P]``; all share start and negatives, and train
        on what they keep.
        """
        start = self._start(self.seed)
        others = self._others(self.seed)
        losses = []
        with torch.no_grad():
            for mask in masks:
                chosen = (mask | self.kept).nonzero().squeeze(1)
                users, items = self.edges[:, chosen]
                pairs = [Triplets(users, items, drawn[chosen]) for drawn in others]
                tables = self._train(start, pairs, start[0].new_ones(chosen.numel()))
                losses.append(self.outer(tables, 1, seed=self.seed))
        return torch.cat(losses)

    def relaxed(self, weight: Tensor, *, seed: int) -> Tensor:
        """Return the loss, a scalar, of a fractional mask ``[P]``, differentiable in it.

        Args:
            weight: In [0, 1].
            seed: Seed of the negatives.

        Returns:
            The mean outer loss.
        """
        own = derive(self.seed, seed)
        pairs = [Triplets(self.edges[0], self.edges[1], drawn) for drawn in self._others(own)]
        users, items = self._train(self._start(own), pairs, torch.where(self.kept, 1.0, weight))
        loss: Tensor = _Outer.apply(users, items, Triplets(*self.outer.triplets(own)))  # type: ignore[no-untyped-call]
        return loss

    def _train(self, tables: Tables, steps: Sequence[Triplets], weight: Tensor) -> Tables:
        for triplets in steps:
            tables = _Step.apply(weight, *tables, triplets, self.inner.learning_rate)  # type: ignore[no-untyped-call]
        return tables

    def _others(self, seed: int) -> list[Tensor]:
        """Return the negatives of every interaction ``[P]`` for each step."""
        streams = (
            generator(seed, "inner", step, device=self.edges.device)
            for step in range(self.inner.steps)
        )
        return [self.negatives(self.edges[0], stream) for stream in streams]

    def _start(self, seed: int) -> Tables:
        if self.inner.start != "fresh" and self.proxy is not None:
            users, items = self.proxy
            return (torch.zeros_like(users) if self.inner.start == "items" else users), items
        draw = generator(seed, "init", device=self.edges.device)
        rows = [
            torch.randn(n, self.inner.dim, generator=draw, device=self.edges.device)
            for n in self.outer.size
        ]
        return rows[0] * self.inner.init_std, rows[1] * self.inner.init_std


class _Step(torch.autograd.Function):
    """One gradient step on the weighted BPR loss; its backward recomputes block by block, so T
    steps keep T tables, not T·P rows.
    """

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, users: Tensor, items: Tensor, triplets: Triplets, rate: float
    ) -> Tables:
        ctx.save_for_backward(weight, users, items)
        # Users that are all zero (start="items") see every margin at 0 and pull no item: a third of
        # the work.
        ctx.triplets = triplets
        ctx.rate = rate
        ctx.still = not bool(users.any())
        new = users.clone(), items.clone()
        for some in _blocks(triplets):
            u, i, j = (part[some] for part in triplets[:3])
            if ctx.still:
                gap = items.index_select(0, i).sub_(items.index_select(0, j))
                new[0].index_add_(0, u, gap.mul_(weight[some, None] * (0.5 * rate)))
                continue
            # bpr_gradient is that of the mean over its batch; a step of -rate * count on it is one
            # on the sum.
            bpr_gradient((users, items), Triplets(u, i, j, weight[some] * (-rate * u.numel())), new)
        return new

    @staticmethod
    def backward(ctx: Any, grad_users: Tensor, grad_items: Tensor) -> tuple[Tensor | None, ...]:
        weight, users, items = ctx.saved_tensors
        deep = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        grad_weight = torch.zeros_like(weight)
        tables = None
        if deep:
            tables = (grad_users.clone(), grad_items.clone())
        for some in _blocks(ctx.triplets):
            u, i, j = (part[some] for part in ctx.triplets[:3])
            rows = [
                table.index_select(0, at).requires_grad_(deep)
                for table, at in ((users, u), (items, i), (items, j))
            ]
            with torch.enable_grad():
                gap = rows[1] - rows[2]
                pull = (gap * grad_users.index_select(0, u)).sum(1)
                if ctx.still and tables is None:
                    grad_weight[some] = pull * (0.5 * ctx.rate)
                    continue
                pull = pull + (
                    rows[0] * (grad_items.index_select(0, i) - grad_items.index_select(0, j))
                ).sum(1)
                unit = torch.sigmoid(-(rows[0] * gap).sum(1)) * ctx.rate * pull
                grad_weight[some] = unit.detach()
                if tables is not None:
                    found = torch.autograd.grad((unit * weight[some]).sum(), rows)
                    tables[0].index_add_(0, u, found[0])
                    tables[1].index_add_(0, i, found[1]).index_add_(0, j, found[2])
        return (grad_weight, *(tables or (None, None)), None, None)


class _Outer(torch.autograd.Function):
    """The mean BPR loss of triplets; the gradient is made on the way forward, without an autograd
    graph over the gathers.
    """

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, triplets: Triplets) -> Tensor:
        grads = (torch.zeros_like(users), torch.zeros_like(items))
        total = users.new_zeros(())
        for some in _blocks(triplets):
            part = Triplets(*(column[some] for column in triplets[:3]))
            share = users.new_full((1,), part.users.numel() / triplets.users.numel())
            # bpr_gradient returns the sum of its batch, weighted: that over its count is this
            # block's part of the mean.
            total += (
                bpr_gradient((users, items), part._replace(weight=share), grads)[0]
                / part.users.numel()
            )
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        users, items = ctx.saved_tensors
        return users * grad, items * grad, None


def _blocks(triplets: Triplets) -> Sequence[slice]:
    return [slice(start, start + BLOCK) for start in range(0, triplets.users.numel(), BLOCK)]
