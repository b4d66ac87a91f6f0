"""All networks of one tree of operations in one: a supernet that mixes its operations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast, final

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy, dropout, one_hot
from torch_geometric.data import Data

from graphcond.errors import require
from graphcond.hypergrad import BilevelProblem
from graphcond.nn.operation_tree import OPERATIONS, Operation, OperationTree
from graphcond.seeding import derive
from graphcond.typing import Tensors


@final
class OperationSupernet(torch.nn.Module):
    """A tree whose every operation is a mixture of all of them.

    h_0 is an affine map of x, and h_i = Σ_o w_{io} op_{io}(h_{link_i}): every operation at every
    place has weights of its own. What ``skip`` does not pass on goes through BatchNorm, ReLU and
    dropout before. Where w is one-hot, this is an :class:`OperationTree` with ``pre``.

    Args:
        num_features: Input features d.
        num_classes: Classes C.
        links: What operation i reads, from 0 (the input) to i - 1.
        operations: The operations to choose from, distinct.
        hidden: Width, a multiple of 4.
        dropout: Probability of dropping an input, in [0, 1).
        post: Whether a hidden layer stands before the logits.
        seed: Seed of the initial weights; the global generator is left alone.

    Source: the supernet of DARTS (Liu et al. 2019) and GDAS (Dong and Yang 2019), which HCDC's
        section 5.1 condenses for. Deviation: all operations are computed, so that the gradient in w
        is that of the mixture, where GDAS computes the chosen one and takes others for constant.

    Example:
        >>> net = OperationSupernet(3, 2, links=(0, 1), operations=("gcn", "fc"), hidden=8)
        >>> edges = torch.tensor([[0, 1], [1, 0]])
        >>> net(torch.ones(4, 3), edges, torch.full((2, 2), 0.5)).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        links: tuple[int, ...],
        operations: Sequence[Operation] = OPERATIONS,
        *,
        hidden: int = 64,
        dropout: float = 0.5,
        post: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require(
            len(set(operations)) == len(operations) >= 1,
            f"`operations` must be distinct, and at least one, but they are {tuple(operations)}."
            " Name each once.",
        )
        self.links = links
        self.operations = tuple(operations)
        self.dropout = dropout
        self._tree = partial(
            OperationTree,
            num_features,
            num_classes,
            links,
            hidden=hidden,
            dropout=dropout,
            pre=True,
            post=post,
        )
        # One tree of each operation: together they hold all weights of the mixture.
        trees = [
            self._tree(operations=(each,) * len(links), seed=derive(seed, "supernet", each))
            for each in self.operations
        ]
        first = trees[0]
        self.pre = cast(torch.nn.Linear, first.pre)  # trees with `pre` have one
        self.norms = first.norms
        self.out = first.out
        self.post = first.post
        # The operations of the first place, then those of the second, and so on.
        self.layers = torch.nn.ModuleList(
            tree.layers[place] for place in range(len(links)) for tree in trees
        )

    def discrete(self, picks: Sequence[int]) -> OperationTree:
        """Return the network that a choice stands for, with a copy of its weights here.

        Args:
            picks: The index of each place's operation.
        """
        tree = self._tree(operations=tuple(self.operations[pick] for pick in picks))
        count = len(self.operations)
        layers = torch.nn.ModuleList(
            self.layers[place * count + pick] for place, pick in enumerate(picks)
        )
        own = {"pre": self.pre, "norms": self.norms, "out": self.out, "post": self.post}
        for name, module in (own | {"layers": layers}).items():
            if module is not None:
                getattr(tree, name).load_state_dict(module.state_dict())
        return tree.train(self.training)

    @property
    def head(self) -> torch.nn.Linear:
        """The last affine map."""
        return self.out if self.post is None else self.post

    def forward(self, x: Tensor, edge_index: Tensor, weights: Tensor) -> Tensor:
        """Return logits [n, C].

        Args:
            x: Features [n, d].
            edge_index: Edges [2, m].
            weights: Mixture weights [places, operations]; see :func:`straight_through`.
        """
        logits: Tensor = self.head(self.represent(x, edge_index, weights))
        return logits

    def represent(self, x: Tensor, edge_index: Tensor, weights: Tensor) -> Tensor:
        """Return what the head reads [n, width]; arguments as in :meth:`forward`."""
        states = [self.pre(dropout(x, self.dropout, self.training))]
        layers = iter(self.layers)
        for link, norm, mixture in zip(self.links, self.norms, weights):
            state = states[link]
            read = dropout(torch.relu(norm(state)), self.dropout, self.training)
            mixed = torch.zeros_like(state)
            for operation, weight in zip(self.operations, mixture):
                mixed = mixed + weight * _applied(operation, next(layers), state, read, edge_index)
            states.append(mixed)
        numbers = range(1, len(states))
        leaves = torch.cat([states[each] for each in numbers if each not in self.links], 1)
        read = torch.relu(leaves)
        return read if self.post is None else torch.relu(self.out(read))


def _applied(
    operation: Operation, layer: torch.nn.Module, state: Tensor, read: Tensor, edge_index: Tensor
) -> Tensor:
    if operation == "skip":
        return state
    found: Tensor = layer(read) if operation == "fc" else layer(read, edge_index)
    return found


def straight_through(
    lam: Tensor, temperature: float = 1.0, stream: torch.Generator | None = None
) -> Tensor:
    """Return one-hot weights whose gradient is that of softmax((λ + g) / temperature).

    Args:
        lam: Logits λ [places, operations].
        temperature: Above 0; the lower, the closer is the gradient's softmax to one-hot.
        stream: Generator of the Gumbel noise g; None adds none.

    Source: the straight-through Gumbel-softmax of GDAS (Dong and Yang 2019), equation 4.
    """
    soft = soft_weights(lam, temperature, stream)
    hard = one_hot(soft.argmax(-1), soft.size(-1)).to(soft)
    return hard + soft - soft.detach()


def soft_weights(
    lam: Tensor, temperature: float = 1.0, stream: torch.Generator | None = None
) -> Tensor:
    """Return softmax((λ + g) / temperature).

    Args:
        lam: Logits λ [places, operations].
        temperature: Above 0.
        stream: Generator of the Gumbel noise g; None adds none.
    """
    require(
        temperature > 0,
        f"`temperature` must be above 0, but it is {temperature}. 1 is usual.",
    )
    if stream is not None:
        drawn = torch.rand(lam.shape, generator=stream, dtype=lam.dtype)
        lam = lam - (-drawn.clamp(1e-9, 1 - 1e-9).log()).log().to(lam.device)
    return (lam / temperature).softmax(-1)


def supernet_problem(
    net: OperationSupernet,
    train: Data,
    val: Data,
    *,
    weight_decay: float = 5e-4,
    temperature: float = 1.0,
) -> BilevelProblem:
    """Return the search for mixture weights as a bilevel problem, for :mod:`graphcond.hypergrad`.

    λ holds the logits of all places, flattened [places · operations]. The inner loss is the
    cross-entropy on training nodes and weight_decay / 2 · |θ|²; the outer loss is the cross-entropy
    on validation nodes. Both use the softmax of λ, since a one-hot forward pass has no slope in λ.
    BatchNorm's moments stay what they are, and nothing is dropped.

    Args:
        net: The supernet; θ are its parameters by name.
        train: Graph with ``train_mask``.
        val: Graph with ``val_mask``.
        weight_decay: L2 penalty of the inner loss.
        temperature: Of the softmax.

    Source: HCDC, equation HPO and section 5.1, with DARTS' softmax.
    """
    shape = (len(net.links), len(net.operations))
    fixed = {name: value.detach() for name, value in net.named_buffers()}

    def loss(params: Tensors, lam: Tensor, data: Data, mask: Tensor) -> Tensor:
        weights = soft_weights(lam.view(shape), temperature)
        given = (data.x, data.edge_index, weights)
        training = net.training
        net.eval()
        logits = functional_call(net, params | fixed, given)
        net.train(training)
        return cross_entropy(logits[mask], data.y[mask])

    def inner(params: Tensors, lam: Tensor) -> Tensor:
        penalty = sum(value.square().sum() for value in params.values())
        return loss(params, lam, train, train.train_mask) + weight_decay / 2 * penalty

    def outer(params: Tensors, lam: Tensor) -> Tensor:
        return loss(params, lam, val, val.val_mask)

    return BilevelProblem(inner, outer)
