"""Coreset baselines: real nodes chosen class by class, with the edges among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.selection import NodeSelection
from graphcond.errors import require_at_least
from graphcond.nn.labelled_nodes import propagated


@dataclass(frozen=True, kw_only=True)
class EmbeddedSelection(NodeSelection):
    """Base of selections that look at propagated features Â^hops X."""

    hops: int = 2

    def __post_init__(self) -> None:
        require_at_least(0, "0 means raw features.", hops=self.hops)

    def _embed(self, data: Data, nodes: Tensor) -> Tensor:
        return propagated(data, nodes, self.hops)


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

    Source: HCDC section 7, "Random". Drawn within classes, in the original's proportions, so that
    no class is lost.

    Example:
        >>> from graphcond.data import load
        >>> small = RandomNodes(num_nodes=4, num_val=4)(load("karate"))
        >>> int(small.train_mask.sum()), int(small.val_mask.sum())
        (4, 4)
    """

    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        return torch.randperm(points.size(0), generator=stream)[:count].to(points.device)


@final
@dataclass(frozen=True, kw_only=True)
class Herding(EmbeddedSelection):
    r"""Choose, class by class, the node that brings the mean of the chosen nearest to the class
    mean.

    .. math:: i_t = \arg\min_i
       \lVert \tfrac{1}{t} (z_i + \textstyle\sum_{s < t} z_{i_s}) - \mu \rVert,
       \quad t = 1, 2, \dots

    Args:
        ratio: Share of nodes for the training graph, in (0, 1]; or give ``num_nodes``.
        num_nodes: Number of training nodes.
        of: What ``ratio`` is a share of.
        num_val: Number of validation nodes; None: as many as training nodes.
        seed: Unused by the choice, which is deterministic; kept in the card.
        hops: Propagations of the features before the choice, >= 0 (0: raw features).

    Source: Welling (2009); on graphs as in GCond's baselines (Jin et al., 2022), which embed with a
        trained GCN; here the embedding is Â^hops X, which needs no training.

    Example:
        >>> from graphcond.data import load
        >>> small = Herding(num_nodes=4, num_val=4)(load("karate"))
        >>> int(small.train_mask.sum())
        4
    """

    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        mean = points.mean(0)
        chosen = []
        total = torch.zeros_like(mean)
        free = torch.ones(points.size(0), dtype=torch.bool, device=points.device)
        for taken in range(1, count + 1):
            distance = (
                ((total + points) / taken - mean).square().sum(1).masked_fill(~free, torch.inf)
            )
            chosen.append(int(distance.argmin()))
            free[chosen[-1]] = False
            total = total + points[chosen[-1]]
        return torch.tensor(chosen, dtype=torch.int64, device=points.device)


@final
@dataclass(frozen=True, kw_only=True)
class KCenter(EmbeddedSelection):
    """Choose, class by class, the node nearest to the class mean and then always the node farthest
    from those chosen.

    The greedy choice is within a factor 2 of the smallest possible radius.

    Args:
        ratio: Share of nodes for the training graph, in (0, 1]; or give ``num_nodes``.
        num_nodes: Number of training nodes.
        of: What ``ratio`` is a share of.
        num_val: Number of validation nodes; None: as many as training nodes.
        seed: Unused by the choice, which is deterministic; kept in the card.
        hops: Propagations of the features before the choice, >= 0 (0: raw features).

    Source: Gonzalez (1985), Sener and Savarese (2018); on graphs as in GCond's baselines (Jin et
        al., 2022), which embed with a trained GCN; here the embedding is Â^hops X, which needs no
        training.

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
