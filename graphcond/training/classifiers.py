"""Training one node classifier (any PyG module) on one graph, with its epoch chosen on another."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.data import Checkpoint, describe, digest
from graphcond.data.checks import check_part
from graphcond.data.plain import plain
from graphcond.data.stateful import joined
from graphcond.errors import require_kind
from graphcond.metrics import accuracy
from graphcond.nn.zoo import GraphNet, sparse_features
from graphcond.seeding import derive
from graphcond.training.adam import Adam, AdamTraining
from graphcond.training.fit import Fitted, Program, fit
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors


@dataclass(frozen=True)
class ClassifierTraining(AdamTraining):
    """How a node classifier is trained: full-batch Adam.

    Args:
        epochs: Most steps, at least 1.
        learning_rate: Adam's step size.
        weight_decay: L2 penalty (in the loss, not decoupled).
        stopping: How often validation accuracy is looked at, and when training stops.
    """

    stopping: EarlyStopping = EarlyStopping(patience=200)


@steady()
def train_classifier(
    model: torch.nn.Module,
    train: Data,
    val: Data,
    *,
    recipe: ClassifierTraining | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
) -> Fitted:
    """Train ``model`` in place on the training nodes of ``train``; keep the epoch that is best on
    the validation nodes of ``val``.

    Args:
        model: Called as ``model(x, edge_index, edge_weight)``.
        train: Graph with ``train_mask``, original or condensed.
        val: Graph with ``val_mask``: the same one, or the original.
        recipe: How to train; None is :class:`ClassifierTraining` with its defaults.
        seed: Seed of the dropout; the global generator is left as it was.
        checkpoint: File to resume from and write to.

    Returns:
        The history; scores are validation accuracies.
    """
    same = train is val
    train = plain(train)
    val = train if same else plain(val)
    check_part(train, "train")
    check_part(val, "val")
    require_kind(ClassifierTraining, "For example ClassifierTraining().", recipe=recipe)
    recipe = recipe or ClassifierTraining()
    program = ClassifierProgram(model, train, val, recipe, seed)
    kept = None
    if checkpoint is not None:
        # The number of epochs may be raised: a run that is longer goes on where the shorter one
        # ended.
        run = f"{describe(replace(recipe, epochs=1))} {seed} {model} {digest(train, val)}"
        kept = Checkpoint(checkpoint, run)
    return fit(
        program, recipe.epochs, recipe.stopping, checkpoint=kept, description=type(model).__name__
    )


class ClassifierProgram(Program):
    """Full-batch training of one model, as :func:`graphcond.training.fit` runs it.

    Args:
        model: The model, trained in place.
        train: Graph to train on.
        val: Graph to validate on.
        recipe: How to train.
        seed: Seed of the dropout.
    """

    def __init__(
        self, model: torch.nn.Module, train: Data, val: Data, recipe: ClassifierTraining, seed: int
    ) -> None:
        self.model = model
        self.seed = seed
        self.train = prepared(model, train)
        self.val = self.train if val is train else prepared(model, val)
        self.nodes = train.train_mask.nonzero().squeeze(1)
        self.optimiser = Adam(
            dict(model.named_parameters()), recipe.learning_rate, recipe.weight_decay
        )

    def tensors(self) -> Mapping[str, Tensor]:
        """Return parameters and buffers, live."""
        return dict(self.model.state_dict())

    def state_dict(self) -> Tensors:
        """Return buffers, parameters and Adam's state, live."""
        return joined(buffers=dict(self.model.named_buffers()), adam=self.optimiser.state_dict())

    def step(self, epoch: int) -> float:
        """Make one Adam step on all training nodes and return the loss before it."""
        self.model.train()
        devices = []
        if self.nodes.is_cuda:
            devices = [self.nodes.device]
        # Modules drop by the global generator. Seeded by the epoch, so that a resumed run drops
        # what an unbroken one does.
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive(self.seed, "dropout", epoch))
            logits = predict(self.model, self.train)
        loss = cross_entropy(logits[self.nodes], self.train.y[self.nodes])
        self.optimiser.descend(loss)
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> float:
        """Return the accuracy on the validation nodes."""
        self.model.eval()
        return float(accuracy(predict(self.model, self.val), self.val.y, self.val.val_mask))


def prepared(model: torch.nn.Module, data: Data) -> Data:
    """Return a graph with its features in the form that suits a model best, in the model's dtype.

    Args:
        model: A :class:`~graphcond.nn.GraphNet`, or any other module, which gets dense features.
        data: The graph.

    Returns:
        ``data``, or a shallow copy with sparse features or another dtype.
    """
    own = (value.dtype for value in model.parameters() if value.is_floating_point())
    dtype = next(own, data.x.dtype)
    weight = data.get("edge_weight")
    x = data.x.to(dtype)
    x = sparse_features(x, model.kind) if isinstance(model, GraphNet) else x
    same = weight is None or weight.dtype == dtype
    if x is data.x and same:
        return data
    out = copy.copy(data)
    out.x = x
    if weight is not None:
        out.edge_weight = weight.to(dtype)
    return out


@steady()
@torch.no_grad()
def infer(model: torch.nn.Module, data: Data) -> Tensor:
    """Return a trained model's logits on a graph, without gradients; the model is left in
    evaluation mode.

    Args:
        model: As for :func:`predict`.
        data: The graph; features are taken in the form that suits the model best.

    Returns:
        Logits [n, C].
    """
    model.eval()
    return predict(model, prepared(model, data))


def predict(model: torch.nn.Module, data: Data) -> Tensor:
    """Return a model's logits on a graph.

    Args:
        model: Called as ``model(x, edge_index, edge_weight)``.
        data: The graph; its edge weights are passed on if it has some.

    Returns:
        Logits [n, C].
    """
    logits: Tensor = model(data.x, data.edge_index, data.get("edge_weight"))
    return logits
