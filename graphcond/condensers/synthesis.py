"""What the condensers that make up nodes share: two parts, one control, one check that the result
beats random nodes.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.base import Draft, NodeCondenser
from graphcond.data import Checkpoint, union
from graphcond.errors import NumericalError
from graphcond.nn.synthetic import class_samples
from graphcond.nn.teacher import propagate, propagation
from graphcond.seeding import derive
from graphcond.typing import Record


class WorseThanRandomWarning(UserWarning):
    """The condensed graph teaches a linear model less than as many random nodes do."""


@dataclass(frozen=True, kw_only=True)
class NodeSynthesis(NodeCondenser):
    """Base of condensers that make up nodes: the training graph from training nodes, the validation
    graph from validation nodes.

    A subclass writes :meth:`part`. The two parts never see each other's labels, except where a
    subclass says that validation labels choose a setting. The card gets a control: the validation
    accuracy of a linear model in closed form, from the condensed nodes and from as many random
    ones; a warning tells when the condensed ones are worse.
    """

    def _condense(self, data: Data, checkpoint: Checkpoint | None) -> Draft:
        budget = self.budget(data)
        graphs = []
        history: list[Record] = []
        for part, count in (("train", budget.num_train), ("val", budget.num_val)):
            state = None
            if checkpoint is not None:
                state = checkpoint.beside(part)
            graph, records = self.part(data, part, count, state)
            _check_finite(graph, part, type(self).__name__)
            graphs.append(graph)
            history += [{"part": part, **record} for record in records]
        return Draft(union(*graphs), history, self._control(data, graphs[0]))

    @abstractmethod
    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
        """Return one condensed graph of ``count`` nodes and its history.

        Args:
            data: The original without its test split.
            part: ``"train"`` or ``"val"``: whose labels may be used.
            count: Nodes of the condensed graph.
            checkpoint: What to write and resume from, or None.

        Returns:
            ``Data(x, y, edge_index, edge_weight)`` and one record per logged step.
        """

    def _control(self, data: Data, graph: Data) -> dict[str, float]:
        condensed = best_linear(data, propagate(propagation(graph), graph.x, 2), graph.y)
        operator = propagation(data)
        draws = []
        # Three draws, as one random set of a few nodes may be lucky.
        for draw in range(3):
            rows = _random_rows(data, graph.y, derive(self.seed, "control", draw))
            selector = F.one_hot(rows, int(data.num_nodes)).T.to(data.x)
            draws.append(
                best_linear(data, propagate(operator.T, selector, 2).T @ data.x, data.y[rows])
            )
        random = sum(draws) / len(draws)
        if condensed < random:
            scale = float(data.x.abs().mean())
            message = (
                f"{type(self).__name__}: a linear model gets {condensed:.1%} of the validation"
                f" nodes right from the condensed nodes, {random:.1%} from as many random ones."
                f" Check the scale of the features (mean |x| = {scale:.3g}), lower the learning"
                " rate, or start from Partition."
            )
            warnings.warn(message, WorseThanRandomWarning, stacklevel=2)
        return {"linear_accuracy": condensed, "linear_accuracy_random": random}


def _random_rows(data: Data, labels: Tensor, seed: int) -> Tensor:
    nodes = data.train_mask.nonzero()[:, 0]
    present = torch.isin(labels, data.y[nodes])
    return class_samples(nodes[:, None], data.y[nodes], labels[present], seed)[:, 0]


def best_linear(data: Data, z: Tensor, y: Tensor) -> float:
    """Return the better :func:`linear_accuracy` of testing on once and on twice propagated
    features.
    """
    return max(linear_accuracy(data, z, y, hops) for hops in (1, 2))


def linear_accuracy(data: Data, z: Tensor, y: Tensor, hops: int = 2, ridge: float = 0.1) -> float:
    """Return the validation accuracy on ``data`` of ridge regression fitted to a few propagated
    nodes, nothing wider than [n, C] built.

    Args:
        data: The original, with ``val_mask``.
        z: Propagated features of the few nodes [m, d].
        y: Their classes [m].
        hops: How often the original's features are propagated.
        ridge: Relative to the mean squared norm of the rows.

    Returns:
        Share of the original's validation nodes that are classified right.
    """
    target = F.one_hot(y, int(max(data.y.max(), y.max())) + 1).double()
    mean = z.double().mean(0)
    prior = target.mean(0)
    rows = z.double() - mean
    gram = rows @ rows.T
    damping = (
        ridge
        * gram.diagonal().mean().clamp(min=1e-12)
        * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    )
    weight = rows.T @ torch.linalg.solve(gram + damping, target - prior)
    scores = propagate(propagation(data), data.x @ weight.to(data.x), hops) + (
        prior - mean @ weight
    ).to(data.x)
    return float((scores.argmax(1) == data.y)[data.val_mask].double().mean())


def _check_finite(graph: Data, part: str, method: str) -> None:
    if not (torch.isfinite(graph.x).all() and torch.isfinite(graph.edge_weight).all()):
        raise NumericalError(
            f"{method} made NaN or infinite {part} nodes at its last step. Lower its learning rate"
            " or scale the features to about 1."
        )
