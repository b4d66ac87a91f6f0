"""Which recommender and which recipe suit a set of interactions: a small search on validation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data import describe, train_edges
from graphcond.errors import NumericalError, require, require_kind
from graphcond.metrics.ranking import hits, mean_over_users, ndcg
from graphcond.nn.recommender import RecommenderFactory
from graphcond.training.closed_forms import ClosedFormRecommender
from graphcond.training.ranker import Ranker
from graphcond.training.recommender import BPR, fit_recommender
from graphcond.typing import Record


@dataclass(frozen=True)
class Contender:
    """A recommender together with how it is trained.

    Args:
        recommender: A factory, for example ``partial(nn.MF, dim=64)``, or a closed form.
        recipe: How the factory's models are trained; None is :class:`BPR` with its defaults. Closed
            forms have none.
    """

    recommender: RecommenderFactory | ClosedFormRecommender
    recipe: BPR | None = None

    def __post_init__(self) -> None:
        closed = isinstance(self.recommender, ClosedFormRecommender)
        require(
            not closed or self.recipe is None,
            f"A closed form takes no recipe, but {self.recommender} was given one. Leave it out.",
        )
        require_kind(BPR, "For example BPR().", recipe=self.recipe)

    def fit(
        self, train: HeteroData, val: Tensor, *, exclude: Tensor | None = None, seed: int = 0
    ) -> Ranker:
        """Return what ranks.

        Args:
            train: Interactions to train on.
            val: Validation interactions [2, V], for early stopping.
            exclude: What validation rankings leave out [2, E]; None is what is trained on.
            seed: Seed of all that is drawn.
        """
        if isinstance(self.recommender, ClosedFormRecommender):
            return self.recommender.fit(train, seed=seed)
        return fit_recommender(
            self.recommender, train, val, exclude=exclude, recipe=self.recipe, seed=seed
        )

    def without_stopping(self, rounds: int) -> Contender:
        """Return the same recipe with a fixed number of rounds, to train on validation data too.

        Args:
            rounds: Rounds to train, for example those that early stopping had kept; at least 1.
        """
        if isinstance(self.recommender, ClosedFormRecommender):
            return self
        return replace(self, recipe=replace(self.recipe or BPR(), rounds=rounds))

    def __str__(self) -> str:
        """Return the settings on one line, defaults of the recipe left out."""
        if isinstance(self.recommender, ClosedFormRecommender):
            return repr(self.recommender)
        return f"{_named(self.recommender)} by {_differing(self.recipe or BPR())}"


def _named(factory: RecommenderFactory) -> str:
    """Return ``MF(dim=64)`` for a partial, and the text of anything else."""
    if isinstance(factory, partial):
        given = [repr(value) for value in factory.args]
        given += [f"{name}={value!r}" for name, value in factory.keywords.items()]
        return f"{getattr(factory.func, '__name__', factory.func)}({', '.join(given)})"
    return getattr(factory, "__name__", describe(factory))


def _differing(recipe: BPR) -> str:
    """Return a recipe with the fields that are not the default's."""
    usual = BPR()
    names = [field.name for field in fields(recipe)]
    told = [name for name in names if getattr(recipe, name) != getattr(usual, name)]
    return f"BPR({', '.join(f'{name}={getattr(recipe, name)!r}' for name in told)})"


@dataclass(frozen=True)
class Choice:
    """What a search on validation chose.

    Attributes:
        contender: The one that validated best.
        score: Its validation NDCG@10.
        rounds: Rounds that early stopping kept; 0 for a closed form.
        trials: A record for each candidate: ``recipe``, ``val_ndcg@10`` (None if it diverged),
            ``rounds`` and ``seconds``.
        seconds: Wall-clock seconds of all trials.
    """

    contender: Contender
    score: float
    rounds: int
    trials: tuple[Record, ...]
    seconds: float


def choose_recipe(
    candidates: Sequence[Contender],
    train: HeteroData,
    val: Tensor,
    *,
    exclude: Tensor | None = None,
    seed: int = 0,
) -> Choice:
    """Train every candidate and take the one with the highest validation NDCG@10.

    Every set of a table is given the same candidates: so a reference cannot be weak for want of
    tuning that its rivals had. A candidate that diverges counts as the worst.

    Args:
        candidates: What is tried, at least one.
        train: Interactions to train on, a condensed set or everything.
        val: Validation interactions [2, V], at least one.
        exclude: What validation rankings leave out [2, E]; None is what is trained on.
        seed: Seed of the trainings.

    Returns:
        The choice and all trials.

    Raises:
        InputError: If there is no candidate or no validation interaction.
        NumericalError: If every candidate diverges.
    """
    require(len(candidates) > 0, "There is no candidate to choose from. Give at least one.")
    require(
        val.size(1) > 0,
        "There are no validation interactions to choose by. Split the data with a validation part.",
    )
    trials: list[Record] = []
    best = -math.inf
    chosen = None
    rounds = 0
    begun = time.perf_counter()
    for contender in candidates:
        start = time.perf_counter()
        score: float | None = None
        needed = 0
        try:
            model = contender.fit(train, val, exclude=exclude, seed=seed)
        except NumericalError:
            model = None
        if model is not None:
            if exclude is None:
                left_out = train_edges(train)
            else:
                left_out = exclude
            # Scored anew, on all users: closed forms have no looks, and looks see a sample of
            # users.
            score = held_out_ndcg(model, val, left_out)
            needed = model.history.best_epoch + 1
        trials.append(
            {
                "recipe": str(contender),
                "val_ndcg@10": score,
                "rounds": needed,
                "seconds": time.perf_counter() - start,
            }
        )
        if score is not None and score > best:
            best = score
            chosen = contender
            rounds = needed
    if chosen is None:
        raise NumericalError(
            f"All {len(candidates)} candidates diverged. Try smaller learning rates."
        )
    return Choice(chosen, best, rounds, tuple(trials), time.perf_counter() - begun)


def held_out_ndcg(model: Ranker, held: Tensor, exclude: Tensor) -> float:
    """Return the mean NDCG@10 of all users that have a held-out interaction.

    Args:
        model: What ranks.
        held: Held-out interactions [2, V].
        exclude: Interactions left out of the rankings [2, E].
    """
    num_items = model.size[1]
    k = min(10, num_items)
    hit, count = hits(model.rank(k, exclude)[1], held, num_items)
    return mean_over_users(ndcg(hit, count, k), count)
