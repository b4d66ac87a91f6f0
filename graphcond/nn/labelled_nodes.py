"""Nodes with classes, true ones or a teacher's: what a condensed graph shall stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.nn.teacher import RidgeTeacher
from graphcond.seeding import generator
from graphcond.sparse import CSR, gcn_norm, powers


@final
@dataclass(frozen=True)
class LabelledNodes:
    """Which nodes may enter a condensed graph, with what class and weight.

    Attributes:
        nodes: Node ids [m].
        labels: Their classes [m], true ones or a teacher's.
        weight: How sure the class is [m], > 0.
    """

    nodes: Tensor
    labels: Tensor
    weight: Tensor

    @classmethod
    def of_part(cls, data: Data, part: str) -> LabelledNodes:
        """Return the nodes of ``part`` (``"train"`` or ``"val"``) with their true classes."""
        nodes = data[f"{part}_mask"].nonzero()[:, 0]
        return cls(nodes, data.y[nodes], data.x.new_ones(len(nodes)))

    @classmethod
    def taught(cls, data: Data, teacher: RidgeTeacher) -> LabelledNodes:
        """Return all nodes with the teacher's classes, weighted by its margin.

        Training nodes keep their own classes.
        """
        taught = teacher(data)
        nodes = torch.arange(int(data.num_nodes or 0), device=data.y.device)
        return cls(nodes, taught.labels, taught.margin.to(data.x))

    def thinned(self, most: int, seed: int) -> LabelledNodes:
        """Return at most ``most`` of them, drawn at random, so that their features fit."""
        if len(self.nodes) <= most:
            return self
        order = torch.randperm(len(self.nodes), generator=generator(seed, "thin"))
        index = order[:most].to(self.nodes.device)
        return LabelledNodes(self.nodes[index], self.labels[index], self.weight[index])

    def batch(self, size: int, seed: int, step: int) -> Tensor:
        """Return positions of at most ``size`` of them, drawn anew at each step."""
        if len(self.nodes) <= size:
            return torch.arange(len(self.nodes), device=self.nodes.device)
        order = torch.randperm(len(self.nodes), generator=generator(seed, "batch", step))
        return order[:size].to(self.nodes.device)


def propagated(data: Data, nodes: Tensor, hops: int) -> Tensor:
    """Return rows of Â^hops X, Â the symmetrically normalised adjacency with self-loops, features
    in blocks.

    Args:
        data: The graph.
        nodes: Rows to keep [m].
        hops: Number of propagations, >= 0.

    Returns:
        Features [m, d].
    """
    operator = gcn_norm(
        CSR.from_edge_index(data.edge_index, int(data.num_nodes or 0), data.get("edge_weight"))
    )
    if operator.value is not None and operator.value.dtype != data.x.dtype:
        operator = operator.with_value(operator.value.to(data.x.dtype))
    # 512 columns at a time: with 170,000 nodes a block is 350 MB, and all powers of all features
    # would not fit.
    return torch.cat(
        [powers(operator, block.contiguous(), hops)[-1][nodes] for block in data.x.split(512, 1)], 1
    )
