"""Training of filters side by side, and of a filter's best epoch; every filter trainer is this."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from graphcond.data.stateful import joined
from graphcond.errors import NumericalError, require, require_share
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.training.adam import Adam, AdamTraining
from graphcond.training.filter_graphs import FilterGraph
from graphcond.training.fit import Program
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors


@dataclass(frozen=True)
class FilterTraining(AdamTraining):
    """How filters are trained: full-batch Adam on ``L_train + weight_decay / 2 · ‖θ‖²``.

    Args:
        epochs: Steps, at least 1.
        learning_rate: Adam's step size.
        weight_decay: L2 penalty (in the loss, not decoupled).
        dropout: Probability of dropping a hidden activation, in [0, 1).
        stopping: When to stop a chunk of candidates early, by their mean best validation loss; None
            trains all epochs.
    """

    dropout: float = 0.0
    stopping: EarlyStopping | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share("0 switches it off.", dropout=self.dropout)


def node_losses(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of every model [B] for logits [B, n, C] and classes [n]."""
    each = cross_entropy(logits.flatten(0, 1), y.repeat(logits.size(0)), reduction="none")
    return each.view(logits.size(0), -1).mean(1)


def node_accuracies(logits: Tensor, y: Tensor) -> Tensor:
    """Return the accuracy of every model [B] for logits [B, n, C] and classes [n]."""
    return (logits.argmax(-1) == y).to(logits.dtype).mean(1)


def check_finite(values: Tensor, lam: Tensor, step: str | int) -> None:
    """Raise a NumericalError that names the step and the first λ [B, H] whose value [B] is not
    finite.
    """
    bad = (~torch.isfinite(values)).nonzero().flatten()
    require(
        len(bad) == 0,
        f"A loss is not a number at {step}, for λ = {lam[bad[:1]].tolist()}."
        " Lower the learning rates, or check the features and edge weights for huge values.",
        error=NumericalError,
    )


@final
class BestEpochs:
    """The best epoch of every filter so far, by validation loss.

    Args:
        lam: Hyperparameters [b, H].
        graph: Whose validation nodes are looked at.
        params: Parameters that are looked at, live.
    """

    def __init__(self, lam: Tensor, graph: FilterGraph, params: Tensors) -> None:
        self.lam = lam
        self.graph = graph
        self.live = params
        self.params = {name: value.detach().clone() for name, value in params.items()}
        self.loss = torch.full((lam.size(0),), torch.inf, dtype=lam.dtype, device=lam.device)
        self.accuracy = torch.zeros_like(self.loss)
        self.epoch = torch.zeros(lam.size(0), dtype=torch.int64, device=lam.device)

    def tensors(self) -> Tensors:
        """Return the best parameters and their results, live."""
        scores = {"best_loss": self.loss, "best_accuracy": self.accuracy, "best_epoch": self.epoch}
        return {**joined(best=self.params), **scores}

    @torch.no_grad()
    def look(self, epoch: int, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Note which filters improved; return every validation loss and accuracy [b].

        Args:
            epoch: Adam steps made.
            logits: Logits [b, n, C] of the current parameters.

        Raises:
            NumericalError: If a loss is not a number.
        """
        chosen = logits[:, self.graph.val]
        y = self.graph.y[self.graph.val]
        loss = node_losses(chosen, y)
        accuracy = node_accuracies(chosen, y)
        check_finite(loss, self.lam, f"epoch {epoch}")
        better = (loss < self.loss).nonzero().flatten()
        for name, value in self.live.items():
            self.params[name][better] = value.detach()[better]
        self.loss[better] = loss[better]
        self.accuracy[better] = accuracy[better]
        self.epoch[better] = epoch
        return loss, accuracy


@final
class FilterProgram(Program):
    """Training of b filters side by side, as :func:`graphcond.training.fit` runs it.

    Args:
        net: The architecture.
        lam: Hyperparameters [b, H].
        graph: What to train on.
        recipe: How to train.
        start: Initial parameters, b models.
        draw: Returns the generator of an epoch's dropout.
        looks: Whether validation nodes are looked at before every step.
    """

    def __init__(
        self,
        net: PolynomialFilterNet,
        lam: Tensor,
        graph: FilterGraph,
        recipe: FilterTraining,
        start: Tensors,
        draw: Callable[[int], torch.Generator],
        *,
        looks: bool = True,
    ) -> None:
        self.net = net
        self.lam = lam
        self.graph = graph
        self.recipe = recipe
        self.draw = draw
        self.params = {name: _leaf(value) for name, value in start.items()}
        self.optimiser = Adam(self.params, recipe.learning_rate, recipe.weight_decay)
        self.made = torch.zeros((), dtype=torch.int64)
        self.best = BestEpochs(lam, graph, self.params) if looks else None

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the parameters, the best ones so far and their results, and how many steps they
        are from the start.
        """
        best = self.best.tensors() if self.best else {}
        return {**self.params, **best, "steps": self.made}

    def state_dict(self) -> Tensors:
        """Return the same and Adam's state, live."""
        best = self.best.tensors() if self.best else {}
        return {**self.optimiser.state_dict(), **best, "steps": self.made}

    def step(self, epoch: int) -> float:
        """Look at the current parameters, then make one Adam step; return the mean training loss
        before it.
        """
        graph = self.graph
        dropout = self.recipe.dropout
        stream = None
        if dropout > 0:
            stream = self.draw(epoch)
        logits = self.net(
            self.params, self.lam, graph.operator, graph.x, dropout=dropout, stream=stream
        )
        if self.best:
            self.best.look(epoch, self._evaluate() if dropout else logits.detach())
        losses = node_losses(logits[:, graph.train], graph.y[graph.train])
        # Summed, not averaged: a filter's step then does not depend on how many are beside it.
        self.optimiser.descend(losses.sum())
        self.made += 1
        loss = float(losses.detach().mean())
        if not math.isfinite(loss):
            check_finite(losses.detach(), self.lam, f"epoch {epoch}")
        return loss

    @torch.no_grad()
    def _evaluate(self) -> Tensor:
        return self.net(self.params, self.lam, self.graph.operator, self.graph.x)

    def validate(self) -> float:
        """Return minus the mean best validation loss, or the number of steps made if nothing stops
        early.
        """
        if self.best is None or self.recipe.stopping is None:
            return float(self.made)
        return -float(self.best.loss.mean())

    def finish(self) -> Tensors:
        """Look at the last parameters and return the results of
        :class:`~graphcond.training.FilterRuns` by name.
        """
        found = {name: value.detach() for name, value in self.params.items()}
        if self.best is None:
            return found
        loss, accuracy = self.best.look(int(self.made), self._evaluate())
        return {**found, **self.best.tensors(), "loss": loss, "accuracy": accuracy}


def _leaf(value: Tensor) -> Tensor:
    """Copy a slice of weights [b, d, h] so that it lies as [d, b, h] and wants gradients."""
    if value.dim() == 3:
        value = value.transpose(0, 1).contiguous().transpose(0, 1)
    return value.detach().clone(memory_format=torch.preserve_format).requires_grad_()
