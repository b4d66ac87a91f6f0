"""Distribution matching: class means of embedded receptive fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.nodes.learner import LearnedNodes, Loss
from graphcond.errors import require_at_least
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.losses import relative_square
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.seeding import generator

# Rows of propagated features that are kept; a step looks at a batch of them.
_MOST_NODES = 8192


@final
@dataclass(frozen=True, kw_only=True)
class DistributionMatching(LearnedNodes):
    r"""Learn features whose class means, under random embeddings, are those of the original's
    receptive fields.

    min_S E_φ Σ_c w_c ||mean_{i in c} φ(z_i) - mean_{j in c} φ(z'_j)||² / ||mean_{i in c} φ(z_i)||²,
    z = Â^hops X, φ(z) = [z, relu(z R)], R drawn anew at every step. No labels beyond the classes,
    no inner training. Other settings: :class:`LearnedNodes`.

    Args:
        hops: Propagation steps, >= 0.
        width: Columns of R, >= 1.
        batch: Most nodes of the original that a step looks at, >= 1.

    Source: Zhao and Bilen 2021, equation 5 (DM); GCDM (Liu et al. 2022) for receptive fields.
    Deviation: one random layer and the features themselves in place of a random deep network; means
    weighted by how sure the class is.

    Example:
        >>> from graphcond.data import load
        >>> condense = DistributionMatching(num_nodes=4, num_val=2, rounds=1, steps=2)
        >>> condense(load("karate")).num_nodes
        6
    """

    hops: int = 2
    width: int = 64
    batch: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, "2 is usual.", hops=self.hops)
        require_at_least(1, "64 is usual.", width=self.width)
        require_at_least(1, "1,024 is usual.", batch=self.batch)

    def _loss(self, data: Data, members: LabelledNodes, graph: SyntheticGraph, seed: int) -> Loss:
        members = members.thinned(_MOST_NODES, seed)
        z = propagated(data, members.nodes, self.hops)
        classes = graph.y.unique()
        counts = (graph.y[:, None] == classes).sum(0)
        share = (counts / counts.sum()).to(z)

        def loss(x: Tensor, weight: Tensor, step: int) -> Tensor:
            random = torch.randn(
                z.shape[1], self.width, generator=generator(seed, "embedding", step), dtype=z.dtype
            ).to(z.device)
            operator = gcn_norm_dense(weight)
            ours = x
            for _ in range(self.hops):
                ours = operator @ ours
            index = members.batch(self.batch, seed, step)
            theirs = _class_means(z[index], members.labels[index], members.weight[index], classes)
            mine = _class_means(ours, graph.y, x.new_ones(len(x)), classes)
            embedded = _class_means(
                torch.relu(z[index] @ random), members.labels[index], members.weight[index], classes
            )
            also = _class_means(torch.relu(ours @ random), graph.y, x.new_ones(len(x)), classes)
            distance: Tensor = share @ (
                relative_square(mine, theirs) + relative_square(also, embedded)
            )
            return distance

        return loss


def _class_means(z: Tensor, y: Tensor, weight: Tensor, classes: Tensor) -> Tensor:
    share = (y[:, None] == classes) * weight[:, None]
    return (share / share.sum(0).clamp(min=1e-12)).T @ z
