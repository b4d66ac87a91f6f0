"""Splits: train, validation and test of nodes and interactions, and taking the test part away."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.checks import check_is_graph, check_labels
from graphcond.data.interactions import EDGE, interaction_part, num_users, numbered
from graphcond.data.pair_checks import check_pair_stores
from graphcond.data.plain import plain
from graphcond.data.protocols import (
    LEAK,
    cold,
    leave_last_out,
    moment,
    per_user,
    temporal,
    times_of,
)
from graphcond.errors import require
from graphcond.pairs import widened
from graphcond.seeding import generator

Strategy: TypeAlias = Literal["per-user", "temporal", "leave-last-out", "published"]
_STRATEGIES = get_args(Strategy)
_RATIOS = (0.8, 0.1, 0.1)


def split_interactions(
    data: HeteroData,
    seed: int = 0,
    ratios: tuple[float, float, float] = _RATIOS,
    strategy: Strategy = "per-user",
) -> HeteroData:
    """Divide all interactions into train, validation and test.

    - ``"per-user"`` shuffles every user's interactions. Of a user with n of them, the numbers held
      out are floor(n·r + u) with one seeded u ~ U[0, 1) per user, which is n·r on average. Every
      user keeps at least one training interaction; a user with a single one has nothing held out.
    - ``"temporal"`` takes two points in time that hold for all users: what a model learns from is
      older than what it is asked. Users and items may be new then; the card counts them.
    - ``"leave-last-out"`` takes each user's last interaction for testing and the one before for
      validation, and warns, as it leaks the future.
    - ``"published"`` takes the publisher's split. Where that has no validation part, a seeded share
      ``ratios[1] / (ratios[0] + ratios[1])`` of each user's training part becomes one.

    Args:
        data: Interactions that are not split yet, as :func:`load` returns them.
        seed: Seed of the shuffle, or of the order of equal times.
        ratios: Shares of train, validation and test; they sum to 1. Leave-last-out has none.
        strategy: Where the split comes from.

    Returns:
        A new data set with :func:`numbered` ids: ``edge_index`` (train) with ``edge_weight`` if
            any, ``val_edge_index``, ``test_edge_index``. ``card["split"]`` records
            strategy, seed, ratios, points in time, and how many users and items of the held-out
            parts have no training interaction.

    Raises:
        InputError: If the data are already split, there is no published split, time stamps are
            needed and missing, or the ratios are not shares.

    Source: DConRec section 4.1 (80/10/10 per user); the random rounding is ours, the paper does not
    say how it rounds.
    """
    _check_splittable(data, ratios, strategy)
    data = numbered(plain(data))
    store = data[EDGE]
    record: dict[str, Any] = {"strategy": strategy, "seed": seed, "ratios": list(ratios)}
    if strategy == "temporal":
        part, points = temporal(times_of(data, strategy), ratios)
        record |= {"time_points": points, "time_points_utc": [moment(point) for point in points]}
    elif strategy == "leave-last-out":
        time = times_of(data, strategy)
        part = leave_last_out(store.edge_index[0], time, num_users(data), seed)
        record |= {"ratios": None, "leak": LEAK}
    elif strategy == "published":
        part = _published(data, ratios, seed)
    else:
        part = per_user(store.edge_index[0], num_users(data), ratios[1:], seed)
    return _divide(data, part, {**record, **cold(data, part)})


def _check_splittable(
    data: HeteroData, ratios: tuple[float, float, float], strategy: Strategy
) -> None:
    require(
        isinstance(data, HeteroData),
        f"Interactions are a PyG `HeteroData`, but this is a {type(data).__name__}."
        " Graphs have `split_nodes`.",
    )
    require(
        strategy in _STRATEGIES,
        f"`strategy` must be one of {', '.join(map(repr, _STRATEGIES))}, but it is {strategy!r}."
        " It says who is held out.",
    )
    require(
        isinstance(ratios, Iterable) and all(isinstance(share, Real) for share in ratios),
        f"`ratios` must be numbers, but they are {ratios!r}. Usual are (0.8, 0.1, 0.1).",
    )
    require(
        len(ratios) == 3 and min(ratios) >= 0 and ratios[0] > 0 and abs(sum(ratios) - 1) < 1e-6,
        "The three `ratios` must be at least 0, sum to 1 and leave a training part, but they are"
        f" {ratios!r}. They are the shares of train, validation and test.",
    )
    require(
        strategy != "leave-last-out" or tuple(ratios) == _RATIOS,
        "`ratios` mean nothing to 'leave-last-out', which holds out two interactions of each user."
        " Leave them away.",
    )
    check_pair_stores(data)  # first: asking PyG for edges that are not there makes them
    present = [name for name in ("val_edge_index", "test_edge_index") if name in data[EDGE]]
    require(
        not present,
        f"The data are split already: they have {' and '.join(map(repr, present))}. Split what"
        " `load` returned, or use the split that is there.",
    )


def _published(data: HeteroData, ratios: tuple[float, float, float], seed: int) -> Tensor:
    store = data[EDGE]
    name = (data.get("card") or {}).get("name", "these data")
    require(
        "split" in store,
        f"The publisher of {name!r} gives no split. Use `strategy='per-user'`, or 'temporal' where"
        " there are time stamps.",
    )
    part: Tensor = store.split.long()
    if bool((part == 1).any()) or ratios[1] == 0:
        return part
    part, kept = part.clone(), part == 0
    share = ratios[1] / (ratios[0] + ratios[1])
    part[kept] = per_user(store.edge_index[0][kept], num_users(data), (share, 0.0), seed)
    return part


def _divide(data: HeteroData, part: Tensor, record: dict[str, Any]) -> HeteroData:
    out = copy.copy(data)
    store = out[EDGE]
    count = part.numel()
    edge_index = store.edge_index
    store.val_edge_index = edge_index[:, part == 1].contiguous()
    store.test_edge_index = edge_index[:, part == 2].contiguous()
    train = part == 0
    if "split" in store:
        del store["split"]
    for name, value in list(store.items()):
        if name == "edge_index":
            store[name] = value[:, train].contiguous()
        elif (
            isinstance(value, Tensor)
            and name not in ("val_edge_index", "test_edge_index")
            and value.shape[:1] == (count,)
        ):
            store[name] = value[train].contiguous()
    out.card = {**(data.get("card") or {}), "split": record}
    return out


def test_edges(data: HeteroData) -> Tensor:
    """Return the test interactions [2, T] in int64; [2, 0] where the data have none."""
    return interaction_part(data, "test_edge_index")


# pytest would take it for a test where it is imported
test_edges.__test__ = False  # type: ignore[attr-defined]


def without_test(data: Data | HeteroData) -> Data | HeteroData:
    """Return the data without their test part; the input is left as it is.

    Node data lose ``test_mask``, and the labels of its nodes become -1; features and edges of these
    nodes stay, since node classification is transductive here. Interactions lose
    ``test_edge_index``, or what a published split calls test.

    Args:
        data: Node data or interactions.

    Returns:
        A shallow copy that shares every untouched tensor.
    """
    if isinstance(data, HeteroData):
        check_pair_stores(data)
    else:
        check_is_graph(data)
    out = copy.copy(data)
    if isinstance(data, HeteroData):
        store = out[EDGE]
        for name in ("test_edge_index", "test_edge_weight"):
            if name in store:
                del store[name]
        if "split" in store:
            keep = store.split != 2
            count = store.split.numel()
            for name, value in list(store.items()):
                if isinstance(value, Tensor) and value.shape[-1:] == (count,):
                    store[name] = value[..., keep]
        return out
    if "test_mask" in out:
        if isinstance(out.y, Tensor):
            out.y = widened(out.y).clone()  # -1 would be 255 in uint8
            out.y[out.test_mask] = -1
        del out["test_mask"]
    return out


def split_nodes(
    data: Data,
    seed: int = 0,
    train: int | float = 20,
    val: int | float = 500,
    test: int | float | None = None,
) -> Data:
    """Draw train, validation and test nodes.

    A whole number for ``train`` is a count per class, a fraction a share of each class. A whole
    number for ``val`` or ``test`` is a count over all classes, a fraction a share of the labelled
    nodes. Unlabelled nodes (y = -1) are in no part.

    Args:
        data: Node data with ``y`` [n].
        seed: Seed of the draw.
        train: Training nodes.
        val: Validation nodes.
        test: Test nodes; the rest if None.

    Returns:
        A shallow copy with ``train_mask``, ``val_mask`` and ``test_mask`` [n].

    Raises:
        InputError: If a part would be empty or more nodes are asked for than there are.
    """
    check_is_graph(data)
    parts = {"train": train, "val": val, "test": test}
    good = all(
        (isinstance(part, Real) and 0 <= part < math.inf) or (part is None and name == "test")
        for name, part in parts.items()
    )
    require(
        good,
        f"This needs numbers as `train`, `val` and `test`, but found train = {train!r}, val ="
        f" {val!r}, test = {test!r}. Whole ones are counts, fractions shares.",
    )
    y = data.get("y")
    if data.num_nodes is not None:
        nodes = data.num_nodes
    else:
        nodes = len(y) if y is not None else 0
    check_labels(y, int(nodes))
    y = y.long()
    require(
        bool((y >= 0).any()),
        "This needs labelled nodes. Set `data.y`: classes from 0, -1 for unknown.",
    )
    order = torch.randperm(y.numel(), generator=generator(seed, "split", "nodes"))
    labels = y.cpu()[order]
    order = order[labels >= 0]
    labels = labels[labels >= 0]
    grouped = torch.argsort(labels, stable=True)
    counts = torch.bincount(labels)
    rank = torch.empty_like(grouped)
    rank[grouped] = torch.arange(len(order)) - (counts.cumsum(0) - counts)[labels[grouped]]
    if isinstance(train, Integral):
        quota = torch.full_like(counts, train)
    else:
        quota = (counts * train).round().long().clamp(min=1)
    chosen = rank < quota[labels]
    rest = order[~chosen]
    num_val = val if isinstance(val, Integral) else round(val * len(order))
    if test is None:
        num_test = len(rest) - num_val
    else:
        num_test = test if isinstance(test, Integral) else round(test * len(order))
    require(
        int(chosen.sum()) > 0 and num_val > 0 and num_test > 0 and num_val + num_test <= len(rest),
        "This needs a split with nodes in every part and no more than there are, but found"
        f" labelled = {len(order)!r}, train = {int(chosen.sum())!r}, val = {num_val!r}, test ="
        f" {num_test!r}. Ask for fewer training or validation nodes.",
    )
    out = copy.copy(data)
    picks = {
        "train_mask": order[chosen],
        "val_mask": rest[:num_val],
        "test_mask": rest[num_val : num_val + num_test],
    }
    for name, nodes in picks.items():
        mask = torch.zeros(y.numel(), dtype=torch.bool)
        mask[nodes] = True
        out[name] = mask.to(y.device)
    record = {"source": "random", "seed": seed, "train": train, "val": val, "test": test}
    out.card = {**(data.get("card") or {}), "split": record}
    return out
