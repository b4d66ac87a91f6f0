"""A graph made ready for filters: the operator, and features in their fastest form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.nn.filters import (
    Operator,
    PolynomialFilterNet,
    filter_features,
    filter_operator,
    stored_bases,
)
from graphcond.sparse import CSR

# Columns of stored bases over those that a step would propagate: measured, they gain up to twice.
_BASES_SHARE = 1.5


@dataclass(frozen=True)
class FilterGraph:
    """A graph made ready for filters.

    Attributes:
        operator: L̂, dense [n, n] or CSR.
        x: Features, dense [n, d] or CSR.
        y: Classes [n].
        train: Training nodes, ids.
        val: Validation nodes, ids.
    """

    operator: Operator
    x: Tensor | CSR
    y: Tensor
    train: Tensor
    val: Tensor

    @property
    def num_nodes(self) -> int:
        """Number of nodes n."""
        return int(self.y.numel())

    @property
    def dtype(self) -> torch.dtype:
        """Type of the features."""
        value = self.x.value if isinstance(self.x, CSR) else self.x
        return torch.float32 if value is None else value.dtype


def filter_graph(data: Data, operator: Operator | None = None) -> FilterGraph:
    """Return a data set as filters train on it; nothing is cached, so two graphs of one size cannot
    be confused.

    Args:
        data: Graph with ``x``, ``edge_index``, optional ``edge_weight``, ``y``, ``train_mask``,
            ``val_mask``; original or condensed.
        operator: What is propagated with; None: the scaled Laplacian, λ_max = 2.

    Returns:
        The operator, the features in their fastest form, labels and node ids.
    """
    if operator is None:
        operator = filter_operator(
            data.edge_index, int(data.num_nodes or 0), data.get("edge_weight"), dtype=data.x.dtype
        )
    train, val = (data[f"{part}_mask"].nonzero().squeeze(1) for part in ("train", "val"))
    return FilterGraph(operator, filter_features(data.x), data.y, train, val)


def propagated_once(
    graph: FilterGraph, net: PolynomialFilterNet, lam: Tensor, size: int
) -> FilterGraph:
    """Return the graph with its bases T_k(L̂) X in place of few features X, so that no step
    propagates in the first layer.

    Worth it where the bases' columns are not many more than those that a step would propagate.
    """
    operator = graph.operator
    x = graph.x
    if isinstance(x, CSR) or x.dim() != 2 or not isinstance(operator, CSR):
        return graph
    order = net.order(lam)
    if (order + 1) * x.size(1) > _BASES_SHARE * size * net.widths[0][1]:
        return graph
    return replace(graph, x=stored_bases(operator, x, order, basis=net.basis))


def live_features(x: Tensor | CSR, width: int) -> Tensor | None:
    """Return the columns of dense features [n, width] that some node has; None where all of them or
    none are, or where ``x`` is other.
    """
    if isinstance(x, CSR) or x.dim() != 2 or x.size(1) != width:
        return None
    columns = (x != 0).any(0).nonzero().squeeze(1)
    return columns if 0 < len(columns) < width else None
