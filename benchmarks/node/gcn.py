"""Many GCNs at once on one small graph: the evaluator of the accuracy table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch_geometric.data import Data

from graphcond.nn.filters import filter_features
from graphcond.nn.teacher import propagation
from graphcond.seeding import generator
from graphcond.sparse import CSR, spmm


@dataclass(frozen=True)
class Evaluator:
    """Two-layer GCNs trained from scratch, all of them in one batched run; the epoch is chosen on
    the original's validation nodes.
    """

    hidden: int = 64
    epochs: int = 200
    every: int = 10
    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    dropout: float = 0.5

    def __str__(self) -> str:
        return (
            f"GCN, 2 layers, hidden {self.hidden}, dropout {self.dropout} before both, Adam"
            f" {self.learning_rate}, weight decay {self.weight_decay}, {self.epochs} epochs, epoch"
            f" of best validation accuracy on the original, looked at every {self.every}"
        )

    def __call__(self, small: Data, full: Data, trainings: int, seed: int) -> Tensor:
        """Return the test accuracy [trainings] on ``full`` of GCNs trained on the training nodes of
        ``small``.
        """
        classes, stream = int(full.y.max()) + 1, generator(seed, "gcn")
        params = start(trainings, full.num_features, self.hidden, classes, stream)
        operator = propagation(small).to_dense()
        nodes, x, features = small.train_mask, small.x, propagated_features(full)
        outer, target = propagation(full), small.y[small.train_mask].repeat(trainings)
        optimizer = torch.optim.Adam(
            params, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        best, test = torch.full((trainings,), -1.0), torch.zeros(trainings)
        for epoch in range(1, self.epochs + 1):
            optimizer.zero_grad()
            logits = forward(params, operator, x, self.dropout, stream)[:, nodes]
            (F.cross_entropy(logits.flatten(0, 1), target) * trainings).backward()
            optimizer.step()
            if epoch % self.every == 0:
                with torch.no_grad():
                    right = (score(params, outer, features).argmax(2) == full.y[:, None]).float()
                now = right[full.val_mask].mean(0)
                test = torch.where(now > best, right[full.test_mask].mean(0), test)
                best = torch.maximum(best, now)
        return test


def start(
    batch: int, num_features: int, hidden: int, classes: int, stream: torch.Generator
) -> list[Tensor]:
    """Return Glorot-uniform weights and zero biases of two layers."""
    params = []
    for fan_in, fan_out in ((num_features, hidden), (hidden, classes)):
        bound = math.sqrt(6 / (fan_in + fan_out))
        weight = (2 * torch.rand(batch, fan_in, fan_out, generator=stream) - 1) * bound
        params += [weight.requires_grad_(), torch.zeros(batch, 1, fan_out, requires_grad=True)]
    return params


def forward(
    params: list[Tensor], operator: Tensor, x: Tensor, dropout: float, stream: torch.Generator
) -> Tensor:
    """Return logits [B, n, C] on a small dense graph."""
    first, shift, second, offset = params
    hidden = torch.relu(
        operator @ (_drop(x.expand(len(first), -1, -1), dropout, stream) @ first) + shift
    )
    return operator @ (_drop(hidden, dropout, stream) @ second) + offset


def propagated_features(full: Data) -> Tensor | CSR:
    """Return Â X, sparse where that is faster."""
    return filter_features(spmm(propagation(full), full.x))


def score(params: list[Tensor], operator: CSR, features: Tensor | CSR) -> Tensor:
    """Return logits [n, B, C] on the original without dropout."""
    first, shift, second, offset = params
    batch, _, hidden = first.shape
    wide = first.transpose(0, 1).reshape(first.shape[1], -1)
    inner = spmm(features, wide) if isinstance(features, CSR) else features @ wide
    inner = torch.relu(inner.view(-1, batch, hidden) + shift[:, 0])
    out = torch.einsum("nbh,bhc->nbc", inner, second)
    return spmm(operator, out.flatten(1)).view(out.shape) + offset[:, 0]


def _drop(x: Tensor, probability: float, stream: torch.Generator) -> Tensor:
    keep = torch.rand(x.shape, generator=stream) >= probability
    return x * keep / (1 - probability)
