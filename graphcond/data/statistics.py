"""Counts and figures of a data set: what ``graphcond info`` and the reports show."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.checks import check_is_graph
from graphcond.data.interactions import EDGE, num_items, num_users, numbered, val_edges
from graphcond.data.pair_checks import check_pair_stores
from graphcond.data.split import test_edges
from graphcond.errors import require


def statistics(data: Data | HeteroData) -> dict[str, int | float]:
    """Return counts, sizes and shape figures of a data set.

    Args:
        data: Node data or interactions.

    Returns:
        Flat numbers. Both kinds: ``edges``, ``density``, ``bytes`` (of all tensors), ``nonzeros``
        (stored numbers that are not 0).
    """
    if isinstance(data, HeteroData):
        check_pair_stores(data)
        data = numbered(data)
        figures = _interactions(data)
    else:
        check_is_graph(data)
        require(
            isinstance(data.get("edge_index"), Tensor),
            "`data` must have a tensor `edge_index`, but it has none. Set `data.edge_index`.",
        )
        figures = _nodes(data)
    tensors = [
        value for store in data.stores for value in store.values() if isinstance(value, Tensor)
    ]
    pieces = [piece for value in tensors for piece in _stored(value)]
    figures["bytes"] = sum(piece.numel() * piece.element_size() for piece in pieces)
    figures["nonzeros"] = sum(int(torch.count_nonzero(piece)) for piece in pieces)
    return figures


def _stored(value: Tensor) -> list[Tensor]:
    """Return the dense tensors that a tensor is stored as."""
    if value.layout == torch.strided:
        return [value]
    value = value.to_sparse_coo().coalesce()
    return [value.indices(), value.values()]


def _nodes(data: Data) -> dict[str, int | float]:
    count = int(data.num_nodes)
    edge_index = data.edge_index
    if data.get("y") is None:
        y = torch.full((count,), -1, device=edge_index.device)
    else:
        y = data.y
    degree = torch.bincount(edge_index[1], minlength=count)
    labelled = (y[edge_index] >= 0).all(0)
    same = y[edge_index[0]] == y[edge_index[1]]
    figures: dict[str, int | float] = {
        "nodes": count,
        "edges": edge_index.size(1),
        "features": int(data.num_features),
        "classes": int(y.max()) + 1 if count else 0,
        "density": edge_index.size(1) / max(count * count, 1),
        "mean_degree": edge_index.size(1) / max(count, 1),
        "max_degree": int(degree.max()) if count else 0,
        "isolated": int((torch.bincount(edge_index.flatten(), minlength=count) == 0).sum()),
        "self_loops": int((edge_index[0] == edge_index[1]).sum()),
        "homophily": float(same[labelled].float().mean()) if bool(labelled.any()) else float("nan"),
        "unlabelled": int((y < 0).sum()),
    }
    return figures | {
        part: int(data[f"{part}_mask"].sum())
        for part in ("train", "val", "test")
        if f"{part}_mask" in data
    }


def _interactions(data: HeteroData) -> dict[str, int | float]:
    users = num_users(data)
    items = num_items(data)
    pairs = data[EDGE].edge_index
    of_user = torch.bincount(pairs[0], minlength=users)
    of_item = torch.bincount(pairs[1], minlength=items)
    return {
        "users": users,
        "items": items,
        "edges": pairs.size(1),
        "val": val_edges(data).size(1),
        "test": test_edges(data).size(1),
        "density": pairs.size(1) / (users * items),
        "mean_user_degree": pairs.size(1) / users,
        "median_user_degree": int(of_user.median()),
        "max_user_degree": int(of_user.max()),
        "users_without": int((of_user == 0).sum()),
        "items_without": int((of_item == 0).sum()),
        "users_below_5": int((of_user < 5).sum()),
        "top_items_share": _head_share(of_item),
        "item_gini": _gini(of_item),
    }


def _head_share(degree: Tensor, part: float = 0.2) -> float:
    """Return the share of interactions that the most popular ``part`` of the items hold."""
    head = max(1, round(part * degree.numel()))
    return float(degree.topk(head).values.sum() / degree.sum().clamp(min=1))


def _gini(degree: Tensor) -> float:
    """Return the Gini coefficient of the counts: 0 all equal, 1 all on one."""
    ordered = degree.sort().values.double()
    rank = torch.arange(1, ordered.numel() + 1, dtype=torch.double, device=degree.device)
    total = ordered.sum().clamp(min=1)
    return float((2 * (rank * ordered).sum() / total - (ordered.numel() + 1)) / ordered.numel())
