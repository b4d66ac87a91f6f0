"""Small planted data sets for tests: milliseconds to make, with a truth to find."""

from __future__ import annotations

import torch
from torch_geometric.data import Data, HeteroData

from graphcond.data import EDGE, planted_graph, planted_interactions, split_interactions


def small_graph(seed: int = 0) -> Data:
    """Return a planted graph of 120 nodes, 3 classes, 8 features, mean degree about 6, with its
    split.

    Args:
        seed: Equal seeds give equal data.

    Returns:
        ``Data`` with ``train_mask``, ``val_mask``, ``test_mask``.

    Example:
        >>> int(small_graph().y.max()) + 1
        3
    """
    return planted_graph(num_nodes=120, num_classes=3, num_features=8, degree=6.0, seed=seed)


def small_interactions(seed: int = 0, useless: float = 0.0) -> HeteroData:
    """Return planted interactions of 40 users and 60 items, about 500 pairs, split 80 / 10 / 10.

    Args:
        seed: Equal seeds give equal data.
        useless: Share of pairs that follow no factor; ``data[EDGE].useless`` marks those in
            training.

    Returns:
        Split ``HeteroData``.

    Example:
        >>> small_interactions()["user"].num_nodes
        40
    """
    return split_interactions(
        planted_interactions(40, 60, 500, rank=4, useless=useless, seed=seed), seed=seed
    )


def awkward_graph() -> Data:
    """Return 12 nodes with everything that must not break: isolated and unlabelled nodes, a
    self-loop, a repeated and a one-way edge.

    Returns:
        ``Data`` with two classes; nodes 10 and 11 are isolated, node 9 is unlabelled.
    """
    pairs = [(i, (i + 1) % 10) for i in range(10)]
    edges = torch.tensor(pairs + [(b, a) for a, b in pairs[:-1]] + [(3, 3), (0, 1)]).t()
    y = torch.arange(12) % 2
    y[9] = -1
    masks = {
        name: torch.zeros(12, dtype=torch.bool) for name in ("train_mask", "val_mask", "test_mask")
    }
    masks["train_mask"][[0, 1, 2, 3, 10]] = True
    masks["val_mask"][[4, 5, 6]] = True
    masks["test_mask"][[7, 8, 11]] = True
    data = Data(x=torch.eye(12), edge_index=edges.contiguous(), y=y, **masks)
    data.card = {"name": "awkward-graph"}
    return data


def awkward_interactions() -> HeteroData:
    """Return 6 users and 7 items: a user with one interaction, a user and an item without any, a
    hub item.

    Returns:
        Split ``HeteroData`` with a validation and a test part.
    """
    data = HeteroData()
    data["user"].num_nodes = 6
    data["item"].num_nodes = 7
    data[EDGE].edge_index = torch.tensor([[0, 0, 0, 1, 2, 2, 3, 3, 4], [0, 1, 2, 0, 0, 3, 0, 4, 0]])
    data[EDGE].val_edge_index = torch.tensor([[0, 2], [3, 4]])
    data[EDGE].test_edge_index = torch.tensor([[0, 3], [4, 5]])
    data.card = {"name": "awkward-interactions"}
    return data
