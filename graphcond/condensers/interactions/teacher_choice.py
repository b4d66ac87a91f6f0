"""Each user's best items under a strong teacher, shared among items by prices, in the mixture that
validates best.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.condensers.interactions.item_prices import (
    Candidates,
    best_of_each,
    candidates,
    item_prices,
)
from graphcond.data import (
    Checkpoint,
    digest,
    kept_interactions,
    num_items,
    num_users,
    train_edges,
    val_edges,
    with_interactions,
)
from graphcond.errors import require
from graphcond.nn.recommender import MF, RecommenderFactory
from graphcond.pairs import pair_keys
from graphcond.pools import fit_proxies
from graphcond.pools.proxy import apportion
from graphcond.seeding import derive
from graphcond.training import (
    BPR,
    Fitted,
    RankingLooks,
    Recommender,
    fit_graph_filter,
    fit_least_squares,
    fit_recommender,
)
from graphcond.training import ensemble as mean_of
from graphcond.typing import Record


class Mixture(NamedTuple):
    r"""One way to spend a budget.

    Attributes:
        bonus: Added to the teacher's score of an observed interaction, in standard deviations of a
            user's scores; below 0 prefers items a user has not met, -inf keeps no observed
            interaction at all, inf keeps no other.
        evenness: Share t >= 0 of the item prices that is charged: 0 lets users have their
            favourites, 1 shares the budget among items as their popularity to the power 3/4.
    """

    bonus: float
    evenness: float


@final
@dataclass(frozen=True, kw_only=True)
class TeacherChoice(InteractionCondenser):
    r"""Keep, for every user alike, the items that a teacher of several models ranks highest, less a
    price for crowded items.

    The teacher averages standardised scores s of ``ensemble`` recommenders trained by BPR, of
    factors by weighted least squares and of a closed-form low-pass graph filter, or of those of the
    three that validate best together: the better it ranks, the better does what it teaches. A user
    keeps the items with the highest :math:`s_{ui} + b\,[ui \in D] - t\,\pi_i`. Unobserved
    favourites are what a model trained on the condensed set has to rank first, and users placed by
    their few best items are placed nearly as well as by all; what suffers is the items, of which a
    few would be in everybody's list and most in nobody's. The prices :math:`\pi` spread the lists.
    How much of either helps differs between data sets; so each mixture is tried, a recommender
    trained on it, and the one with the highest validation NDCG@10 returned. Where many items are
    observed, that is one without proposals.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1]; pseudo interactions count.
        seed: Seed of the teacher and the trials.
        recommender: Makes the trained part of the teacher, and the recommender of the trials.
        ensemble: How many of them the teacher has, at least 0.
        factors: Width of its least-squares factors, at least 0; 0 leaves them out.
        rank: Singular vectors of its graph filter, at least 0; 0 leaves it out.
        mixtures: What is tried, at least one; a single one is taken without a trial.
            ``TeacherChoice.OBSERVED_ONLY`` proposes nothing, and then weights are kept.
        recipe: How recommenders are trained; None is :class:`graphcond.training.BPR`.
        teacher: What :func:`fit_teacher` returned for these data and this seed, to condense to
            several ratios with one; None trains it.

    Raises:
        InputError: If an argument is out of range, or the teacher is of other data.

    Source: The pseudo interactions are DConRec's (Eq. 3-4), with another teacher. In place of
        learned probabilities a closed-form choice: at real sizes the policy gradient's signal
        drowns in its noise, while a teacher's ranking does not.
    """

    OBSERVED_ONLY: ClassVar[tuple[Mixture, ...]] = (
        Mixture(math.inf, 0.0),
        Mixture(math.inf, 0.25),
        Mixture(math.inf, 0.5),
    )
    """Mixtures without proposals: the set serves tools that leave out of a ranking just the items
    that they were given.
    """

    recommender: RecommenderFactory = MF
    ensemble: int = 3
    factors: int = 64
    rank: int = 256
    mixtures: tuple[Mixture, ...] = (
        Mixture(-math.inf, 0.5),
        Mixture(-1.5, 0.75),
        Mixture(-0.75, 0.75),
        # Dense sets are served worse by proposals: ML-100K's quarter trains MF to .221 on
        # validation with the best of the others, to .240 with this one.
        Mixture(math.inf, 0.0),
    )
    recipe: BPR | None = None
    teacher: Recommender | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = (self.ensemble, self.factors, self.rank)
        require(
            min(parts) >= 0 and max(parts) > 0,
            "A teacher must have at least one part, but `ensemble`, `factors` and `rank` are"
            f" {parts}. Raise one of them above 0.",
        )
        good = all(
            not math.isnan(bonus) and 0 <= evenness < math.inf for bonus, evenness in self.mixtures
        )
        require(
            good and len(self.mixtures) > 0,
            "`mixtures` must be one or more pairs of a bonus and an evenness >= 0, but found"
            f" mixtures = {self.mixtures!r}. For example mixtures=(Mixture(-1.5, 0.5),).",
        )

    def _identity(self) -> str:
        given = None
        if self.teacher is not None:
            given = digest(self.teacher.users, self.teacher.items)
        return f"{super()._identity()} with teacher {given}"

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        found = _Found(checkpoint)
        teacher = self._teacher(data, found)
        depth = 0
        if any(mixture.bonus < math.inf for mixture in self.mixtures):
            per_user = math.ceil(self.budget(data) / max(1, train_edges(data)[0].unique().numel()))
            depth = min(num_items(data), max(100, 2 * per_user))
        options = candidates(teacher, train_edges(data), depth)
        trials: list[Record] = []
        best = -math.inf
        chosen = None
        for mixture in self.mixtures:
            small, facts = self._mix(data, options, mixture)
            if len(self.mixtures) > 1:
                score = found.score(mixture, partial(self._trial, data, small))
            else:
                score = math.nan
            facts = {
                # JSON has no infinity.
                "bonus": str(mixture.bonus) if math.isinf(mixture.bonus) else mixture.bonus,
                "evenness": mixture.evenness,
                **facts,
            }
            trials.append({**facts, "val_ndcg@10": None if math.isnan(score) else score})
            if chosen is None or score > best:
                best = score
                chosen = Draft(small, facts=facts)
        if chosen is None:
            raise RuntimeError("there is at least one mixture")
        return replace(chosen, history=trials)

    def _teacher(self, data: HeteroData, found: _Found) -> Recommender:
        if self.teacher is not None:
            size = {
                "teacher": (self.teacher.users.size(0), self.teacher.items.size(0)),
                "data": (num_users(data), num_items(data)),
            }
            require(
                size["teacher"] == size["data"],
                f"This needs a `teacher` of the same users and items, but found {size!r}."
                " Fit it on these data.",
            )
            return self.teacher
        return found.recommender(
            lambda: fit_teacher(
                data,
                self.recommender,
                ensemble=self.ensemble,
                factors=self.factors,
                rank=self.rank,
                recipe=self.recipe,
                seed=self.seed,
            )
        )

    def _mix(
        self, data: HeteroData, options: Candidates, mixture: Mixture
    ) -> tuple[HeteroData, Record]:
        """Return a set of at most the budget, and how much of it is new."""
        if math.isinf(mixture.bonus):
            eligible = options.observed == (mixture.bonus > 0)
            options = Candidates(
                options.pairs[:, eligible], options.scores[eligible], options.observed[eligible]
            )
            keys = options.scores
        else:
            keys = options.scores + torch.where(options.observed, mixture.bonus, 0.0)
        room = torch.bincount(options.pairs[0], minlength=num_users(data))
        count = apportion((room > 0).double(), self.budget(data), room)
        wanted = torch.bincount(train_edges(data)[1], minlength=num_items(data)).double() ** 0.75
        price = item_prices(options, keys, count, wanted / wanted.sum() * count.sum())
        kept = best_of_each(
            options.pairs[0], keys - mixture.evenness * price[options.pairs[1]], count
        )
        observed = int(options.observed[kept].sum())
        facts: Record = {"num_pseudo": kept.numel() - observed, "num_observed": observed}
        if mixture.bonus == math.inf:
            return _without_others(data, options.pairs[:, kept]), facts
        return with_interactions(data, options.pairs[:, kept]), facts

    def _trial(self, data: HeteroData, small: HeteroData) -> float:
        """Return the validation NDCG@10 of a recommender trained on a set; NaN without validation
        interactions.
        """
        held = val_edges(data)
        seed = derive(self.seed, "trial")
        if held.size(1) == 0:
            return math.nan
        model = fit_recommender(
            self.recommender, small, held, exclude=train_edges(data), recipe=self.recipe, seed=seed
        )
        return model.history.best_score


def _without_others(data: HeteroData, pairs: Tensor) -> HeteroData:
    """Return the training interactions among ``pairs``, with their weights."""
    size = (num_users(data), num_items(data))
    edges = train_edges(data)
    chosen = torch.isin(pair_keys(edges[0], edges[1], size), pair_keys(pairs[0], pairs[1], size))
    return kept_interactions(data, chosen.nonzero()[:, 0])


class _Found:
    """What a run has found so far, kept in a file if there is one: the teacher and the scores of
    the mixtures.

    Args:
        checkpoint: The file, or None.
    """

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        self.tensors = dict[str, Tensor]()
        self.scores = dict[str, float]()
        if checkpoint is not None and (found := checkpoint.load()) is not None:
            self.tensors = found[0]
            self.scores = found[1]["scores"]

    def recommender(self, make: Callable[[], Recommender]) -> Recommender:
        """Return the teacher that the file holds, or make and keep it."""
        if not self.tensors:
            made = make()
            self.tensors = {"users": made.users, "items": made.items}
            self._save()
        return Recommender(self.tensors["users"], self.tensors["items"], Fitted())

    def score(self, mixture: Mixture, measure: Callable[[], float]) -> float:
        """Return a mixture's score from the file, or measure and keep it."""
        if repr(mixture) not in self.scores:
            score = measure()
            if math.isnan(score):
                return score
            self.scores[repr(mixture)] = score
            self._save()
        return self.scores[repr(mixture)]

    def _save(self) -> None:
        if self.checkpoint is not None:
            self.checkpoint.save(self.tensors, {"scores": self.scores})


def fit_teacher(
    data: HeteroData,
    recommender: RecommenderFactory,
    *,
    ensemble: int,
    factors: int,
    rank: int,
    recipe: BPR | None = None,
    seed: int = 0,
) -> Recommender:
    """Train the teacher of :class:`TeacherChoice`: of its three parts those that validate best
    together.

    Args:
        data: Interactions without a test split; without validation interactions all parts stay.
        recommender: Makes the trained part.
        ensemble: Number of trained models; 0 leaves them out.
        factors: Width of the least-squares factors; 0 leaves them out.
        rank: Rank of the graph filter; 0 leaves it out.
        recipe: How the models are trained, and how many users' validation is looked at.
        seed: Seed of all of it.

    Returns:
        One recommender whose scores are the mean of the standardised scores.
    """
    parts: list[tuple[Recommender, ...]] = []
    if ensemble:
        own = derive(seed, "teacher")
        parts.append(fit_proxies(recommender, data, ensemble, recipe=recipe, seed=own))
    if factors:
        parts.append((fit_least_squares(data, factors, seed=derive(seed, "factors")),))
    if rank:
        parts.append((fit_graph_filter(data, rank, seed=derive(seed, "filter")),))
    held = val_edges(data)
    if held.size(1) == 0:
        return mean_of(sum(parts, ()))
    users = (recipe or BPR()).val_users
    looks = RankingLooks(held, train_edges(data), (num_users(data), num_items(data)), users)
    # All first, which is best on Last.fm; on Gowalla the filter alone is, by a seventh.
    teams = [team for size in range(len(parts), 0, -1) for team in combinations(parts, size)]
    teachers = (mean_of(sum(team, ())) for team in teams)
    return max(teachers, key=lambda teacher: looks(teacher.users, teacher.items))
