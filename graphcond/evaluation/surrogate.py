"""The linear surrogate: ridge on the polynomial bases of a whole graph ranks filters without
condensing anything.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.ambient import steady
from graphcond.errors import require
from graphcond.nn.filters import PolynomialFilterNet, filter_operator
from graphcond.nn.linear_filters import best_ridge, ridge_filters

# A decade apart; the mean validation loss chooses one for all filters.
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class SurrogateScores:
    """Validation results of the linear model for B filters.

    Attributes:
        loss: Mean squared error on validation nodes [B].
        accuracy: Validation accuracy [B].
        ridge: The ridge used, the one of the lowest mean validation loss.
        seconds_statistics: Wall-clock seconds of the sufficient statistics, paid once a graph.
        seconds: Wall-clock seconds of scoring all B filters at the chosen ridge.
    """

    loss: Tensor
    accuracy: Tensor
    ridge: float
    seconds_statistics: float
    seconds: float


@steady()
def linear_surrogate(
    net: PolynomialFilterNet, lam: Tensor, data: Data, ridges: Sequence[float] = RIDGES
) -> SurrogateScores:
    """Rank filters by the linear model ``C_λ(A)^L X W`` in closed form, on any graph, whole or
    condensed.

    Args:
        net: Gives the number of layers, the basis and the number of classes; its weights are not
            used.
        lam: Candidates λ [B, H].
        data: Graph with training and validation nodes.
        ridges: Ridges to choose from, by the mean validation loss over the candidates.

    Returns:
        Scores, and what they cost.

    Raises:
        InputError: If ``ridges`` is empty or not positive.
    """
    require(
        len(ridges) > 0 and min(ridges) > 0,
        f"This needs positive `ridges`, but found ridges = {tuple(ridges)!r}. For example (1e-4,"
        " 1e-3).",
    )
    start = time.perf_counter()
    operator = filter_operator(
        data.edge_index, int(data.num_nodes or 0), data.get("edge_weight"), dtype=data.x.dtype
    )
    masks = (data.train_mask, data.val_mask)
    order = net.order(lam)
    model = ridge_filters(
        operator,
        data.x,
        data.y,
        masks,
        order,
        num_classes=net.num_classes,
        num_layers=net.num_layers,
        basis=net.basis,
        per_layer=net.per_layer,
    )
    ready = time.perf_counter()
    ridge = best_ridge(model, lam, ridges)
    begin = time.perf_counter()
    scores = model.scores(lam, torch.tensor([ridge]))
    end = time.perf_counter()
    return SurrogateScores(scores.loss[0], scores.accuracy[0], ridge, ready - start, end - begin)
