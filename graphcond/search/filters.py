"""How good a polynomial filter is on one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import looped
from graphcond.nn import PolynomialFilterNet
from graphcond.search.models import num_classes
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining, train_filters

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class FilterObjective:
    """Minus the validation loss of a network with a filter, trained on a graph; Optuna calls it
    with a trial.

    By loss, because accuracies on few validation nodes tie. A graph without edges counts as A' = I.
    For hundreds of filters known in advance, :func:`graphcond.evaluation.calibrate` trains them
    side by side.

    Args:
        data: The graph, condensed or original, with training and validation nodes.
        net: The architecture; None: two layers of width 16.
        space: Bounds of the coefficients.
        recipe: How filters are trained; None is :class:`graphcond.training.FilterTraining`.
        seed: Seed of the weights.
        num_classes: Classes, where ``net`` is None; None takes those of the data set's card,
            or counts the labels of ``data``.
    """

    data: Data
    net: PolynomialFilterNet | None = None
    space: PolynomialFilters = PolynomialFilters()
    recipe: FilterTraining | None = None
    seed: int = 0
    num_classes: int | None = None

    @property
    def network(self) -> PolynomialFilterNet:
        """The architecture that is trained."""
        classes = num_classes(self.data) if self.num_classes is None else self.num_classes
        per_layer = self.space.num_layers > 1
        return self.net or PolynomialFilterNet(
            self.data.num_features, 16, classes, basis=self.space.basis, per_layer=per_layer
        )

    def choice(self, trial: BaseTrial) -> Tensor:
        """Return the filter λ [1, H] that a trial stands for."""
        return self.space.suggest(trial)

    @steady()
    def __call__(self, trial: BaseTrial) -> float:
        """Return minus the validation cross-entropy after the last epoch."""
        small = self.data if self.data.num_edges else looped(self.data)
        runs = train_filters(
            self.network, self.choice(trial), small, recipe=self.recipe, seed=self.seed
        )
        return -float(runs.loss)
