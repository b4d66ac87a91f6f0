"""Each user's best items under a strong teacher: new ones first, then the observed ones it is surest of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.data import make_interactions, num_items, num_users, train_edges
from graphcond.errors import require
from graphcond.nn.recommender import MF, RecommenderFactory
from graphcond.pools import fit_proxies
from graphcond.pools.proxy import apportion, best_per_user
from graphcond.seeding import derive
from graphcond.training import BPR, Recommender, ensemble, fit_graph_filter

Quota = Literal["degree", "sqrt", "uniform"]
_BLOCK = 1 << 17


@final
@dataclass(frozen=True, kw_only=True)
class TeacherChoice(InteractionCondenser):
    r"""Keep, for every user, the unobserved items a teacher ranks highest and the observed items it is surest of.

    The teacher adds up standardised scores of ``ensemble`` recommenders trained by BPR and of a closed-form low-pass graph filter.
    Its favourite unobserved items (at most ``pseudo`` · |D| of them) are what a model trained on the condensed set has to rank
    first; its favourite observed items spend what is left of the budget and say how items hang together.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1]; pseudo interactions count.
        seed: Seed of the teacher.
        recommender: Makes the trained part of the teacher.
        ensemble: How many of them, at least 0; with 0 the graph filter alone teaches.
        rank: Singular vectors of the graph filter, at least 0; 0 leaves it out.
        pseudo: Most pseudo interactions, as a share of |D|, in [0, 1].
        quota: How the observed interactions are shared among users: by degree, its square root, or alike. Pseudo interactions are
            shared alike among users with any interaction.
        recipe: How the teacher is trained; None is :class:`graphcond.training.BPR`.

    Raises:
        InputError: If an argument is out of range.

    Source: The pseudo interactions are DConRec's (Eq. 3-4), with another teacher. In place of learned probabilities a closed-form
        choice: at real sizes the policy gradient's signal drowns in its noise, while the teacher's ranking is what counts.
    """

    recommender: RecommenderFactory = MF
    ensemble: int = 3
    rank: int = 256
    pseudo: float = 0.25
    quota: Quota = "sqrt"
    recipe: BPR | None = None

    def __post_init__(self) -> None:
        parts = {"ensemble": self.ensemble, "rank": self.rank}
        cure = "Give the teacher at least one trained model or a graph filter."
        require(min(parts.values()) >= 0 and max(parts.values()) > 0, "a teacher", cure, ensemble=self.ensemble, rank=self.rank)
        require(0 <= self.pseudo <= 1, "`pseudo` in [0, 1]", "It is a share of the training interactions.", pseudo=self.pseudo)
        cure = "It says how observed interactions are shared among users."
        require(self.quota in ("degree", "sqrt", "uniform"), "`quota` in {'degree', 'sqrt', 'uniform'}", cure, quota=self.quota)

    def _condense(self, data: HeteroData, checkpoint: Path | None) -> Draft:
        edges, budget = train_edges(data), self.budget(data)
        teacher = fit_teacher(data, self.recommender, (self.ensemble, self.rank), recipe=self.recipe, seed=self.seed)
        degree = torch.bincount(edges[0], minlength=num_users(data))
        known = (degree > 0).double()
        room = torch.where(degree > 0, num_items(data) - degree, 0)
        count = apportion(known, min(budget, round(self.pseudo * edges.size(1))), room)
        new = best_per_user((teacher.users, teacher.items), edges, count, 512)
        share = {"degree": degree.double(), "sqrt": degree.double().sqrt(), "uniform": known}[self.quota]
        kept = best_observed(teacher, edges, apportion(share, budget - new.size(1), degree))
        pairs = torch.cat([new, edges[:, kept]], dim=1)
        facts = {"num_pseudo": int(new.size(1)), "num_observed": int(kept.numel())}
        return Draft(make_interactions(pairs, num_users(data), num_items(data)), facts=facts)


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
        One recommender whose scores are the sum of the standardised scores.
    """
    models = fit_proxies(recommender, data, parts[0], recipe=recipe, seed=derive(seed, "teacher"))
    if parts[1]:
        models = (*models, fit_graph_filter(data, parts[1], seed=derive(seed, "filter")))
    return ensemble(models)


def best_observed(teacher: Recommender, edges: Tensor, count: Tensor) -> Tensor:
    """Return the ids of each user's ``count`` best training interactions.

    Args:
        teacher: Scores them.
        edges: Training interactions [2, E].
        count: Per user [U].

    Returns:
        Ids [sum(count)], rising.
    """
    blocks = edges.split(_BLOCK, dim=1)
    scores = torch.cat([(teacher.users[part[0]] * teacher.items[part[1]]).sum(dim=1) for part in blocks])
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[torch.argsort(edges[0, order], stable=True)]
    degree = torch.bincount(edges[0], minlength=count.numel())
    place = torch.arange(order.numel(), device=order.device) - (degree.cumsum(0) - degree)[edges[0, order]]
    return order[place < count[edges[0, order]]].sort().values
