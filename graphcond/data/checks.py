"""Checks of what users bring: each error says the law, the facts and the cure."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.interactions import (
    EDGE,
    check_pairs,
    num_items,
    num_users,
    train_edges,
    val_edges,
)
from graphcond.errors import require


def check_nodes(data: Data) -> None:
    """Raise unless the data can be used for node classification.

    Allowed: isolated nodes, self-loops, directed and repeated edges, unlabelled nodes (y = -1)
    outside the splits.

    Args:
        data: ``Data`` with ``x`` [n, d], ``edge_index`` [2, m], ``y`` [n], ``train_mask`` and
            ``val_mask`` [n].

    Raises:
        InputError: Otherwise; the message names the law, what was found, and the cure.
    """
    check_graph(data)
    for name in ("train_mask", "val_mask"):
        cure = "Use `split_nodes(data, seed=0)`."
        require(
            isinstance(data.get(name), Tensor),
            f"a tensor `{name}`",
            cure,
            found=type(data.get(name)).__name__,
        )
    for name in ("train_mask", "val_mask", "test_mask"):
        if name in data:
            _check_mask(data[name], name, data.y)
    masks = [name for name in ("train_mask", "val_mask", "test_mask") if name in data]
    for one, other in itertools.combinations(masks, 2):
        shared = int((data[one] & data[other]).sum())
        require(
            shared == 0,
            f"no node in both `{one}` and `{other}`",
            "Split again, for example with `split_nodes`.",
            shared=shared,
        )


def check_graph(data: Data) -> None:
    """Raise unless the data are a graph with features and labels; splits are not looked at.

    Args:
        data: ``Data`` with ``x`` [n, d], ``edge_index`` [2, m], ``y`` [n], perhaps ``edge_weight``
            [m] ≥ 0 of the type of ``x``.

    Raises:
        InputError: Otherwise; the message names the law, what was found, and the cure.
    """
    require(
        isinstance(data, Data),
        "node data as a PyG `Data`",
        "Interactions are a `HeteroData`.",
        type=type(data).__name__,
    )
    for name in ("x", "edge_index", "y"):
        require(
            isinstance(data.get(name), Tensor),
            f"a tensor `{name}`",
            f"Set `data.{name}`.",
            found=type(data.get(name)).__name__,
        )
    x, y = data.x, data.y
    count = x.size(0)
    require(
        x.dim() == 2 and x.numel() > 0,
        "features `x` of shape [n, d]",
        "Give every node at least one feature.",
        shape=tuple(x.shape),
    )
    exact = x.dtype in (torch.float32, torch.float64)
    require(
        exact,
        "features `x` of float32 or float64",
        "Convert with `data.x.float()`.",
        dtype=str(x.dtype),
    )
    require(
        x.layout == torch.strided,
        "dense features `x`",
        "Convert with `data.x.to_dense()`.",
        layout=str(x.layout),
    )
    _check_finite(x, "features `x`", "nodes")
    _check_edges(data, count)
    require(
        y.dim() == 1 and y.size(0) == count,
        "labels `y` of shape [n]",
        "One class per node.",
        shape=tuple(y.shape),
        n=count,
    )
    require(
        y.dtype == torch.int64,
        "labels `y` of type int64",
        "Convert with `data.y.long()`.",
        dtype=str(y.dtype),
    )
    require(
        int(y.min()) >= -1,
        "labels `y` ≥ 0, or -1 for unlabelled",
        "Number the classes from 0.",
        smallest=int(y.min()),
    )


def _check_edges(data: Data, count: int) -> None:
    edge_index = data.edge_index
    shape, kind = tuple(edge_index.shape), str(edge_index.dtype)
    require(
        len(shape) == 2 and shape[0] == 2,
        "`edge_index` of shape [2, m]",
        "Sources in row 0, targets in row 1.",
        shape=shape,
    )
    whole = edge_index.dtype in (torch.int64, torch.int32)
    require(
        whole,
        "`edge_index` of an integer type",
        "Convert with `.long()` after checking that no id was rounded.",
        dtype=kind,
    )
    if edge_index.numel():
        low, high = (int(value) for value in torch.aminmax(edge_index))
        law, cure = "node ids of `edge_index` in [0, n)", "Check that `x` has a row per node."
        require(low >= 0 and high < count, law, cure, smallest=low, largest=high, n=count)
    weight = data.get("edge_weight")
    _check_weight(weight, shape[1])
    same = weight is None or weight.dtype == data.x.dtype
    cure = "Convert with `data.edge_weight.to(data.x.dtype)`."
    require(
        same,
        "`edge_weight` of the type of `x`",
        cure,
        edge_weight=getattr(weight, "dtype", None),
        x=data.x.dtype,
    )


def _check_weight(weight: Tensor | None, count: int) -> None:
    if weight is not None:
        law = "`edge_weight` with one entry per edge"
        require(
            tuple(weight.shape) == (count,),
            law,
            "Leave it out or mend its length.",
            shape=tuple(weight.shape),
            edges=count,
        )
        _check_finite(weight, "edge weights", "edges")
        negative = int((weight < 0).sum())
        require(
            negative == 0,
            "edge weights ≥ 0",
            "They say how strong an edge is; drop or shift them.",
            negative=negative,
        )


def _check_mask(mask: Any, name: str, y: Tensor) -> None:
    known = isinstance(mask, Tensor) and mask.dtype == torch.bool
    require(
        known,
        f"`{name}` of type bool",
        "Convert with `.bool()`.",
        found=str(getattr(mask, "dtype", type(mask).__name__)),
    )
    require(
        mask.shape == y.shape,
        f"`{name}` of shape [n]",
        "Choose one split, for example `mask[:, 0]`.",
        shape=tuple(mask.shape),
        n=len(y),
    )
    require(
        bool(mask.any()), f"a node in `{name}`", "The split is empty; use `split_nodes`.", nodes=0
    )
    if name != "test_mask":
        missing = int((y[mask] < 0).sum())
        require(
            missing == 0,
            f"labelled nodes in `{name}`",
            "Take unlabelled nodes (y = -1) out of the split.",
            unlabelled=missing,
        )


def check_interactions(data: HeteroData) -> None:
    """Raise unless the data are distinct interactions with a training and a validation part.

    Allowed: users and items without interactions, no test part.

    Args:
        data: ``HeteroData`` as :func:`split_interactions` returns it.

    Raises:
        InputError: Otherwise; the message names the law, what was found, and the cure.
    """
    require(
        isinstance(data, HeteroData),
        "interactions as a PyG `HeteroData`",
        "Node data are a `Data`.",
        type=type(data).__name__,
    )
    cure = "Make the data with `make_interactions` or `from_hetero`."
    require(EDGE in data.edge_types, f"an edge type {EDGE}", cure, edge_types=data.edge_types)
    store = data[EDGE]
    for kind in ("user", "item"):
        known = kind in data.node_types and (
            data[kind].get("num_nodes") is not None or "x" in data[kind]
        )
        require(
            known,
            f"a number of {kind}s",
            f"Set `data[{kind!r}].num_nodes`.",
            node_types=data.node_types,
        )
    for name in ("edge_index", "val_edge_index", "test_edge_index"):
        if name in store or name == "edge_index":
            check_pairs(store.get(name), num_users(data), num_items(data), name)
    require(
        "val_edge_index" in store,
        "a validation part",
        "Use `split_interactions(data, seed=0)`.",
        present=sorted(store.keys()),
    )
    for name, pairs in (("training", train_edges(data)), ("validation", val_edges(data))):
        require(
            pairs.size(1) > 0,
            f"at least one {name} interaction",
            "The split is empty; use other ratios or more data.",
            found=0,
        )
    _check_weight(store.get("edge_weight"), train_edges(data).size(1))
    _check_distinct(data)


def _check_distinct(data: HeteroData) -> None:
    """Raise if a pair is there twice, within a part or in two of them."""
    keys = {}
    for part, name in (
        ("training", "edge_index"),
        ("validation", "val_edge_index"),
        ("test", "test_edge_index"),
    ):
        if name in data[EDGE]:
            key = data[EDGE][name][0].long() * num_items(data) + data[EDGE][name][1]
            keys[part] = torch.unique(key)
            repeated = key.numel() - keys[part].numel()
            require(
                repeated == 0,
                f"distinct {part} interactions",
                "`make_interactions` merges repeated pairs.",
                repeated=repeated,
            )
    cure = "Take them out of one part, or split again with `split_interactions`."
    for (one, left), (other, right) in itertools.combinations(keys.items(), 2):
        shared = int(torch.isin(left, right, assume_unique=True).sum())
        require(
            shared == 0,
            f"no interaction in both the {one} and the {other} part",
            cure,
            shared=shared,
        )


def _check_finite(value: Tensor, what: str, unit: str) -> None:
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        rows = torch.nonzero(~(finite if value.dim() == 1 else finite.all(1))).flatten()
        facts: dict[str, Any] = {unit: rows[:5].tolist(), "count": len(rows)}
        require(False, f"finite {what}", "Replace NaN and infinite values.", **facts)
