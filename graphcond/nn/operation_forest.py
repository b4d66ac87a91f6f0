"""Many operation trees side by side: one pass through all of them costs a few kernel calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu
from torch_geometric.utils import remove_self_loops

from graphcond.errors import require
from graphcond.nn.operation_tree import OPERATIONS, Operation
from graphcond.seeding import generator
from graphcond.sparse import CSR, add_self_loops, degree, gcn_norm, spmm
from graphcond.typing import Tensors

_HEADS = 4
_MOMENTUM = 0.1
_EPSILON = 1e-5
_GLOROT = ("gat", "gcn", "cheb", "arma")
"""Operations whose weights PyG draws by Glorot's rule; the others by that of ``Linear``."""
_TWO_WEIGHTS = ("cheb", "sage", "arma", "graph")
"""Operations with one weight for a node itself and one for its neighbours."""


class Tree(Protocol):
    """What names a network: links and operations, for example a choice of a search space."""

    @property
    def links(self) -> tuple[int, ...]:
        """What each operation reads; 0 is the input."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations."""


@final
@dataclass(frozen=True, eq=False)
class ForestGraph:
    """A graph's features and the matrices that the operations multiply with, each made once.

    Args:
        x: Features [n, k].
        edge_index: Edges [2, m], without weights.
    """

    x: Tensor
    edge_index: Tensor

    @cached_property
    def plain(self) -> CSR:
        """The adjacency matrix A."""
        return CSR.from_edge_index(self.edge_index, len(self.x))

    @cached_property
    def looped(self) -> CSR:
        """A with one loop at every node."""
        return add_self_loops(self._loopless)

    @cached_property
    def matrices(self) -> dict[str, CSR]:
        """The matrix of each operation that has a fixed one.

        Deviation from PyG on directed graphs: ``cheb`` is normalised by in-degrees, as ``gcn`` is.
        """
        mean = 1 / degree(self.plain).clamp(min=1).to(self.x)
        loops = torch.arange(len(self.x), device=self.x.device).expand(2, -1)
        summed = torch.cat([self.edge_index, loops], 1)
        minus = gcn_norm(self._loopless, self_loops=False)
        found = {
            "gcn": gcn_norm(self.plain),
            "gin": CSR.from_edge_index(summed, len(self.x)),
            "cheb": minus.with_value(-_values(minus)),
            "sage": self.plain.with_value(mean[self.plain.row]),
            "arma": gcn_norm(self.plain, self_loops=False),
            "graph": self.plain,
        }
        return {name: csr.with_value(_values(csr).to(self.x)) for name, csr in found.items()}

    @cached_property
    def _loopless(self) -> CSR:
        return CSR.from_edge_index(remove_self_loops(self.edge_index)[0], len(self.x))

    def propagate(self, operation: Operation, state: Tensor) -> Tensor:
        """Return the operation's matrix times a state [n, b, h]."""
        return spmm(self.matrices[operation], state.flatten(1)).view(state.shape)


@dataclass(frozen=True)
class Group:
    """The networks [b] that have one operation at one place, and whether it reads the input."""

    name: str
    operation: Operation
    raw: bool
    trees: Tensor


@final
class OperationForest:
    """B networks like :class:`~graphcond.nn.OperationTree`, trained side by side.

    States are [n, B, h]; networks with the same operation at a place are multiplied together.
    Parameters of different networks never meet, so a sum of their losses trains each alone.

    Args:
        trees: The B networks, of the same number of operations; none may have raw features for a
            leaf.
        width: Width k of the features that the forest gets.
        num_classes: Classes C.
        num_features: Features d of the data, from which ``width`` may be a projection: initial
            weights that read them are drawn as wide as for d.
        hidden: Width h of every operation, a multiple of 4.
        dropout: Probability of dropping an input, in [0, 1).
        post: Whether a hidden layer stands before the logits.
        seed: Seed of initial weights and dropout.
    """

    def __init__(
        self,
        trees: Sequence[Tree],
        width: int,
        num_classes: int,
        *,
        num_features: int | None = None,
        hidden: int = 64,
        dropout: float = 0.5,
        post: bool = True,
        seed: int = 0,
    ) -> None:
        require(len(trees) > 0, "There are no trees. Give at least one.")
        require(
            hidden % _HEADS == 0,
            f"`hidden` must be a multiple of {_HEADS}, but it is {hidden}. GAT's heads share it.",
        )
        self.count = len(trees)
        self.places = len(trees[0].links)
        self.hidden = hidden
        self.dropout = dropout
        self.post = post
        self.links = torch.tensor([tree.links for tree in trees])
        self.leaf = _leaf_mask(trees)
        self._stream = generator(seed, "operation-forest")
        self.plan = _plan(trees)
        fan_in = width if num_features is None else num_features
        self.params: Tensors = {}
        for group in (group for place in self.plan for group in place):
            self._draw_layer(group, width, fan_in)
        self._draw_head(num_classes)
        shape = (self.places, self.count, hidden)
        self.params |= {"norm.weight": torch.ones(shape), "norm.bias": torch.zeros(shape)}
        self._mean = torch.zeros(shape)
        self._variance = torch.ones(shape)
        for value in self.params.values():
            value.requires_grad_(True)

    def _uniform(self, bound: float, *shape: int) -> Tensor:
        return (2 * torch.rand(shape, generator=self._stream) - 1) * bound

    def _draw_layer(self, group: Group, width: int, fan_in: int) -> None:
        if group.operation == "skip":
            return
        count = len(group.trees)
        rows, inputs = (width, fan_in) if group.raw else (self.hidden, self.hidden)
        linear = 1 / math.sqrt(inputs)
        glorot = math.sqrt(6 / (inputs + self.hidden))
        bound = glorot if group.operation in _GLOROT else linear
        bias = 0.0 if group.operation in _GLOROT else linear
        made = {"weight": self._uniform(bound, count, rows, self.hidden)}
        made["bias"] = self._uniform(bias, 1, count, self.hidden)
        if group.operation in _TWO_WEIGHTS:
            made["other"] = self._uniform(bound, count, rows, self.hidden)
        if group.operation == "gat":
            share = self.hidden // _HEADS
            attention = math.sqrt(6 / (_HEADS + share))
            made["source"] = self._uniform(attention, 1, count, _HEADS, share)
            made["target"] = self._uniform(attention, 1, count, _HEADS, share)
        self.params |= {f"{group.name}.{key}": value for key, value in made.items()}

    def _draw_head(self, num_classes: int) -> None:
        outputs = self.hidden if self.post else num_classes
        # A network with few leaves has few inputs here; columns of other places stay 0.
        bound = (self.leaf.sum(1) * self.hidden).rsqrt()
        weight = self._uniform(1.0, self.count, self.places, self.hidden, outputs)
        weight = weight * bound[:, None, None, None] * self.leaf[:, :, None, None]
        self.params["out.weight"] = weight
        self.params["out.bias"] = self._uniform(1.0, 1, self.count, outputs) * bound[:, None]
        if self.post:
            last = 1 / math.sqrt(self.hidden)
            self.params["post.weight"] = self._uniform(last, self.count, outputs, num_classes)
            self.params["post.bias"] = self._uniform(last, 1, self.count, num_classes)

    def __call__(self, graph: ForestGraph, rows: Tensor, train: bool = True) -> Tensor:
        """Return logits of some nodes.

        Args:
            graph: The graph.
            rows: Nodes [r] whose logits are wanted.
            train: Whether inputs are dropped, and batches' own moments normalise them.

        Returns:
            Logits [r, B, C].
        """
        out = _matmul(self.leaves(graph, rows, train), self.params["out.weight"].flatten(1, 2))
        out = out + self.params["out.bias"]
        if self.post:
            out = _matmul(torch.relu(out), self.params["post.weight"]) + self.params["post.bias"]
        return out

    def leaves(self, graph: ForestGraph, rows: Tensor, train: bool = True) -> Tensor:
        """Return what the classifier reads: ReLU of the leaves, and 0 where an operation is none.

        Args:
            graph: The graph.
            rows: Nodes [r].
            train: As for a call.

        Returns:
            Features [r, B, places · hidden].
        """
        states = list[Tensor]()
        for place in range(self.places):
            states.append(self._place(place, states, graph, train))
        found = torch.stack([torch.relu(state[rows]) for state in states], 2)
        return (found * self.leaf[None, :, :, None]).flatten(2)

    def _place(self, place: int, states: list[Tensor], graph: ForestGraph, train: bool) -> Tensor:
        """Return the state [n, B, h] of one operation of every network."""
        groups = self.plan[place]
        inner = [group.trees for group in groups if not group.raw]
        if inner:
            trees = torch.cat(inner)
            before = torch.stack(states)[self.links[trees, place] - 1, :, trees].transpose(0, 1)
            read = self._normalised(place, trees, before, train)
        pieces = list[Tensor]()
        owners = list[Tensor]()
        first = 0
        for group in groups:
            size = len(group.trees)
            here = slice(first, first + size)
            if not group.raw:
                first += size
            if group.operation == "skip":
                if group.raw:
                    # What reads it reads the input: its state is never looked at.
                    continue
                pieces.append(before[:, here])
            elif group.raw:
                x = graph.x[:, None, :].expand(-1, size, -1)
                pieces.append(self._apply(group, self._dropped(x, train), graph))
            else:
                pieces.append(self._apply(group, read[:, here], graph))
            owners.append(group.trees)
        state = graph.x.new_zeros(len(graph.x), self.count, self.hidden)
        if not pieces:
            return state
        return state.index_copy(1, torch.cat(owners), torch.cat(pieces, 1))

    def _normalised(self, place: int, trees: Tensor, state: Tensor, train: bool) -> Tensor:
        """Return dropout(ReLU(BatchNorm(state))), with moments of every network for itself."""
        if train:
            mean = state.mean(0)
            variance = state.var(0, unbiased=False)
            unbiased = variance.detach() * len(state) / max(len(state) - 1, 1)
            self._mean[place, trees] += _MOMENTUM * (mean.detach() - self._mean[place, trees])
            self._variance[place, trees] += _MOMENTUM * (unbiased - self._variance[place, trees])
        else:
            mean = self._mean[place, trees]
            variance = self._variance[place, trees]
        scaled = (state - mean) * (variance + _EPSILON).rsqrt()
        weight = self.params["norm.weight"][place, trees]
        bias = self.params["norm.bias"][place, trees]
        return self._dropped(torch.relu(scaled * weight + bias), train)

    def _dropped(self, x: Tensor, train: bool) -> Tensor:
        if not train or self.dropout == 0:
            return x
        kept = torch.rand(x.shape, generator=self._stream) >= self.dropout
        return x * kept / (1 - self.dropout)

    def _apply(self, group: Group, read: Tensor, graph: ForestGraph) -> Tensor:
        """Return op(read) for the networks of a group, [n, b, h]."""
        operation = group.operation
        weight = self.params[f"{group.name}.weight"]
        bias = self.params[f"{group.name}.bias"]
        out = _matmul(read, weight)
        if operation == "gat":
            return self._attend(group, out, graph) + bias
        if operation != "fc":
            out = graph.propagate(operation, out)
        if operation in _TWO_WEIGHTS:
            out = out + _matmul(read, self.params[f"{group.name}.other"])
        out = out + bias
        return torch.relu(out) if operation == "arma" else out

    def _attend(self, group: Group, values: Tensor, graph: ForestGraph) -> Tensor:
        """Return GAT's weighted means; its softmax runs over what flows into a node."""
        n, count, hidden = values.shape
        heads = values.view(n, count, _HEADS, hidden // _HEADS)
        source = (heads * self.params[f"{group.name}.source"]).sum(3)
        target = (heads * self.params[f"{group.name}.target"]).sum(3)
        to, start = graph.looped.row.long(), graph.looped.indices.long()
        score = leaky_relu(source[start] + target[to], 0.2)
        # One maximum for all nodes would do for overflow; it is taken for each network and head.
        score = (score - score.detach().amax(0)).exp()
        total = score.new_zeros(n, count, _HEADS).index_add(0, to, score)
        share = score / (total[to] + 1e-16)
        mixed = torch.zeros_like(heads).index_add(0, to, heads[start] * share[..., None])
        return mixed.reshape(n, count, hidden)


def _values(csr: CSR) -> Tensor:
    return torch.ones(csr.nnz, device=csr.device) if csr.value is None else csr.value


def _matmul(x: Tensor, weight: Tensor) -> Tensor:
    """Return [n, b, i] times [b, i, o], every network by its own weight."""
    return torch.bmm(x.transpose(0, 1), weight).transpose(0, 1).contiguous()


def _leaf_mask(trees: Sequence[Tree]) -> Tensor:
    """Return 1.0 where nobody reads an operation [B, places]."""
    rows = [
        [float(place not in tree.links) for place in range(1, len(tree.links) + 1)]
        for tree in trees
    ]
    return torch.tensor(rows)


def _plan(trees: Sequence[Tree]) -> list[list[Group]]:
    """Return the groups of every place, in a fixed order."""
    raw = torch.zeros(len(trees), len(trees[0].links) + 1, dtype=torch.bool)
    raw[:, 0] = True
    for row, tree in enumerate(trees):
        for place, (link, operation) in enumerate(zip(tree.links, tree.operations), 1):
            raw[row, place] = bool(raw[row, link]) and operation == "skip"
            require(
                not (raw[row, place] and place not in tree.links),
                f"Tree {row} has raw features for a leaf. Take its canonical form.",
            )
    plan = []
    for place in range(len(trees[0].links)):
        groups = []
        for reads_input in (True, False):
            for operation in OPERATIONS:
                members = [
                    row
                    for row, tree in enumerate(trees)
                    if tree.operations[place] == operation
                    and bool(raw[row, tree.links[place]]) == reads_input
                ]
                if members:
                    name = f"{place}.{operation}{'.raw' if reads_input else ''}"
                    groups.append(Group(name, operation, reads_input, torch.tensor(members)))
        plan.append(groups)
    return plan
