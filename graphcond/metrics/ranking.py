"""Recall@k and NDCG@k from top-k lists, per user."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.pairs import pair_keys, widened


def hits(top: Tensor, relevant: Tensor, num_items: int) -> tuple[Tensor, Tensor]:
    """Return which entries of the lists are relevant, and how many relevant items each user has.

    Args:
        top: Item ids, best first [U, k]; -1 marks an empty place.
        relevant: Held-out interactions [2, T], users in [0, U); repeats count once.
        num_items: Number of items.

    Returns:
        Hits [U, k], bool, and counts [U], int64.

    Raises:
        InputError: If a shape or type is wrong, or an id is out of range.

    Example:
        >>> hits(torch.tensor([[3, 0]]), torch.tensor([[0, 0], [0, 1]]), num_items=4)
        (tensor([[False,  True]]), tensor([2]))
    """
    top = widened(top)
    relevant = widened(relevant)
    require(
        top.dtype == relevant.dtype == torch.int64,
        f"`top` and `relevant` must hold ids, but they are of {top.dtype} and {relevant.dtype}."
        " Convert them with `.long()`.",
    )
    require(
        top.dim() == 2,
        f"`top` must be of shape [U, k], but its shape is {tuple(top.shape)}. One list of item ids"
        " per user.",
    )
    if relevant.size(1) == 0:
        nothing = torch.zeros(top.size(0), dtype=torch.int64, device=top.device)
        return torch.zeros_like(top, dtype=torch.bool), nothing
    low = relevant.amin(1).tolist()
    high = relevant.amax(1).tolist()
    require(
        low[0] >= 0 and high[0] < top.size(0),
        f"This needs users of `relevant` in [0, U), but found users = {top.size(0)!r}, smallest ="
        f" {low[0]!r}, largest = {high[0]!r}. Renumber them.",
    )
    highest = -1
    if top.numel():
        highest = int(top.max())
    require(
        low[1] >= 0 and high[1] < num_items and highest < num_items,
        f"Item ids must be in [0, {num_items}), but the largest are {highest} in `top` and"
        f" {high[1]} in `relevant`, the smallest {low[1]}. Give the number of items.",
    )
    size = (top.size(0), num_items)
    # An interaction that is there twice is one relevant item.
    keys = torch.unique(pair_keys(relevant[0], relevant[1], size))
    count = torch.bincount(keys // num_items, minlength=top.size(0))
    users = torch.arange(top.size(0), device=top.device)[:, None]
    asked = pair_keys(users, top, size)
    # One sorted list of user-item numbers answers every question by bisection; no [U, I] table.
    at = torch.searchsorted(keys, asked).clamp_(max=keys.numel() - 1)
    return (keys[at] == asked) & (top >= 0), count


def recall(hit: Tensor, count: Tensor, k: int) -> Tensor:
    r"""Return Recall@k of each user, :math:`|\text{top-}k \cap \text{relevant}| /
    |\text{relevant}|`.

    Args:
        hit: Hits [U, k'], k' at least ``k``.
        count: Relevant items of each user [U].
        k: Length of the list that counts, in [1, k'].

    Returns:
        Values [U] in [0, 1]; 0 for users without relevant items (leave those out of a mean).
    """
    _check(hit, k)
    return hit[:, :k].sum(dim=1) / widened(count).clamp(min=1)


def ndcg(hit: Tensor, count: Tensor, k: int) -> Tensor:
    r"""Return NDCG@k of each user with binary relevance.

    .. math:: \frac{\sum_{r=1}^{k} \mathrm{hit}_r / \log_2(r + 1)}
       {\sum_{r=1}^{\min(k, |\text{relevant}|)} 1 / \log_2(r + 1)}

    Args:
        hit: Hits [U, k'], k' at least ``k``.
        count: Relevant items of each user [U].
        k: Length of the list that counts, in [1, k'].

    Returns:
        Values [U] in [0, 1]; 0 for users without relevant items.
    """
    _check(hit, k)
    gain = (
        torch.arange(2, k + 2, device=hit.device, dtype=torch.get_default_dtype())
        .log2()
        .reciprocal()
    )
    # The best list has all relevant items on top, at most k of them. Users without any get 0 / 1.
    ideal = gain.cumsum(0)[widened(count).clamp(min=1, max=k) - 1]
    return (hit[:, :k] * gain).sum(dim=1) / ideal


def mean_over_users(values: Tensor, count: Tensor) -> float:
    """Return the mean over users that have a relevant item; NaN if none has.

    Args:
        values: One value for each user [U].
        count: Relevant items of each user [U].
    """
    return float(values[count > 0].double().mean())


def _check(hit: Tensor, k: int) -> None:
    require(
        isinstance(k, Integral) and 1 <= k <= hit.size(1),
        f"This needs 1 <= `k` <= length of the lists, but found k = {k!r}, length ="
        f" {hit.size(1)!r}. Rank at least k items.",
    )
