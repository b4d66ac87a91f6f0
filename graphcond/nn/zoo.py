"""Well-known graph networks from PyG behind one small constructor, for transfer tests and model
choice.
"""

from __future__ import annotations

import warnings
from typing import Literal, TypeAlias, final, get_args

import torch
from torch import Tensor
from torch_geometric.nn import APPNP, ChebConv, GATConv, GCNConv, GINConv, SAGEConv, SGConv

from graphcond.errors import UnknownNameError, require, require_at_least, require_share
from graphcond.nn.inputs import check_graph_inputs
from graphcond.pairs import widened
from graphcond.seeding import derive

Kind: TypeAlias = Literal[
    "gcn",
    "sage-mean",
    "sage-max",
    "gat",
    "gin-eps",
    "gin-0",
    "sgc-2",
    "sgc-3",
    "cheb-2",
    "cheb-3",
    "appnp",
]
"""Kinds of layers; the number is the order K of ``sgc`` and ``cheb``."""

WEIGHTED: frozenset[str] = frozenset({"gcn", "sgc-2", "sgc-3", "cheb-2", "cheb-3", "appnp"})
"""Kinds that use ``edge_weight``; the others see which edges there are, not how heavy they are."""

LINEAR_FIRST: frozenset[str] = frozenset({"gcn", "gat", "appnp"})
"""Kinds whose layers multiply by their weights before they propagate, so that sparse features pay
(see :func:`sparse_features`).
"""


def sparse_features(x: Tensor, kind: str) -> Tensor:
    """Return features as a torch CSR tensor where that trains faster: layers that start linear,
    large graphs, under 10 % non-zero.

    On Cora a training step of GCN takes an eighth of the time, most of it saved by dropout, which
    then draws for the non-zeros only.

    Args:
        x: Features [n, d].
        kind: Kind of layer they are for.

    Returns:
        ``x`` itself or the same features in CSR layout.
    """
    if (
        kind not in LINEAR_FIRST
        or x.layout != torch.strided
        or x.size(0) <= 128
        or int(x.count_nonzero()) > 0.1 * x.numel()
    ):
        return x
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # torch calls the layout beta; only products with dense matrices are used here
        return x.to_sparse_csr()


@final
class GraphNet(torch.nn.Module):
    """A stack of one kind of PyG layer, with dropout before every layer and ReLU between (ELU for
    GAT).

    Args:
        num_features: Input features d.
        num_classes: Classes C.
        kind: Kind of layer; ``"appnp"`` is a multilayer perceptron followed by 10
            personalised-PageRank steps, α = 0.1.
        hidden: Width of the hidden layers; for GAT 8 heads share it, so it must divide by 8.
        num_layers: Layers, at least 1 (``GraphNet(d, C, "sgc-2", num_layers=1)`` is SGC as
            published).
        dropout: Probability of dropping an input of a layer, in [0, 1).
        seed: Seed of the initial weights; the global generator is left alone.

    Source: HCDC appendix J (the ten kinds of its discrete search space) and the transfer tests of
        GCond; layers are PyG's, none is cached, so a model can be moved from a condensed graph to
        the original.

    Example:
        >>> net = GraphNet(3, 2, "gcn", hidden=8)
        >>> net(torch.ones(4, 3), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        kind: Kind = "gcn",
        hidden: int = 64,
        num_layers: int = 2,
        dropout: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        known = get_args(Kind)
        require(
            kind in known,
            f"This needs a known `kind` of layer, but found kind = {kind!r}. Choose one of"
            f" {', '.join(known)}.",
            error=UnknownNameError,
        )
        require_at_least(
            1, "It is a size.", num_features=num_features, num_classes=num_classes, hidden=hidden
        )
        require_at_least(1, "2 is usual.", num_layers=num_layers)
        require_share("0 switches it off.", dropout=dropout)
        self.kind, self.dropout, self.num_classes = kind, dropout, num_classes
        self.num_features = num_features
        widths = [num_features, *[hidden] * (num_layers - 1), num_classes]
        # PyG draws from the global generator; it is seeded inside and put back.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(seed, "zoo", kind))
            last = num_layers - 1
            layers = [
                _layer(kind, fan_in, widths[i + 1], i == last)
                for i, fan_in in enumerate(widths[:-1])
            ]
        self.layers = torch.nn.ModuleList(layers)
        self.propagate = APPNP(K=10, alpha=0.1) if kind == "appnp" else None

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return logits.

        Args:
            x: Features [n, d], dense or as :func:`sparse_features` returns them.
            edge_index: Edges [2, m].
            edge_weight: Weights [m], used by the kinds in :data:`WEIGHTED` and ignored by the
                others.

        Returns:
            Logits [n, C].

        Raises:
            InputError: If shapes, types, devices or node ids do not fit.
        """
        edge_index = widened(edge_index)
        try:
            return self._forward(x, edge_index, edge_weight)
        # The checks cost a pass over the edges, so they are made only once something failed.
        except (IndexError, RuntimeError, ValueError):
            like = next(self.parameters())
            check_graph_inputs(x, edge_index, edge_weight, like, self.num_features)
            raise

    def _forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = self._drop(x)
            if self.kind == "appnp":
                x = layer(x)
            elif self.kind in WEIGHTED:
                x = layer(x, edge_index, edge_weight)
            else:
                x = layer(x, edge_index)
            if i < len(self.layers) - 1:
                x = torch.nn.functional.elu(x) if self.kind == "gat" else torch.relu(x)
        return x if self.propagate is None else self.propagate(x, edge_index, edge_weight)

    def _drop(self, x: Tensor) -> Tensor:
        if x.layout == torch.strided:
            return torch.nn.functional.dropout(x, self.dropout, self.training)
        # Zeros stay zero under dropout, so only the non-zeros are drawn for.
        values = torch.nn.functional.dropout(x.values(), self.dropout, self.training)
        return torch.sparse_csr_tensor(
            x.crow_indices(), x.col_indices(), values, x.shape, check_invariants=False
        )


def _layer(kind: Kind, fan_in: int, fan_out: int, last: bool) -> torch.nn.Module:
    name, _, option = kind.partition("-")
    layer: torch.nn.Module
    if name == "gcn":
        layer = GCNConv(fan_in, fan_out)
    elif name == "sage":
        layer = SAGEConv(fan_in, fan_out, aggr=option)
    elif name == "gat":
        require(
            last or fan_out % 8 == 0,
            f"This needs a GAT width that 8 heads share, but found hidden = {fan_out!r}. Take"
            " hidden=64.",
        )
        layer = GATConv(fan_in, fan_out) if last else GATConv(fan_in, fan_out // 8, heads=8)
    elif name == "gin":
        mlp = torch.nn.Sequential(
            torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU(), torch.nn.Linear(fan_out, fan_out)
        )
        layer = GINConv(mlp, train_eps=option == "eps")
    elif name == "sgc":
        layer = SGConv(fan_in, fan_out, K=int(option))
    elif name == "cheb":
        layer = ChebConv(fan_in, fan_out, K=int(option))
    else:
        layer = torch.nn.Linear(fan_in, fan_out)
    return layer
