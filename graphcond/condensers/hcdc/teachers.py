"""HCDC: who answers for the original. Two teachers in closed form, two networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

from torch import Tensor
from torch_geometric.data import Data

from graphcond.data import Checkpoint
from graphcond.errors import InputError
from graphcond.hypergrad import Implicit
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.nn.linear_filters import ClosedFormFilters, best_ridge, ridge_filters
from graphcond.nn.random_features import random_filters
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.training.filter_answers import Target, closed_form_target
from graphcond.training.filter_problem import (
    FilterLearner,
    FilterProblem,
    network_gradients,
    network_scores,
)
from graphcond.training.filter_program import FilterTraining
from graphcond.training.nodes import train_filters
from graphcond.typing import Tensors


@dataclass(frozen=True)
class Lesson:
    """What a teacher answers about.

    Attributes:
        data: The original, without a test split.
        net: The architecture.
        space: Where λ is drawn from.
        problem: The original's bilevel problem.
        hypergradient: How networks are differentiated.
        recipe: How networks are trained.
        seed: The condenser's seed.
        checkpoint: The condensation's checkpoint, or None.
    """

    data: Data
    net: PolynomialFilterNet
    space: PolynomialFilters
    problem: FilterProblem
    hypergradient: Implicit
    recipe: FilterTraining
    seed: int
    checkpoint: Checkpoint | None = None


class Companion(ABC):
    """A teacher that goes along with the students of Algorithm 1, step by step.

    Attributes:
        facts: JSON-ready entries for the card.
    """

    facts: Mapping[str, float] = {}

    def start(self, lam: Tensor, seed: int) -> None:
        """Begin a repeat with fresh weights at λ [B, H]."""
        return

    def step(self, lam: Tensor) -> None:
        """Train one step at λ [B, H], where there is something to train."""
        return

    @abstractmethod
    def slopes(self, students: Tensors, lam: Tensor) -> Tensor:
        """Return ∇L*_T(λ) [B, H], the students' parameters being given."""


class Teacher(ABC):
    """Who answers for the original: what losses, accuracies and hypergradients λ have on it.

    Attributes:
        name: The word for it in cards and tables.
        is_network: Whether hypergradients come from a network and an inner solve.
        reads_students: Whether it needs the students' weights for all features.
    """

    name: ClassVar[str]
    is_network: ClassVar[bool] = False
    reads_students: ClassVar[bool] = False

    @abstractmethod
    def target(self, lesson: Lesson, lam: Tensor, students: Tensors, gradients: bool) -> Target:
        """Return the answers at λ.

        Args:
            lesson: The original.
            lam: λ [P, H].
            students: Parameters of P models trained on the condensed training graph.
            gradients: Whether hypergradients are wanted.
        """

    @abstractmethod
    def companion(self, lesson: Lesson) -> Companion:
        """Return what answers, step by step, along the trajectories of Algorithm 1."""


class ClosedFormTeacher(Teacher):
    """Base of teachers that solve ridge regression on the original and never train on it."""

    @abstractmethod
    def maker(self, lesson: Lesson) -> Callable[..., ClosedFormFilters]:
        """Return what makes the model, as :func:`~graphcond.nn.linear_filters.ridge_filters` is
        called.
        """

    def model(self, lesson: Lesson) -> ClosedFormFilters:
        """Return the original, made ready for any λ."""
        data = lesson.data
        net = lesson.net
        known = data.y >= 0
        return self.maker(lesson)(
            lesson.problem.graph.operator,
            data.x,
            data.y,
            (data.train_mask & known, data.val_mask & known),
            lesson.space.order,
            num_classes=net.num_classes,
            num_layers=net.num_layers,
            basis=net.basis,
            per_layer=net.per_layer,
        )

    def fitted(self, lesson: Lesson, lam: Tensor) -> tuple[ClosedFormFilters, float]:
        """Return the model, and the ridge that validates best over some λ [P, H]."""
        model = self.model(lesson)
        return model, best_ridge(model, lam)

    def target(self, lesson: Lesson, lam: Tensor, students: Tensors, gradients: bool) -> Target:
        """Return the closed form's answers; they always bring hypergradients."""
        model, ridge = self.fitted(lesson, lam)
        return closed_form_target(model, lam, ridge)

    def companion(self, lesson: Lesson) -> Companion:
        """Return the closed form; one ridge serves all repeats."""
        drawn = lesson.space.sample(20, seed=derive(lesson.seed, "ridge")).to(lesson.data.x)
        return _ClosedFormCompanion(*self.fitted(lesson, drawn))


@final
@dataclass(frozen=True)
class LinearTeacher(ClosedFormTeacher):
    """Ridge regression on filtered features.

    Source: ours; the linear model of HCDC, appendix C.5.
    """

    name: ClassVar[str] = "linear"

    def maker(self, lesson: Lesson) -> Callable[..., ClosedFormFilters]:
        """Return what makes the linear model's statistics."""
        return ridge_filters


@final
@dataclass(frozen=True)
class RandomFeaturesTeacher(ClosedFormTeacher):
    """Ridge regression on a network's random hidden layers; ours.

    It ranks better than :class:`LinearTeacher` where features are few (tolokers), and worse
    elsewhere (digits), whatever its validation loss says.
    """

    name: ClassVar[str] = "random-features"

    def maker(self, lesson: Lesson) -> Callable[..., ClosedFormFilters]:
        """Return what makes the random layers."""
        return partial(random_filters, seed=derive(lesson.seed, "random features"))


@final
@dataclass(frozen=True)
class TrainedTeacher(Teacher):
    """The network itself, trained on the original once for each λ."""

    name: ClassVar[str] = "trained"
    is_network: ClassVar[bool] = True

    def target(self, lesson: Lesson, lam: Tensor, students: Tensors, gradients: bool) -> Target:
        """Return the answers of networks trained on the original."""
        path = None
        if lesson.checkpoint is not None:
            path = lesson.checkpoint.beside("teacher").path
        runs = train_filters(
            lesson.net,
            lam,
            lesson.problem.graph,
            recipe=lesson.recipe,
            seed=derive(lesson.seed, "teacher"),
            checkpoint=path,
        )
        slope = None
        if gradients:
            slope = network_gradients(lesson.problem, runs.params, lam, lesson.hypergradient)
        return Target(lam, runs.loss, runs.accuracy, slope)

    def companion(self, lesson: Lesson) -> Companion:
        """Return networks that train on the original beside the students."""
        return _TrainingCompanion(lesson)


@final
@dataclass(frozen=True)
class SharedTeacher(Teacher):
    """The network with the weights that were trained on the condensed graph.

    Source: HCDC, Algorithm 1, as printed.
    """

    name: ClassVar[str] = "shared"
    is_network: ClassVar[bool] = True
    reads_students: ClassVar[bool] = True

    def target(self, lesson: Lesson, lam: Tensor, students: Tensors, gradients: bool) -> Target:
        """Return the answers of the students on the original."""
        loss, accuracy = network_scores(lesson.problem, students, lam)
        slope = None
        if gradients:
            slope = network_gradients(lesson.problem, students, lam, lesson.hypergradient)
        return Target(lam, loss, accuracy, slope)

    def companion(self, lesson: Lesson) -> Companion:
        """Return the students' own weights, looked at on the original."""
        return _SharedCompanion(lesson)


@dataclass(frozen=True)
class _ClosedFormCompanion(Companion):
    model: ClosedFormFilters
    ridge: float

    @property
    def facts(self) -> Mapping[str, float]:  # type: ignore[override]
        return {"ridge": self.ridge}

    def slopes(self, students: Tensors, lam: Tensor) -> Tensor:
        return closed_form_target(self.model, lam, self.ridge).slopes()


@dataclass(frozen=True)
class _SharedCompanion(Companion):
    lesson: Lesson

    def slopes(self, students: Tensors, lam: Tensor) -> Tensor:
        return network_gradients(self.lesson.problem, students, lam, self.lesson.hypergradient)


class _TrainingCompanion(Companion):
    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.learner: FilterLearner | None = None

    def start(self, lam: Tensor, seed: int) -> None:
        self.learner = FilterLearner.fresh(self.lesson.problem, lam, seed, self.lesson.recipe)

    def step(self, lam: Tensor) -> None:
        self._own().step(lam)

    def slopes(self, students: Tensors, lam: Tensor) -> Tensor:
        own = self._own().frozen()
        return network_gradients(self.lesson.problem, own, lam, self.lesson.hypergradient)

    def _own(self) -> FilterLearner:
        if self.learner is None:
            raise InputError("The teacher has no weights yet. Call start() before step().")
        return self.learner
