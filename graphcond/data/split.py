"""Splits: train, validation and test of nodes and interactions, and taking the test part away."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.interactions import EDGE, num_users
from graphcond.errors import require
from graphcond.seeding import generator


def split_interactions(
    data: HeteroData,
    seed: int = 0,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    source: Literal["random", "published"] = "random",
) -> HeteroData:
    """Divide all interactions into train, validation and test.

    ``source="random"`` shuffles every user's interactions. Of a user with n of them, the numbers
    held out are floor(n·r + u) with one seeded u ~ U[0, 1) per user, which is n·r on average; every
    user keeps at least one training interaction, so a user with a single one has nothing held out.
    ``source="published"`` takes the publisher's split; where that has no validation part, a seeded
    share ``ratios[1] / (ratios[0] + ratios[1])`` of each user's training part becomes one.

    Args:
        data: Interactions that are not split yet, as :func:`load` returns them.
        seed: Seed of the shuffle.
        ratios: Shares of train, validation and test; they sum to 1.
        source: Where the split comes from.

    Returns:
        A new data set: ``edge_index`` (train) with ``edge_weight`` if any, ``val_edge_index``,
            ``test_edge_index``.

    Raises:
        InputError: If the data are already split, there is no published split, or the ratios are
            not shares.

    Source: DConRec section 4.1 (80/10/10 per user); the random rounding is ours, the paper does not
    say how it rounds.
    """
    require(
        isinstance(data, HeteroData),
        "interactions as a PyG `HeteroData`",
        "Graphs have `split_nodes`.",
        type=type(data).__name__,
    )
    numbers = all(isinstance(share, Real) for share in ratios)
    require(numbers, "numbers as `ratios`", "For example (0.8, 0.1, 0.1).", ratios=ratios)
    require(
        source in ("random", "published"),
        "`source` one of 'random', 'published'",
        "Choose one.",
        source=source,
    )
    require(
        len(ratios) == 3 and min(ratios) >= 0 and ratios[0] > 0 and abs(sum(ratios) - 1) < 1e-6,
        "three `ratios` that are ≥ 0, sum to 1 and leave a training part",
        "They are the shares of train, validation and test, for example (0.8, 0.1, 0.1).",
        ratios=ratios,
    )
    store = data[EDGE]
    require(
        "val_edge_index" not in store and "test_edge_index" not in store,
        "data that are not split yet",
        "Split what `load` returned, or use the splits already there.",
        present=[name for name in ("val_edge_index", "test_edge_index") if name in store],
    )
    if source == "published":
        require(
            "split" in store,
            "a published split",
            "Use `source='random'`.",
            data=data.get("card", {}).get("name", "?"),
        )
        part = store.split.long()
        if not bool((part == 1).any()) and ratios[1] > 0:
            part = part.clone()
            kept = part == 0
            share = ratios[1] / (ratios[0] + ratios[1])
            part[kept] = _assign(store.edge_index[0][kept], num_users(data), (share, 0.0), seed)
    else:
        part = _assign(store.edge_index[0], num_users(data), ratios[1:], seed)
    return _divide(data, part, {"source": source, "seed": seed, "ratios": list(ratios)})


def _assign(user: Tensor, count: int, held: tuple[float, float], seed: int) -> Tensor:
    """Return 0, 1 or 2 per interaction: each user's shuffled first ones are test, the next
    validation.
    """
    key = torch.rand(user.numel(), generator=generator(seed, "split", "order"), dtype=torch.float64)
    order = torch.argsort(key)
    order = order[torch.argsort(user.cpu()[order], stable=True)]
    degree = torch.bincount(user.cpu(), minlength=count)
    start = degree.cumsum(0) - degree
    owner = user.cpu()[order]
    rank = torch.arange(user.numel()) - start[owner]
    dither = torch.rand(count, generator=generator(seed, "split", "rounding"), dtype=torch.float64)
    both = torch.minimum((degree * sum(held) + dither).floor().long(), (degree - 1).clamp(min=0))
    last = torch.minimum((degree * held[1] + dither).floor().long(), both)
    part = torch.empty_like(order)
    part[order] = torch.where(rank < last[owner], 2, torch.where(rank < both[owner], 1, 0))
    return part.to(user.device)


def _divide(data: HeteroData, part: Tensor, record: dict[str, Any]) -> HeteroData:
    out = copy.copy(data)
    store, count = out[EDGE], part.numel()
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
    out.card = {**data.get("card", {}), "split": record}
    return out


def test_edges(data: HeteroData) -> Tensor:
    """Return the test interactions [2, T]; [2, 0] where the data have none."""
    store = data[EDGE]
    pairs: Tensor = (
        store.test_edge_index if "test_edge_index" in store else store.edge_index.new_empty(2, 0)
    )
    return pairs


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
    out = copy.copy(data)
    if isinstance(data, HeteroData):
        store = out[EDGE]
        for name in ("test_edge_index", "test_edge_weight"):
            if name in store:
                del store[name]
        if "split" in store:
            keep, count = store.split != 2, store.split.numel()
            for name, value in list(store.items()):
                if isinstance(value, Tensor) and value.shape[-1:] == (count,):
                    store[name] = value[..., keep]
        return out
    if "test_mask" in out:
        if isinstance(out.y, Tensor):
            out.y = out.y.clone()
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
    require(
        isinstance(data, Data),
        "node data as a PyG `Data`",
        "Interactions have `split_interactions`.",
        type=type(data).__name__,
    )
    parts = {"train": train, "val": val, "test": test}
    good = all(
        isinstance(part, Real) or part is None and name == "test" for name, part in parts.items()
    )
    law, cure = "numbers as `train`, `val` and `test`", "Whole ones are counts, fractions shares."
    require(good, law, cure, train=train, val=val, test=test)
    y = data.get("y")
    require(
        isinstance(y, Tensor) and y.dim() == 1,
        "labels `y` of shape [n]",
        "Set `data.y`.",
        y=type(y).__name__,
    )
    whole = not y.is_floating_point() and not y.is_complex() and y.dtype != torch.bool
    require(whole, "labels `y` of type int64", "Convert with `data.y.long()`.", dtype=str(y.dtype))
    require(
        bool((y >= 0).any()),
        "labelled nodes",
        "Set `data.y`: classes from 0, -1 for unknown.",
        labelled=0,
    )
    order = torch.randperm(y.numel(), generator=generator(seed, "split", "nodes"))
    labels = y.cpu()[order]
    order, labels = order[labels >= 0], labels[labels >= 0]
    grouped = torch.argsort(labels, stable=True)
    counts = torch.bincount(labels)
    rank = torch.empty_like(grouped)
    rank[grouped] = torch.arange(len(order)) - (counts.cumsum(0) - counts)[labels[grouped]]
    quota = (
        torch.full_like(counts, train)
        if isinstance(train, Integral)
        else (counts * train).round().long().clamp(min=1)
    )
    chosen = rank < quota[labels]
    rest = order[~chosen]
    num_val = val if isinstance(val, Integral) else round(val * len(order))
    num_test = (
        len(rest) - num_val
        if test is None
        else test
        if isinstance(test, Integral)
        else round(test * len(order))
    )
    require(
        int(chosen.sum()) > 0 and num_val > 0 and num_test > 0 and num_val + num_test <= len(rest),
        "a split with nodes in every part and no more than there are",
        "Ask for fewer training or validation nodes.",
        labelled=len(order),
        train=int(chosen.sum()),
        val=num_val,
        test=num_test,
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
    out.card = {**data.get("card", {}), "split": record}
    return out
