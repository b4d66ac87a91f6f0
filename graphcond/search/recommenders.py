"""How good a recommender is on one set of interactions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.utils import bipartite_subgraph

from graphcond.ambient import steady
from graphcond.data import (
    EDGE,
    check_split,
    make_interactions,
    num_items,
    num_users,
    train_edges,
    val_edges,
)
from graphcond.errors import require
from graphcond.spaces import RecommenderChoice, Recommenders
from graphcond.training import BPR, fit_recommender, held_out_ndcg

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class RankerObjective:
    """Validation NDCG@10 of a recommender trained on a set of interactions; Optuna calls it with a
    trial.

    Users and items of which the set holds no interaction are left out everywhere: of the tables, of
    the negatives and of the validation. So a set that keeps some users and items whole, as
    :class:`graphcond.condensers.PopularCore` does, is a smaller data set of its own. Batches are
    smaller by as much as the set is, so that a pass takes as many steps as on the original and
    early stopping means the same on both.

    Args:
        data: The set to train on, condensed or original.
        space: Where recommenders come from.
        recipe: Batch size, rounds and stopping; None is :class:`graphcond.training.BPR`. The rest
            is what is searched.
        seed: Seed of the trainings.
        validation: The original: its validation interactions judge, and its training interactions
            are left out of the rankings; None: ``data``.

    Raises:
        InputError: If the set is of another split, or there is nothing to train or validate on.

    Example:
        >>> from functools import partial
        >>> from graphcond.condensers import PopularCore
        >>> from graphcond.data import load, split_interactions, without_test
        >>> data = without_test(split_interactions(load("southern-women"), seed=0))
        >>> space = Recommenders(models=("MF",), losses=("BPR",), dims=(8,))
        >>> objective = partial(RankerObjective, space=space, recipe=BPR(rounds=2))
        >>> # the search changes nothing but the set
        >>> on_small = objective(PopularCore(ratio=0.5)(data), validation=data)
        >>> on_full = objective(data)
    """

    data: HeteroData
    space: Recommenders = Recommenders()
    recipe: BPR | None = None
    seed: int = 0
    validation: HeteroData | None = None

    def __post_init__(self) -> None:
        judge = self._judge
        check_split(self.data, judge)
        sizes = [(num_users(each), num_items(each)) for each in (self.data, judge)]
        require(
            sizes[0] == sizes[1],
            f"`data` and `validation` must have the same users and items, but they have {sizes[0]}"
            f" and {sizes[1]}. Give the original that the set was made from.",
        )
        require(
            train_edges(self.data).size(1) > 0 and self._parts()[1].size(1) > 0,
            "Nothing judges: no validation interaction is between a user and an item that the set"
            " has interactions of. Split off more for validation, or keep more.",
        )

    def choice(self, trial: BaseTrial) -> RecommenderChoice:
        """Return the candidate of the space that a trial stands for."""
        choice: RecommenderChoice = self.space.suggest(trial)
        return choice

    @steady()
    def trained(self, choice: RecommenderChoice) -> tuple[int, float]:
        """Train a candidate of the space.

        Args:
            choice: The candidate.

        Returns:
            The rounds that were trained, and the validation NDCG@10 in [0, 1] of the best.
        """
        train, held, exclude = self._parts()
        contender = choice.contender(self._recipe())
        model = fit_recommender(
            contender.recommender,  # type: ignore[arg-type]
            train,
            held,
            exclude=exclude,
            recipe=contender.recipe,
            seed=self.seed,
        )
        return len(model.history.losses), held_out_ndcg(model, held, exclude)

    def __call__(self, trial: BaseTrial) -> float:
        """Return the validation NDCG@10."""
        return self.trained(self.choice(trial))[1]

    @property
    def _judge(self) -> HeteroData:
        return self.data if self.validation is None else self.validation

    def _recipe(self) -> BPR:
        """Return the recipe whose passes have as many steps on the set as on the original."""
        recipe = self.recipe or BPR()
        kept, whole = train_edges(self.data).size(1), train_edges(self._judge).size(1)
        return replace(recipe, batch_size=math.ceil(recipe.batch(whole) * kept / whole))

    def _parts(self) -> tuple[HeteroData, Tensor, Tensor]:
        """Return the set, what validates it and what is left out of its rankings, with the users
        and items of the set alone.
        """
        pairs = train_edges(self.data)
        size = (num_users(self.data), num_items(self.data))
        known = (pairs[0].unique(), pairs[1].unique())

        def renumbered(edges: Tensor) -> Tensor:
            found: Tensor = bipartite_subgraph(known, edges, relabel_nodes=True, size=size)[0]
            return found

        counts = [each.numel() for each in known]
        weight = self.data[EDGE].get("edge_weight")
        train = make_interactions(renumbered(pairs), counts[0], counts[1], weight)
        judge = self._judge
        return train, renumbered(val_edges(judge)), renumbered(train_edges(judge))
