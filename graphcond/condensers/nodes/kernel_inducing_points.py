"""Kernel inducing points: condensed nodes from which ridge regression, in closed form, predicts the
original.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.nodes.learner import LearnedNodes, Loss
from graphcond.errors import require, require_at_least
from graphcond.nn.filters import dense_operator
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.linear_filters import compose
from graphcond.nn.synthetic import SyntheticGraph, gcn_norm_dense
from graphcond.nn.teacher import propagation
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.sparse import CSR, chebyshev, powers, scaled_laplacian

# Rows that are kept of every basis T_k(L) X; a step looks at a batch of them.
_MOST_NODES = 4096


@final
@dataclass(frozen=True, kw_only=True)
class KernelInducingPoints(LearnedNodes):
    r"""Learn nodes on which kernel ridge regression predicts the original's classes.

    min_S Σ_λ Σ_ρ Σ_i w_i ||y_i - k(i, S) (K_SS + ρ s I)^-1 Y_S||², K = Z Zᵀ with Z = C_λ(A)² X, s
    the mean of K_SS's diagonal. Without a space Z = Â² X; where λ holds one filter a layer, Z is
    their product on X. Nothing is trained inside; every step is two small products and one n' x n'
    solve a filter. Other settings: :class:`LearnedNodes`.

    Args:
        space: Filters to draw λ from at every step; None is the one filter Â. With
            ``adjacency="identity"`` every filter of a space is a multiple of the identity on S:
            give edges there.
        filters: Filters drawn in a step where a space is given, >= 1.
        ridges: Relative ridges ρ > 0 that are summed over.
        batch: Most nodes of the original that a step looks at, >= 1.

    Source: Nguyen et al., ICLR 2021 (KIP), equation 7, with the kernel of a linear filter network
    in place of an infinitely wide one.

    Example:
        >>> from graphcond.data import load
        >>> condense = KernelInducingPoints(num_nodes=4, num_val=2, rounds=1, steps=2)
        >>> condense(load("karate")).num_nodes
        6
    """

    space: PolynomialFilters | None = None
    filters: int = 4
    ridges: tuple[float, ...] = (0.1, 1.0)
    batch: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.ridges) > 0 and min(self.ridges) > 0,
            f"`ridges` must be positive, but it is {self.ridges!r}. 0.1 and 1 are usual.",
        )
        require_at_least(1, "It counts filters a step.", filters=self.filters)
        require_at_least(1, "1,024 is usual.", batch=self.batch)

    def _loss(self, data: Data, members: LabelledNodes, graph: SyntheticGraph, seed: int) -> Loss:
        members = members.thinned(_MOST_NODES, seed)
        bases = self._bases(data, members.nodes)
        scale = bases[0].square().sum(1).mean().sqrt()
        classes = graph.y.unique()
        ours = (graph.y[:, None] == classes).to(bases)

        def loss(x: Tensor, weight: Tensor, step: int) -> Tensor:
            index = members.batch(self.batch, seed, step)
            target = (members.labels[index, None] == classes).to(x)
            share = members.weight[index] / members.weight[index].sum()
            total = x.new_zeros(())
            for theirs, mine in self._pairs(
                bases[:, index], x, weight, derive(seed, "filters", step)
            ):
                theirs = _biased(theirs, scale)
                mine = _biased(mine, scale)
                total = total + sum(
                    share @ (p - target).square().sum(1)
                    for p in krr(mine, ours, theirs, self.ridges)
                )
            return total

        return loss

    @property
    def _layers(self) -> int:
        if self.space is None:
            return 2
        return max(2, self.space.num_layers)

    def _bases(self, data: Data, nodes: Tensor) -> Tensor:
        """Return rows of what the original's Z is made of [k, m, d], in blocks of columns."""
        if self.space is None:
            blocks = [
                powers(propagation(data), block.contiguous(), 2)[-1:]
                for block in data.x.split(256, 1)
            ]
        else:
            operator = scaled_laplacian(
                CSR.from_edge_index(data.edge_index, int(data.num_nodes), data.get("edge_weight"))
            )
            if self.space.basis == "chebyshev":
                recurrence = chebyshev
            else:
                recurrence = powers
            blocks = [
                recurrence(operator, block.contiguous(), self._layers * self.space.order)
                for block in data.x.split(256, 1)
            ]
        return torch.cat([torch.stack([basis[nodes] for basis in block]) for block in blocks], 2)

    def _pairs(
        self, bases: Tensor, x: Tensor, weight: Tensor, seed: int
    ) -> list[tuple[Tensor, Tensor]]:
        """Return (Z of the original's rows, Z of S) for every filter of a step."""
        if self.space is None:
            operator = gcn_norm_dense(weight)
            return [(bases[0], operator @ (operator @ x))]
        if self.space.basis == "chebyshev":
            recurrence = chebyshev
        else:
            recurrence = powers
        own = torch.stack(recurrence(dense_operator(weight), x, self._layers * self.space.order))
        lam = self.space.sample(self.filters, seed=seed).to(x)
        lam = compose(
            lam, self._layers, basis=self.space.basis, per_layer=self.space.num_layers > 1
        )
        return [
            (torch.einsum("k,kmd->md", row, bases), torch.einsum("k,knd->nd", row, own))
            for row in lam
        ]


def _biased(z: Tensor, scale: Tensor) -> Tensor:
    return torch.cat([z, scale.expand(len(z), 1)], 1)


def krr(z: Tensor, y: Tensor, other: Tensor, ridges: tuple[float, ...]) -> list[Tensor]:
    """Return kernel ridge predictions for ``other`` [m, d] from nodes ``z`` [n, d] with targets
    ``y`` [n, C], one [m, C] a ridge.

    Ridges are relative to the mean of the kernel's diagonal.
    """
    gram = z @ z.T
    level = gram.diagonal().mean()
    identity = torch.eye(len(z), dtype=z.dtype, device=z.device)
    return [
        (other @ z.T) @ torch.linalg.solve(gram + ridge * level * identity, y) for ridge in ridges
    ]
