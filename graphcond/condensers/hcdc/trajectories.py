"""Algorithm 1 of HCDC: hypergradients matched along hyperparameter-optimisation trajectories."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from graphcond.condensers.hcdc.teachers import Companion
from graphcond.data.progress import Progress
from graphcond.errors import require, require_at_least, require_positive
from graphcond.hypergrad import BilevelProblem, Implicit, cosine_distance
from graphcond.linalg import Solution
from graphcond.nn.filters import dense_operator
from graphcond.nn.synthetic import cut
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.training.filter_problem import FilterLearner, FilterProblem, check_solution
from graphcond.training.filter_program import FilterTraining, check_finite, node_losses
from graphcond.training.graph_descent import Descent
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Trajectories:
    """The extended space as HPO trajectories, one from each starting point.

    λ_i,t+1 = λ_i,t - η ∇L*_S / |∇L*_S|, or without the division.

    Args:
        starts: Starting points p ≥ 1, run as one batch; the cost is linear in p.
        num_seeds: K ≥ 1, repeats with fresh weights and fresh starting points each time.
        epochs: T_θ ≥ 1, training steps on S_train in a repeat; after ``warmup``, each is followed
            by a step on S_val.
        warmup: Training steps of a repeat without one, in [0, epochs). 0 is as printed; the
            implicit function theorem holds at an optimum.
        every: T_λ ≥ 1, training steps between two moves of λ.
        learning_rate: η_λ > 0, of λ.
        unit_moves: Whether every move of λ has length η_λ. False is as printed; but on small graphs
            ∇L*_S is long where weights are large, and such moves throw λ to the corners.

    Source: HCDC Algorithm 1, section 5.2 and appendix H. Deviations: the warm-up, and moves of
        fixed length.
    """

    starts: int = 16
    num_seeds: int = 2
    epochs: int = 80
    warmup: int = 30
    every: int = 10
    learning_rate: float = 0.05
    unit_moves: bool = True

    @property
    def steps(self) -> int:
        """Steps on S_val in a repeat."""
        return self.epochs - self.warmup

    def __post_init__(self) -> None:
        require_at_least(1, "16 are usual.", starts=self.starts)
        require_at_least(1, "2 are usual.", num_seeds=self.num_seeds)
        require_at_least(1, "80 epochs and a move every 10 are usual.", epochs=self.epochs)
        require_at_least(1, "A move of λ every 10 epochs is usual.", every=self.every)
        require(
            0 <= self.warmup < self.epochs,
            f"`warmup` must be in [0, epochs), but found warmup = {self.warmup!r}, epochs ="
            f" {self.epochs!r}. 30 of 80 is usual.",
        )
        require_positive("A move of λ of 0.05 is usual.", learning_rate=self.learning_rate)


@dataclass(frozen=True)
class Setting:
    """What Algorithm 1 runs on.

    Args:
        condensed: The condensed training graph's problem.
        companion: The original's answers.
        space: Where λ starts and stays.
        how: The hypergradient of both graphs.
        recipe: How weights are trained.
        threshold: Edge weights of S_val that are cut.
        seed: Seed of starting points and weights.
    """

    condensed: FilterProblem
    companion: Companion
    space: PolynomialFilters
    how: Implicit
    recipe: FilterTraining
    threshold: float
    seed: int


def follow(plan: Trajectories, setting: Setting, descent: Descent, progress: Progress) -> None:
    """Run Algorithm 1: move the validation graph of ``descent`` at every step of every trajectory.

    Args:
        plan: Counts and rates.
        setting: The two problems and the hypergradient.
        descent: The validation graph and its optimiser, moved in place.
        progress: Resumes after the last finished repeat, and receives the history.

    Raises:
        NumericalError: If a loss is NaN or a solve diverges; the message names the step and λ.
    """
    first = progress.done("match")
    if first:
        descent.load_state_dict(progress.get("match"))
    bar = tqdm(
        total=plan.num_seeds * plan.epochs,
        initial=first * plan.epochs,
        desc="hypergradient matching",
        disable=None,
        leave=False,
    )
    for repeat in range(first, plan.num_seeds):
        lam = setting.space.sample(
            plan.starts, seed=derive(setting.seed, "trajectories", repeat)
        ).to(descent.graph.x)
        seeds = [derive(setting.seed, name, repeat) for name in ("students", "teachers")]
        student = FilterLearner.fresh(setting.condensed, lam, seeds[0], setting.recipe)
        setting.companion.start(lam, seeds[1])
        distances = []
        for epoch in range(plan.epochs):
            student.step(lam)
            setting.companion.step(lam)
            bar.update()
            if epoch < plan.warmup:
                continue
            gradient, _ = condensed_gradient(setting, descent, student.frozen(), lam)
            if epoch % plan.every == 0:
                slope = gradient.detach()
                if plan.unit_moves:
                    slope = torch.nn.functional.normalize(slope, dim=1)
                lam = setting.space.relax(lam - plan.learning_rate * slope)
                # Anew at the moved λ: both sides are compared at the same place.
                gradient, _ = condensed_gradient(setting, descent, student.frozen(), lam)
            wanted = setting.companion.slopes(student.frozen(), lam)
            distance = cosine_distance(gradient, wanted).mean()
            check_finite(distance.detach()[None], lam, f"repeat {repeat}, epoch {epoch}")
            descent.step(distance)
            distances.append(float(distance.detach()))
        progress.history.append(
            {
                "step": int(descent.done),
                "part": "match",
                "hypergradient_start": distances[0],
                "hypergradient": distances[-1],
            }
        )
        progress.note("match", repeat + 1, descent.state_dict, force=True)
    bar.close()


def condensed_gradient(
    setting: Setting, descent: Descent, params: Tensors, lam: Tensor
) -> tuple[Tensor, Solution]:
    """Return ∇L*_S(λ) [B, H], differentiable in the validation graph, and its solve."""
    graph = descent.graph
    net = setting.condensed.net

    def outer(theta: Tensors, hyper: Tensor) -> Tensor:
        operator = dense_operator(cut(graph.weight(), setting.threshold))
        return node_losses(net(theta, hyper, operator, graph.x), graph.y)

    inner = setting.condensed.bilevel()
    gradient, solution = setting.how.solve(
        BilevelProblem(inner.inner_loss, outer, inner.curvature), params, lam
    )
    check_solution(
        solution, lam, f"step {int(descent.done)}: hypergradients of the condensed graph"
    )
    return gradient, solution
