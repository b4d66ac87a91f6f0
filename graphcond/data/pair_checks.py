"""Checks of the interactions that users bring: each error says the law, the facts and the cure."""

from __future__ import annotations

import itertools
import numbers
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Dataset, HeteroData

from graphcond.data.checks import check_card, check_weight
from graphcond.data.interactions import (
    EDGE,
    check_pairs,
    num_items,
    num_users,
    train_edges,
    val_edges,
)
from graphcond.errors import require
from graphcond.pairs import pair_keys


def check_interactions(data: HeteroData) -> None:
    """Raise unless the data are distinct interactions with a training and a validation part.

    Allowed: users and items without interactions, no test part.

    Args:
        data: ``HeteroData`` as :func:`split_interactions` returns it.

    Raises:
        InputError: Otherwise; the message names the law, what was found, and the cure.
    """
    check_pair_stores(data)
    store = data[EDGE]
    require(
        "val_edge_index" in store,
        f"This needs a validation part, but found present = {sorted(store.keys())!r}. Use"
        " `split_interactions(data, seed=0)`.",
    )
    for name, pairs in (("training", train_edges(data)), ("validation", val_edges(data))):
        require(
            pairs.size(1) > 0,
            f"This needs at least one {name} interaction. The split is empty; use other ratios or"
            " more data.",
        )
    check_weight(store.get("edge_weight"), train_edges(data).size(1))
    _check_distinct(data)


def check_pair_stores(data: HeteroData) -> None:
    """Raise unless the data have users, items and pairs of them; parts may be missing or empty.

    Args:
        data: Interactions, split or not.

    Raises:
        InputError: Otherwise; the message says what is missing.
    """
    cure = "Node data are a `Data`."
    if isinstance(data, Dataset):
        cure = "It is a data set: pass what it holds, `dataset[0]`."
    require(
        isinstance(data, HeteroData),
        f"Interactions must be a PyG `HeteroData`, but they are a {type(data).__name__}. {cure}",
    )
    require(
        EDGE in data.edge_types,
        f"Interactions must have an edge type {EDGE}, but the edge types are {data.edge_types}."
        " Make the data with `make_interactions` or `from_hetero`.",
    )
    check_card(data)
    store = data[EDGE]
    for kind in ("user", "item"):
        count = _stated_count(data, kind)
        whole = isinstance(count, numbers.Integral) and not isinstance(count, bool)
        require(
            whole,
            f"`data[{kind!r}].num_nodes` must be a number of {kind}s, but it is {count!r}. Set it.",
        )
    places = set()
    for name in ("edge_index", "val_edge_index", "test_edge_index"):
        if name in store or name == "edge_index":
            check_pairs(store.get(name), num_users(data), num_items(data), name)
            places.add(str(store[name].device))
    require(
        len(places) == 1,
        f"All interactions must be on one device, but they are on {', '.join(sorted(places))}."
        " Move them with `data.to(device)`.",
    )


def _stated_count(data: HeteroData, kind: str) -> Any:
    """Return the number of nodes that is stated or that features show; None where none is."""
    if kind not in data.node_types:
        return None
    store = data[kind]
    if store.get("num_nodes") is not None:
        return store["num_nodes"]
    features = store.get("x")
    return features.size(0) if isinstance(features, Tensor) and features.dim() else None


def _check_distinct(data: HeteroData) -> None:
    """Raise if a pair is there twice, within a part or in two of them."""
    keys = {}
    for part, name in (
        ("training", "edge_index"),
        ("validation", "val_edge_index"),
        ("test", "test_edge_index"),
    ):
        if name in data[EDGE]:
            pairs = data[EDGE][name]
            key = pair_keys(pairs[0], pairs[1], (num_users(data), num_items(data)))
            keys[part] = torch.unique(key)
            repeated = key.numel() - keys[part].numel()
            require(
                repeated == 0,
                f"This needs distinct {part} interactions, but found repeated = {repeated!r}."
                " `make_interactions` merges repeated pairs.",
            )
    for (one, left), (other, right) in itertools.combinations(keys.items(), 2):
        shared = int(torch.isin(left, right, assume_unique=True).sum())
        require(
            shared == 0,
            f"This needs no interaction in both the {one} and the {other} part, but found shared ="
            f" {shared!r}. Take them out of one part, or split again with `split_interactions`.",
        )
