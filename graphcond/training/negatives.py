"""Uniform negative items, rejected against the training interactions alone."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require_at_least
from graphcond.pairs import pair_keys

_ROUNDS = 20


class UniformNegatives:
    """For each user of a list, an item drawn uniformly from those the user has no training
    interaction with.

    Held-out interactions are not consulted: a validation or test item is as likely a negative as
    any other. A user who has (almost) every item may be given one of its own after 20 rejected
    draws.

    Args:
        edge_index: Training interactions [2, E]; with several models side by side, with offsets.
        num_users: Users of one model.
        num_items: Items of one model.

    Example:
        >>> draw = UniformNegatives(torch.tensor([[0, 0], [0, 2]]), num_users=1, num_items=3)
        >>> draw(torch.tensor([0, 0]), torch.Generator().manual_seed(0))
        tensor([1, 1])
    """

    def __init__(self, edge_index: Tensor, num_users: int, num_items: int) -> None:
        require_at_least(1, "Give the counts.", num_users=num_users, num_items=num_items)
        self.num_users = num_users
        self.num_items = num_items
        # With several models side by side the rows of the users go on beyond one model's.
        rows = 0
        if edge_index.size(1):
            rows = int(edge_index[0].max()) + 1
        self._size = (max(num_users, rows), num_items)
        # Items of all models under the ids of the first: a pair is taken in its own model, whose
        # users have rows of their own.
        own = edge_index[1] % num_items
        self._keys = torch.sort(pair_keys(edge_index[0], own, self._size)).values

    def __call__(self, users: Tensor, draw: torch.Generator) -> Tensor:
        """Return one negative item for each user.

        Args:
            users: Rows of the user table [B].
            draw: Random stream.

        Returns:
            Rows of the item table [B], of the same model as the user.
        """
        users = users.long()
        items = torch.randint(0, self.num_items, users.shape, generator=draw, device=users.device)
        clash = self._taken(users, items).nonzero().squeeze(1)
        for _ in range(_ROUNDS):
            if clash.numel() == 0:
                break
            again = torch.randint(
                0, self.num_items, clash.shape, generator=draw, device=users.device
            )
            items[clash] = again
            clash = clash[self._taken(users[clash], again)]
        return items + (users // self.num_users) * self.num_items

    def _taken(self, users: Tensor, items: Tensor) -> Tensor:
        if self._keys.numel() == 0:
            return torch.zeros_like(users, dtype=torch.bool)
        keys = pair_keys(users, items, self._size)
        at = torch.searchsorted(self._keys, keys).clamp_(max=self._keys.numel() - 1)
        return self._keys[at] == keys
