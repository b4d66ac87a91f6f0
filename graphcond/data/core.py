"""The k-core: users and items with few interactions left out, and the card says so."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data.interactions import EDGE, make_interactions, num_items, num_users, numbered
from graphcond.data.pair_checks import check_pair_stores
from graphcond.data.plain import plain
from graphcond.errors import require


def k_core(data: HeteroData, k: int) -> HeteroData:
    """Return the largest part of the data in which every user and item has k interactions.

    Users and items are taken out in turns, as leaving out one makes others rare. Results on a core
    say nothing of the users and items that were left out, so the card records how many those are.

    Args:
        data: Interactions that are not split yet.
        k: Fewest interactions of a user and of an item, at least 1; 1 drops those without any.

    Returns:
        A new data set whose users and items are numbered anew, with their ``original_id``.

    Raises:
        InputError: If ``k`` is no positive number, the data are split, or nothing is left.

    Example:
        >>> pairs = torch.tensor([[0, 0, 1, 1, 2], [0, 1, 0, 1, 1]])
        >>> small = k_core(make_interactions(pairs, 3, 2), k=2)
        >>> small[EDGE].edge_index.tolist(), small.card["k_core"]["users_dropped"]
        ([[0, 0, 1, 1], [0, 1, 0, 1]], 1)
    """
    require(
        isinstance(k, Integral) and k >= 1,
        f"`k` must be a whole number of at least 1, but it is {k!r}. 5 and 10 are usual.",
    )
    require(
        isinstance(data, HeteroData),
        f"A k-core is of interactions, but this is a {type(data).__name__}. Leave `k_core` away.",
    )
    store = data[EDGE] if EDGE in data.edge_types else {}
    require(
        "val_edge_index" not in store and "test_edge_index" not in store,
        "The data are split already. Take the k-core first, then split.",
    )
    check_pair_stores(data)
    data = numbered(plain(data))
    store = data[EDGE]
    pairs: Tensor = store.edge_index
    sizes = (num_users(data), num_items(data))
    keep = _inside(pairs, sizes, k)
    require(
        bool(keep.any()),
        f"No interaction is left in the {k}-core of {pairs.size(1)} interactions. Take a smaller"
        " `k`.",
    )
    users, user = pairs[0][keep].unique(return_inverse=True)
    items, item = pairs[1][keep].unique(return_inverse=True)
    card = dict(data.get("card") or {})
    card["k_core"] = {
        "k": k,
        "interactions_dropped": int((~keep).sum()),
        "users_dropped": sizes[0] - users.numel(),
        "items_dropped": sizes[1] - items.numel(),
    }
    values = {name: store[name][keep] for name in ("split", "rating", "timestamp") if name in store}
    weight = store.edge_weight[keep] if "edge_weight" in store else None
    out = make_interactions(
        torch.stack([user, item]),
        users.numel(),
        items.numel(),
        weight,
        values.get("split"),
        card,
        rating=values.get("rating"),
        timestamp=values.get("timestamp"),
    )
    for kind, kept in (("user", users), ("item", items)):
        known = data[kind].get("original_id")
        if known is None or isinstance(known, Tensor):
            out[kind].original_id = kept.cpu() if known is None else known[kept.cpu()]
        else:
            out[kind].original_id = [known[i] for i in kept.tolist()]
    return out


def _inside(pairs: Tensor, sizes: tuple[int, int], k: int) -> Tensor:
    """Return which interactions are in the k-core [E]."""
    keep = torch.ones(pairs.size(1), dtype=torch.bool, device=pairs.device)
    while True:
        users = torch.bincount(pairs[0][keep], minlength=sizes[0])
        items = torch.bincount(pairs[1][keep], minlength=sizes[1])
        still = keep & (users[pairs[0]] >= k) & (items[pairs[1]] >= k)
        if torch.equal(still, keep):
            return keep
        keep = still
