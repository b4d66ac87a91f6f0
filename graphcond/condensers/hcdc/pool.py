"""The pool form of HCDC: losses, accuracies and hypergradients matched over a pool of λ."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch_geometric.data import Data
from tqdm import tqdm

from graphcond.condensers.hcdc.objective import (
    Matching,
    Students,
    Weights,
    dense_features,
    feature_basis,
    narrowed,
    train_students,
)
from graphcond.condensers.hcdc.teachers import Lesson, Teacher
from graphcond.data.progress import Progress
from graphcond.errors import NumericalError, require_at_least
from graphcond.hypergrad import sensitivity
from graphcond.metrics import spearman
from graphcond.seeding import derive, generator
from graphcond.training.filter_answers import Target
from graphcond.training.filter_problem import FilterProblem, check_solution
from graphcond.training.graph_descent import Descent
from graphcond.typing import Tensors

# Steps between two looks at the λ that are kept back, which nothing learns from.
_REFRESH = 20


@dataclass(frozen=True)
class Pool:
    """The extended space as a pool of i.i.d. λ: everything about them is computed once, a step then
    needs no Hessian solve.

    Args:
        size: Hyperparameters P ≥ 10; every fifth is kept back to watch the agreement, none is used
            in judging.
        batch: Hyperparameters in a step, ≥ 2; hypergradients, which cost several losses, are
            compared at a third of them.
        steps: Steps on the validation graph, ≥ 1.
        copies: Seeds from which the P models are trained on S_train, ≥ 1, taken in turn; one is
            fitted with its own noise.
        noise: Standard deviation ≥ 0 of noise on the models' first-layer weights in a step, in
            units of theirs, for losses and accuracies: the graph then ranks models of seeds it
            never saw, and hardly less those it did.
        weights: What counts in the objective; ``Weights(1, 0, 0)`` is the paper's D_c alone.
    """

    size: int = 128
    batch: int = 48
    steps: int = 200
    copies: int = 2
    noise: float = 0.4
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        require_at_least(10, "A pool of 128 is usual.", size=self.size)
        require_at_least(2, "Correlations need two values; 48 is usual.", batch=self.batch)
        require_at_least(1, "200 is usual.", steps=self.steps)
        require_at_least(1, "2 is usual.", copies=self.copies)
        require_at_least(0, "0.4 is usual.", noise=self.noise)


@dataclass(frozen=True, eq=False)
class PoolForm:
    """What the pool form runs on.

    Args:
        pool: Counts, noise and weights.
        lesson: The original, and how networks are trained and differentiated.
        teacher: Who answers for the original.
        condensed: The condensed training graph's problem.
        threshold: Edge weights of S_val that are cut.
        progress: Resumes after the last stage, and receives the history.
        facts: Entries for the card, filled in.
    """

    pool: Pool
    lesson: Lesson
    teacher: Teacher
    condensed: FilterProblem
    threshold: float
    progress: Progress
    facts: dict[str, float]

    def match(self, descent_of: Callable[[Tensor], Descent]) -> Data:
        """Return the validation graph.

        Args:
            descent_of: Maps an orthonormal basis [r, d] to the graph to start from, whose features
                are coordinates in it, and to what moves it.
        """
        pool = self.pool
        lesson = self.lesson
        lam = lesson.space.sample(pool.size, seed=derive(lesson.seed, "pool")).to(lesson.data.x)
        x = dense_features(self.condensed)
        # Weights outside the span of S_train's features are noise of their start: S_val keeps out
        # of it, and students are small.
        basis = self.progress.stage("basis", lambda: {"rows": feature_basis(x)})["rows"]
        problem, columns = self._problem()
        with self._timed("students"):
            copies = tuple(
                self._students(problem, columns, lam, copy) for copy in range(pool.copies)
            )
        target = self._target(copies[0])
        if target.ridge is not None:
            self.facts["ridge"] = target.ridge
        net = replace(lesson.net, num_features=basis.size(0))
        seen = tuple(students.seen(basis[:, columns]) for students in copies)
        direct = lesson.hypergradient.direct
        matching = Matching(net, seen, target, pool.weights, direct, pool.noise)
        descent = descent_of(basis)
        with self._timed("match"):
            self._descend(matching, descent)
        val_graph = descent.graph.to_data(self.threshold)
        val_graph.x = val_graph.x @ basis
        return val_graph

    def _problem(self) -> tuple[FilterProblem, Tensor]:
        """Return what students are trained on and its features' columns; on the original they need
        weights for all features.
        """
        if self.teacher.reads_students:
            features = self.lesson.net.num_features
            return self.condensed, torch.arange(features, device=self.lesson.data.x.device)
        return narrowed(self.condensed)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds = round(time.perf_counter() - start, 3)
        self.progress.history.append({"step": self.pool.steps, "part": part, "seconds": seconds})

    def _students(
        self, problem: FilterProblem, columns: Tensor, lam: Tensor, copy: int
    ) -> Students:
        lesson = self.lesson
        seed = derive(lesson.seed, "students", copy)
        start = lesson.net.init(lam.size(0), seed, dtype=lam.dtype, device=lam.device)
        start["weight0"] = start["weight0"][:, columns]
        params = train_students(problem, start, lam, lesson.recipe, seed)
        if not self.pool.weights.hypergradient:
            return Students(lam, params)
        how = lesson.hypergradient
        moved = sensitivity(problem.bilevel(), params, lam, how.solver, how.damping)
        for solution in moved.solutions:
            check_solution(solution, lam, "sensitivities of the condensed training graph")
        return Students(lam, params, moved)

    def _target(self, students: Students) -> Target:
        """Return the teacher's answers, once for a run and its resumptions."""
        gradients = bool(self.pool.weights.hypergradient)

        def ask() -> Tensors:
            return self.teacher.target(
                self.lesson, students.lam, students.params, gradients
            ).tensors()

        return Target.from_tensors(self.progress.stage("teacher", ask))

    def _descend(self, matching: Matching, descent: Descent) -> None:
        pool = self.pool
        kept = torch.arange(pool.size, device=descent.graph.x.device)
        # Every fifth λ is never fitted: their agreement is what the card states.
        watched = kept[::5]
        used = kept[kept % 5 > 0]
        first = self.progress.done("match")
        if first:
            descent.load_state_dict(self.progress.get("match"))
        for step in tqdm(
            range(first, pool.steps),
            initial=first,
            total=pool.steps,
            desc="hypergradient matching",
            disable=None,
            leave=False,
        ):
            threshold = self._threshold(step)
            if step % _REFRESH == 0:
                if step > first:
                    self.progress.note("match", step, descent.state_dict)
                self._look(step, matching, descent, watched, threshold)
            stream = generator(self.lesson.seed, "pool", step)
            rows = used[torch.randperm(len(used), generator=stream)[: pool.batch].to(used.device)]
            try:
                objective, found = matching.distance(
                    descent.graph, rows, threshold, step % pool.copies, stream
                )
            except NumericalError as error:
                raise NumericalError(f"Matching step {step}: {error}") from error
            descent.step(objective)
            if step % _REFRESH == 0:
                self.progress.history.append({"step": step, "part": "match", **found})
        self._look(pool.steps, matching, descent, watched, self.threshold)

    def _threshold(self, step: int) -> float:
        # The first half moves all edges: a cut one has no slope, and would never come back.
        if 2 * step >= self.pool.steps:
            return self.threshold
        return 0.0

    def _look(
        self, step: int, matching: Matching, descent: Descent, watched: Tensor, threshold: float
    ) -> None:
        """Note the agreement on the λ that were kept back."""
        loss, accuracy = matching.scores(descent.graph, watched, threshold)
        target = matching.target
        pairs = {
            "loss": (loss, target.loss[watched]),
            "accuracy": (accuracy, target.accuracy[watched]),
        }
        found = {
            f"watched_spearman_{name}": spearman(ours.double(), theirs.double())
            for name, (ours, theirs) in pairs.items()
        }
        # A graph that gives all candidates one score ranks nothing: NaN, which no file holds.
        agreement = {name: value for name, value in found.items() if not math.isnan(value)}
        self.progress.history.append({"step": step, "part": "watch", **agreement})
        self.facts.update(agreement)
