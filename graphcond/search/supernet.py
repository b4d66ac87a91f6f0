"""Differentiable architecture search: one supernet is trained, and a network is read off it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot
from torch_geometric.data import Data

from graphcond.data import check_nodes
from graphcond.errors import require, require_at_least, require_positive, require_share
from graphcond.nn import OPERATIONS, Operation, OperationSupernet, soft_weights, straight_through
from graphcond.seeding import derive, generator
from graphcond.training import Adam, AdamTraining


@dataclass(frozen=True)
class SupernetChoice:
    """The network that a search chose.

    Attributes:
        operations: The operation of each place.
        lam: Logits of all operations [places, operations].
        losses: Validation losses of the supernet, one for each epoch.
    """

    operations: tuple[Operation, ...]
    lam: Tensor
    losses: list[float]


@dataclass(frozen=True, kw_only=True)
class SupernetSearch(ABC):
    """Base of searches that train one supernet's weights θ and logits λ in turn.

    An epoch moves θ down the training loss and λ down the validation loss, a step of Adam each. λ's
    gradient is of first order: θ is taken for constant in λ. λ waits until θ says something of the
    operations, else it runs to those that learn soonest, ``skip`` and ``fc``.

    An epoch costs two passes through all operations: as much as several epochs of one network.
    ``python -m benchmarks.node.supernets`` compares with random search of the same CPU seconds.

    Args:
        links: What operation i reads, from 0 (the input) to i - 1.
        operations: The operations to choose from.
        hidden: Width, a multiple of 4.
        dropout: Probability of dropping an input, in [0, 1).
        post: Whether a hidden layer stands before the logits.
        recipe: How θ is trained.
        learning_rate: Adam's step of λ, > 0.
        warmup: Share of the epochs before λ's first step, in [0, 1).
        seed: Seed of weights, dropout and noise.
    """

    links: tuple[int, ...]
    operations: tuple[Operation, ...] = OPERATIONS
    hidden: int = 64
    dropout: float = 0.5
    post: bool = True
    recipe: AdamTraining = field(default_factory=lambda: AdamTraining(epochs=200))
    learning_rate: float = 0.05
    warmup: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive("0.05 is usual.", learning_rate=self.learning_rate)
        require_share("0.5 is usual.", warmup=self.warmup)

    def __call__(self, data: Data) -> SupernetChoice:
        """Search on a graph, condensed or original.

        Args:
            data: The graph, with training and validation nodes.

        Raises:
            InputError: If the graph does not fit; see :func:`graphcond.data.check_nodes`.
        """
        check_nodes(data)
        devices = [data.x.device] if data.x.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive(self.seed, "supernet search", "dropout"))
            net = OperationSupernet(
                data.num_features,
                int(data.y.max()) + 1,
                self.links,
                self.operations,
                hidden=self.hidden,
                dropout=self.dropout,
                post=self.post,
                seed=self.seed,
            ).to(data.x)
            lam = torch.zeros(len(self.links), len(self.operations)).to(data.x)
            run = _SupernetRun(net, lam.requires_grad_(), data, self.recipe, self.learning_rate)
            losses = [self._epoch(run, epoch) for epoch in range(self.recipe.epochs)]
            picks = self._picks(run)
        names = tuple(self.operations[pick] for pick in picks)
        return SupernetChoice(names, run.lam.detach(), losses)

    def _epoch(self, run: _SupernetRun, epoch: int) -> float:
        """Move θ, then λ unless it still waits; return the validation loss."""
        run.train(self._weights(run.lam.detach(), epoch))
        return run.move(self._weights(run.lam, epoch), epoch >= self.warmup * self.recipe.epochs)

    @abstractmethod
    def _weights(self, lam: Tensor, epoch: int) -> Tensor:
        """Return the mixture [places, operations] that an epoch computes with."""

    def _picks(self, run: _SupernetRun) -> list[int]:
        """Return the index of each place's operation."""
        return [int(pick) for pick in run.lam.argmax(1)]


@final
@dataclass(frozen=True, kw_only=True)
class GDAS(SupernetSearch):
    """Sample one operation a place, forwards; the gradient is that of the softmax.

    Args:
        temperatures: Of the softmax in the first and in the last epoch, > 0; falls evenly.

    Source: Dong and Yang (2019), section 3, as HCDC's section 5.1 uses it. Deviation: see
        :class:`graphcond.nn.OperationSupernet`; and λ waits for a while.

    Example:
        >>> from graphcond.data import load
        >>> search = GDAS(links=(0,), operations=("gcn", "fc"), recipe=AdamTraining(epochs=2))
        >>> len(search(load("karate")).losses)
        2
    """

    temperatures: tuple[float, float] = (10.0, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.temperatures) == 2 and min(self.temperatures) > 0,
            f"`temperatures` must be two positive numbers, but they are {self.temperatures}."
            " (10.0, 0.1) is usual.",
        )

    def _weights(self, lam: Tensor, epoch: int) -> Tensor:
        first, last = self.temperatures
        share = epoch / max(1, self.recipe.epochs - 1)
        # θ's pass and λ's draw other noise: only λ's requires a gradient.
        noise = generator(self.seed, "supernet search", "gumbel", epoch, int(lam.requires_grad))
        return straight_through(lam, first + share * (last - first), noise)


@final
@dataclass(frozen=True, kw_only=True)
class DARTSPT(SupernetSearch):
    """Train the softmax mixture; decide a place by what the supernet loses without an operation.

    λ is not asked at the end. Places are decided in a seeded order: an operation's strength is how
    much validation accuracy falls when it alone is taken out, then loss; the strongest stays, and
    the supernet is trained on before the next place.

    Args:
        between: Training epochs after each decision, >= 0.

    Source: Wang et al. (2021), "Rethinking architecture selection in differentiable NAS",
        algorithm 1, which HCDC's table 3 uses. Deviation: equal accuracies, which few validation
        nodes give often, are decided by the loss.

    Example:
        >>> from graphcond.data import load
        >>> search = DARTSPT(links=(0,), operations=("gcn", "fc"), recipe=AdamTraining(epochs=2))
        >>> search(load("karate")).operations in (("gcn",), ("fc",))
        True
    """

    between: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, "10 is usual.", between=self.between)

    def _weights(self, lam: Tensor, epoch: int) -> Tensor:
        return soft_weights(lam)

    def _picks(self, run: _SupernetRun) -> list[int]:
        weights = soft_weights(run.lam.detach())
        count = len(self.operations)
        stream = generator(self.seed, "supernet search", "places")
        for place in torch.randperm(len(self.links), generator=stream).tolist():
            left = [
                run.validated(_without(weights, place, operation)) for operation in range(count)
            ]
            strongest = min(range(count), key=lambda operation: left[operation])
            weights[place] = one_hot(torch.tensor(strongest), count).to(weights)
            for _ in range(self.between):
                run.train(weights)
        return [int(pick) for pick in weights.argmax(1)]


def _without(weights: Tensor, place: int, operation: int) -> Tensor:
    """Return weights [places, operations] of a mixture without one operation of one place; the
    others of that place share what it had.
    """
    left = weights.clone()
    left[place, operation] = 0
    # Of one operation alone nothing is left to share.
    left[place] /= left[place].sum().clamp(min=torch.finfo(left.dtype).tiny)
    return left


class _SupernetRun:
    """A supernet in training on a graph."""

    def __init__(
        self,
        net: OperationSupernet,
        lam: Tensor,
        data: Data,
        recipe: AdamTraining,
        learning_rate: float,
    ) -> None:
        self.net = net
        self.lam = lam
        self.data = data
        params = dict(net.named_parameters())
        self.inner = Adam(params, recipe.learning_rate, recipe.weight_decay)
        self.outer = Adam({"lam": lam}, learning_rate)

    def train(self, weights: Tensor) -> None:
        """Move θ down the training loss."""
        self.inner.descend(self._loss(weights, self.data.train_mask))

    def move(self, weights: Tensor, moves: bool = True) -> float:
        """Return the validation loss, and move λ down it if asked."""
        loss = self._loss(weights, self.data.val_mask)
        if moves:
            self.outer.descend(loss)
        return float(loss.detach())

    @torch.no_grad()
    def validated(self, weights: Tensor) -> tuple[float, float]:
        """Return validation accuracy and minus the loss: what is smaller is worse."""
        self.net.eval()
        mask = self.data.val_mask
        logits = self.net(self.data.x, self.data.edge_index, weights)[mask]
        self.net.train()
        right = logits.argmax(1) == self.data.y[mask]
        return float(right.float().mean()), -float(cross_entropy(logits, self.data.y[mask]))

    def _loss(self, weights: Tensor, mask: Tensor) -> Tensor:
        logits = self.net(self.data.x, self.data.edge_index, weights)
        return cross_entropy(logits[mask], self.data.y[mask])
