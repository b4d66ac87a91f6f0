"""Random nodes: the floor every other condenser of node-classification graphs has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from graphcond.condensers.selection import NodeSelection


@final
@dataclass(frozen=True, kw_only=True)
class RandomNodes(NodeSelection):
    """Keep the subgraphs induced by random training nodes and by random validation nodes.

    Args:
        ratio: Share of nodes for the training graph, in (0, 1]; or give ``num_nodes``.
        num_nodes: Number of training nodes.
        of: What ``ratio`` is a share of.
        num_val: Number of validation nodes; None: as many as training nodes.
        seed: Seed of the draw.

    Source: HCDC section 7, "Random". Drawn within classes, in the original's proportions, so that no class is lost.

    Example:
        >>> from graphcond.data import load
        >>> small = RandomNodes(num_nodes=4, num_val=4)(load("karate"))
        >>> int(small.train_mask.sum()), int(small.val_mask.sum())
        (4, 4)
    """

    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        return torch.randperm(points.size(0), generator=stream)[:count].to(points.device)
