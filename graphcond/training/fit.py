"""The only training loop of the library: steps, validation, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from graphcond.data import Checkpoint
from graphcond.data.stateful import Stateful, joined, part_of
from graphcond.errors import NumericalError, require, require_at_least
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors


class Program(Stateful):
    """What :func:`fit` trains.

    Its state is everything that a resumed run needs: what is learned, the optimiser's moments, and
    counters. Randomness of an epoch is to be derived from the seed and the epoch's number
    (``generator(seed, "negatives", epoch)``), so that a resumed run draws what an unbroken one
    would have drawn, and no generator has to be kept.
    """

    @abstractmethod
    def tensors(self) -> Mapping[str, Tensor]:
        """Return what is learned, live: copied at the best look and copied back at the end."""

    @abstractmethod
    def step(self, epoch: int) -> float:
        """Train one epoch, counted from 0, and return its mean loss."""

    @abstractmethod
    def validate(self) -> float:
        """Return the validation score, higher is better."""


@dataclass
class Fitted:
    """How a training run went.

    Args:
        best_epoch: Epoch, counted from 0, whose tensors were kept.
        best_score: Its validation score (NaN when nothing was validated).
        losses: Mean loss of every epoch.
        scores: Validation score of every look.
        epochs: Epoch of every look.
        seconds: Wall-clock seconds, summed over resumed parts.
    """

    best_epoch: int = -1
    best_score: float = math.nan
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    program: Program,
    epochs: int,
    stopping: EarlyStopping | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    description: str = "train",
) -> Fitted:
    """Train until the validation score stops rising, and leave the best tensors in the program.

    Args:
        program: What is trained.
        epochs: Most epochs to train, at least 1.
        stopping: When to look at the validation score and when to stop; ``None`` trains all epochs,
            never validates and keeps the last.
        checkpoint: What to resume from and to write to; ``None`` writes nothing. Ctrl-C loses at
            most the epochs since the last write.
        description: Label of the progress bar.

    Returns:
        The history of the run.

    Raises:
        NumericalError: If a loss or a score is NaN.
        FileFormatError: If the checkpoint belongs to another run.
    """
    require_at_least(1, "It is the most epochs to train.", epochs=epochs)
    history = Fitted()
    best = dict[str, Tensor]()
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        history, best = _resume(program, *kept)
    before = history.seconds
    start = time.perf_counter()
    bar = tqdm(
        range(len(history.losses), epochs),
        initial=len(history.losses),
        total=epochs,
        desc=description,
        disable=None,
        leave=False,
    )
    for epoch in bar:
        if stopping is not None and history.scores and stopping.stop(history.scores):
            break
        _advance(program, epoch, stopping, history, best)
        bar.set_postfix(loss=f"{history.losses[-1]:.4f}", best=f"{history.best_score:.4f}")
        history.seconds = before + time.perf_counter() - start
        if checkpoint is not None and checkpoint.due():
            _save(program, checkpoint, history, best)
    bar.close()
    if checkpoint is not None:
        _save(program, checkpoint, history, best)
    if best:
        with torch.no_grad():
            for name, value in program.tensors().items():
                value.copy_(best[name])
    elif stopping is None:
        history.best_epoch = len(history.losses) - 1
    return history


def _advance(
    program: Program,
    epoch: int,
    stopping: EarlyStopping | None,
    history: Fitted,
    best: dict[str, Tensor],
) -> None:
    loss = program.step(epoch)
    require(
        not math.isnan(loss),
        f"This needs a training loss that is a number, but found epoch = {epoch!r}. Lower the"
        " learning rate, or check the input for huge values.",
        error=NumericalError,
    )
    history.losses.append(loss)
    if stopping is None or not stopping.due(epoch):
        return
    history.scores.append(program.validate())
    history.epochs.append(epoch)
    at = stopping.best(history.scores)
    if at == len(history.scores) - 1:
        history.best_epoch = epoch
        history.best_score = history.scores[at]
        # Cloned, as the live tensors go on.
        best.update({name: value.detach().clone() for name, value in program.tensors().items()})


def _save(
    program: Program, checkpoint: Checkpoint, history: Fitted, best: Mapping[str, Tensor]
) -> None:
    # JSON has no NaN, which is the best score of a run that validates nothing.
    score = None
    if not math.isnan(history.best_score):
        score = history.best_score
    tensors = joined(now=program.state_dict(), best=best)
    checkpoint.save(tensors, {"fit": {**vars(history), "best_score": score}})


def _resume(
    program: Program, tensors: Tensors, record: dict[str, Any]
) -> tuple[Fitted, dict[str, Tensor]]:
    program.load_state_dict(part_of(tensors, "now"))
    history = Fitted(**record["fit"])
    if record["fit"]["best_score"] is None:
        history.best_score = math.nan
    return history, part_of(tensors, "best")
