"""Gradients of backbones on real and on synthetic nodes, class by class, and distances between
them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.func import functional_call
from torch_geometric.data import Data

from graphcond.nn.filters import (
    Operator,
    PolynomialFilterNet,
    dense_operator,
    filter_features,
    filter_operator,
)
from graphcond.nn.labelled_nodes import LabelledNodes, propagated
from graphcond.nn.losses import relative_square
from graphcond.nn.synthetic import gcn_norm_dense
from graphcond.seeding import generator
from graphcond.spaces import PolynomialFilters
from graphcond.sparse import CSR
from graphcond.training.adam import Adam
from graphcond.typing import NodeModelFactory, Tensors

Distance: TypeAlias = Literal["cosine", "l2", "both"]


def gradient_distance(synthetic: Tensors, real: Tensors, kind: Distance, weight: Tensor) -> Tensor:
    """Return how far two sets of gradients are apart, Σ over classes, tensors and columns.

    Args:
        synthetic: Gradients on the condensed graph, each ``[K, ..., rows, columns]``, K classes.
        real: Gradients on the original, of the same shapes.
        kind: ``"cosine"``: Σ 1 - cos of columns; ``"l2"``: squared distance over the squared norm
            of ``real``; ``"both"``: their sum.
        weight: Weights of the classes [K].

    Returns:
        A scalar, differentiable in ``synthetic``.

    Source: GCond (Jin et al., ICLR 2022), equation 8 (columns); the squared distance is its "mse",
    made free of scale.
    """
    total = weight.new_zeros(())
    for name, theirs in real.items():
        ours = synthetic[name]
        if kind in ("cosine", "both"):
            cosine = F.cosine_similarity(ours, theirs, dim=-2, eps=1e-12)
            total = total + (weight @ (1 - cosine).flatten(1).sum(1))
        if kind in ("l2", "both"):
            total = total + weight @ relative_square(ours.flatten(1), theirs.flatten(1))
    return total


class Backbone(ABC):
    """A model whose gradients are matched. Parameters are explicit; ``weight`` is the synthetic
    adjacency [n', n'].
    """

    @abstractmethod
    def fresh(self, seed: int) -> Tensors:
        """Return newly drawn parameters."""

    @abstractmethod
    def real(self, params: Tensors, step: int) -> Tensors:
        """Return class gradients on the original, constants."""

    @abstractmethod
    def synthetic(self, params: Tensors, x: Tensor, weight: Tensor) -> Tensors:
        """Return class gradients on the condensed graph, differentiable in ``x`` and ``weight``."""

    @abstractmethod
    def train(self, params: Tensors, x: Tensor, weight: Tensor, steps: int) -> Tensors:
        """Return the parameters after ``steps`` of training on the condensed graph."""


@final
class SGCBackbone(Backbone):
    """Linear model on Â² X (SGC): gradients in closed form, no step propagates on the original.

    ∇_W of class c is Z_cᵀ (softmax(Z_c W + b) - Y_c) / n_c; the bias is a last row of W.

    Args:
        data: The original.
        members: Nodes with classes whose gradients are matched.
        y: Classes of the condensed nodes [n'].
        batch: Most members a step looks at.
        seed: Of batches and initial weights.
        hops: Propagation steps.
    """

    def __init__(
        self, data: Data, members: LabelledNodes, y: Tensor, batch: int, seed: int, hops: int = 2
    ) -> None:
        rows = propagated(data, members.nodes, hops)
        self.scale = rows.square().sum(1).mean().sqrt().clamp(min=1e-12)
        # The bias is a column as large as a row of features, so that it learns as fast as they do.
        self.z = torch.cat([rows, self.scale.expand(len(rows), 1)], 1)
        self.level = self.z.square().sum(1).mean()
        self.members = members
        self.y = y
        self.hops = hops
        self.batch = batch
        self.seed = seed
        self.classes = y.unique()

    def fresh(self, seed: int) -> Tensors:
        """Return W [1 + d, C], Glorot-uniform on the scale of the features."""
        shape = (self.z.shape[1], len(self.classes))
        bound = math.sqrt(6 / sum(shape)) / float(self.scale)
        random = torch.rand(shape, generator=generator(seed, "sgc"), dtype=self.z.dtype)
        return {"weight": ((2 * random - 1) * bound).to(self.z.device)}

    def features(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return twice propagated synthetic features with the bias column [n', d + 1]."""
        operator = gcn_norm_dense(weight)
        for _ in range(self.hops):
            x = operator @ x
        return torch.cat([x, self.scale.expand(len(x), 1)], 1)

    def _gradients(self, z: Tensor, y: Tensor, members: Tensor, params: Tensors) -> Tensors:
        one_hot = (y[:, None] == self.classes).to(z)
        error = torch.softmax(z @ params["weight"], 1) - one_hot
        share = one_hot * members[:, None]
        share = share / share.sum(0).clamp(min=1e-12)
        each = z.T @ (share[:, :, None] * error[:, None, :]).flatten(1)
        return {"weight": each.view(z.shape[1], len(self.classes), -1).transpose(0, 1)}

    def real(self, params: Tensors, step: int) -> Tensors:
        """Return gradients [C, 1 + d, C] on a batch of members."""
        with torch.no_grad():
            index = self.members.batch(self.batch, self.seed, step)
            return self._gradients(
                self.z[index], self.members.labels[index], self.members.weight[index], params
            )

    def synthetic(self, params: Tensors, x: Tensor, weight: Tensor) -> Tensors:
        """Return gradients [C, 1 + d, C] on all condensed nodes."""
        return self._gradients(self.features(x, weight), self.y, x.new_ones(len(x)), params)

    def train(self, params: Tensors, x: Tensor, weight: Tensor, steps: int) -> Tensors:
        """Make gradient steps of size 1 / (mean squared norm of the rows)."""
        with torch.no_grad():
            z = self.features(x, weight)
            target = (self.y[:, None] == self.classes).to(x)
            # A step that descends whatever the features' scale: softmax regression has curvature of
            # at most half the mean squared norm of the rows.
            rate = 1 / z.square().sum(1).mean()
            value = params["weight"]
            for _ in range(steps):
                value = value - rate * z.T @ (torch.softmax(z @ value, 1) - target) / len(z)
        return {"weight": value}


@dataclass(frozen=True)
class Inputs:
    """What a network propagates on the original: operator, features, node ids and their classes."""

    operator: Operator
    x: Tensor | CSR
    members: LabelledNodes


@final
class NetBackbone(Backbone):
    """A :class:`PolynomialFilterNet` at sampled λ, full batch; gradients by automatic
    differentiation, B filters at once.

    Args:
        net: The architecture.
        space: Where λ is drawn from for every initialisation; None: the filter (I + D^-1/2 A
            D^-1/2) / 2 alone.
        data: The original.
        members: Nodes with classes whose gradients are matched.
        y: Classes of the condensed nodes [n'].
        batch: Filters B matched at once where a space is given.
    """

    def __init__(
        self,
        net: PolynomialFilterNet,
        space: PolynomialFilters | None,
        data: Data,
        members: LabelledNodes,
        y: Tensor,
        batch: int = 4,
    ) -> None:
        self.net = net
        self.space = space
        self.y = y
        self.filters = batch if space is not None else 1
        operator = filter_operator(
            data.edge_index, int(data.num_nodes), data.get("edge_weight"), dtype=data.x.dtype
        )
        self.inputs = Inputs(operator, filter_features(data.x), members)
        self.classes = y.unique()

    def fresh(self, seed: int) -> Tensors:
        """Return parameters of B networks, and their λ under ``"lam"``."""
        if isinstance(self.inputs.x, CSR):
            first = self.inputs.x.value
        else:
            first = self.inputs.x
        if first is None:
            like = torch.empty(0)
        else:
            like = first
        params = self.net.init(self.filters, seed, dtype=like.dtype, device=like.device)
        if self.space is None:
            lam = torch.tensor([[0.5, -0.5]])
        else:
            lam = self.space.sample(self.filters, seed=seed)
        return {**params, "lam": lam.to(like)}

    def _gradients(
        self, params: Tensors, logits: Tensor, members: LabelledNodes, *, keep: bool
    ) -> Tensors:
        names = [name for name in params if name.startswith("weight")]
        each: list[tuple[Tensor, ...]] = []
        for label in self.classes.tolist():
            inside = members.labels == label
            chosen = F.log_softmax(logits[:, members.nodes[inside]], -1)[:, :, label]
            loss = -(chosen @ (members.weight[inside] / members.weight[inside].sum())).sum()
            each.append(
                torch.autograd.grad(
                    loss, [params[name] for name in names], create_graph=keep, retain_graph=True
                )
            )
        return {name: torch.stack([grads[i] for grads in each]) for i, name in enumerate(names)}

    def _forward(
        self, params: Tensors, operator: Operator, x: Tensor | CSR
    ) -> tuple[Tensors, Tensor]:
        leaves = {
            name: value.detach().requires_grad_(name != "lam") for name, value in params.items()
        }
        lam = leaves["lam"]
        return leaves, self.net(
            {name: value for name, value in leaves.items() if name != "lam"}, lam, operator, x
        )

    def real(self, params: Tensors, step: int) -> Tensors:
        """Return gradients [C, B, rows, columns] of every weight on all members."""
        with torch.enable_grad():
            leaves, logits = self._forward(params, self.inputs.operator, self.inputs.x)
            return self._gradients(leaves, logits, self.inputs.members, keep=False)

    def _own(self, x: Tensor) -> LabelledNodes:
        return LabelledNodes(torch.arange(len(x), device=x.device), self.y, x.new_ones(len(x)))

    def synthetic(self, params: Tensors, x: Tensor, weight: Tensor) -> Tensors:
        """Return gradients [C, B, rows, columns] of every weight on all condensed nodes."""
        leaves, logits = self._forward(params, dense_operator(weight), x)
        return self._gradients(leaves, logits, self._own(x), keep=True)

    def train(self, params: Tensors, x: Tensor, weight: Tensor, steps: int) -> Tensors:
        """Make Adam steps of size .01."""
        operator = dense_operator(weight.detach())
        x = x.detach()
        leaves = {
            name: value.detach().clone().requires_grad_(name != "lam")
            for name, value in params.items()
        }
        free = {name: value for name, value in leaves.items() if name != "lam"}
        optimiser = Adam(free, 0.01, fused=False)
        with torch.enable_grad():
            for _ in range(steps):
                logits = self.net(free, leaves["lam"], operator, x)
                loss = F.cross_entropy(
                    logits.flatten(0, 1), self.y.repeat(len(logits)), reduction="sum"
                )
                optimiser.descend(loss.div(len(x)))
        return {name: value.detach() for name, value in leaves.items()}


@final
class ModuleBackbone(Backbone):
    """A module ``(x, edge_index, edge_weight) -> logits``, matched on nodes without edges, A' = I.

    Layers that do not read edge weights, such as GIN's, give no gradient for a learned adjacency;
    features alone serve every kind. Dropout is off, so that both sides see the same function.

    Args:
        factory: Makes the module, as for :func:`~graphcond.evaluation.evaluate_node`.
        data: The original.
        members: Nodes with classes whose gradients are matched.
        y: Classes of the condensed nodes [n'].

    Source: HCDC, Figure 7 (condensing with GCN, SGC and GIN). Departure: of every layer the
        matrices are matched and the biases are not.
    """

    def __init__(
        self, factory: NodeModelFactory, data: Data, members: LabelledNodes, y: Tensor
    ) -> None:
        self.factory = factory
        self.data = data
        self.members = members
        self.y = y
        self.classes = y.unique()
        self.size = (int(data.x.size(1)), int(members.labels.max()) + 1)
        self.model = self._make(0)

    def _make(self, seed: int) -> torch.nn.Module:
        like = self.data.x
        return self.factory(*self.size, seed=seed).to(like.device, like.dtype).eval()

    def fresh(self, seed: int) -> Tensors:
        """Return the parameters of a newly made module."""
        made = self._make(seed).named_parameters()
        return {name: value.detach().clone() for name, value in made}

    def _logits(self, params: Tensors, x: Tensor, edges: tuple[Tensor, Tensor | None]) -> Tensor:
        logits: Tensor = functional_call(self.model, params, (x, *edges))
        return logits

    def _alone(self, x: Tensor) -> tuple[Tensor, None]:
        return torch.empty(2, 0, dtype=torch.long, device=x.device), None

    def _gradients(
        self, params: Tensors, logits: Tensor, members: LabelledNodes, *, keep: bool
    ) -> Tensors:
        """Return gradients [C, rows, columns] of the matrices, class by class.

        torch keeps a linear layer as [outputs, inputs]; columns are compared, one an output, so
        that each is transposed.
        """
        names = [name for name, value in params.items() if value.dim() == 2]
        matrices = [params[name] for name in names]
        each: list[tuple[Tensor, ...]] = []
        for label in self.classes.tolist():
            inside = members.labels == label
            weight = members.weight[inside] / members.weight[inside].sum()
            chosen = F.log_softmax(logits[members.nodes[inside]], -1)[:, label]
            loss = -(chosen @ weight)
            grads = torch.autograd.grad(
                loss, matrices, create_graph=keep, retain_graph=True, materialize_grads=True
            )
            each.append(grads)
        stacked = {name: torch.stack([grads[i] for grads in each]) for i, name in enumerate(names)}
        return {name: value.transpose(-2, -1) for name, value in stacked.items()}

    @staticmethod
    def _leaves(params: Tensors) -> Tensors:
        return {name: value.detach().clone().requires_grad_() for name, value in params.items()}

    def real(self, params: Tensors, step: int) -> Tensors:
        """Return gradients [C, rows, columns] of every matrix on all members."""
        edges = (self.data.edge_index, self.data.get("edge_weight"))
        with torch.enable_grad():
            leaves = self._leaves(params)
            logits = self._logits(leaves, self.data.x, edges)
            found = self._gradients(leaves, logits, self.members, keep=False)
        return {name: value.detach() for name, value in found.items()}

    def synthetic(self, params: Tensors, x: Tensor, weight: Tensor) -> Tensors:
        """Return gradients [C, rows, columns] of every matrix on all condensed nodes; ``weight`` is
        not read.
        """
        leaves = self._leaves(params)
        logits = self._logits(leaves, x, self._alone(x))
        own = LabelledNodes(torch.arange(len(x), device=x.device), self.y, x.new_ones(len(x)))
        return self._gradients(leaves, logits, own, keep=True)

    def train(self, params: Tensors, x: Tensor, weight: Tensor, steps: int) -> Tensors:
        """Make Adam steps of size .01 on all condensed nodes."""
        leaves = self._leaves(params)
        optimiser = Adam(leaves, 0.01)
        with torch.enable_grad():
            for _ in range(steps):
                optimiser.descend(F.cross_entropy(self._logits(leaves, x, self._alone(x)), self.y))
        return {name: value.detach() for name, value in leaves.items()}
