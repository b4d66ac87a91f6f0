"""The outer loss of DConRec: how well trained models rank interactions they were not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from graphcond.seeding import generator
from graphcond.training import UniformNegatives

BLOCK = 1 << 14
"""Triplets whose rows are gathered at once."""


@final
@dataclass(frozen=True, eq=False)
class OuterLoss:
    r"""Mean BPR loss of held-out interactions, kept apart by user.

    .. math:: L_{k,u} = \frac{1}{n |V|} \sum_{(u, i) \in V} \sum_{j} -\ln \sigma(s_{kui} - s_{kuj})

    Args:
        edges: V ``[2, V]``.
        negatives: Draws items that are in no interaction the condenser has seen.
        size: U and I.
        repeats: n, negatives per interaction.

    Source:
        DConRec, Eq. 7. The released code draws the negatives from the test sampler; ours knows no
        test interactions.
    """

    edges: Tensor
    negatives: UniformNegatives
    size: tuple[int, int]
    repeats: int = 4

    def triplets(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return users, positives and negatives ``[n V]``, the same for the same seed."""
        users, items = self.edges[0].repeat(self.repeats), self.edges[1].repeat(self.repeats)
        return users, items, self.negatives(users, generator(seed, "outer", device=users.device))

    def __call__(self, tables: tuple[Tensor, Tensor], models: int, *, seed: int) -> Tensor:
        """Return the losses of models side by side.

        Args:
            tables: Scored user and item embeddings ``[K U, d]``, ``[K I, d]``.
            models: K.
            seed: Seed of the negatives; all models get the same.

        Returns:
            ``[K, U]``; a row sums to the model's mean loss.
        """
        users, items, others = self.triplets(seed)
        out = tables[0].new_zeros(models, self.size[0])
        for k in range(models):
            p, q = tables[0][k * self.size[0] :], tables[1][k * self.size[1] :]
            for some in torch.arange(users.numel(), device=users.device).split(BLOCK):
                gap = q.index_select(0, items[some]).sub_(q.index_select(0, others[some]))
                losses = softplus(-(p.index_select(0, users[some]) * gap).sum(1))
                out[k].index_add_(0, users[some], losses)
        return out / max(users.numel(), 1)
