"""Planted data sets: graphs and interactions whose truth is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.utils import to_undirected

from graphcond.ambient import steady
from graphcond.data.interactions import EDGE, make_interactions
from graphcond.data.split import split_nodes
from graphcond.errors import require, require_at_least, require_range, require_share
from graphcond.pairs import pair_keys
from graphcond.seeding import generator


@steady()
def planted_graph(
    num_nodes: int = 1000,
    num_classes: int = 4,
    num_features: int = 32,
    homophily: float = 0.8,
    degree: float = 8.0,
    seed: int = 0,
) -> Data:
    """Return a stochastic block graph with class features.

    Of round(n · degree / 2) pairs drawn, a share ``homophily`` joins nodes of one class, the rest
    nodes of two classes; repeats are merged. Features are x = 2 μ_y + ε with one random unit vector
    μ per class and ε ~ N(0, I).

    Args:
        num_nodes: Number of nodes n.
        num_classes: Number of classes, at least 2, of equal size up to one.
        num_features: Number of features d.
        homophily: Share of edges inside a class, in [0, 1].
        degree: Mean degree before repeats are merged.
        seed: Seed of everything.

    Returns:
        ``Data`` with a seeded split: a tenth of each class / a fifth / the rest.

    Example:
        >>> planted_graph(num_nodes=100).edge_index.shape[0]
        2
    """
    require_at_least(2, "Classes are what is planted.", num_classes=num_classes)
    require_range(0, 1, "It is the share of edges inside a class.", homophily=homophily)
    require(
        num_nodes >= 10 * num_classes,
        f"This needs at least 10 nodes per class, but found num_nodes = {num_nodes!r}. Ask for more"
        " nodes.",
    )
    stream = generator(seed, "planted", "graph")
    y = torch.arange(num_nodes) % num_classes
    pairs = round(num_nodes * degree / 2)
    source = torch.randint(num_nodes, (pairs,), generator=stream)
    inside = torch.rand(pairs, generator=stream) < homophily
    shift = torch.where(inside, 0, torch.randint(1, num_classes, (pairs,), generator=stream))
    wanted = (y[source] + shift) % num_classes
    rank = torch.randint(num_nodes // num_classes, (pairs,), generator=stream)
    target = rank * num_classes + wanted
    kept = source != target
    edge_index = to_undirected(torch.stack([source[kept], target[kept]]), num_nodes=num_nodes)
    mean = torch.nn.functional.normalize(
        torch.randn(num_classes, num_features, generator=stream), dim=1
    )
    x = 2 * mean[y] + torch.randn(num_nodes, num_features, generator=stream)
    data = split_nodes(Data(x=x, edge_index=edge_index, y=y), seed=seed, train=0.1, val=0.2)
    data.card = {**data.card, "name": "planted-graph", "seed": seed, "homophily": homophily}
    return data


@steady()
def planted_interactions(
    num_users: int = 500,
    num_items: int = 800,
    num_interactions: int = 12_000,
    rank: int = 8,
    useless: float = 0.0,
    seed: int = 0,
) -> HeteroData:
    """Return long-tailed interactions that follow known latent factors, with a known share of
    useless ones.

    User u takes n_u distinct items with chances ∝ pop_i · exp(3 ⟨p_u, q_i⟩), where pop_i ∝ 1 /
    rank_i, n_u is log-normal, and p, q are random unit vectors. A share ``useless`` of the
    interactions joins random pairs instead, whatever the factors say.

    Args:
        num_users: Number of users U.
        num_items: Number of items I.
        num_interactions: About how many interactions.
        rank: Number of latent factors.
        useless: Share of useless interactions, in [0, 1).
        seed: Seed of everything.

    Returns:
        Unsplit interactions; ``data["user"].factor`` [U, rank], ``data["item"].factor`` [I, rank],
        ``data["item"].popularity`` [I] and ``data[EDGE].useless`` [E] (bool) are the truth.

    Example:
        >>> sizes = {"num_users": 50, "num_items": 60, "num_interactions": 600}
        >>> data = planted_interactions(**sizes, useless=0.2)
        >>> 0.1 < float(data["user", "interacts", "item"].useless.float().mean()) < 0.3
        True
    """
    require_share("It is a share of the interactions.", useless=useless)
    pairs_possible = num_users * num_items
    require(
        num_users <= num_interactions <= pairs_possible // 4,
        "`num_interactions` must be from `num_users` to a quarter of all pairs, but found"
        f" num_interactions = {num_interactions!r}, num_users = {num_users!r}, pairs ="
        f" {pairs_possible!r}. Change the sizes.",
    )
    stream = generator(seed, "planted", "interactions")
    users, items = (
        torch.nn.functional.normalize(torch.randn(count, rank, generator=stream), dim=1)
        for count in (num_users, num_items)
    )
    popularity = 1.0 / torch.arange(1, num_items + 1, dtype=torch.float)
    popularity = popularity[torch.randperm(num_items, generator=stream)]
    activity = torch.randn(num_users, generator=stream).exp()
    wanted = (activity / activity.sum() * num_interactions).round().long().clamp(1, num_items // 2)
    blank = torch.rand(num_users, num_items, generator=stream).clamp_(min=1e-12)
    # The best n of scores with Gumbel noise are a draw of n without replacement.
    scores = popularity.log() + 3 * users @ items.t() - (-blank.log()).log()
    order = scores.argsort(dim=1, descending=True)
    taken = torch.arange(num_items) < wanted[:, None]
    pairs = torch.stack([torch.nonzero(taken)[:, 0], order[taken]])
    noise = torch.rand(pairs.size(1), generator=stream) < useless
    pairs = torch.where(
        noise,
        torch.stack([pairs[0], torch.randint(num_items, noise.shape, generator=stream)]),
        pairs,
    )
    data = make_interactions(
        pairs, num_users, num_items, card={"name": "planted-interactions", "seed": seed}
    )
    data["user"].factor = users
    data["item"].factor = items
    data["item"].popularity = popularity
    data[EDGE].useless = _flag(data[EDGE].edge_index, pairs[:, ~noise], (num_users, num_items))
    return data


def _flag(pairs: Tensor, useful: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which pairs were never drawn from the factors."""
    return ~torch.isin(pair_keys(pairs[0], pairs[1], size), pair_keys(useful[0], useful[1], size))
