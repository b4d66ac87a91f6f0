"""The graphs to time on: three real structures and a planted power law of Reddit's shape."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

REDDIT_NODES, REDDIT_EDGES = 232_965, 114_615_892


@dataclass(frozen=True)
class Graph:
    """A symmetric graph: directed edges, and the share of the original's edges it has."""

    name: str
    row: Tensor
    col: Tensor
    nodes: int
    users: int = 0
    share: float = 1.0


def _symmetric(
    name: str, one: Tensor, two: Tensor, nodes: int, users: int = 0, share: float = 1.0
) -> Graph:
    return Graph(name, torch.cat([one, two]), torch.cat([two, one]), nodes, users, share)


def _root() -> Path:
    root = os.environ.get("GRAPHCOND_DATA")
    if root is None:
        raise SystemExit("Set GRAPHCOND_DATA to the folder with the data sets.")
    return Path(root)


def cora(share: float) -> Graph:
    from torch_geometric.io import read_planetoid_data

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = read_planetoid_data(str(_root() / "planetoid/Cora/raw"), "cora")
    keep = data.edge_index[0] < data.edge_index[1]
    row, col = data.edge_index[:, keep]
    return _symmetric("cora", row, col, data.num_nodes)


def gowalla(share: float) -> Graph:
    file = np.load(_root() / "gowalla/interactions.npz")
    train = file["split"] <= 1
    users, items = (torch.from_numpy(file[key][train].astype(np.int64)) for key in ("user", "item"))
    return _symmetric("gowalla", users, items + 29_858, 29_858 + 40_981, users=29_858)


def arxiv(share: float) -> Graph:
    file = np.load(_root() / "ogbn-arxiv-partial/graph.npz")
    indptr, col = (torch.from_numpy(file[key].astype(np.int64)) for key in ("indptr", "indices"))
    row = torch.repeat_interleave(torch.arange(indptr.numel() - 1), indptr.diff())
    return _symmetric("arxiv", row, col, indptr.numel() - 1)


def reddit(share: float) -> Graph:
    """Reddit's mean degree and a power law's hubs; ``share`` scales nodes and edges alike."""
    nodes, edges = int(REDDIT_NODES * share), int(REDDIT_EDGES * share) // 2
    return power_law("reddit", nodes, edges, share)


def power_law(name: str, nodes: int, edges: int, share: float = 1.0, users: int = 0) -> Graph:
    """Return a planted graph whose endpoints are drawn with weight rank^-0.6.

    Args:
        name: What it is called.
        nodes: How many.
        edges: Undirected ones.
        share: Of the original's size.
        users: The first nodes; edges join them with the others. 0: any two nodes.
    """
    make = torch.Generator().manual_seed(0)
    if not users:
        row, col = _drawn(nodes, edges, 2, make)
        return _symmetric(name, row, col, nodes, share=share)
    (one,), (two,) = _drawn(users, edges, 1, make), _drawn(nodes - users, edges, 1, make)
    return _symmetric(name, one, users + two, nodes, users, share)


def _drawn(nodes: int, edges: int, columns: int, make: torch.Generator) -> list[Tensor]:
    """Return columns of node ids, drawn by rank in a shuffled order."""
    weights = torch.arange(1, nodes + 1, dtype=torch.float64) ** -0.6
    cumulative = (weights / weights.sum()).cumsum(0)
    shuffle = torch.randperm(nodes, generator=make)
    found = []
    for _ in range(columns):
        uniform = torch.rand(edges, generator=make, dtype=torch.float64)
        found.append(shuffle[torch.searchsorted(cumulative, uniform).clamp_(max=nodes - 1)])
    return found


GRAPHS = {"cora": cora, "gowalla": gowalla, "arxiv": arxiv, "reddit": reddit}
