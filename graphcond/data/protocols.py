"""Which interactions are training, validation and test: per user, by time, or each user's last."""

from __future__ import annotations

import warnings
from datetime import datetime, timezone
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data.interactions import EDGE, num_items, num_users
from graphcond.errors import require
from graphcond.seeding import generator

TRAIN = 0
VALIDATION = 1
TEST = 2

LEAK = (
    "Leave-last-out tests a user's last interaction with a model that has seen what other users"
    " did later. Figures come out too high; `temporal` has no such leak."
)
"""What is wrong with leave-last-out. Source: Ji et al. 2023, "A critical study on data leakage"."""


def per_user(user: Tensor, count: int, held: tuple[float, float], seed: int) -> Tensor:
    """Return a part for each interaction: of each user's shuffled ones the first are test, the
    next validation.

    Args:
        user: The user of each interaction [E].
        count: Number of users.
        held: Shares of validation and test.
        seed: Seed of the shuffle and of the rounding.

    Returns:
        0, 1 or 2 per interaction [E].
    """
    key = torch.rand(user.numel(), generator=generator(seed, "split", "order"), dtype=torch.float64)
    order, rank, degree = _ranked(user.cpu(), count, key)
    owner = user.cpu()[order]
    dither = torch.rand(count, generator=generator(seed, "split", "rounding"), dtype=torch.float64)
    both = torch.minimum((degree * sum(held) + dither).floor().long(), (degree - 1).clamp(min=0))
    last = torch.minimum((degree * held[1] + dither).floor().long(), both)
    later = torch.where(rank < both[owner], VALIDATION, TRAIN)
    part = torch.empty_like(order)
    part[order] = torch.where(rank < last[owner], TEST, later)
    return part.to(user.device)


def temporal(time: Tensor, ratios: tuple[float, float, float]) -> tuple[Tensor, list[int]]:
    """Return a part for each interaction by two points in time that hold for all users.

    Training is what came before the first point, validation what came before the second, test the
    rest. Interactions of one second stay together, so the shares are met as nearly as they can be.

    Args:
        time: Seconds since 1970 of each interaction [E].
        ratios: Shares of train, validation and test.

    Returns:
        0, 1 or 2 per interaction [E], and the two points in time.
    """
    ordered = time.sort().values
    points = [_cut(ordered, ratios[0]), _cut(ordered, ratios[0] + ratios[1])]
    part = (time >= points[0]).long() + (time >= points[1]).long()
    empty = [name for name, i in (("training", 0), ("test", 2)) if not bool((part == i).any())]
    require(
        not empty or ratios[2] == 0,
        f"The {' and the '.join(empty)} part of the temporal split would be empty: the time stamps"
        f" run from {moment(int(ordered[0]))} to {moment(int(ordered[-1]))} and too many are"
        " equal. Use `strategy='per-user'`, or finer time stamps.",
    )
    return part, points


def _cut(ordered: Tensor, share: float) -> int:
    """Return the time before which about ``share`` of the sorted times lie."""
    place = round(share * ordered.numel())
    if place >= ordered.numel():
        return int(ordered[-1]) + 1
    low = torch.searchsorted(ordered, ordered[place])
    high = 0
    high = int(torch.searchsorted(ordered, ordered[place], right=True))
    later_is_nearer = int(low) == 0 or high - place < place - int(low)
    if later_is_nearer:
        if high < ordered.numel():
            return int(ordered[high])
        return int(ordered[-1]) + 1
    return int(ordered[place])


def leave_last_out(user: Tensor, time: Tensor, count: int, seed: int) -> Tensor:
    """Return a part for each interaction: each user's last is test, the one before validation.

    A user with two interactions has no validation one, a user with one keeps it for training.
    Interactions of one second come in a seeded order.

    Args:
        user: The user of each interaction [E].
        time: Seconds since 1970 of each interaction [E].
        count: Number of users.
        seed: Seed of the order of equal times.

    Returns:
        0, 1 or 2 per interaction [E].
    """
    warnings.warn(LEAK, stacklevel=3)
    tie = torch.randperm(user.numel(), generator=generator(seed, "split", "ties"))
    latest_first = torch.empty_like(tie)
    by_time = tie[torch.argsort(time.cpu()[tie], stable=True, descending=True)]
    latest_first[by_time] = torch.arange(tie.numel())
    order, rank, degree = _ranked(user.cpu(), count, latest_first)
    owned = degree[user.cpu()[order]]
    part = torch.zeros_like(order)
    part[order[(rank == 0) & (owned >= 2)]] = TEST
    part[order[(rank == 1) & (owned >= 3)]] = VALIDATION
    return part.to(user.device)


def _ranked(user: Tensor, count: int, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the interactions grouped by user and sorted by ``key`` within, each one's rank within
    its user, and the users' degrees.
    """
    order = torch.argsort(key, stable=True)
    order = order[torch.argsort(user[order], stable=True)]
    degree = torch.bincount(user, minlength=count)
    start = degree.cumsum(0) - degree
    return order, torch.arange(user.numel()) - start[user[order]], degree


def times_of(data: HeteroData, strategy: str) -> Tensor:
    """Return the time stamps of the interactions, or say that there are none.

    Args:
        data: Unsplit interactions.
        strategy: What needs them, for the message.

    Returns:
        Seconds since 1970 [E], int64.
    """
    time: Tensor | None = data[EDGE].get("timestamp")
    name = (data.get("card") or {}).get("name", "these data")
    require(
        time is not None,
        f"The strategy {strategy!r} needs time stamps, but {name!r} has none. Name their column"
        " (`time=`, on the command line --time), or use 'per-user'.",
    )
    return torch.as_tensor(time)


def moment(seconds: int) -> str:
    """Return a time as people write it.

    Args:
        seconds: Seconds since 1970.

    Returns:
        ISO 8601 in UTC; the number itself where a calendar does not reach.

    Example:
        >>> moment(978307200)
        '2001-01-01T00:00:00Z'
    """
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def cold(data: HeteroData, part: Tensor) -> dict[str, Any]:
    """Count the users and items of the held-out parts that have no training interaction.

    Args:
        data: Unsplit interactions.
        part: 0, 1 or 2 per interaction [E].

    Returns:
        ``{"cold_users": {"validation": …, "test": …}, "cold_items": {…}}``.
    """
    pairs: Tensor = data[EDGE].edge_index
    found: dict[str, Any] = {}
    for row, (kind, size) in enumerate((("users", num_users(data)), ("items", num_items(data)))):
        warm = torch.zeros(size, dtype=torch.bool, device=pairs.device)
        warm[pairs[row][part == TRAIN]] = True
        found[f"cold_{kind}"] = {
            name: int((~warm[pairs[row][part == place].unique()]).sum())
            for name, place in (("validation", VALIDATION), ("test", TEST))
        }
    return found
