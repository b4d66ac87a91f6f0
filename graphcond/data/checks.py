"""Checks of what users bring: each error says the law, the facts and the cure."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.interactions import EDGE, check_pairs, num_items, num_users, train_edges, val_edges
from graphcond.errors import require


def check_nodes(data: Data) -> None:
    """Raise unless the data can be used for node classification.

    Allowed: isolated nodes, self-loops, directed and repeated edges, unlabelled nodes (y = -1) outside the splits.

    Args:
        data: ``Data`` with ``x`` [n, d], ``edge_index`` [2, m], ``y`` [n], ``train_mask`` and ``val_mask`` [n].

    Raises:
        InputError: Otherwise.
    """
    require(isinstance(data, Data), "node data as a PyG `Data`", "Interactions are a `HeteroData`.", type=type(data).__name__)
    for name in ("x", "edge_index", "y", "train_mask", "val_mask"):
        require(isinstance(data.get(name), Tensor), f"a tensor `{name}`", f"Set `data.{name}`.", found=type(data.get(name)).__name__)
    x, y = data.x, data.y
    count = x.size(0)
    require(x.dim() == 2 and x.numel() > 0, "features `x` of shape [n, d]", "Give every node at least one feature.", shape=tuple(x.shape))
    require(x.is_floating_point(), "features `x` of a float type", "Convert with `data.x.float()`.", dtype=str(x.dtype))
    require(bool(torch.isfinite(x).all()), "finite features", "Replace NaN and infinite values.", nodes=_bad_rows(x))
    _check_edges(data, count)
    require(y.dim() == 1 and y.size(0) == count, "labels `y` of shape [n]", "One class per node.", shape=tuple(y.shape), n=count)
    require(y.dtype == torch.int64, "labels `y` of type int64", "Convert with `data.y.long()`.", dtype=str(y.dtype))
    require(int(y.min()) >= -1, "labels ≥ 0, or -1 for unlabelled", "Number the classes from 0.", smallest=int(y.min()))
    for name in ("train_mask", "val_mask", "test_mask"):
        if name in data:
            _check_mask(data[name], name, y, count)
    require(
        not bool((data.train_mask & data.val_mask).any()),
        "disjoint `train_mask` and `val_mask`",
        "Split again.",
        shared=int((data.train_mask & data.val_mask).sum()),
    )


def _check_edges(data: Data, count: int) -> None:
    edge_index = data.edge_index
    require(
        edge_index.dim() == 2 and edge_index.size(0) == 2,
        "`edge_index` of shape [2, m]",
        "Sources in row 0, targets in row 1.",
        shape=tuple(edge_index.shape),
    )
    require(
        edge_index.dtype in (torch.int64, torch.int32),
        "`edge_index` of an integer type",
        "Convert with `.long()`.",
        dtype=str(edge_index.dtype),
    )
    if edge_index.numel():
        low, high = int(edge_index.min()), int(edge_index.max())
        require(
            low >= 0 and high < count,
            "node ids of `edge_index` in [0, n)",
            "Check that `x` has a row per node.",
            smallest=low,
            largest=high,
            n=count,
        )
    weight = data.get("edge_weight")
    if weight is not None:
        require(
            tuple(weight.shape) == (edge_index.size(1),),
            "`edge_weight` of shape [m]",
            "One weight per edge.",
            shape=tuple(weight.shape),
            m=edge_index.size(1),
        )
        require(bool(torch.isfinite(weight).all()), "finite edge weights", "Replace NaN and infinite values.", edges=_bad_rows(weight))


def _check_mask(mask: Any, name: str, y: Tensor, count: int) -> None:
    require(
        isinstance(mask, Tensor) and mask.dtype == torch.bool,
        f"`{name}` of type bool",
        "Convert with `.bool()`.",
        found=str(getattr(mask, "dtype", type(mask))),
    )
    require(
        tuple(mask.shape) == (count,),
        f"`{name}` of shape [n]",
        "Choose one split, for example `mask[:, 0]`.",
        shape=tuple(mask.shape),
        n=count,
    )
    require(bool(mask.any()), f"a node in `{name}`", "The split is empty; use `split_nodes`.", nodes=0)
    if name != "test_mask":
        require(
            bool((y[mask] >= 0).all()),
            f"labelled nodes in `{name}`",
            "Take unlabelled nodes (y = -1) out of the split.",
            unlabelled=int((y[mask] < 0).sum()),
        )


def check_interactions(data: HeteroData) -> None:
    """Raise unless the data are interactions with a training and a validation part.

    Allowed: users and items without interactions.

    Args:
        data: ``HeteroData`` as :func:`split_interactions` returns it.

    Raises:
        InputError: Otherwise.
    """
    require(isinstance(data, HeteroData), "interactions as a PyG `HeteroData`", "Node data are a `Data`.", type=type(data).__name__)
    require(EDGE in data.edge_types, f"an edge type {EDGE}", "Make the data with `make_interactions`.", edge_types=data.edge_types)
    for kind in ("user", "item"):
        require(data[kind].num_nodes is not None, f"a number of {kind}s", f"Set `data[{kind!r}].num_nodes`.", num_nodes=None)
    store = data[EDGE]
    for name in ("edge_index", "val_edge_index", "test_edge_index"):
        if name in store:
            check_pairs(store[name], num_users(data), num_items(data), name)
    require("val_edge_index" in store, "a validation part", "Use `split_interactions(data, seed=0)`.", present=sorted(store.keys()))
    for name, pairs in (("training", train_edges(data)), ("validation", val_edges(data))):
        require(pairs.size(1) > 0, f"{name} interactions", "The split is empty; use other ratios or more data.", count=0)
    weight = store.get("edge_weight")
    if weight is not None:
        require(
            weight.shape == (train_edges(data).size(1),),
            "`edge_weight` of shape [E]",
            "One weight per training interaction.",
            shape=tuple(weight.shape),
        )
        require(bool(torch.isfinite(weight).all()), "finite edge weights", "Replace NaN and infinite values.", edges=_bad_rows(weight))


def _bad_rows(value: Tensor) -> list[int]:
    finite = torch.isfinite(value) if value.dim() == 1 else torch.isfinite(value).all(1)
    return [int(row) for row in torch.nonzero(~finite).flatten()[:5]]
