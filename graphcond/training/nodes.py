"""Training node classifiers: B polynomial filters in one batched run, each with its own
best epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import Checkpoint, describe, digest
from graphcond.data.checks import check_part
from graphcond.data.plain import plain
from graphcond.errors import NumericalError, require
from graphcond.nn.filters import (
    Operator,
    PolynomialFilterNet,
    filter_features,
    filter_operator,
    stored_bases,
)
from graphcond.seeding import generator
from graphcond.sparse import CSR
from graphcond.training.fit import fit
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors

# Activations [n, b·h] of about 2.8 MB stay in a core's cache: measured on Cora, 16 filters at once
# cost half of 80 at once.
_CHUNK_NUMBERS = 700_000
# Columns of stored bases over those that a step would propagate: measured, they gain up to twice.
_BASES_SHARE = 1.5
# A GPU wants work for all of its cores at once; 2**26 numbers are 256 MiB a tensor.
_CHUNK_NUMBERS_ON_DEVICE = 1 << 26


def activations_at_once(device: torch.device) -> int:
    """Return how many numbers a layer of the filters that are trained together should have."""
    return _CHUNK_NUMBERS if device.type == "cpu" else _CHUNK_NUMBERS_ON_DEVICE


@dataclass(frozen=True)
class FilterTraining:
    """How filters are trained: full-batch Adam on ``L_train + weight_decay / 2 · ‖θ‖²``.

    Args:
        epochs: Steps, at least 1.
        learning_rate: Adam's step size.
        weight_decay: L2 penalty (in the loss, not decoupled).
        dropout: Probability of dropping a hidden activation, in [0, 1).
        stopping: When to stop a chunk of candidates early, by their mean best validation loss; None
            trains all epochs.
    """

    epochs: int = 200
    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    dropout: float = 0.0
    stopping: EarlyStopping | None = None

    def __post_init__(self) -> None:
        require(
            self.epochs >= 1,
            f"`epochs` must be at least 1, but it is {self.epochs!r}. It is the number of Adam"
            " steps.",
        )
        require(
            self.learning_rate > 0,
            f"`learning_rate` must be positive, but it is {self.learning_rate!r}. 0.01 is usual.",
        )
        require(
            self.weight_decay >= 0,
            f"`weight_decay` must be at least 0, but it is {self.weight_decay!r}. 5e-4 is usual.",
        )
        require(
            0 <= self.dropout < 1,
            f"`dropout` must be in [0, 1), but it is {self.dropout!r}. 0 switches it off.",
        )


@dataclass(frozen=True)
class FilterGraph:
    """A graph made ready for filters.

    Attributes:
        operator: L̂, dense [n, n] or CSR.
        x: Features, dense [n, d] or CSR.
        y: Classes [n].
        train: Training nodes, ids.
        val: Validation nodes, ids.
    """

    operator: Operator
    x: Tensor | CSR
    y: Tensor
    train: Tensor
    val: Tensor

    @property
    def num_nodes(self) -> int:
        """Number of nodes n."""
        return int(self.y.numel())


def filter_graph(data: Data, operator: Operator | None = None) -> FilterGraph:
    """Return a data set as filters train on it; nothing is cached, so two graphs of one size cannot
    be confused.

    Args:
        data: Graph with ``x``, ``edge_index``, optional ``edge_weight``, ``y``, ``train_mask``,
            ``val_mask``; original or condensed.
        operator: What is propagated with; None: the scaled Laplacian, λ_max = 2.

    Returns:
        The operator, the features in their fastest form, labels and node ids.
    """
    if operator is None:
        operator = filter_operator(
            data.edge_index, int(data.num_nodes or 0), data.get("edge_weight"), dtype=data.x.dtype
        )
    train, val = (data[f"{part}_mask"].nonzero().squeeze(1) for part in ("train", "val"))
    return FilterGraph(operator, filter_features(data.x), data.y, train, val)


@dataclass(frozen=True)
class FilterRuns:
    """Results of B trained filters.

    Candidates are ranked after the last step, where L*(λ) is defined (two seeds of Cora then agree
    with ρ = .995 by loss, against .987 at the best epochs); the model that is used is the one of
    the best epoch.

    Attributes:
        lam: Hyperparameters λ [B, H].
        loss: Validation cross-entropy after the last step [B], L*(λ); with early stopping, after
            the step that its looks found best.
        accuracy: Validation accuracy after the last step [B].
        params: Parameters after the last step, B models.
        best_loss: Lowest validation cross-entropy [B].
        best_accuracy: Validation accuracy at that epoch [B].
        best_epoch: Adam steps made by then [B].
        best_params: Parameters at that epoch, B models.
        seconds: Wall-clock seconds of training.
    """

    lam: Tensor
    loss: Tensor
    accuracy: Tensor
    params: Tensors
    best_loss: Tensor
    best_accuracy: Tensor
    best_epoch: Tensor
    best_params: Tensors
    seconds: float


@steady()
def train_filters(
    net: PolynomialFilterNet,
    lam: Tensor,
    graph: Data | FilterGraph,
    *,
    recipe: FilterTraining | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
) -> FilterRuns:
    """Train one model for each λ, many at a time, and validate every epoch.

    Candidates are independent: without dropout and early stopping, which a chunk of them shares,
    results do not depend on how many are trained together. All start from the same weights, as
    trials of a search with a fixed seed do: what the draw of the weights adds to every loss then
    leaves their order alone. They run in chunks whose activations fit a core's cache; few features
    are propagated once, before training, which changes results by rounding alone. Features that no
    node has are left out, which changes no result; their weights are returned as 0, where weight
    decay would take them.

    Args:
        net: The architecture.
        lam: Hyperparameters [B, H].
        graph: What to train and validate on.
        recipe: How to train; None is :class:`FilterTraining` with its defaults.
        seed: Seed of the weights that all start from, and of dropout.
        checkpoint: File name; an interrupted run resumes from ``<name>.<chunk>`` files beside it.

    Returns:
        The results.

    Raises:
        InputError: If shapes do not fit.
        NumericalError: If a candidate diverges; the message names its λ.
    """
    recipe = recipe or FilterTraining()
    if isinstance(graph, Data):
        graph = plain(graph)
        check_part(graph, "train")
        check_part(graph, "val")
    graph = filter_graph(graph) if isinstance(graph, Data) else graph
    start = net.init(1, seed, dtype=_dtype(graph), device=graph.y.device)
    params = {name: value.expand(lam.size(0), *value.shape[1:]) for name, value in start.items()}
    run = "" if checkpoint is None else _identity(net, lam, graph, recipe, seed)
    lam, width = lam.detach().to(device=graph.y.device, dtype=_dtype(graph)), net.num_features
    live = _live_features(graph.x, width)
    if live is not None:
        graph = replace(graph, x=cast(Tensor, graph.x)[:, live].contiguous())
        net, params["weight0"] = replace(net, num_features=len(live)), params["weight0"][:, live]
    size = max(
        1,
        min(
            lam.size(0),
            activations_at_once(graph.y.device)
            // (graph.num_nodes * max(width for _, width in net.widths)),
        ),
    )
    graph = _propagated_once(graph, net, lam, size)
    parts, seconds = [], 0.0
    for first in range(0, lam.size(0), size):
        chosen = slice(first, first + size)
        program = FilterProgram(
            net,
            lam[chosen],
            graph,
            recipe,
            {name: value[chosen] for name, value in params.items()},
            (seed, first),
        )
        kept = None if checkpoint is None else Checkpoint(f"{checkpoint}.{first}", run)
        # A checkpoint holds a score: without early stopping that is the step's number, whose best
        # is always the last.
        stopping = recipe.stopping or (
            None if kept is None else EarlyStopping(patience=recipe.epochs)
        )
        seconds += fit(
            program, recipe.epochs, stopping, checkpoint=kept, description="filters"
        ).seconds
        parts.append(program.finish())
    merged = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if live is not None:
        merged |= {
            name: _widened(merged[name], live, width) for name in ("weight0", "best.weight0")
        }
    last = {name: merged.pop(name) for name in params}
    best = {name: merged.pop(f"best.{name}") for name in params}
    return FilterRuns(lam=lam, params=last, best_params=best, seconds=seconds, **merged)


def _propagated_once(
    graph: FilterGraph, net: PolynomialFilterNet, lam: Tensor, size: int
) -> FilterGraph:
    """Return the graph with its bases T_k(L̂) X in place of few features X, so that no step
    propagates in the first layer.

    Worth it where the bases' columns are not many more than those that a step would propagate.
    """
    operator, x = graph.operator, graph.x
    if isinstance(x, CSR) or x.dim() != 2 or not isinstance(operator, CSR):
        return graph
    order = net.order(lam)
    if (order + 1) * x.size(1) > _BASES_SHARE * size * net.widths[0][1]:
        return graph
    return replace(graph, x=stored_bases(operator, x, order, basis=net.basis))


def _identity(
    net: PolynomialFilterNet, lam: Tensor, graph: FilterGraph, recipe: FilterTraining, seed: int
) -> str:
    """Name a training by what it depends on. The number of epochs may be raised: a longer run goes
    on where the shorter one ended.
    """
    matrices = [
        [m] if isinstance(m, Tensor) else [m.indptr, m.indices, m.value]
        for m in (graph.operator, graph.x)
    ]
    content = digest(*matrices[0], *matrices[1], graph.y, graph.train, graph.val, lam)
    return f"{net!r} {describe(replace(recipe, epochs=1))} {seed} {content}"


def _live_features(x: Tensor | CSR, width: int) -> Tensor | None:
    """Return the columns of dense features [n, width] that some node has; None where all of them or
    none are, or where ``x`` is other.
    """
    if isinstance(x, CSR) or x.dim() != 2 or x.size(1) != width:
        return None
    columns = (x != 0).any(0).nonzero().squeeze(1)
    return columns if 0 < len(columns) < width else None


def _widened(weight: Tensor, live: Tensor, width: int) -> Tensor:
    """Return weights [B, k, h] as [B, width, h] with zeros for the features that are not among the
    k live ones.
    """
    return weight.new_zeros(weight.size(0), width, weight.size(2)).index_copy_(1, live, weight)


class FilterProgram:
    """Training of one chunk of filters, as :func:`graphcond.training.fit` runs it.

    Args:
        net: The architecture.
        lam: Hyperparameters [b, H].
        graph: What to train on.
        recipe: How to train.
        start: Initial parameters, b models.
        seeds: Seed and number of the first candidate, for the dropout.
    """

    def __init__(
        self,
        net: PolynomialFilterNet,
        lam: Tensor,
        graph: FilterGraph,
        recipe: FilterTraining,
        start: Tensors,
        seeds: tuple[int, int],
    ) -> None:
        self.net, self.lam, self.graph, self.recipe, self.seeds = net, lam, graph, recipe, seeds
        self.params = {name: _leaf(value) for name, value in start.items()}
        self.best = {name: value.detach().clone() for name, value in self.params.items()}
        batch = lam.size(0)
        self.made = torch.zeros((), dtype=torch.int64)
        self.loss = torch.full((batch,), torch.inf, dtype=lam.dtype, device=lam.device)
        self.accuracy = torch.zeros_like(self.loss)
        self.epoch = torch.zeros(batch, dtype=torch.int64, device=lam.device)
        self.optimiser = torch.optim.Adam(
            self.params.values(),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=graph.y.device.type in ("cpu", "cuda"),
        )
        for value in self.params.values():
            zeros = {"exp_avg": torch.zeros_like(value), "exp_avg_sq": torch.zeros_like(value)}
            self.optimiser.state[value] = {"step": torch.zeros((), device=value.device), **zeros}

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the parameters, the best ones so far and their results, and how many steps they
        are from the start.
        """
        best = {f"best.{name}": value for name, value in self.best.items()}
        scores = {"best_loss": self.loss, "best_accuracy": self.accuracy, "best_epoch": self.epoch}
        return {**self.params, **best, **scores, "steps": self.made}

    def moments(self) -> Mapping[str, Tensor]:
        """Return Adam's state."""
        states = ((name, self.optimiser.state[value]) for name, value in self.params.items())
        return {f"{name}.{key}": entry for name, state in states for key, entry in state.items()}

    def step(self, epoch: int) -> float:
        """Validate the current parameters, then make one Adam step; return the mean training loss
        before it.
        """
        graph, dropout = self.graph, self.recipe.dropout
        stream = (
            generator(*self.seeds, "dropout", epoch, device=self.lam.device)
            if dropout > 0
            else None
        )
        logits = self.net(
            self.params, self.lam, graph.operator, graph.x, dropout=dropout, stream=stream
        )
        with torch.no_grad():
            self.look(epoch, self._evaluate() if dropout > 0 else logits)
        batch = self.lam.size(0)
        chosen = logits[:, graph.train].reshape(batch * graph.train.numel(), -1)
        loss = cross_entropy(chosen, graph.y[graph.train].repeat(batch))
        self.optimiser.zero_grad()
        (loss * batch).backward()
        self.optimiser.step()
        self.made += 1
        return float(loss.detach())

    def _evaluate(self) -> Tensor:
        return self.net(self.params, self.lam, self.graph.operator, self.graph.x)

    def look(self, epoch: int, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Note which candidates improved; return every validation loss and accuracy [b].

        Args:
            epoch: Adam steps made.
            logits: Logits [b, n, C] of the current parameters.

        Raises:
            NumericalError: If a loss is not a number.
        """
        graph, batch = self.graph, self.lam.size(0)
        chosen, y = logits[:, graph.val], graph.y[graph.val]
        each = cross_entropy(
            chosen.reshape(batch * y.numel(), -1), y.repeat(batch), reduction="none"
        )
        loss = each.view(batch, -1).mean(1)
        accuracy = (chosen.argmax(-1) == y).to(loss.dtype).mean(1)
        bad = (~loss.isfinite()).nonzero().flatten()
        where = self.lam[bad[:1]].tolist()
        require(
            bad.numel() == 0,
            f"This needs finite validation losses, but found epoch = {epoch!r}, candidate ="
            f" {self.seeds[1] + int(bad[:1].sum())!r}, lam = {where!r}. Lower the learning rate, or"
            " check the features and edge weights for huge values.",
            error=NumericalError,
        )
        better = (loss < self.loss).nonzero().flatten()
        for name, value in self.params.items():
            self.best[name][better] = value.detach()[better]
        self.loss[better], self.accuracy[better], self.epoch[better] = (
            loss[better],
            accuracy[better],
            epoch,
        )
        return loss, accuracy

    def validate(self) -> float:
        """Return minus the mean best validation loss, or the number of steps made if nothing stops
        early.
        """
        return float(self.made) if self.recipe.stopping is None else -float(self.loss.mean())

    @torch.no_grad()
    def finish(self) -> Tensors:
        """Validate the last parameters and return the results of :class:`FilterRuns` by name."""
        loss, accuracy = self.look(int(self.made), self._evaluate())
        found = {name: value.detach() for name, value in self.tensors().items() if name != "steps"}
        return {**found, "loss": loss, "accuracy": accuracy}


def _leaf(value: Tensor) -> Tensor:
    """Copy a slice of weights [b, d, h] so that it lies as [d, b, h] and wants gradients."""
    if value.dim() == 3:
        value = value.transpose(0, 1).contiguous().transpose(0, 1)
    return value.detach().clone(memory_format=torch.preserve_format).requires_grad_()


def _dtype(graph: FilterGraph) -> torch.dtype:
    value = graph.x.value if isinstance(graph.x, CSR) else graph.x
    return torch.float32 if value is None else value.dtype
