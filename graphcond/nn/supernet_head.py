"""The search for a supernet's mixture weights where only its last affine map answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast, final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear
from torch_geometric.data import Data

from graphcond.hypergrad import BilevelProblem
from graphcond.linalg import Damped, GaussNewton, LinearOperator
from graphcond.nn.operation_supernet import OperationSupernet, soft_weights
from graphcond.typing import Tensors


@final
class SupernetHead:
    """The bilevel problem of a supernet whose weights are given but for the last affine map.

    λ holds the logits of all places, flattened [places · operations], and θ the head's weight and
    bias. The inner loss is the cross-entropy on training nodes and weight_decay / 2 · |θ|²: it is
    strictly convex in θ, so that it has one optimum, at which the implicit function theorem holds,
    and a Hessian that is its Gauss-Newton matrix. The outer loss is the cross-entropy on validation
    nodes. Nothing is dropped, and BatchNorm takes the moments of the graph that it is given.

    With all weights as θ the optimum is never reached, and hypergradients are noise: on Cora those
    of two seeds of a supernet have cosines of -.7 to -.1, with the head as θ .6 to .8 (four
    networks, 60 and 40 epochs).

    Args:
        net: The supernet; its weights are taken for constant in λ.
        train: Graph with ``train_mask``.
        val: Graph with ``val_mask``; the outer loss is differentiable in its features.
        weight_decay: L2 penalty of the inner loss, > 0.

    Source: HCDC, equation HPO and section 5.1. Deviations: the softmax in place of a one-hot
        sample, which has no slope in λ; the body's answer to λ is left out.
    """

    def __init__(self, net: OperationSupernet, train: Data, val: Data, weight_decay: float) -> None:
        self.net = net
        self.train = train
        self.val = val
        self.weight_decay = weight_decay
        self.problem = BilevelProblem(self.inner_loss, self.outer_loss, self.curvature)

    def inner_loss(self, head: Tensors, lam: Tensor) -> Tensor:
        """Return the regularised training loss of a head."""
        return self._fit(head, self._read(lam, self.train))

    def outer_loss(self, head: Tensors, lam: Tensor) -> Tensor:
        """Return the validation loss of a head."""
        mask = self.val.val_mask
        return cross_entropy(_logits(head, self._read(lam, self.val)[mask]), self.val.y[mask])

    def curvature(self, head: Tensors, lam: Tensor) -> LinearOperator:
        """Return the Hessian of the inner loss."""
        mask = self.train.train_mask
        read = self._read(lam, self.train).detach()[mask]
        products = GaussNewton(
            lambda free: _logits(free, read),
            lambda logits: cross_entropy(logits, self.train.y[mask]),
            head,
        )
        return Damped(products, self.weight_decay)

    def optimum(self, lam: Tensor) -> Tensors:
        """Return θ*(λ), from the head that the supernet has."""
        read = self._read(lam, self.train).detach()
        head = {
            name: value.detach().clone().requires_grad_()
            for name, value in self.net.head.named_parameters()
        }
        descent = torch.optim.LBFGS(
            list(head.values()), max_iter=100, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            descent.zero_grad()
            loss = self._fit(head, read)
            loss.backward()
            return loss

        with torch.enable_grad():
            descent.step(closure)
        return {name: value.detach() for name, value in head.items()}

    def _fit(self, head: Tensors, read: Tensor) -> Tensor:
        mask = self.train.train_mask
        penalty = sum(value.square().sum() for value in head.values())
        fit = cross_entropy(_logits(head, read[mask]), self.train.y[mask])
        return fit + self.weight_decay / 2 * penalty

    def _read(self, lam: Tensor, data: Data) -> Tensor:
        """Return what the head reads of a graph."""
        weights = soft_weights(lam.view(len(self.net.links), len(self.net.operations)))
        with _still(self.net):
            return self.net.represent(data.x, data.edge_index, weights)


def _logits(head: Tensors, read: Tensor) -> Tensor:
    return linear(read, head["weight"], head["bias"])


@contextmanager
def _still(net: OperationSupernet) -> Iterator[None]:
    """Drop nothing, take the moments of what is given, and leave the network as it was."""
    training, rate = net.training, net.dropout
    norms = cast(list[torch.nn.BatchNorm1d], list(net.norms))
    momenta = [norm.momentum for norm in norms]
    net.train()
    net.dropout = 0.0
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        net.train(training)
        net.dropout = rate
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
