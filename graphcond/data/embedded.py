"""Real data sets that need no download: scikit-learn's digits, networkx's karate club and Southern
women.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.interactions import make_interactions
from graphcond.data.split import split_nodes


def digits(neighbors: int = 10) -> Data:
    """Return scikit-learn's 1,797 handwritten digits as a symmetric nearest-neighbour graph.

    An edge joins two images where one is among the other's ``neighbors`` nearest by pixel distance.
    Distances are exact integers and ties go to the lower index, so the graph is the same on every
    machine. Features are the 64 pixels in [0, 1]; 20 training nodes per class, 500 for validation,
    the rest for test, seed 0.

    Args:
        neighbors: Nearest neighbours per image.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    edge_index = nearest_neighbors(pixels.astype(np.int64), neighbors)
    data = Data(
        x=torch.from_numpy(pixels).float() / 16,
        edge_index=edge_index,
        y=torch.from_numpy(labels).long(),
    )
    return split_nodes(data, seed=0)


def nearest_neighbors(points: np.ndarray, neighbors: int) -> Tensor:
    """Return the symmetric nearest-neighbour graph of integer points [n, d] as an ``edge_index``,
    sorted, without self-loops.
    """
    count = len(points)
    product = (points.astype(np.float64) @ points.T.astype(np.float64)).astype(np.int64)
    square = np.diag(product)
    key = (square[:, None] + square[None, :] - 2 * product) * count + np.arange(count)
    np.fill_diagonal(key, np.iinfo(np.int64).max)
    near = np.argpartition(key, neighbors - 1, axis=1)[:, :neighbors]
    row = np.repeat(np.arange(count), neighbors)
    col = near.ravel()
    both = np.unique(np.concatenate([row * count + col, col * count + row]))
    return torch.from_numpy(np.stack([both // count, both % count]))


def karate() -> Data:
    """Return Zachary's karate club: 34 members, the two clubs they joined as classes, one-hot
    features, binary edges.

    The split is seeded: 4 training nodes per class, 10 for validation, the rest for test.
    """
    import networkx

    graph = networkx.karate_club_graph()
    count = graph.number_of_nodes()
    pairs = (
        torch.tensor(sorted({(a, b) for u, v in graph.edges for a, b in ((u, v), (v, u))}))
        .t()
        .contiguous()
    )
    y = torch.tensor([int(graph.nodes[node]["club"] != "Mr. Hi") for node in range(count)])
    return split_nodes(Data(x=torch.eye(count), edge_index=pairs, y=y), seed=0, train=4, val=10)


def southern_women() -> HeteroData:
    """Return Davis's Southern women: 18 women, 14 events, who attended which."""
    import networkx

    graph = networkx.davis_southern_women_graph()
    women = graph.graph["top"]
    events = graph.graph["bottom"]
    user = {name: i for i, name in enumerate(women)}
    item = {name: i for i, name in enumerate(events)}
    pairs = torch.tensor([(user[a], item[b]) for a, b in graph.edges(women)]).t()
    data = make_interactions(pairs, len(women), len(events))
    data["user"].original_id = list(women)
    data["item"].original_id = list(events)
    return data
