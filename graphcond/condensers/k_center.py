"""K-Center: nodes that leave no node of their class far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from graphcond.condensers.selection import EmbeddedSelection


@final
@dataclass(frozen=True, kw_only=True)
class KCenter(EmbeddedSelection):
    """Choose, class by class, the node nearest to the class mean and then always the node farthest from those chosen.

    The greedy choice is within a factor 2 of the smallest possible radius.

    Args:
        ratio: Share of nodes for the training graph, in (0, 1]; or give ``num_nodes``.
        num_nodes: Number of training nodes.
        of: What ``ratio`` is a share of.
        num_val: Number of validation nodes; None: as many as training nodes.
        seed: Unused by the choice, which is deterministic; kept in the card.
        hops: Propagations of the features before the choice, >= 0 (0: raw features).

    Source: Gonzalez (1985), Sener and Savarese (2018); on graphs as in GCond's baselines (Jin et al., 2022), which embed with a
        trained GCN; here the embedding is Â^hops X, which needs no training.

    Example:
        >>> from graphcond.data import load
        >>> small = KCenter(num_nodes=4, num_val=4)(load("karate"))
        >>> int(small.train_mask.sum())
        4
    """

    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        if count == 0:
            return torch.zeros(0, dtype=torch.int64, device=points.device)
        chosen = [int((points - points.mean(0)).square().sum(1).argmin())]
        nearest = (points - points[chosen[0]]).square().sum(1)
        nearest[chosen[0]] = -1
        while len(chosen) < count:
            chosen.append(int(nearest.argmax()))
            nearest = torch.minimum(nearest, (points - points[chosen[-1]]).square().sum(1))
            nearest[chosen[-1]] = -1
        return torch.tensor(chosen, dtype=torch.int64, device=points.device)
