"""Layers and networks of GraphNAS's search space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import dropout, leaky_relu
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.inits import glorot, zeros
from torch_geometric.utils import add_remaining_self_loops, degree, softmax

from graphcond.errors import UnknownNameError, require
from graphcond.seeding import derive

Attention: TypeAlias = Literal[
    "gat", "gcn", "cos", "const", "gat_sym", "linear", "generalized_linear"
]
"""How a neighbour's weight is found."""

Aggregator: TypeAlias = Literal["sum", "mean", "max", "mlp"]
"""How the neighbours' messages are put together."""

Activation: TypeAlias = Literal[
    "sigmoid", "tanh", "relu", "linear", "softplus", "leaky_relu", "relu6", "elu"
]
"""What follows a layer."""

_POOL = 128
"""Width of the perceptron that ``mlp`` sends messages through, as in the authors' code."""

_SLOPE = 0.2
"""Slope of the attention's leaky ReLU, as in GAT."""


@dataclass(frozen=True)
class LayerChoice:
    """One layer of GraphNAS's space.

    Args:
        attention: How a neighbour's weight is found.
        aggregator: How messages are put together.
        activation: What follows.
        heads: Attention heads.
        hidden: Width of a head; ignored in the last layer, whose width is the number of classes.
    """

    attention: Attention
    aggregator: Aggregator
    activation: Activation
    heads: int
    hidden: int = 0


class AttentionLayer(MessagePassing):
    """One layer: x'_i = aggregate_{j ∈ N(i) ∪ {i}} a_ij W x_j + b, for every head.

    With l, r the halves of a head's attention vector, h = W x, and ⊙ the product by entries, the
    score e_ij of an edge j → i is

    - ``gat``: LeakyReLU(l·h_i + r·h_j)
    - ``gat_sym``: e_gat(i, j) + e_gat(j, i)
    - ``cos``: (l ⊙ h_i) · (r ⊙ h_j)
    - ``linear``: tanh(l·h_j + r·h_j)
    - ``generalized_linear``: g · tanh(l ⊙ h_i + r ⊙ h_j) with one more vector g

    and a_ij = softmax of e_ij over the neighbours j of i. ``const`` has a_ij = 1, and ``gcn``
    a_ij = 1 / sqrt(d_i d_j). The aggregator ``mlp`` sends messages through two linear layers and
    sums them.

    Args:
        in_channels: Input features.
        out_channels: Width of a head.
        choice: Kind of attention and aggregator, and the number of heads.
        concat: Whether heads stand side by side; else they are averaged.
        dropout: Share of attention weights set to zero in training.

    Source: Gao et al., GraphNAS (2020), table 1, and its authors' code. Departures: the softmax is
        over the neighbours that send to a node, not over those it sends to; degrees are computed at
        every call, not kept by the number of edges; ``mlp`` has a ReLU between its two layers, and
        ``mean`` and ``max`` have no such layers; edge weights, which the original has not, are
        factors of a_ij.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        choice: LayerChoice,
        concat: bool = True,
        dropout: float = 0.0,
    ) -> None:
        pooled = choice.aggregator
        if pooled == "mlp":
            pooled = "sum"
        super().__init__(aggr=pooled, node_dim=0)
        self.attention = choice.attention
        self.aggregator = choice.aggregator
        self.heads = choice.heads
        self.out_channels = out_channels
        self.concat = concat
        self.dropout = dropout
        self.weight = torch.nn.Parameter(torch.empty(in_channels, self.heads * out_channels))
        self.left = torch.nn.Parameter(torch.empty(1, self.heads, out_channels))
        self.right = torch.nn.Parameter(torch.empty(1, self.heads, out_channels))
        width = self.heads * out_channels if concat else out_channels
        self.bias = torch.nn.Parameter(torch.empty(width))
        general = choice.attention == "generalized_linear"
        self.general = torch.nn.Linear(out_channels, 1, bias=False) if general else None
        self.pool = None
        if choice.aggregator == "mlp":
            self.pool = torch.nn.Sequential(
                torch.nn.Linear(out_channels, _POOL),
                torch.nn.ReLU(),
                torch.nn.Linear(_POOL, out_channels),
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        glorot(self.weight)
        glorot(self.left)
        glorot(self.right)
        zeros(self.bias)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return the next features.

        Args:
            x: Features [n, in_channels].
            edge_index: Edges [2, m].
            edge_weight: Weights [m], or None for 1.

        Returns:
            Features [n, heads · out_channels], or [n, out_channels] where heads are averaged.
        """
        n = x.size(0)
        edge_index, edge_weight = add_remaining_self_loops(edge_index, edge_weight, 1.0, n)
        h = (x @ self.weight).view(n, self.heads, self.out_channels)
        weights = self._weights(h, edge_index, n)
        if edge_weight is not None:
            weights = weights * edge_weight.view(-1, 1).to(weights.dtype)
        if self.attention != "gcn":
            weights = dropout(weights, self.dropout, self.training)
        out: Tensor = self.propagate(edge_index, h=h, weights=weights, size=(n, n))
        out = out.flatten(1) if self.concat else out.mean(1)
        return out + self.bias

    def message(self, h_j: Tensor, weights: Tensor) -> Tensor:
        """Return what is sent along edges.

        Args:
            h_j: Features of the senders [m, heads, out_channels].
            weights: Weights a_ij [m, heads].

        Returns:
            Messages [m, heads, out_channels].
        """
        sent: Tensor = weights.unsqueeze(-1) * h_j
        if self.pool is not None:
            sent = self.pool(sent)
        return sent

    def _weights(self, h: Tensor, edge_index: Tensor, n: int) -> Tensor:
        """Return a_ij [m, heads]."""
        source, target = edge_index
        if self.attention == "const":
            return h.new_ones(edge_index.size(1), self.heads)
        if self.attention == "gcn":
            scale: Tensor = degree(target, n, dtype=h.dtype).clamp_min(1).rsqrt()
            return (scale[source] * scale[target]).view(-1, 1).expand(-1, self.heads)
        weights: Tensor = softmax(self._scores(h[target], h[source]), target, num_nodes=n)
        return weights

    def _scores(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """Return e_ij [m, heads] for features h_i and h_j [m, heads, out_channels]."""
        if self.attention == "gat":
            return self._gat(receiver, sender)
        if self.attention == "gat_sym":
            return self._gat(receiver, sender) + self._gat(sender, receiver)
        if self.attention == "cos":
            return (receiver * self.left * sender * self.right).sum(-1)
        if self.attention == "linear":
            return torch.tanh((sender * self.left).sum(-1) + (sender * self.right).sum(-1))
        mixed = torch.tanh(receiver * self.left + sender * self.right)
        scores: Tensor = mixed.sum(-1) if self.general is None else self.general(mixed).squeeze(-1)
        return scores

    def _gat(self, receiver: Tensor, sender: Tensor) -> Tensor:
        score = (receiver * self.left).sum(-1) + (sender * self.right).sum(-1)
        return leaky_relu(score, _SLOPE)


class GraphNASNet(torch.nn.Module):
    """A stack of :class:`AttentionLayer`; the last one's heads are averaged.

    Args:
        num_features: Input features d.
        num_classes: Classes C, the width of the last layer.
        choices: The layers.
        dropout: Share of a layer's inputs and attention weights set to zero in training.
        seed: Seed of the initial weights; the global generator is left alone.

    Source: Gao et al., GraphNAS (2020); an activation follows the last layer, too, as in the
        authors' code.

    Example:
        >>> layer = LayerChoice("gat", "sum", "relu", heads=2, hidden=4)
        >>> net = GraphNASNet(3, 2, [layer, layer])
        >>> net(torch.ones(4, 3), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        choices: Sequence[LayerChoice],
        dropout: float = 0.6,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require(len(choices) > 0, "`choices` is empty. Give at least one layer.")
        for choice in choices:
            _check(choice)
        self.dropout = dropout
        self.activations: list[Activation] = [choice.activation for choice in choices]
        layers = []
        width = num_features
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(seed, "graph nas"))
            for choice in choices[:-1]:
                layers.append(AttentionLayer(width, choice.hidden, choice, dropout=dropout))
                width = choice.heads * choice.hidden
            last = AttentionLayer(width, num_classes, choices[-1], concat=False, dropout=dropout)
        self.layers = torch.nn.ModuleList([*layers, last])

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return logits.

        Args:
            x: Features [n, d].
            edge_index: Edges [2, m].
            edge_weight: Weights [m], or None for 1.

        Returns:
            Logits [n, C].
        """
        for layer, activation in zip(self.layers, self.activations):
            x = dropout(x, self.dropout, self.training)
            x = activate(layer(x, edge_index, edge_weight), activation)
        return x


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Return an activation of features.

    Args:
        x: Features of any shape.
        activation: Its name in ``torch.nn.functional``, or ``"linear"``, which returns ``x``.
    """
    if activation == "linear":
        return x
    activated: Tensor = getattr(torch.nn.functional, activation)(x)
    return activated


def _check(choice: LayerChoice) -> None:
    """Raise unless a layer's kinds are known."""
    named = (
        (choice.attention, Attention),
        (choice.aggregator, Aggregator),
        (choice.activation, Activation),
    )
    for name, kinds in named:
        known = get_args(kinds)
        require(
            name in known,
            f"GraphNAS has no {name!r}. Choose one of {', '.join(known)}.",
            error=UnknownNameError,
        )
