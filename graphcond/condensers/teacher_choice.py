"""Each user's best items under a strong teacher: new ones and observed ones, in the mixture that validates best."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.data import make_interactions, num_items, num_users, train_edges, val_edges
from graphcond.errors import require
from graphcond.nn.recommender import MF, RecommenderFactory
from graphcond.pools import fit_proxies
from graphcond.pools.proxy import apportion, best_per_user
from graphcond.seeding import derive
from graphcond.training import BPR, Recommender, ensemble, fit_graph_filter, fit_recommender
from graphcond.typing import Record

_BLOCK = 1 << 17


class Mixture(NamedTuple):
    r"""One way to spend a budget.

    Attributes:
        pseudo: Most pseudo interactions, as a share of |D|, in [0, 1].
        discount: a >= 0 in the order of observed interactions, :math:`s_{ui} - a \ln(1 + \deg i)`.
    """

    pseudo: float
    discount: float


@final
@dataclass(frozen=True, kw_only=True)
class TeacherChoice(InteractionCondenser):
    r"""Keep, for every user, the unobserved items a teacher ranks highest and the observed items that say most about its taste.

    The teacher averages standardised scores s of ``ensemble`` recommenders trained by BPR and of a closed-form low-pass graph filter.
    Its favourite unobserved items are what a model trained on the condensed set has to rank first. Observed items come in the order
    of :math:`s_{ui} - a \ln(1 + \deg i)`: sure, yet not what everybody has, so that rare items keep enough users to be learned.
    How much of either helps differs between data sets; so each mixture is tried, a recommender trained on it, and the one with
    the highest validation NDCG@10 is returned.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1]; pseudo interactions count.
        seed: Seed of the teacher and the trials.
        recommender: Makes the trained part of the teacher, and the recommender of the trials.
        ensemble: How many the teacher has, at least 0; with 0 the graph filter alone teaches.
        rank: Singular vectors of the graph filter, at least 0; 0 leaves it out.
        mixtures: What is tried, at least one; a single one is taken without a trial.
        recipe: How recommenders are trained; None is :class:`graphcond.training.BPR`.

    Raises:
        InputError: If an argument is out of range.

    Source: The pseudo interactions are DConRec's (Eq. 3-4), with another teacher. In place of learned probabilities a closed-form
        choice: at real sizes the policy gradient's signal drowns in its noise, while a teacher's ranking does not.
    """

    recommender: RecommenderFactory = MF
    ensemble: int = 3
    rank: int = 256
    mixtures: tuple[Mixture, ...] = (Mixture(0.25, 1.0), Mixture(0.12, 1.0), Mixture(0.15, 2.0), Mixture(0.0, 2.0))
    recipe: BPR | None = None

    def __post_init__(self) -> None:
        parts = {"ensemble": self.ensemble, "rank": self.rank}
        cure = "Give the teacher at least one trained model or a graph filter."
        require(min(parts.values()) >= 0 and max(parts.values()) > 0, "a teacher", cure, ensemble=self.ensemble, rank=self.rank)
        good = all(0 <= pseudo <= 1 and discount >= 0 for pseudo, discount in self.mixtures)
        law = "mixtures with 0 <= pseudo <= 1 and discount >= 0, at least one"
        require(good and len(self.mixtures) > 0, law, "For example mixtures=(Mixture(0.25, 1.0),).", mixtures=self.mixtures)

    def _condense(self, data: HeteroData, checkpoint: Path | None) -> Draft:
        teacher = fit_teacher(data, self.recommender, (self.ensemble, self.rank), recipe=self.recipe, seed=self.seed)
        trials: list[Record] = []
        best, chosen = -math.inf, None
        for mixture in self.mixtures:
            small, facts = self._mix(data, teacher, mixture)
            score = self._trial(data, small) if len(self.mixtures) > 1 else math.nan
            trials.append({**mixture._asdict(), **facts, "val_ndcg@10": None if math.isnan(score) else score})
            if chosen is None or score > best:
                best, chosen = score, Draft(small, facts={**mixture._asdict(), **facts})
        if chosen is None:
            raise RuntimeError("there is at least one mixture")
        return replace(chosen, history=trials)

    def _mix(self, data: HeteroData, teacher: Recommender, mixture: Mixture) -> tuple[HeteroData, dict[str, int]]:
        edges, budget = train_edges(data), self.budget(data)
        degree = torch.bincount(edges[0], minlength=num_users(data))
        known = (degree > 0).double()
        room = torch.where(degree > 0, num_items(data) - degree, 0)
        count = apportion(known, min(budget, round(mixture.pseudo * edges.size(1))), room)
        new = best_per_user((teacher.users, teacher.items), edges, count, 512)
        kept = best_observed(teacher, edges, apportion(known, budget - new.size(1), degree), discount=mixture.discount)
        pairs = torch.cat([new, edges[:, kept]], dim=1)
        facts = {"num_pseudo": int(new.size(1)), "num_observed": int(kept.numel())}
        return make_interactions(pairs, num_users(data), num_items(data)), facts

    def _trial(self, data: HeteroData, small: HeteroData) -> float:
        """Return the validation NDCG@10 of a recommender trained on a set; NaN without validation interactions."""
        held, seed = val_edges(data), derive(self.seed, "trial")
        if held.size(1) == 0:
            return math.nan
        model = fit_recommender(self.recommender, small, held, exclude=train_edges(data), recipe=self.recipe, seed=seed)
        return model.history.best_score


def fit_teacher(
    data: HeteroData, recommender: RecommenderFactory, parts: tuple[int, int], *, recipe: BPR | None = None, seed: int = 0
) -> Recommender:
    """Train the teacher of :class:`TeacherChoice`.

    Args:
        data: Interactions without a test split.
        recommender: Makes the trained part.
        parts: Number of trained models, and rank of the graph filter (0: none).
        recipe: How the models are trained.
        seed: Seed of all of it.

    Returns:
        One recommender whose scores are the mean of the standardised scores.
    """
    models = fit_proxies(recommender, data, parts[0], recipe=recipe, seed=derive(seed, "teacher"))
    if parts[1]:
        models = (*models, fit_graph_filter(data, parts[1], seed=derive(seed, "filter")))
    return ensemble(models)


def best_observed(teacher: Recommender, edges: Tensor, count: Tensor, *, discount: float = 0.0) -> Tensor:
    """Return the ids of each user's ``count`` best training interactions.

    Args:
        teacher: Scores them.
        edges: Training interactions [2, E].
        count: Per user [U].
        discount: a of :class:`Mixture`.

    Returns:
        Ids [sum(count)], rising.
    """
    blocks = edges.split(_BLOCK, dim=1)
    scores = torch.cat([(teacher.users[part[0]] * teacher.items[part[1]]).sum(dim=1) for part in blocks])
    scores -= discount * torch.bincount(edges[1]).to(scores.dtype).log1p()[edges[1]]
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[torch.argsort(edges[0, order], stable=True)]
    degree = torch.bincount(edges[0], minlength=count.numel())
    place = torch.arange(order.numel(), device=order.device) - (degree.cumsum(0) - degree)[edges[0, order]]
    return order[place < count[edges[0, order]]].sort().values
