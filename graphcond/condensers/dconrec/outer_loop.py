"""The outer loop of DConRec: estimate, step, project; checkpoint and resume without a trace."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from graphcond.data import Checkpoint
from graphcond.data.stateful import Stateful, joined, part_of
from graphcond.errors import NumericalError, require
from graphcond.masks import BernoulliMask, CappedSimplex, Estimate, Estimator
from graphcond.pools import OBSERVED, PSEUDO, DataPool
from graphcond.seeding import derive
from graphcond.training import Adam, Fitted, Recommender
from graphcond.typing import Tensors


class SteppedObjective(Protocol):
    """What a mask is worth, with random choices of its own at every outer step."""

    def at(self, step: int) -> Any:
        """Return the objective of one outer step, which an estimator takes."""


@dataclass(frozen=True)
class Schedule:
    """Steps of the outer optimiser on S: Adam, or plain projected descent.

    Args:
        steps: How many, >= 0.
        learning_rate: The first one, > 0.
        factor: What it is multiplied with every ``every`` steps, in (0, 1].
        every: Steps between two changes, >= 1.
        floor: Smallest learning rate, in [0, ``learning_rate``].
        plain: Whether S moves along the gradient itself, S ← P_C(S - η g), as Algorithm 1 prints
            it, in place of Adam's step.
        centred: Whether Adam sees the gradient less its mean. Under an active budget a constant
            added to the gradient changes nothing in a plain step, since the projection takes it off
            again; but Adam divides by its size, and where every interaction helps, all would step
            up alike and be projected back to where they were.

    Source:
        DConRec, Section 4.1.4: 0.1, divided by 10 every 100 of 1,000 steps, at least 1e-4. Ours:
        Adam with centring, and steps for OneStep.

    Example:
        >>> [round(Schedule(steps=1000, every=100).at(step), 4) for step in (0, 100, 900)]
        [0.1, 0.01, 0.0001]
    """

    steps: int = 40
    learning_rate: float = 0.1
    factor: float = 0.1
    every: int = 30
    floor: float = 1e-4
    centred: bool = True
    plain: bool = False

    def __post_init__(self) -> None:
        good = (
            self.steps >= 0
            and self.learning_rate > 0
            and 0 < self.factor <= 1
            and self.every >= 1
            and 0 <= self.floor <= self.learning_rate
        )
        require(
            good,
            "A schedule must have steps >= 0, learning_rate > 0, 0 < factor <= 1, every >= 1 and"
            f" 0 <= floor <= learning_rate, but it is {self}. Change the one that is out of range.",
        )

    def at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return max(self.floor, self.learning_rate * self.factor ** (step // self.every))


class State(Stateful):
    """All that a step changes.

    Args:
        probs: S ``[P]``, moved in place.

    Attributes:
        optimiser: Adam on S.
        history: One record per finished step.
        complete: Whether no step is half taken; an interrupt inside one leaves the last checkpoint
            as it is.
    """

    def __init__(self, probs: Tensor) -> None:
        self.probs = probs
        self.optimiser = Adam({"probs": probs}, {"probs": 0.0}, fused=False)
        self.history = list[dict[str, Any]]()
        self.complete = True

    def state_dict(self) -> Tensors:
        """Return S and Adam's state, live."""
        return self.optimiser.state_dict()


@dataclass(frozen=True, eq=False)
class OuterLoop:
    """One run of the outer loop.

    Args:
        objective: What a mask is worth.
        pool: The candidates; those always kept have probability 1 under an honest budget.
        fixed: Whether the probabilities of always-kept interactions stay at 1 and count against the
            budget.
        simplex: The feasible set.
        estimator: The gradient estimator.
        schedule: Steps and learning rates.
        seed: Seed of the masks.
    """

    objective: SteppedObjective
    pool: DataPool
    fixed: bool
    simplex: CappedSimplex
    estimator: Estimator[Any]
    schedule: Schedule
    seed: int

    def step(self, state: State) -> None:
        """Take one step in place: estimate the gradient, move S by Adam, project it.

        Raises:
            NumericalError: If a loss or a gradient is not finite; names the step.
        """
        number = len(state.history)
        start = time.perf_counter()
        rate = self.schedule.at(number)
        try:
            seed = derive(self.seed, "masks", number)
            estimate = self.estimator(
                self.objective.at(number), BernoulliMask(state.probs), seed=seed
            )
            grad = estimate.grad
            if self.fixed:
                grad.masked_fill_(self.pool.kept, 0.0)
            mapping = self._mapping_norm(state.probs, grad, rate)
            before = state.probs.clone()
            state.complete = False
            if self.schedule.plain:
                state.probs.sub_(rate * grad)
            else:
                if self.schedule.centred:
                    self._centre(grad)
                state.probs.grad = grad
                state.optimiser.set_rates({"probs": rate})
                state.optimiser.step()
                # Not kept between steps: it is as long as the pool.
                state.probs.grad = None
            state.probs.copy_(self.project(state.probs))
        except NumericalError as error:
            raise NumericalError(f"Outer step {number}: {error}") from error
        facts = {
            "step": number,
            "learning_rate": rate,
            "mapping_norm": mapping,
            "step_norm": float((state.probs - before).norm()) / rate,
            "seconds": time.perf_counter() - start,
        }
        state.history.append({**facts, **self._facts(state.probs, estimate)})
        state.complete = True

    def project(self, values: Tensor) -> Tensor:
        """Return the nearest feasible point; always-kept interactions under an honest budget are at
        1.
        """
        if self.fixed:
            # So far above all others that the projection, which lowers all by one amount, caps them
            # at 1.
            values = torch.where(self.pool.kept, values.max() + 2.0, values)
        return self.simplex.project(values)

    def _centre(self, grad: Tensor) -> None:
        """Take the mean off in place, over the interactions that can move."""
        if not self.fixed:
            grad.sub_(grad.mean())
            return
        free = grad.numel() - int(self.pool.kept.sum())
        grad.sub_(grad.sum() / max(free, 1)).masked_fill_(self.pool.kept, 0.0)

    def _mapping_norm(self, probs: Tensor, grad: Tensor, rate: float) -> float:
        """Return the norm of (S - P_C(S - η g)) / η, the quantity that Theorem 3.1 bounds."""
        return float(self.project(probs - rate * grad).sub_(probs).norm()) / rate

    def _facts(self, probs: Tensor, estimate: Estimate) -> dict[str, Any]:
        values = {
            "loss": estimate.value,
            "variance": estimate.variance,
            "cosine": estimate.cosine,
            "noise_level": 1 / math.sqrt(max(probs.numel(), 1)),
            "prob_observed": _mean(probs, self.pool.origin == OBSERVED),
            "prob_pseudo": _mean(probs, self.pool.origin == PSEUDO),
            "prob_spread": float((probs * (1 - probs)).mean()),
        }
        return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _mean(probs: Tensor, where: Tensor) -> float:
    if bool(where.any()):
        return float(probs[where].mean())
    return math.nan


def optimise(loop: OuterLoop, state: State, checkpoint: Checkpoint | None) -> State:
    """Run the steps that are left.

    Args:
        loop: What a step does.
        state: Where to start; changed.
        checkpoint: Where finished steps are kept; None keeps nothing.

    Returns:
        The state after the last step. Ctrl-C saves the finished steps and goes on up.
    """
    bar = tqdm(
        range(len(state.history), loop.schedule.steps),
        initial=len(state.history),
        total=loop.schedule.steps,
        disable=None,
    )
    try:
        for _ in bar:
            loop.step(state)
            bar.set_postfix(loss=f"{state.history[-1]['loss'] or math.nan:.4f}")
            if checkpoint is not None and checkpoint.due():
                keep(checkpoint, state, loop.pool)
    finally:
        bar.close()
        if checkpoint is not None and state.complete:
            keep(checkpoint, state, loop.pool)
    return state


def resumed(checkpoint: Checkpoint | None) -> tuple[State, DataPool] | None:
    """Return the state and the pool that a checkpoint holds, None without any."""
    found = None
    if checkpoint is not None:
        found = checkpoint.load()
    if found is None:
        return None
    tensors, record = found
    pool = part_of(tensors, "pool")
    proxy = part_of(tensors, "proxy")
    proxies = []
    if proxy:
        proxies.append(Recommender(proxy["users"], proxy["items"], Fitted()))
    kept = part_of(tensors, "state")
    state = State(torch.zeros_like(kept["now.probs"]))
    state.load_state_dict(kept)
    state.history = record["history"]
    return state, DataPool(pool["edges"], pool["origin"], pool["kept"], tuple(proxies))


def keep(checkpoint: Checkpoint, state: State, pool: DataPool) -> None:
    """Write the state and the pool of a run."""
    tables = {"edges": pool.edges, "origin": pool.origin, "kept": pool.kept}
    tensors = joined(state=state.state_dict(), pool=tables)
    for proxy in pool.proxies:
        tensors |= joined(proxy={"users": proxy.users, "items": proxy.items})
    checkpoint.save(tensors, {"history": state.history})


def _sizes(mask: Tensor, probs: Tensor, pool: DataPool) -> dict[str, Any]:
    """Return |D_s|, |D_tail| and their union, and what S thinks of real and of pseudo
    interactions.
    """
    both = mask | pool.kept
    facts: dict[str, Any] = {"num_pool": len(pool), "num_pool_pseudo": pool.num_pseudo}
    facts |= {
        "num_selected": int(mask.sum()),
        "num_tail": int(pool.kept.sum()),
        "num_selected_and_tail": int((mask & pool.kept).sum()),
    }
    facts["share_pseudo"] = float((pool.origin[both] == PSEUDO).float().mean())
    for name, origin in (("observed", OBSERVED), ("pseudo", PSEUDO)):
        free = (pool.origin == origin) & ~pool.kept
        facts[f"mean_prob_{name}"] = float(probs[free].mean()) if bool(free.any()) else None
    return facts
