"""Networks that are trees of operations, as NAS-Bench-Graph builds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, final, get_args

import torch
from torch import Tensor
from torch_geometric.nn import ARMAConv, ChebConv, GATConv, GCNConv, GINConv, GraphConv, SAGEConv

from graphcond.errors import UnknownNameError, require, require_share
from graphcond.seeding import derive

Operation = Literal["gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
_WEIGHTED = ("gcn", "cheb", "arma", "graph")
_HEADS = 4


@final
class OperationTree(torch.nn.Module):
    """Operations that each read an earlier one; what nobody reads is concatenated and classified.

    h_0 = x and h_i = op_i(h_{link_i}) for i = 1, 2, …; the leaves are the h_i that no operation
    reads. Logits are an affine map of ReLU(leaves side by side), or with ``post`` a network of one
    hidden layer. What an operation reads goes through BatchNorm, ReLU and dropout before, unless
    it is x, which gets one dropout.

    Args:
        num_features: Input features d.
        num_classes: Classes C.
        links: What operation i reads, from 0 (the input) to i - 1.
        operations: The operations, as many.
        hidden: Width of every operation but ``skip``; ``gat`` shares it among 4 heads.
        dropout: Probability of dropping an input, in [0, 1).
        pre: Whether x first goes through an affine map to ``hidden``.
        post: Whether a hidden layer stands before the logits.
        seed: Seed of the initial weights; the global generator is left alone.

    Source: NAS-Bench-Graph (Qin et al., NeurIPS 2022, Datasets and Benchmarks). Deviations: none
        known; the numbers of parameters equal the published ones.

    Example:
        >>> net = OperationTree(3, 2, links=(0, 1), operations=("gcn", "skip"), hidden=8)
        >>> net(torch.ones(4, 3), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        links: tuple[int, ...],
        operations: tuple[Operation, ...],
        hidden: int = 256,
        dropout: float = 0.5,
        pre: bool = False,
        post: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check(links, operations, hidden, dropout)
        self.links = links
        self.operations = operations
        self.dropout = dropout
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(seed, "operation-tree"))
            if pre:
                first = hidden
            else:
                first = num_features
            self.pre = torch.nn.Linear(num_features, hidden) if pre else None
            widths = [first]
            layers = []
            for link, operation in zip(links, operations):
                layers.append(_layer(operation, widths[link], hidden))
                widths.append(widths[link] if operation == "skip" else hidden)
            self.layers = torch.nn.ModuleList(layers)
            # One for every operation, also where none is applied: the published counts have them.
            self.norms = torch.nn.ModuleList(torch.nn.BatchNorm1d(hidden) for _ in operations)
            leaves = sum(widths[leaf] for leaf in self.leaves)
            self.out = torch.nn.Linear(leaves, hidden if post else num_classes)
            self.post = torch.nn.Linear(hidden, num_classes) if post else None

    @property
    def leaves(self) -> tuple[int, ...]:
        """Operations, counted from 1, that no operation reads."""
        numbers = range(1, len(self.links) + 1)
        return tuple(number for number in numbers if number not in self.links)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return logits.

        Args:
            x: Features [n, d].
            edge_index: Edges [2, m].
            edge_weight: Weights [m], used by GCN, Cheb, ARMA and Graph layers only.

        Returns:
            Logits [n, C].
        """
        x = torch.nn.functional.dropout(x, self.dropout, self.training)
        states = [x if self.pre is None else self.pre(x)]
        for i, (link, operation) in enumerate(zip(self.links, self.operations)):
            state = states[link]
            if operation == "skip":
                states.append(state)
                continue
            if state is not states[0] or self.pre is not None:
                state = torch.relu(self.norms[i](state))
                state = torch.nn.functional.dropout(state, self.dropout, self.training)
            if operation == "fc":
                state = self.layers[i](state)
            elif operation in _WEIGHTED:
                state = self.layers[i](state, edge_index, edge_weight)
            else:
                state = self.layers[i](state, edge_index)
            states.append(state)
        leaves = torch.cat([states[leaf] for leaf in self.leaves], 1)
        logits: Tensor = self.out(torch.relu(leaves))
        if self.post is not None:
            logits = self.post(torch.relu(logits))
        return logits


def _check(
    links: tuple[int, ...], operations: tuple[Operation, ...], hidden: int, dropout: float
) -> None:
    require(
        len(links) == len(operations) >= 1,
        f"There are {len(links)} links and {len(operations)} operations."
        " Give one link for every operation, and at least one operation.",
    )
    for i, link in enumerate(links):
        require(
            0 <= link <= i,
            f"Operation {i + 1} reads {link}, but it may read 0 (the input) to {i}."
            " Correct `links`.",
        )
    unknown = sorted(set(operations) - set(OPERATIONS))
    require(
        not unknown,
        f"`operations` has unknown names: {', '.join(unknown)}."
        f" Choose among {', '.join(OPERATIONS)}.",
        error=UnknownNameError,
    )
    require(
        hidden >= _HEADS and hidden % _HEADS == 0,
        f"`hidden` must be a multiple of {_HEADS}, but it is {hidden}. GAT's heads share it.",
    )
    require_share("0 switches it off.", dropout=dropout)


def _layer(operation: Operation, fan_in: int, hidden: int) -> torch.nn.Module:
    layers: dict[Operation, Callable[[], torch.nn.Module]] = {
        "gat": lambda: GATConv(fan_in, hidden // _HEADS, heads=_HEADS),
        "gcn": lambda: GCNConv(fan_in, hidden),
        "gin": lambda: GINConv(torch.nn.Linear(fan_in, hidden)),
        "cheb": lambda: ChebConv(fan_in, hidden, K=2),
        "sage": lambda: SAGEConv(fan_in, hidden),
        "arma": lambda: ARMAConv(fan_in, hidden),
        "graph": lambda: GraphConv(fan_in, hidden),
        "fc": lambda: torch.nn.Linear(fan_in, hidden),
        "skip": torch.nn.Identity,
    }
    return layers[operation]()
