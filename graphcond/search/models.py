"""How good a network is on one graph: of a space, or any that a user builds."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import check_split, sparsified
from graphcond.errors import require
from graphcond.nn import WEIGHTED, GraphNet
from graphcond.seeding import derive
from graphcond.spaces import ModelChoices, SearchSpace, TrainingChoice
from graphcond.training import ClassifierTraining, fit, infer
from graphcond.training.classifiers import ClassifierProgram

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_HALF = 0.5

Networks = Callable[["BaseTrial", Data], torch.nn.Module]
"""Builds a network for a trial and a graph, of which it reads the sizes."""


@dataclass(frozen=True)
class ModelObjective:
    """Validation accuracy of a network trained on a graph; Optuna calls it with a trial.

    Accuracies on few nodes tie: the loss breaks ties. Networks that ignore edge weights see the
    edges of weight .5 or more.

    Graphs condensed for polynomial filters teach any network, but their validation nodes do not
    rank other architectures; the original's do, at a forward pass each time that
    ``recipe.stopping`` looks (``benchmarks/node/architectures.py``).

    Args:
        data: The graph to train on, condensed or original.
        space: Where networks come from: candidates are called with the number of features, the
            number of classes and ``seed=``. A :class:`graphcond.spaces.Product` with
            :class:`graphcond.spaces.TrainingRanges` chooses how they are trained, too.
        recipe: How they are trained; None is :class:`graphcond.training.ClassifierTraining`.
        seed: Seed of weights and dropout.
        num_classes: Classes; None takes those of the data set's card, or counts the labels of the
            graph that judges.
        validation: The graph whose validation nodes judge, usually the original; None: ``data``.
        networks: Builds any network, ours or not, from a trial and the graph; instead of ``space``.
            It is called as ``network(x, edge_index)``, with ``edge_weight`` if it takes that.
        pruning: Whether every look at the validation nodes is reported to the trial, whose study's
            pruner may end it. Give :func:`graphcond.search.search` a pruner of Optuna, for example
            ``SuccessiveHalvingPruner``, whose resource then is the number of epochs.

    Example:
        >>> from functools import partial
        >>> from graphcond.condensers import RandomNodes
        >>> from graphcond.data import load
        >>> data, small = load("karate"), RandomNodes(num_nodes=8)(load("karate"))
        >>> space = ModelChoices(kinds=("gcn",), widths=(8,), depths=(1, 2))
        >>> objective = partial(ModelObjective, space=space)
        >>> # the search changes nothing but the graph
        >>> on_small, on_full = objective(small, validation=data), objective(data)
    """

    data: Data
    space: SearchSpace = ModelChoices()
    recipe: ClassifierTraining | None = None
    seed: int = 0
    num_classes: int | None = None
    validation: Data | None = None
    networks: Networks | None = None
    pruning: bool = False

    def __post_init__(self) -> None:
        if self.validation is not None:
            check_split(self.data, self.validation)

    def choice(self, trial: BaseTrial) -> Any:
        """Return the candidate of the space that a trial stands for."""
        return self.space.suggest(trial)

    @steady()
    def trained(self, choice: Any, trial: BaseTrial | None = None) -> tuple[torch.nn.Module, float]:
        """Train a candidate of the space.

        Args:
            choice: The candidate.
            trial: The trial to report to, if ``pruning`` is on.

        Returns:
            The network at its best epoch, and its accuracy on the validation nodes, in [0, 1], less
            up to .001 for the loss.
        """
        recipe = self.recipe or ClassifierTraining()
        network = choice
        options: dict[str, Any] = {}
        if isinstance(choice, tuple):
            network, training = choice
            recipe, options = _chosen(recipe, training)
        model = network(self.data.num_features, self._classes, seed=self.seed, **options)
        return self._train(model, recipe, trial)

    @steady()
    def __call__(self, trial: BaseTrial) -> float:
        """Return what the network is worth, at most 1."""
        if self.networks is None:
            return self.trained(self.choice(trial), trial)[1]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(self.seed, "networks"))
            model = self.networks(trial, self._judge)
        return self._train(model, self.recipe or ClassifierTraining(), trial)[1]

    @property
    def _judge(self) -> Data:
        return self.data if self.validation is None else self.validation

    @property
    def _classes(self) -> int:
        return num_classes(self._judge) if self.num_classes is None else self.num_classes

    def _train(
        self, model: torch.nn.Module, recipe: ClassifierTraining, trial: BaseTrial | None
    ) -> tuple[torch.nn.Module, float]:
        weighted = _takes_weights(model)
        train = self.data if weighted else sparsified(self.data, _HALF)
        judge = train if self.validation is None else self.validation
        if not isinstance(model, GraphNet) and not weighted:
            model = _Unweighted(model)
        model = model.to(device=train.x.device, dtype=train.x.dtype)
        if self.pruning and trial is not None:
            program: ClassifierProgram = _Reporting(model, train, judge, recipe, self.seed, trial)
        else:
            program = ClassifierProgram(model, train, judge, recipe, self.seed)
        history = fit(program, recipe.epochs, recipe.stopping, description=type(model).__name__)
        loss = float(cross_entropy(infer(model, judge)[judge.val_mask], judge.y[judge.val_mask]))
        return model, history.best_score - 1e-3 * loss / (1 + loss)


def num_classes(data: Data) -> int:
    """Return the classes that a graph's card states, since a split or a condensed graph may lack
    one; without a card count the labels.

    Args:
        data: A graph with labels.
    """
    card = data.get("card") or {}
    return int(card.get("num_classes") or int(data.y.max()) + 1)


class _Reporting(ClassifierProgram):
    """Training that reports its validation accuracy, and ends when the trial is pruned."""

    def __init__(
        self,
        model: torch.nn.Module,
        train: Data,
        val: Data,
        recipe: ClassifierTraining,
        seed: int,
        trial: BaseTrial,
    ) -> None:
        super().__init__(model, train, val, recipe, seed)
        self._trial = trial
        self._epochs = 0

    def step(self, epoch: int) -> float:
        """Train one epoch."""
        self._epochs = epoch + 1
        return super().step(epoch)

    def validate(self) -> float:
        """Return the accuracy, after the trial was told."""
        score = super().validate()
        with warnings.catch_warnings():
            # A trial that is tried again reports what it reported before.
            warnings.simplefilter("ignore")
            self._trial.report(score, self._epochs)
        if self._trial.should_prune():
            from optuna import TrialPruned

            raise TrialPruned
        return score


class _Unweighted(torch.nn.Module):
    """A network that takes no edge weights, called as those that do."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return the network's logits."""
        logits: Tensor = self.network(x, edge_index)
        return logits


def _takes_weights(model: torch.nn.Module) -> bool:
    """Return whether a network uses edge weights."""
    if isinstance(model, GraphNet):
        return model.kind in WEIGHTED
    # PyG's stacks of layers take weights by name even where their layers do not.
    supported = getattr(model, "supports_edge_weight", True)
    return bool(supported) and "edge_weight" in inspect.signature(model.forward).parameters


def _chosen(
    recipe: ClassifierTraining, training: Any
) -> tuple[ClassifierTraining, dict[str, float]]:
    """Return the recipe and the network's options that a space of trainings chose."""
    require(
        isinstance(training, TrainingChoice),
        "A product of spaces must be networks × trainings, but its second part is"
        f" {type(training).__name__}. Give Product((networks, TrainingRanges())).",
    )
    chosen = replace(
        recipe, learning_rate=training.learning_rate, weight_decay=training.weight_decay
    )
    return chosen, {"dropout": training.dropout}
