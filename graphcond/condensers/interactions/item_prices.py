"""Choosing the same number of items for a user while items share the attention: candidates, prices,
and the choice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphcond.sparse import CSR, topk
from graphcond.training import Recommender

_BLOCK = 1 << 17


class Candidates(NamedTuple):
    """Pairs that may be kept, ordered by user.

    Attributes:
        pairs: [2, C].
        scores: The teacher's [C].
        observed: Whether a pair is a training interaction [C].
    """

    pairs: Tensor
    scores: Tensor
    observed: Tensor


def candidates(teacher: Recommender, edges: Tensor, depth: int) -> Candidates:
    """Return all training interactions and each user's ``depth`` best unobserved items.

    Args:
        teacher: Scores them.
        edges: Training interactions [2, E]; users without any get no candidates.
        depth: Unobserved items per user, in [0, I].

    Returns:
        At most E + U * depth pairs.
    """
    size = (teacher.users.size(0), teacher.items.size(0))
    blocks = edges.split(_BLOCK, dim=1)
    scores = [
        torch.cat([(teacher.users[part[0]] * teacher.items[part[1]]).sum(dim=1) for part in blocks])
    ]
    pairs = [edges]
    if depth:
        best, items = topk(
            teacher.users, teacher.items, depth, CSR.from_edges(edges[0], edges[1], size)
        )
        real = (items >= 0) & (torch.bincount(edges[0], minlength=size[0]) > 0)[:, None]
        users = torch.arange(size[0], device=edges.device)[:, None].expand_as(items)
        pairs.append(torch.stack([users[real], items[real]]))
        scores.append(best[real])
    everything = torch.cat(pairs, dim=1)
    score = torch.cat(scores)
    observed = torch.arange(everything.size(1), device=edges.device) < edges.size(1)
    order = torch.argsort(everything[0], stable=True)
    return Candidates(everything[:, order], score[order], observed[order])


def best_of_each(users: Tensor, keys: Tensor, count: Tensor) -> Tensor:
    """Return the places of each user's ``count`` highest keys.

    Args:
        users: User of each candidate [C], rising.
        keys: What is compared [C], finite.
        count: Per user [U].

    Returns:
        Places [sum(min(count, candidates))], ordered by user, then by falling key.

    Example:
        >>> users, values = torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, 3.0])
        >>> best_of_each(users, values, torch.tensor([1, 1])).tolist()
        [1, 2]
    """
    spread = (keys.max() - keys.min()).double() + 1 if keys.numel() else 1
    order = torch.argsort(
        users * (2 * spread) - keys.double()
    )  # one sort: users apart by more than keys can differ
    degree = torch.bincount(users, minlength=count.numel())
    rank = torch.arange(order.numel(), device=order.device) - (degree.cumsum(0) - degree)[users]
    return order[rank < count[users]]


def item_prices(
    options: Candidates, keys: Tensor, count: Tensor, target: Tensor, *, rounds: int = 40
) -> Tensor:
    r"""Return prices :math:`\pi_i` at which each user's best ``count`` items by key - price take
    item i about ``target`` times.

    Multiplicative updates as in an auction: an item that is taken too often becomes dearer,
    :math:`\pi_i \leftarrow \pi_i + \eta_t \ln((n_i + 1) / (t_i + 1))`.

    Args:
        options: The candidates.
        keys: What users compare before prices [C], in standard deviations of a user's scores.
        count: Items per user [U].
        target: Wanted users per item [I], > 0; its sum is that of ``count``.
        rounds: Updates, at least 0.

    Returns:
        Prices [I], in the units of the keys; 0 after 0 rounds.
    """
    price = torch.zeros(target.numel(), dtype=keys.dtype, device=keys.device)
    for t in range(rounds):
        chosen = best_of_each(options.pairs[0], keys - price[options.pairs[1]], count)
        taken = torch.bincount(options.pairs[1, chosen], minlength=target.numel())
        price += (0.3 / (1 + t / 10) * ((taken + 1) / (target + 1)).log()).to(price.dtype)
    return price
