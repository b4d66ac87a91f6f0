"""Scores of networks that nobody trained: size, gradient norm, SynFlow, a readout of random
weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot
from torch_geometric.data import Data

from graphcond.nn import ForestGraph, OperationForest, OperationTree, Tree

ZERO_COST = ("parameters", "gradient norm", "SynFlow", "random readout")
_RIDGE = 0.1
"""Relative to the mean of the kernel's diagonal."""
_TINY = 1e-30
"""A network that nothing flows through has no logarithm."""


def zero_cost(
    trees: Sequence[Tree], train: Data, val: Data, *, hidden: int, post: bool, seed: int
) -> dict[str, list[float]]:
    """Return each score of each network; more should be better.

    Args:
        trees: The networks.
        train: Graph with ``train_mask``.
        val: Graph with ``val_mask``.
        hidden: Width.
        post: Whether a hidden layer stands before the logits.
        seed: Seed of the weights.
    """
    nodes = train.train_mask.nonzero()[:, 0]
    held_out = val.val_mask.nonzero()[:, 0]
    classes = int(train.y[nodes].max()) + 1
    graphs = [ForestGraph(data.x, data.edge_index) for data in (train, val)]
    draw = partial(
        OperationForest,
        trees,
        train.num_features,
        classes,
        num_features=train.num_features,
        hidden=hidden,
        dropout=0.0,
        post=post,
        seed=seed,
    )
    forest = draw()
    logits = forest(graphs[0], nodes)
    target = train.y[nodes][:, None].expand(-1, forest.count)
    cross_entropy(logits.permute(0, 2, 1), target, reduction="none").mean(0).sum().backward()
    norms = _per_network(forest, lambda value, slope: slope.square()).sqrt()
    with torch.no_grad():
        features = [forest.leaves(graph, rows) for graph, rows in zip(graphs, (nodes, held_out))]
        readout = [
            _readout(features[0][:, row], train.y[nodes], features[1][:, row], val.y[held_out])
            for row in range(forest.count)
        ]
    flow = synflow(draw(), graphs[0], nodes)
    counts = [_parameters(tree, train.num_features, classes, hidden, post) for tree in trees]
    columns = (counts, norms.tolist(), flow.tolist(), readout)
    return dict(zip(ZERO_COST, columns))


def synflow(forest: OperationForest, graph: ForestGraph, nodes: Tensor) -> Tensor:
    """Return the logarithm of SynFlow's score of each network [B].

    The score is the sum of θ · ∂R/∂θ over the weights. R is the sum of the logits of a network with
    weights |θ| on features of ones. The weights are |θ| afterwards.

    Args:
        forest: The networks, just drawn: their moments are 0 and 1.
        graph: The graph.
        nodes: Nodes whose logits count [r].

    Source: Tanaka et al. 2020, equation 1, without pruning. Moments stay 0 and 1, since those of a
        batch would undo the scale that is measured.
    """
    with torch.no_grad():
        for value in forest.params.values():
            value.abs_()
            value.grad = None
    ones = ForestGraph(torch.ones_like(graph.x), graph.edge_index)
    forest(ones, nodes, train=False).sum().backward()
    return _per_network(forest, lambda value, slope: value * slope).clamp(min=_TINY).log()


def _per_network(forest: OperationForest, term: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the sum of a term of weights and gradients over the weights of each network [B]."""
    total = torch.zeros(forest.count)
    for name, value in forest.params.items():
        if value.grad is None:
            continue
        axis, owners = _owners(forest, name, value)
        rest = [dim for dim in range(value.dim()) if dim != axis]
        total.index_add_(0, owners, term(value.detach(), value.grad).sum(rest))
    return total


def _owners(forest: OperationForest, name: str, value: Tensor) -> tuple[int, Tensor]:
    """Return the axis of a parameter that runs over networks, and which networks."""
    for place in forest.plan:
        for group in place:
            if name.startswith(f"{group.name}."):
                return (0 if value.size(0) == len(group.trees) else 1), group.trees
    axis = 0 if name in ("out.weight", "post.weight") else 1
    return axis, torch.arange(forest.count)


def _parameters(tree: Tree, num_features: int, num_classes: int, hidden: int, post: bool) -> float:
    with torch.device("meta"):
        net = OperationTree(
            num_features, num_classes, tree.links, tree.operations, hidden=hidden, post=post
        )
    return float(sum(value.numel() for value in net.parameters()))


def _readout(z: Tensor, y: Tensor, other: Tensor, truth: Tensor) -> float:
    """Return the accuracy of ridge regression on the features of an untrained network."""
    mean, spread = z.mean(0), z.std(0) + 1e-6
    z, other = (z - mean) / spread, (other - mean) / spread
    kernel = z @ z.T
    level = _RIDGE * kernel.diagonal().mean() * torch.eye(len(z))
    target = one_hot(y).float()
    answer = torch.linalg.solve(kernel + level, target - target.mean(0))
    return float(((other @ z.T @ answer).argmax(1) == truth).float().mean())
