"""Herding: nodes whose running mean follows the class mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from graphcond.condensers.selection import EmbeddedSelection


@final
@dataclass(frozen=True, kw_only=True)
class Herding(EmbeddedSelection):
    r"""Choose, class by class, the node that brings the mean of the chosen nearest to the class mean.

    .. math:: i_t = \arg\min_i \lVert \tfrac{1}{t} (z_i + \textstyle\sum_{s < t} z_{i_s}) - \mu \rVert, \quad t = 1, 2, \dots

    Args:
        ratio: Share of nodes for the training graph, in (0, 1]; or give ``num_nodes``.
        num_nodes: Number of training nodes.
        of: What ``ratio`` is a share of.
        num_val: Number of validation nodes; None: as many as training nodes.
        seed: Unused by the choice, which is deterministic; kept in the card.
        hops: Propagations of the features before the choice, >= 0 (0: raw features).

    Source: Welling (2009); on graphs as in GCond's baselines (Jin et al., 2022), which embed with a trained GCN; here the
        embedding is Â^hops X, which needs no training.

    Example:
        >>> from graphcond.data import load
        >>> small = Herding(num_nodes=4, num_val=4)(load("karate"))
        >>> int(small.train_mask.sum())
        4
    """

    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        mean, chosen = points.mean(0), []
        total, free = torch.zeros_like(mean), torch.ones(points.size(0), dtype=torch.bool, device=points.device)
        for taken in range(1, count + 1):
            distance = ((total + points) / taken - mean).square().sum(1).masked_fill(~free, torch.inf)
            chosen.append(int(distance.argmin()))
            free[chosen[-1]] = False
            total = total + points[chosen[-1]]
        return torch.tensor(chosen, dtype=torch.int64, device=points.device)
