"""Training node classifiers: B polynomial filters in one batched run, each with its own
best epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import Checkpoint, describe, digest
from graphcond.data.checks import check_part
from graphcond.data.plain import plain
from graphcond.errors import require_kind
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.seeding import generator
from graphcond.training.filter_graphs import (
    FilterGraph,
    filter_graph,
    live_features,
    propagated_once,
)
from graphcond.training.filter_program import FilterProgram, FilterTraining
from graphcond.training.fit import fit
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors

# Activations [n, b·h] of about 2.8 MB stay in a core's cache: measured on Cora, 16 filters at once
# cost half of 80 at once.
_CHUNK_NUMBERS = 700_000
# A GPU wants work for all of its cores at once; 2**26 numbers are 256 MiB a tensor.
_CHUNK_NUMBERS_ON_DEVICE = 1 << 26


def activations_at_once(device: torch.device) -> int:
    """Return how many numbers a layer of the filters that are trained together should have."""
    if device.type == "cpu":
        return _CHUNK_NUMBERS
    return _CHUNK_NUMBERS_ON_DEVICE


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
    require_kind(FilterTraining, "For example FilterTraining().", recipe=recipe)
    recipe = recipe or FilterTraining()
    if isinstance(graph, Data):
        graph = plain(graph)
        check_part(graph, "train")
        check_part(graph, "val")
        graph = filter_graph(graph)
    one = net.init(1, seed, dtype=graph.dtype, device=graph.y.device)
    params = {name: value.expand(lam.size(0), *value.shape[1:]) for name, value in one.items()}
    run = ""
    if checkpoint is not None:
        run = _identity(net, lam, graph, recipe, seed)
    lam = lam.detach().to(device=graph.y.device, dtype=graph.dtype)
    width = net.num_features
    live = live_features(graph.x, width)
    if live is not None:
        graph = replace(graph, x=cast(Tensor, graph.x)[:, live].contiguous())
        net = replace(net, num_features=len(live))
        params["weight0"] = params["weight0"][:, live]
    size = _filters_at_once(net, graph, lam.size(0))
    graph = propagated_once(graph, net, lam, size)
    parts = []
    seconds = 0.0
    for first in range(0, lam.size(0), size):
        chosen = slice(first, first + size)
        start = {name: value[chosen] for name, value in params.items()}
        draw = partial(generator, seed, first, "dropout", device=lam.device)
        program = FilterProgram(net, lam[chosen], graph, recipe, start, draw)
        stopping = recipe.stopping
        kept = None
        if checkpoint is not None:
            kept = Checkpoint(f"{checkpoint}.{first}", run)
            # A checkpoint holds a score: without early stopping that is the step's number, whose
            # best is always the last.
            stopping = stopping or EarlyStopping(patience=recipe.epochs)
        fitted = fit(program, recipe.epochs, stopping, checkpoint=kept, description="filters")
        seconds += fitted.seconds
        parts.append(program.finish())
    merged = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if live is not None:
        merged |= {
            name: _widened(merged[name], live, width) for name in ("weight0", "best.weight0")
        }
    last = {name: merged.pop(name) for name in params}
    best = {name: merged.pop(f"best.{name}") for name in params}
    return FilterRuns(lam=lam, params=last, best_params=best, seconds=seconds, **merged)


def _filters_at_once(net: PolynomialFilterNet, graph: FilterGraph, count: int) -> int:
    """Return how many of so many filters are trained together."""
    widest = max(out for _, out in net.widths)
    fitting = activations_at_once(graph.y.device) // (graph.num_nodes * widest)
    return max(1, min(count, fitting))


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


def _widened(weight: Tensor, live: Tensor, width: int) -> Tensor:
    """Return weights [B, k, h] as [B, width, h] with zeros for the features that are not among the
    k live ones.
    """
    return weight.new_zeros(weight.size(0), width, weight.size(2)).index_copy_(1, live, weight)
