"""User-item interactions as PyG ``HeteroData``: how one is made, and its parts read back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.errors import require, require_at_least
from graphcond.pairs import pair_keys, widened

EDGE = ("user", "interacts", "item")
"""The edge type that holds the interactions."""


def make_interactions(
    edge_index: Tensor,
    num_users: int,
    num_items: int,
    edge_weight: Tensor | None = None,
    split: Tensor | None = None,
    card: Mapping[str, Any] | None = None,
    *,
    rating: Tensor | None = None,
    timestamp: Tensor | None = None,
) -> HeteroData:
    """Return a user-item data set with repeated pairs merged.

    Pairs come out ordered by user, then item. Of a repeated pair the weights are added up and the
    earliest split (train before validation before test) is kept, so that no held-out pair is also a
    training pair. The earliest time and the highest rating are kept for the like reason. The number
    merged is in ``data.card["duplicates_merged"]``.

    Args:
        edge_index: Users in row 0, items in row 1 [2, E], integers.
        num_users: Number of users, those without interactions included.
        num_items: Number of items, those without interactions included.
        edge_weight: One weight per pair [E].
        split: The publisher's split [E]: 0 train, 1 validation, 2 test.
        card: Provenance; copied to ``data.card``.
        rating: One rating per pair [E]; kept for those who ask, not used in training.
        timestamp: Seconds since 1970 of each pair [E], integers.

    Returns:
        A ``HeteroData`` with node types ``"user"`` and ``"item"`` and the edge type :data:`EDGE`.

    Raises:
        InputError: If the shape or type is wrong, or an id is out of range.

    Example:
        >>> data = make_interactions(torch.tensor([[1, 0, 1], [2, 0, 2]]), num_users=2, num_items=3)
        >>> data[EDGE].edge_index.tolist(), data.card["duplicates_merged"]
        ([[0, 1], [0, 2]], 1)
    """
    check_pairs(edge_index, num_users, num_items, "edge_index")
    edge_index = widened(edge_index)
    num_users = int(num_users)  # products of numpy's int32 overflow
    num_items = int(num_items)
    given = {"edge_weight": edge_weight, "split": split, "rating": rating, "timestamp": timestamp}
    for name, value in given.items():
        require(
            value is None or tuple(value.shape) == (edge_index.size(1),),
            f"This needs `{name}` of shape [E], but found shape ="
            f" {None if value is None else tuple(value.shape)}, E = {edge_index.size(1)!r}. It has"
            " one entry per column of `edge_index`.",
        )
    for name, value in given.items():
        require(
            value is None or not (value.is_complex() or value.dtype == torch.bool),
            f"`{name}` must hold numbers, but it is of {getattr(value, 'dtype', None)}. Convert it,"
            f" for example with `{name}.float()`.",
        )
    require(
        split is None or not split.is_floating_point(),
        f"`split` must be of an integer type, but it is of {getattr(split, 'dtype', None)}. 0 is"
        " train, 1 validation, 2 test.",
    )
    if split is not None:
        split = widened(split)
    if split is not None and split.numel():
        low, high = (int(value) for value in torch.aminmax(split))
        require(
            low >= 0 and high <= 2,
            f"`split` must be 0 or 1 or 2, but found smallest = {low!r}, largest = {high!r}. 0 is"
            " train, 1 validation, 2 test.",
        )
    pairs, inverse = _merged(edge_index, num_users, num_items)
    merged = inverse.numel() - pairs.size(1)

    data = HeteroData()
    data["user"].num_nodes = int(num_users)
    data["item"].num_nodes = int(num_items)
    data[EDGE].edge_index = pairs
    if edge_weight is not None:
        data[EDGE].edge_weight = _added(edge_weight.detach(), inverse, pairs.size(1))
    if split is not None:
        first = torch.full((pairs.size(1),), 2, dtype=torch.uint8, device=pairs.device)
        data[EDGE].split = first.scatter_reduce_(0, inverse, split.to(torch.uint8), "amin")
    for name, value, which in (("rating", rating, "amax"), ("timestamp", timestamp, "amin")):
        if value is not None:
            value = widened(value.detach())
            empty = torch.zeros(pairs.size(1), dtype=value.dtype, device=pairs.device)
            data[EDGE][name] = empty.scatter_reduce_(0, inverse, value, which, include_self=False)
    data.card = {"name": "interactions", **(card or {})}
    data.card["duplicates_merged"] = int(data.card.get("duplicates_merged", 0)) + merged
    return data


def _added(weight: Tensor, inverse: Tensor, count: int) -> Tensor:
    """Return the weights of repeated pairs added up [count].

    Sums are taken in a wide type: int8 wraps at 127, and float16 stands still at 2048. They come
    back in the type of the weights where that holds them.
    """
    wide = weight.double() if weight.is_floating_point() else widened(weight)
    total = torch.zeros(count, dtype=wide.dtype, device=inverse.device)
    total.index_add_(0, inverse, wide.to(inverse.device))
    narrow = total.to(weight.dtype)
    if weight.is_floating_point() or torch.equal(narrow.to(total.dtype), total):
        return narrow
    return total


def _merged(edge_index: Tensor, num_users: int, num_items: int) -> tuple[Tensor, Tensor]:
    """Return the distinct pairs, sorted, and which of them each pair is."""
    pairs = edge_index.long()
    if num_users * num_items < 2**63:
        key = pair_keys(pairs[0], pairs[1], (num_users, num_items))
        unique, inverse = torch.unique(key, return_inverse=True)
        return torch.stack([unique // num_items, unique % num_items]), inverse
    # Products of ids this large overflow 64 bits; those of their ranks do not.
    users, user = torch.unique(pairs[0], return_inverse=True)
    items, item = torch.unique(pairs[1], return_inverse=True)
    ranks, inverse = _merged(torch.stack([user, item]), users.numel(), items.numel())
    return torch.stack([users[ranks[0]], items[ranks[1]]]), inverse


def numbered(data: HeteroData) -> HeteroData:
    """Return the data with users and items numbered anew where most numbers are unused.

    Files keep ids of any size, such as ISBNs or hashes. Models, splits and counts keep a row for
    every number up to the largest, which a single id of 3,000,000,000 would make terabytes. What
    they get is numbered densely, in the order of the ids, which are kept as ``original_id``.

    Args:
        data: Interactions.

    Returns:
        A shallow copy, or the data themselves where at least half of the numbers are used, there
        are few of them, or ``original_id`` is there already.

    Example:
        >>> data = make_interactions(torch.tensor([[0, 0], [3, 3_000_000_000]]), 1, 3_000_000_001)
        >>> small = numbered(data)
        >>> small["item"].original_id.tolist(), num_items(small)
        ([3, 3000000000], 2)
    """
    out = data
    for row, kind in enumerate(("user", "item")):
        size = int(data[kind].num_nodes)
        if size <= _FEW or "original_id" in data[kind]:
            continue
        names = [name for name in _PAIRS if name in data[EDGE]]
        used = torch.cat([data[EDGE][name][row] for name in names]).unique()
        if size <= 2 * used.numel() + _FEW:
            continue
        out = copy.copy(data) if out is data else out
        for name in names:
            pairs = out[EDGE][name].clone()
            pairs[row] = torch.searchsorted(used, pairs[row].contiguous())
            out[EDGE][name] = pairs
        out[kind].num_nodes = used.numel()
        out[kind].original_id = used.cpu()
    return out


_FEW = 1000
_PAIRS = ("edge_index", "val_edge_index", "test_edge_index")


def with_interactions(
    data: HeteroData, edge_index: Tensor, edge_weight: Tensor | None = None
) -> HeteroData:
    """Return other interactions between the same users and items, for example those a condenser
    keeps.

    The ids that users know (``original_id``) come along, so that files are written with them;
    splits and cards do not.

    Args:
        data: The original interactions.
        edge_index: The new ones [2, E].
        edge_weight: One weight per pair [E].

    Returns:
        A new data set as :func:`make_interactions` gives it.

    Raises:
        InputError: If the shape or type is wrong, or an id is out of range.
    """
    out = make_interactions(edge_index, num_users(data), num_items(data), edge_weight)
    for kind in ("user", "item"):
        if "original_id" in data[kind]:
            out[kind].original_id = data[kind].original_id
    return out


def check_pairs(pairs: Any, num_users: int, num_items: int, name: str) -> None:
    """Raise unless ``pairs`` is an integer tensor [2, E] of valid user and item ids."""
    require(
        isinstance(pairs, Tensor) and pairs.dim() == 2 and pairs.size(0) == 2,
        f"This needs `{name}` of shape [2, E], but found"
        f" {tuple(pairs.shape) if isinstance(pairs, Tensor) else type(pairs).__name__!r}. Put users"
        " in row 0 and items in row 1.",
    )
    require(
        not pairs.is_floating_point() and not pairs.is_complex() and pairs.dtype != torch.bool,
        f"This needs `{name}` of an integer type, but found dtype = {str(pairs.dtype)}. Convert it"
        f" with `{name}.long()` after checking that no id was rounded.",
    )
    require_at_least(1, "Give the counts.", num_users=num_users, num_items=num_items)
    if pairs.numel() == 0:
        return
    pairs = widened(pairs)
    low = pairs.amin(1).tolist()
    high = pairs.amax(1).tolist()
    require(
        min(low) >= 0,
        f"This needs user ids of `{name}` in [0, num_users) and item ids in [0, num_items), but"
        f" found smallest_user = {low[0]!r}, smallest_item = {low[1]!r}. Ids start at 0; shift"
        " them.",
    )
    require(
        high[0] < num_users and high[1] < num_items,
        f"This needs user ids of `{name}` in [0, num_users) and item ids in [0, num_items), but"
        f" found largest_user = {high[0]!r}, num_users = {num_users!r}, largest_item = {high[1]!r},"
        f" num_items = {num_items!r}. Check that row 0 holds users and row 1 items, and that the"
        " counts include every id.",
    )


def num_users(data: HeteroData) -> int:
    """Return the number of users, those without interactions included."""
    return int(data["user"].num_nodes)


def num_items(data: HeteroData) -> int:
    """Return the number of items, those without interactions included."""
    return int(data["item"].num_nodes)


def train_edges(data: HeteroData) -> Tensor:
    """Return the training interactions [2, E] in int64, users in row 0 and items in row 1."""
    return interaction_part(data, "edge_index")


def val_edges(data: HeteroData) -> Tensor:
    """Return the validation interactions [2, V] in int64; [2, 0] where the data have none."""
    return interaction_part(data, "val_edge_index")


def interaction_part(data: HeteroData, name: str) -> Tensor:
    """Return the interactions kept under a name, in int64; [2, 0] where there are none.

    This is the only reader of interactions: ids of narrower types, which overflow when they are
    multiplied, go no further.
    """
    store = data[EDGE]
    pairs: Tensor = store[name] if name in store else store.edge_index.new_empty(2, 0)
    return widened(pairs)


def kept_interactions(data: HeteroData, chosen: Tensor) -> HeteroData:
    """Return the training interactions ``chosen``, with their weights where the data have some.

    Args:
        data: The original.
        chosen: Columns of its ``edge_index`` [E'], without repeats.

    Returns:
        A set with the same users and items and no validation or test interactions.
    """
    chosen = chosen.to(train_edges(data).device).sort().values
    weight = data[EDGE].get("edge_weight")
    return with_interactions(
        data, train_edges(data)[:, chosen], None if weight is None else weight[chosen]
    )
