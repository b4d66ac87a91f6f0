"""Training many operation trees side by side, for a ranking rather than for use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from graphcond.errors import require, require_at_least, require_kind, require_range
from graphcond.nn import ForestGraph, OperationForest, Tree
from graphcond.seeding import derive


@dataclass(frozen=True)
class ForestTraining:
    """How trees are trained side by side.

    Args:
        epochs: Steps of gradient descent, at least ``looks``.
        learning_rate: Its rate. A network that learns slowly has to be seen to learn slowly: on 100
            networks of NAS-Bench-Graph (seed 100, which no table shows) rates of .02, .05 and the
            published .2 rank CiteSeer's at Spearman .77, .65 and .46, and .02, .05 and .1 Cora's at
            .69, .68 and .62. PubMed's networks need more epochs, not another rate.
        momentum: Its momentum: .9 makes 40 epochs of it go as far as 400 without.
        weight_decay: L2 penalty.
        looks: How often validation nodes are looked at, evenly spread.
        hidden: Width, a multiple of 4.
        dropout: Probability of dropping an input.
        post: Whether a hidden layer stands before the logits.
        sketch: Features are projected on so many leading directions; None keeps them.
        block: Networks trained at once: more need more memory, fewer more time.
    """

    epochs: int = 60
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    looks: int = 10
    hidden: int = 64
    dropout: float = 0.5
    post: bool = True
    sketch: int | None = 64
    block: int = 20

    def __post_init__(self) -> None:
        require_range(1, self.epochs, "It is at most the epochs; 10 is usual.", looks=self.looks)
        require_at_least(1, "Raise it.", block=self.block)


@dataclass(frozen=True)
class ForestRuns:
    """What was seen of B networks.

    Attributes:
        accuracy: Validation accuracy at each look [looks, B].
        loss: Validation cross-entropy at each look [looks, B].
    """

    accuracy: Tensor
    loss: Tensor

    @property
    def score(self) -> Tensor:
        """Mean accuracy over the later half of the looks [B]; one look alone ties and jumps."""
        return self.accuracy[len(self.accuracy) // 2 :].mean(0)


def train_forest(
    trees: Sequence[Tree],
    train: Data,
    val: Data,
    *,
    recipe: ForestTraining | None = None,
    seed: int = 0,
) -> ForestRuns:
    """Train networks on one graph and look at another's validation nodes.

    Args:
        trees: The networks.
        train: Graph with ``train_mask``; edge weights are not used.
        val: Graph with ``val_mask``, of the same features.
        recipe: How to train; None is the default :class:`ForestTraining`.
        seed: Seed of weights and dropout.

    Returns:
        What was seen.
    """
    require_kind(ForestTraining, "For example ForestTraining().", recipe=recipe)
    recipe = recipe or ForestTraining()
    require(
        train.num_features == val.num_features,
        f"Both graphs must have the same features, but they have {train.num_features} and"
        f" {val.num_features}. Take both from one data set.",
    )
    # Directions of both graphs' features together: a condensed graph alone may have too few nodes.
    basis = _directions(torch.cat([train.x, val.x]), recipe.sketch, seed)
    graphs = [
        ForestGraph(data.x if basis is None else data.x @ basis, data.edge_index)
        for data in (train, val)
    ]
    classes = 1 + int(torch.cat([train.y[train.train_mask], val.y[val.val_mask]]).max())
    runs = []
    for first in range(0, len(trees), recipe.block):
        forest = OperationForest(
            trees[first : first + recipe.block],
            graphs[0].x.size(1),
            classes,
            num_features=train.num_features,
            hidden=recipe.hidden,
            dropout=recipe.dropout,
            post=recipe.post,
            seed=derive(seed, "block", first),
        )
        runs.append(_train_block(forest, graphs, (train, val), recipe))
    return ForestRuns(
        torch.cat([run.accuracy for run in runs], 1), torch.cat([run.loss for run in runs], 1)
    )


def _train_block(
    forest: OperationForest,
    graphs: list[ForestGraph],
    data: tuple[Data, Data],
    recipe: ForestTraining,
) -> ForestRuns:
    train, val = data
    nodes = train.train_mask.nonzero()[:, 0]
    held_out = val.val_mask.nonzero()[:, 0]
    optimiser = torch.optim.SGD(
        list(forest.params.values()),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    accuracy, losses = list[Tensor](), list[Tensor]()
    # Evenly spread, the last one after the last epoch.
    due = {(look * recipe.epochs) // recipe.looks for look in range(1, recipe.looks + 1)}
    for epoch in range(1, recipe.epochs + 1):
        loss = _cross_entropy(forest(graphs[0], nodes), train.y[nodes])
        optimiser.zero_grad()
        # A network whose loss is NaN spoils its own parameters only.
        loss.sum().backward()
        optimiser.step()
        if epoch in due:
            with torch.no_grad():
                logits = forest(graphs[1], held_out, train=False)
            right = logits.argmax(2) == val.y[held_out][:, None]
            accuracy.append(right.float().mean(0))
            losses.append(_cross_entropy(logits, val.y[held_out]))
    return ForestRuns(torch.stack(accuracy), torch.stack(losses))


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of every network [B] from logits [r, B, C]."""
    target = y[:, None].expand(-1, logits.size(1))
    return cross_entropy(logits.permute(0, 2, 1), target, reduction="none").mean(0)


def _directions(x: Tensor, width: int | None, seed: int) -> Tensor | None:
    """Return the leading right singular vectors [d, width] of features, None for all of them."""
    if width is None or width >= min(x.shape):
        return None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "directions"))
        basis: Tensor = torch.svd_lowrank(x, q=min(width + 10, *x.shape), niter=3)[2]
    return basis[:, :width]
