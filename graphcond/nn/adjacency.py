"""Adjacencies of synthetic graphs: learned logits, GCond's MLP on pairs, Bernoulli edges, none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from graphcond.errors import UnknownNameError, require, require_at_least, require_positive
from graphcond.seeding import generator
from graphcond.typing import Tensors

AdjacencyName: TypeAlias = Literal["learned", "mlp", "bernoulli", "identity"]


def homophilous_start(x: Tensor, y: Tensor, neighbors: int = 2) -> Tensor:
    """Return a sparse, homophilous 0/1 adjacency: each node with its most similar nodes of the same
    class.

    Args:
        x: Features [n, d].
        y: Classes [n].
        neighbors: Neighbours a node asks for, >= 0; the result is symmetrised by union.

    Returns:
        Symmetric 0/1 matrix [n, n] with an empty diagonal, in the dtype of ``x``.

    Example:
        >>> homophilous_start(torch.eye(3), torch.tensor([0, 0, 1]), 1).int().tolist()
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    unit = F.normalize(x.detach(), dim=1)
    same = (y[:, None] == y) & ~torch.eye(len(y), dtype=torch.bool, device=x.device)
    similarity = (unit @ unit.T).masked_fill(~same, -torch.inf)
    top = similarity.topk(min(neighbors, len(y)), dim=1)
    start = torch.zeros_like(similarity).scatter_(
        1, top.indices, torch.isfinite(top.values).to(x.dtype)
    )
    return torch.maximum(start, start.T)


class Adjacency(ABC):
    """How a synthetic graph's edge weights [n, n] arise from parameters and features; symmetric, in
    [0, 1], diagonal 0.
    """

    @abstractmethod
    def init(self, x: Tensor, y: Tensor, seed: int = 0) -> Tensors:
        """Return start parameters (leaves that want gradients) for features ``x`` [n, d] and
        classes ``y`` [n].
        """

    @abstractmethod
    def __call__(self, params: Tensors, x: Tensor, seed: int | None = None) -> Tensor:
        """Return edge weights [n, n], differentiable in ``params`` and ``x``; ``seed`` draws random
        edges, None gives their mean.
        """


def _logit_start(x: Tensor, y: Tensor, neighbors: int, high: float, low: float) -> Tensor:
    return low + (high - low) * homophilous_start(x, y, neighbors)


def _off_diagonal(weight: Tensor) -> Tensor:
    return weight * (1 - torch.eye(weight.shape[0], dtype=weight.dtype, device=weight.device))


@dataclass(frozen=True)
class Identity(Adjacency):
    """No edges: GCond-X's A' = I, the self-loop being the one every normalisation adds.

    Source: GCond (Jin et al., ICLR 2022), variant GCond-X.
    """

    def init(self, x: Tensor, y: Tensor, seed: int = 0) -> Tensors:
        """Return no parameters."""
        return {}

    def __call__(self, params: Tensors, x: Tensor, seed: int | None = None) -> Tensor:
        """Return zeros [n, n]."""
        return x.new_zeros(x.shape[0], x.shape[0])


@dataclass(frozen=True)
class Learned(Adjacency):
    """Free logits: A_ij = sigmoid((P_ij + P_ji) / 2), starting sparse and homophilous.

    Args:
        neighbors: Same-class neighbours a node starts with, >= 0.
        high: Start logit of those edges.
        low: Start logit of all others.

    Source: the free adjacency of Prop. 3 (HCDC). Deviation: published code starts at sigmoid(0) =
    .5, a near-complete graph.
    """

    neighbors: int = 2
    high: float = 1.0
    low: float = -5.0

    def init(self, x: Tensor, y: Tensor, seed: int = 0) -> Tensors:
        """Return ``{"logits": [n, n]}``."""
        return {"logits": _logit_start(x, y, self.neighbors, self.high, self.low).requires_grad_()}

    def __call__(self, params: Tensors, x: Tensor, seed: int | None = None) -> Tensor:
        """Return sigmoid of the symmetrised logits [n, n]."""
        logits = params["logits"]
        return _off_diagonal(torch.sigmoid((logits + logits.T) / 2))


@dataclass(frozen=True)
class Bernoulli(Adjacency):
    """Random edges: A_ij ~ Bernoulli(sigmoid(P_ij)), relaxed by the binary concrete distribution
    while learning.

    A = sigmoid((P + log u - log(1 - u)) / temperature), u uniform, shared by (i, j) and (j, i).

    Args:
        temperature: > 0; smaller is closer to 0/1 edges.
        neighbors: Same-class neighbours a node starts with, >= 0.
        high: Start logit of those edges.
        low: Start logit of all others.

    Source: DosCond (Jin et al., KDD 2022), section 4.1.
    """

    temperature: float = 0.5
    neighbors: int = 2
    high: float = 1.0
    low: float = -4.0

    def __post_init__(self) -> None:
        require_positive("0.5 is usual.", temperature=self.temperature)

    def init(self, x: Tensor, y: Tensor, seed: int = 0) -> Tensors:
        """Return ``{"logits": [n, n]}``."""
        return {"logits": _logit_start(x, y, self.neighbors, self.high, self.low).requires_grad_()}

    def __call__(self, params: Tensors, x: Tensor, seed: int | None = None) -> Tensor:
        """Return a relaxed draw [n, n], or the edge probabilities where ``seed`` is None."""
        logits = (params["logits"] + params["logits"].T) / 2
        if seed is None:
            return _off_diagonal(torch.sigmoid(logits))
        # Kept off 0 and 1, where the logistic noise is infinite. Drawn on the CPU: a GPU then
        # learns from the same edges.
        uniform = (
            torch.rand(logits.shape, generator=generator(seed, "edges"), dtype=logits.dtype)
            .clamp(1e-6, 1 - 1e-6)
            .to(logits.device)
        )
        # One draw a pair: (i, j) and (j, i) are the same edge.
        noise = torch.triu(torch.log(uniform) - torch.log1p(-uniform), 1)
        return _off_diagonal(torch.sigmoid((logits + noise + noise.T) / self.temperature))


@dataclass(frozen=True)
class PairMLP(Adjacency):
    r"""GCond's MLP on pairs of features, in factored form: A_ij = sigmoid((f(x_i, x_j) + f(x_j,
    x_i)) / 2).

    The first layer is linear, so W [x_i; x_j] = W_1 x_i + W_2 x_j exactly: n products of width d
    instead of n² of width 2d. Batch normalisation over all pairs is exact too, because mean and
    variance of a_i + b_j are those of a plus those of b.

    Args:
        hidden: Width of the MLP's two hidden layers, >= 1.
        neighbors: Same-class neighbours a node starts with; the MLP is fitted to that start before
            use.
        warmup: Adam steps of that fit, >= 0.

    Source: GCond (Jin et al., ICLR 2022), equation 7. Deviation: the fit to a sparse, homophilous
    start.
    """

    hidden: int = 64
    neighbors: int = 2
    warmup: int = 60

    def __post_init__(self) -> None:
        require_at_least(1, "64 is usual.", hidden=self.hidden)
        require_at_least(0, "60 is usual.", warmup=self.warmup)

    def init(self, x: Tensor, y: Tensor, seed: int = 0) -> Tensors:
        """Return ``left``, ``right`` [d, h], ``weight1`` [h, h], ``weight2`` [h], ``bias2`` [] and
        scales and shifts [h].
        """
        random, (d, h) = generator(seed, "pair_mlp"), (x.shape[1], self.hidden)

        def glorot(rows: int, columns: int) -> Tensor:
            bound = (6 / (rows + columns)) ** 0.5
            draw: Tensor = bound * (2 * torch.rand(rows, columns, generator=random) - 1)
            return draw.to(x)

        params = {
            "left": glorot(d, h),
            "right": glorot(d, h),
            "weight1": glorot(h, h),
            "weight2": glorot(h, 1)[:, 0],
            # Few edges at first, sigmoid(-3) = .05; the fit below brings up those of the start.
            "bias2": x.new_tensor(-3.0),
        }
        params |= {f"scale{i}": x.new_ones(h) for i in range(2)} | {
            f"shift{i}": x.new_zeros(h) for i in range(2)
        }
        params = {name: value.detach().requires_grad_() for name, value in params.items()}
        self._fit(params, x.detach(), homophilous_start(x, y, self.neighbors))
        return params

    def _fit(self, params: Tensors, x: Tensor, target: Tensor) -> None:
        keep = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
        if len(x) < 2:
            return
        optimizer = torch.optim.Adam(list(params.values()), lr=0.01)
        with torch.enable_grad():
            for _ in range(self.warmup):
                optimizer.zero_grad()
                F.binary_cross_entropy_with_logits(
                    self._logits(params, x)[keep], target[keep]
                ).backward()
                optimizer.step()
        # Frees the gradients of the fit: learning starts without any.
        optimizer.zero_grad()

    @staticmethod
    def _logits(params: Tensors, x: Tensor) -> Tensor:
        left = x @ params["left"]
        right = x @ params["right"]
        left = left - left.mean(0)
        right = right - right.mean(0)
        # Batch normalisation's own epsilon.
        spread = (left.var(0, correction=0) + right.var(0, correction=0) + 1e-5).rsqrt()
        pair = (
            torch.relu(((left[:, None] + right) * spread) * params["scale0"] + params["shift0"])
            @ params["weight1"]
        )
        pair = (pair - pair.mean((0, 1))) * (pair.var((0, 1), correction=0) + 1e-5).rsqrt()
        out = (
            torch.relu(pair * params["scale1"] + params["shift1"]) @ params["weight2"]
            + params["bias2"]
        )
        return (out + out.T) / 2

    def __call__(self, params: Tensors, x: Tensor, seed: int | None = None) -> Tensor:
        """Return sigmoid of the symmetrised MLP output [n, n]."""
        return _off_diagonal(torch.sigmoid(self._logits(params, x)))


def make_adjacency(adjacency: AdjacencyName | Adjacency) -> Adjacency:
    """Return the adjacency of a name with its default settings, or the given object itself.

    Args:
        adjacency: ``"learned"``, ``"mlp"``, ``"bernoulli"``, ``"identity"`` or an
            :class:`Adjacency`.

    Returns:
        The adjacency.

    Raises:
        UnknownNameError: If the name is none of the four.
    """
    known: dict[str, Adjacency] = {
        "learned": Learned(),
        "mlp": PairMLP(),
        "bernoulli": Bernoulli(),
        "identity": Identity(),
    }
    if isinstance(adjacency, Adjacency):
        return adjacency
    require(
        adjacency in known,
        f"`adjacency` must be one of {', '.join(known)}, but it is {adjacency!r}. Name one, or pass"
        " an Adjacency.",
        error=UnknownNameError,
    )
    return known[adjacency]
