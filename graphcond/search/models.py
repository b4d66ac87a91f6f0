"""How good a network of the discrete space is on one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from graphcond.data import sparsified
from graphcond.nn import WEIGHTED, GraphNet
from graphcond.spaces import ModelChoice, ModelChoices
from graphcond.training import ClassifierTraining, infer, train_classifier

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_HALF = 0.5


@dataclass(frozen=True)
class ModelObjective:
    """Validation accuracy of a network trained on a graph; Optuna calls it with a trial.

    Accuracies on few nodes tie: the loss breaks ties. Networks that ignore edge weights see the
    edges of weight .5 or more.

    Graphs condensed for polynomial filters teach any network, but their validation nodes do not
    rank other architectures; the original's do, at a forward pass each time that
    ``recipe.stopping`` looks (``benchmarks/paper/node/architectures.py``).

    Args:
        data: The graph to train on, condensed or original.
        space: Where networks come from.
        recipe: How they are trained; None is :class:`graphcond.training.ClassifierTraining`.
        seed: Seed of weights and dropout.
        num_classes: Classes; None counts those of the graph that judges.
        validation: The graph whose validation nodes judge, usually the original; None: ``data``.

    Example:
        >>> from functools import partial
        >>> from graphcond.condensers import RandomNodes
        >>> from graphcond.data import load
        >>> data, small = load("karate"), RandomNodes(num_nodes=8)(load("karate"))
        >>> space = ModelChoices(kinds=("gcn",), widths=(8,), depths=(1, 2))
        >>> objective = partial(ModelObjective, space=space)
        >>> on_small, on_full = objective(small, validation=data), objective(data)
    """

    data: Data
    space: ModelChoices = ModelChoices()
    recipe: ClassifierTraining | None = None
    seed: int = 0
    num_classes: int | None = None
    validation: Data | None = None

    def choice(self, trial: BaseTrial) -> ModelChoice:
        """Return the network that a trial stands for."""
        choice: ModelChoice = self.space.suggest(trial)
        return choice

    def trained(self, choice: ModelChoice) -> tuple[GraphNet, float]:
        """Return a trained network at its best epoch and its accuracy on the validation nodes, in
        [0, 1], less up to .001 for the loss.
        """
        train = self.data if choice.kind in WEIGHTED else sparsified(self.data, _HALF)
        judge = train if self.validation is None else self.validation
        classes = int(judge.y.max()) + 1 if self.num_classes is None else self.num_classes
        model = choice(train.num_features, classes, seed=self.seed)
        history = train_classifier(model, train, judge, recipe=self.recipe, seed=self.seed)
        loss = float(cross_entropy(infer(model, judge)[judge.val_mask], judge.y[judge.val_mask]))
        return model, history.best_score - 1e-3 * loss / (1 + loss)

    def __call__(self, trial: BaseTrial) -> float:
        """Return what the network is worth, at most 1."""
        return self.trained(self.choice(trial))[1]
