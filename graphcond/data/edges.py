"""A graph's edges as some models need them: without weights, or with a self-loop where there are
none.
"""

from __future__ import annotations

import copy

import torch
from torch_geometric.data import Data


def sparsified(data: Data, threshold: float) -> Data:
    """Return a graph whose edges are those of weight ``threshold`` or more, unweighted, for models
    that ignore edge weights.

    Args:
        data: A graph with or without ``edge_weight``.
        threshold: Smallest weight that counts as an edge.

    Returns:
        A shallow copy without ``edge_weight``.
    """
    out = copy.copy(data)
    weight = data.get("edge_weight")
    if weight is not None:
        out.edge_index = data.edge_index[:, weight >= threshold]
        del out["edge_weight"]
    return out


def looped(data: Data) -> Data:
    """Return a graph whose isolated nodes have a self-loop, which is what A' = I means for a graph
    without edges.

    The Laplacian L = I - D^-1/2 A D^-1/2 is 1 at an isolated node and 0 at one with a self-loop:
    there a low-pass filter passes the features on, as it does within a class of a homophilous
    graph. Networks that add self-loops themselves (GCN) see no difference.

    Args:
        data: A graph, for example one condensed without edges.

    Returns:
        A shallow copy; weights of new loops are 1.
    """
    out = copy.copy(data)
    count = int(data.num_nodes or 0)
    alone = (torch.bincount(data.edge_index.flatten(), minlength=count) == 0).nonzero().flatten()
    out.edge_index = torch.cat([data.edge_index, alone.expand(2, -1)], 1)
    weight = data.get("edge_weight")
    if weight is not None:
        out.edge_weight = torch.cat([weight, weight.new_ones(alone.numel())])
    return out
