"""The learned validation graph of HCDC: models trained on the condensed training graph judge it,
the original corrects it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from graphcond.errors import InputError, require
from graphcond.hypergrad import Sensitivity, cosine_distance, pearson_distance
from graphcond.nn.filters import PolynomialFilterNet, dense_operator
from graphcond.nn.synthetic import SyntheticGraph, cut
from graphcond.seeding import generator
from graphcond.training.filter_answers import Target
from graphcond.training.filter_problem import FilterProblem
from graphcond.training.filter_program import (
    FilterProgram,
    FilterTraining,
    check_finite,
    node_accuracies,
    node_losses,
)
from graphcond.training.fit import fit
from graphcond.typing import Tensors

# Width of the sigmoid that makes an accuracy smooth, in units of logits.
_MARGIN = 0.3
# Losses below it count as it: single precision calls them 0, whose logarithm is -inf.
_SURE = 1e-8
# Singular values below this share of the largest are rounding.
_NEGLIGIBLE = 1e-5
# Weights of the students that are trained together.
_CHUNK_WEIGHTS = 400_000


@dataclass(frozen=True)
class Students:
    """Models of P hyperparameters trained on the condensed training graph from one seed.

    Attributes:
        lam: λ [P, H].
        params: Parameters θ_S(λ) of the P models.
        sensitivity: dθ_S/dλ, or None where hypergradients are not matched.
    """

    lam: Tensor
    params: Tensors
    sensitivity: Sensitivity | None = None

    def models(self, rows: Tensor) -> Tensors:
        """Return the parameters of some models [b]."""
        return {name: value[rows] for name, value in self.params.items()}

    def seen(self, basis: Tensor) -> Students:
        """Return the same models for nodes given by coordinates a in an orthonormal basis Q [r, d]
        of their features: x = a Q.

        (a Q) W = a (Q W): only r rows of the first layer remain, and likewise of its sensitivity.
        """

        def shorten(params: Tensors) -> Tensors:
            return {**params, "weight0": torch.einsum("rd,bdh->brh", basis, params["weight0"])}

        moved = self.sensitivity and Sensitivity(
            tuple(shorten(column) for column in self.sensitivity.columns),
            self.sensitivity.solutions,
        )
        return Students(self.lam, shorten(self.params), moved)


def feature_basis(x: Tensor) -> Tensor:
    """Return an orthonormal basis [r, d] of the span of feature rows [n, d]; its columns are zero
    where those of ``x`` are.
    """
    _, size, rows = torch.linalg.svd(x, full_matrices=False)
    kept: Tensor = rows[size > _NEGLIGIBLE * size[0]]
    return kept


def dense_features(problem: FilterProblem) -> Tensor:
    """Return the features [n, d] of the condensed training graph.

    Raises:
        InputError: If they are sparse.
    """
    x = problem.graph.x
    if not isinstance(x, Tensor):
        raise InputError(
            "The condensed training graph must have dense features, but they are sparse. Convert"
            " them with `to_dense()`: condensed graphs are small."
        )
    return x


def narrowed(problem: FilterProblem) -> tuple[FilterProblem, Tensor]:
    """Return the problem on those features [k] of the condensed training graph that some node has,
    and their columns.

    Training leaves the other weights what their start and the weight decay make of them, and no
    node that lies in the span of the training nodes' features sees them.
    """
    x = dense_features(problem)
    columns = (x != 0).any(0).nonzero()[:, 0]
    require(
        len(columns) > 0,
        "This needs a feature that is not zero everywhere, but found features ="
        f" {tuple(x.shape)!r}. Check the features of the training nodes.",
    )
    graph = replace(problem.graph, x=x[:, columns].contiguous())
    return (
        replace(problem, net=replace(problem.net, num_features=len(columns)), graph=graph),
        columns,
    )


def train_students(
    problem: FilterProblem, start: Tensors, lam: Tensor, recipe: FilterTraining, seed: int
) -> Tensors:
    """Train P models on the condensed training graph.

    Args:
        problem: The condensed training graph's problem.
        start: Initial parameters of P models.
        lam: λ [P, H].
        recipe: How to train, as the condensed graph will be used.
        seed: Seed of the dropout.

    Returns:
        Parameters of P models after the last step.

    Raises:
        NumericalError: If a model diverges; the message names its λ.
    """
    # Weights, gradients and moments of a chunk fit a core's cache; the results do not depend on the
    # chunk, but for the dropout.
    chunk = max(8, _CHUNK_WEIGHTS // sum(value[0].numel() for value in start.values()))
    if not lam.is_cpu:
        chunk = lam.size(0)
    parts = []
    for first in range(0, lam.size(0), chunk):
        some = slice(first, first + chunk)
        program = FilterProgram(
            problem.net,
            lam[some],
            problem.graph,
            recipe,
            {name: value[some] for name, value in start.items()},
            partial(generator, seed, "students", first, device=lam.device),
            looks=False,
        )
        # All epochs, whatever the recipe's early stopping: students are compared after equal work.
        fit(program, recipe.epochs, description="students")
        parts.append(program.finish())
    return {name: torch.cat([part[name] for part in parts]) for name in start}


@dataclass(frozen=True)
class Weights:
    """How much each part of the objective counts, all ≥ 0 and one of them > 0.

    Args:
        hypergradient: Of the cosine distance between hypergradients, the paper's D_c.
        value: Of 1 - Pearson between losses over the pool, the condensed one in logarithms.
        accuracy: Of 1 - Pearson between accuracies, the condensed one smoothed.
        ranks: Whether the value term takes the normal scores of the original's ranks in place of
            its log losses.
    """

    hypergradient: float = 0.1
    value: float = 1.0
    accuracy: float = 0.5
    ranks: bool = True

    def __post_init__(self) -> None:
        found = (self.hypergradient, self.value, self.accuracy)
        require(
            min(found) >= 0 < max(found),
            f"This needs weights ≥ 0, one of them > 0, but found weights = {found!r}. Weigh what"
            " the validation graph shall agree in.",
        )


@dataclass(frozen=True)
class Matching:
    """The outer objective on S_val: agree with the original over a pool of hyperparameters.

    Args:
        net: The architecture.
        copies: Models trained on S_train, one set a seed.
        target: The original's answers at the same λ.
        weights: What counts.
        keep_direct: Whether the direct term of the hypergradient is kept.
        noise: Standard deviation ≥ 0 of noise on first-layer weights, in units of theirs, where a
            stream for it is given.
    """

    net: PolynomialFilterNet
    copies: tuple[Students, ...]
    target: Target
    weights: Weights
    keep_direct: bool = True
    noise: float = 0.0

    @cached_property
    def wanted(self) -> Tensor:
        """What the condensed graph's log losses shall be linear in [P]: the original's log losses,
        or the normal scores of their ranks.
        """
        if not self.weights.ranks:
            return log_loss(self.target.loss)
        # Ranks in place of losses: a few filters of large loss would otherwise own the correlation.
        rank = self.target.loss.argsort().argsort().to(self.target.loss)
        scores: Tensor = torch.special.ndtri((rank + 0.5) / len(rank))
        return scores

    def logits(
        self, graph: SyntheticGraph, params: Tensors, lam: Tensor, threshold: float
    ) -> Tensor:
        """Return the logits [B, c_val, C] of models on the validation graph."""
        return self.net(params, lam, dense_operator(cut(graph.weight(), threshold)), graph.x)

    @torch.no_grad()
    def scores(
        self, graph: SyntheticGraph, rows: Tensor, threshold: float
    ) -> tuple[Tensor, Tensor]:
        """Return the mean losses and accuracies of some students [b] on the validation graph, over
        the copies.
        """
        losses = []
        accuracies = []
        for students in self.copies:
            logits = self.logits(graph, students.models(rows), students.lam[rows], threshold)
            losses.append(node_losses(logits, graph.y))
            accuracies.append(node_accuracies(logits, graph.y))
        return torch.stack(losses).mean(0), torch.stack(accuracies).mean(0)

    def _models(self, students: Students, rows: Tensor, stream: torch.Generator | None) -> Tensors:
        """Return some students [b], their first layers blurred: P models are few, and S_val would
        learn what only they have in common.
        """
        models = students.models(rows)
        weight = students.params["weight0"]
        if self.noise and stream is not None:
            first = models["weight0"]
            drawn = torch.randn(first.shape, generator=stream, dtype=first.dtype).to(first.device)
            models["weight0"] = first + self.noise * weight.std() * drawn
        return models

    def distance(
        self,
        graph: SyntheticGraph,
        rows: Tensor,
        threshold: float,
        copy: int = 0,
        stream: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the objective over some hyperparameters, and its parts.

        Args:
            graph: S_val.
            rows: Hyperparameters, [b].
            threshold: Edge weights that are cut.
            copy: Which set of students.
            stream: Draws the noise, on the CPU; None leaves the students as they are.

        Returns:
            A scalar, differentiable in the graph's parameters, and each part as a number.
        """
        students = self.copies[copy]
        weights = self.weights
        parts = dict[str, Tensor]()
        lam = students.lam[rows]
        models = self._models(students, rows, stream)
        if weights.value or weights.accuracy:
            logits = self.logits(graph, models, lam, threshold)
            loss = node_losses(logits, graph.y)
            check_finite(loss.detach(), lam, "the condensed validation graph")
            parts["value"] = pearson_distance(log_loss(loss), self.wanted[rows])
            parts["accuracy"] = pearson_distance(
                soft_accuracy(logits, graph.y), self.target.accuracy[rows]
            )
        if weights.hypergradient:
            parts["hypergradient"] = self._gradient_distance(
                graph, students, rows[: -(-len(rows) // 3)], threshold
            )
        total = torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def _gradient_distance(
        self, graph: SyntheticGraph, students: Students, rows: Tensor, threshold: float
    ) -> Tensor:
        moved = students.sensitivity
        wanted = self.target.slopes()
        lam = students.lam[rows]
        if moved is None:
            raise InputError(
                "The students' sensitivities were not computed, but the objective needs them."
                " Compute them, or weigh hypergradients with 0."
            )

        def outer(theta: Tensors, hyper: Tensor) -> Tensor:
            return node_losses(self.logits(graph, theta, hyper, threshold), graph.y)

        _, found = moved.rows(rows).hypergradient(
            outer, students.models(rows), lam, keep_direct=self.keep_direct
        )
        check_finite(found.detach().sum(1), lam, "hypergradients of the condensed graph")
        return cosine_distance(found, wanted[rows]).mean()


def log_loss(loss: Tensor) -> Tensor:
    """Return the logarithm of losses [B] ≥ 0; a fit so sure that single precision calls its loss 0
    counts as 1e-8.
    """
    return loss.clamp_min(_SURE).log()


def soft_accuracy(logits: Tensor, y: Tensor, width: float = _MARGIN) -> Tensor:
    """Return the mean sigmoid of the margins, a smooth accuracy [B], for logits [B, n, C] and
    classes [n].
    """
    own = torch.nn.functional.one_hot(y, logits.size(-1)).bool()
    margin = (logits * own).sum(-1) - logits.masked_fill(own, -torch.inf).amax(-1)
    return torch.sigmoid(margin / width).mean(1)
