"""DConRec: probabilities of keeping interactions, learned from the loss of briefly trained
recommenders.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond import masks
from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.condensers.budget import interaction_budget
from graphcond.condensers.dconrec.objective import ONE_EPOCH, RecommenderObjective
from graphcond.condensers.dconrec.one_step import UnrolledBPR, UnrolledObjective
from graphcond.condensers.dconrec.outer_loop import (
    OuterLoop,
    Schedule,
    State,
    _sizes,
    keep,
    optimise,
    resumed,
)
from graphcond.condensers.dconrec.outer_loss import (
    OuterInteractions,
    OuterLoss,
    TeacherFavourites,
    ValidationInteractions,
    _among,
    _without,
)
from graphcond.data import (
    Checkpoint,
    make_interactions,
    num_items,
    num_users,
    train_edges,
    val_edges,
    with_interactions,
)
from graphcond.errors import require, require_at_least, require_one_of
from graphcond.masks import CappedSimplex, Estimator, OneStep, Reinforce
from graphcond.nn import RecommenderFactory
from graphcond.pools import DataPool, PoolBuilder, Tail, fit_proxies, keep_tail
from graphcond.seeding import derive
from graphcond.training import BPR, UniformNegatives, fit_recommender


@final
@dataclass(frozen=True)
class PolicyGradient(InteractionCondenser):
    r"""Learn a Bernoulli probability per candidate interaction, then draw the condensed set.

    .. math:: \min_{S \in C} \mathbb{E}_{M \sim S}\, L_{val}(\theta_1(M)),
       \qquad C = \{0 \le s \le 1, \textstyle\sum s \le r |D|\}

    Each outer step trains K recommenders on K masks side by side, estimates the gradient, takes a
    step of Adam and projects onto C. The card says whether the learned mask beats a random one of
    its size from the same pool. The defaults are ours; :meth:`published` is the paper's method.

    Args:
        recommender: Makes the inner model, for example ``partial(nn.MF, dim=64)``.
        pool: Which interactions may be kept.
        ratio: r in (0, 1].
        estimator: How the gradient is estimated; its cosine of two halves is in the history. The
            default is the one that measured best, not the paper's (:meth:`published`).
        schedule: Outer steps and learning rates. The paper takes 1,000 steps; score-function
            estimators need hundreds.
        tail: Compensation for long-tailed users.
        cap: Whether the budget of D_s is r |D| or, as in the released code, r |D_pool|; the latter
            needs ``Tail(budget="extra")``.
        draw: How the final mask is drawn; ``masks.BernoulliDraw()`` (the paper) has a random size,
            cut to an honest budget.
        outer: Interactions of the outer loss: the proxy's favourites (:class:`TeacherFavourites`),
            the validation split (:class:`ValidationInteractions`, the paper), or a share of the
            training interactions, which leave the pool (:class:`HeldOutInteractions`).
        inner: The inner training: full gradient steps that can be differentiated and start from a
            proxy, with negatives outside the pool, since every interaction of it is partly kept; or
            :data:`ONE_EPOCH` of BPR from a fresh start on the kept ones (the paper).
        control: Trainings of the learned and of the random set that the card compares by validation
            NDCG@10; 0 for none.
        seed: Seed of every random choice.

    Source:
        DConRec, Algorithms 1 and 2. Ours: K masks and baselines, the budget that counts the tail,
        exact draws, the control.
    """

    recommender: RecommenderFactory
    pool: PoolBuilder
    _: KW_ONLY
    estimator: Estimator[Any] = field(default_factory=OneStep)
    schedule: Schedule = field(default_factory=Schedule)
    tail: Tail = field(default_factory=Tail)
    cap: Literal["interactions", "pool"] = "interactions"
    draw: masks.Draw = field(default_factory=masks.SystematicDraw)
    outer: OuterInteractions = field(default_factory=TeacherFavourites)
    inner: BPR | UnrolledBPR = field(default_factory=UnrolledBPR)
    control: int = 1

    def __post_init__(self) -> None:
        require_one_of(
            ("interactions", "pool"), "It says what the ratio is a share of.", cap=self.cap
        )
        require(
            self.cap == "interactions" or self.tail.budget == "extra",
            "`cap='pool'` needs a tail on top of the budget, but `tail.budget` is"
            f" {self.tail.budget!r}. Pass tail=Tail(budget='extra').",
        )
        require(
            not isinstance(self.estimator, OneStep) or isinstance(self.inner, UnrolledBPR),
            "OneStep needs an inner training that can be differentiated, but `inner` is"
            f" {self.inner}. Pass inner=UnrolledBPR().",
        )
        for name, kind in (("outer", OuterInteractions), ("draw", masks.Draw)):
            given = getattr(self, name)
            require(
                isinstance(given, kind),
                f"`{name}` must be a {kind.__name__}, but it is {given!r}. See PolicyGradient.",
            )
        require_at_least(0, "It is a number of trainings.", control=self.control)

    @classmethod
    def published(
        cls,
        recommender: RecommenderFactory,
        pool: PoolBuilder,
        *,
        ratio: float,
        threshold: int = 10,
        steps: int = 1000,
        seed: int = 0,
    ) -> PolicyGradient:
        """Return DConRec as printed.

        One mask a step, without a baseline. An epoch of training from a fresh start, the loss on
        the validation split, a plain projected step on S. The tail comes on top of r |D|, and the
        size of the draw is left to chance.

        Args:
            recommender: Makes the inner model.
            pool: Which interactions may be kept.
            ratio: r in (0, 1].
            threshold: ε of the tail, >= 0. Choose one that some users are below.
            steps: Outer steps.
            seed: Seed of every random choice.

        Returns:
            The condenser.

        Source:
            DConRec, Algorithms 1 and 2, Section 4.1.4. S starts where projecting the printed start
            r leads: at r |D| / |D_pool|. Open in the paper and chosen here: the inner rate and
            optimiser (:data:`ONE_EPOCH`), four negatives for each validation interaction.
        """
        return cls(
            recommender,
            pool,
            ratio=ratio,
            estimator=Reinforce(samples=1),
            schedule=Schedule(steps=steps, every=100, plain=True),
            tail=Tail(threshold=threshold, budget="extra"),
            draw=masks.BernoulliDraw(),
            outer=ValidationInteractions(),
            inner=ONE_EPOCH,
            seed=seed,
        )

    @classmethod
    def released(
        cls,
        recommender: RecommenderFactory,
        pool: PoolBuilder,
        *,
        ratio: float,
        threshold: int = 10,
        steps: int = 1000,
        seed: int = 0,
    ) -> PolicyGradient:
        """Return the method with the accounting of its authors' code: the budget is r |D_pool|.

        S moves by Adam, as there. Faults of that code that are not reproduced: gradients that add
        up over steps, outer negatives from the test sampler, tail interactions that are counted and
        trained on twice (here it is a union), and negatives ruled out by the original data. The
        parameters are those of :meth:`published`.
        """
        printed = cls.published(
            recommender, pool, ratio=ratio, threshold=threshold, steps=steps, seed=seed
        )
        return replace(
            printed, cap="pool", schedule=Schedule(steps=steps, every=100, centred=False)
        )

    @property
    def honest(self) -> bool:
        """Whether |D_cond| ≤ r |D|."""
        return self.tail.budget == "included"

    @property
    def _needs_proxy(self) -> bool:
        started = isinstance(self.inner, UnrolledBPR) and self.inner.start != "fresh"
        return self.outer.needs_proxy or started

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        state, pool = resumed(checkpoint) or (None, self._pool(data))
        pool, threshold = keep_tail(
            pool,
            num_users(data),
            threshold=self.tail.threshold,
            of=self.tail.of,
            limit=self._tail_limit(data),
        )
        loop = self.loop(data, pool)
        if state is None:
            state = State(self._start(loop))
            if checkpoint is not None:
                keep(checkpoint, state, pool)
        optimise(loop, state, checkpoint)
        mask = self._final_mask(state.probs, pool, loop.simplex.budget)
        facts = {"tail_threshold": threshold, **_sizes(mask, state.probs, pool)}
        facts |= self._losses(loop, state)
        facts |= self._control(data, pool, mask | pool.kept)
        small = with_interactions(data, pool.edges[:, mask | pool.kept])
        return Draft(small, state.history, facts)

    def loop(self, data: HeteroData, pool: DataPool) -> OuterLoop:
        """Return the outer loop on a given pool, for looking at single steps.

        Args:
            data: Interactions without a test split.
            pool: The candidates.

        Returns:
            The loop; ``loop.step(state)`` takes one step.

        Raises:
            InputError: If the outer loss or the inner training needs a proxy model and the pool has
                none.
        """
        require(
            bool(pool.proxies) or not self._needs_proxy,
            f"The pool must have a proxy model for outer={self.outer} and inner={self.inner}, but"
            " it has none. Build it from pools.ProxyTopK, or pass DataPool(...,"
            " proxies=fit_proxies(recommender, data, 1)).",
        )
        budget = self.budget(data)
        if self.cap == "pool":
            budget = interaction_budget(len(pool), self.ratio)
        objective = self._objective(data, pool)
        return OuterLoop(
            objective,
            pool,
            self.honest,
            CappedSimplex(float(budget)),
            self.estimator,
            self.schedule,
            self.seed,
        )

    def _objective(
        self, data: HeteroData, pool: DataPool
    ) -> RecommenderObjective | UnrolledObjective:
        size = (num_users(data), num_items(data))
        seed = derive(self.seed, "objective")
        loss = OuterLoss(
            self.outer.edges(data, pool, self.seed),
            UniformNegatives(torch.cat([train_edges(data), val_edges(data)], dim=1), *size),
            size,
        )
        if isinstance(self.inner, BPR):
            return RecommenderObjective(
                self.recommender, pool.edges, pool.kept, loss, self.inner, seed
            )
        proxy = None
        if pool.proxies:
            proxy = (pool.proxies[0].users, pool.proxies[0].items)
        return UnrolledObjective(
            self.inner,
            pool.edges,
            pool.kept,
            loss,
            UniformNegatives(pool.edges, *size),
            proxy,
            seed,
        )

    def _tail_limit(self, data: HeteroData) -> int | None:
        if self.honest:
            return self.budget(data) // 2
        return None

    def _pool(self, data: HeteroData) -> DataPool:
        """Build the pool, and the proxy that steps need; neither sees the outer interactions where
        these are held out.
        """
        held = self.outer.held_out(data, self.seed)
        if held is None:
            seen = data
        else:
            seen = _without(data, held)
        pool = self.pool(seen, seed=derive(self.seed, "pool"))
        if held is not None:  # what is held out may be proposed
            inside = ~_among(pool.edges, held, (num_users(data), num_items(data)))
            pool = replace(
                pool,
                edges=pool.edges[:, inside],
                origin=pool.origin[inside],
                kept=pool.kept[inside],
            )
        require(
            len(pool) >= self.budget(data),
            f"The pool must hold at least r |D| = {self.budget(data)} interactions, but it holds"
            f" {len(pool)}. Add Observed() to it, or raise the ratio of ProxyTopK.",
        )
        needed = self._needs_proxy
        if needed and not pool.proxies:
            pool = replace(
                pool,
                proxies=fit_proxies(self.recommender, seen, 1, seed=derive(self.seed, "proxy")),
            )
        return replace(pool, proxies=pool.proxies[:1] if needed else ())

    def _start(self, loop: OuterLoop) -> Tensor:
        """Return equal probabilities that spend the budget (Algorithm 1, line 1); 1 for what is
        always kept.
        """
        kept = loop.pool.kept
        budget = loop.simplex.budget
        if not loop.fixed:
            return torch.full_like(loop.pool.edges[0], 0, dtype=torch.float32) + budget / len(
                loop.pool
            )
        free = int((~kept).sum())
        return torch.where(kept, 1.0, (budget - (len(loop.pool) - free)) / max(free, 1))

    def _final_mask(self, probs: Tensor, pool: DataPool, budget: float) -> Tensor:
        """Draw D_s (Algorithm 1, line 8)."""
        size = int(budget)
        seed = derive(self.seed, "draw")
        mask = self.draw(probs, size, seed=seed)
        excess = int(mask.sum()) - size
        # A draw of random size may pass the budget. What is over is taken off at random, never from
        # the tail.
        if self.honest and excess > 0:
            spare = (mask & ~pool.kept).float()
            mask &= ~masks.systematic(spare * excess / spare.sum(), excess, seed=seed)
        return mask

    def _losses(self, loop: OuterLoop, state: State) -> dict[str, Any]:
        """Return how far the inner training moves the outer loss, and the outer steps after it."""
        losses = [record["loss"] for record in state.history]
        if not losses:
            return {}
        facts = {"outer_loss_first": losses[0], "outer_loss_last": losses[-1]}
        if isinstance(loop.objective, RecommenderObjective):
            facts["outer_loss_untrained"] = loop.objective.at(0).untrained()
        return facts

    def _control(self, data: HeteroData, pool: DataPool, chosen: Tensor) -> dict[str, Any]:
        """Train on the learned set and on random ones with the same tail, size and pool; compare on
        the validation split.
        """
        val = val_edges(data)
        if not self.control or val.size(1) == 0:
            return {}
        learned: list[float] = []
        chance: list[float] = []
        for n in range(self.control):
            seed = derive(self.seed, "control", n)
            free = (~pool.kept).float()
            left = int(chosen.sum()) - int(pool.kept.sum())
            other = (
                masks.systematic(free * left / free.sum().clamp(min=1), left, seed=seed) | pool.kept
            )
            for scores, mask in ((learned, chosen), (chance, other)):
                small = make_interactions(pool.edges[:, mask], num_users(data), num_items(data))
                scores.append(
                    fit_recommender(
                        self.recommender, small, val, exclude=train_edges(data), seed=seed
                    ).history.best_score
                )
        return {
            "validation_ndcg@10": sum(learned) / self.control,
            "validation_ndcg@10_random": sum(chance) / self.control,
            "beats_random_of_its_size": min(learned) > max(chance),
            "control_has_seen_validation": self.outer.sees_validation,
        }

    def _allowed(self, data: HeteroData) -> float:
        if self.honest:
            return super()._allowed(data)
        return math.inf
