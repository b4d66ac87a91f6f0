"""A small graph's reference with planted results."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch_geometric.data import Data

from graphcond.evaluation import reference
from graphcond.evaluation.reference import Reference
from graphcond.evaluation.surrogate import SurrogateScores
from graphcond.nn import PolynomialFilterNet
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining

NET = PolynomialFilterNet(8, hidden=4, num_classes=3)
LAM = PolynomialFilters().sample(6, seed=1)


def planted_reference(graph: Data) -> Reference:
    """Return a reference of six filters and two seeds whose results are planted."""
    made = reference(NET, LAM, graph, recipe=FilterTraining(epochs=1))
    loss = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 1.0, 3.0, 4.0, 6.0, 5.0]])
    accuracy = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.4, 0.5, 0.6, 0.7, 0.9, 0.8]])
    held = torch.tensor([[0.8, 0.7, 0.5, 0.4, 0.3, 0.2], [0.6, 0.8, 0.5, 0.4, 0.3, 0.2]])
    surrogate = SurrogateScores(loss[0].flip(0), accuracy[0].flip(0), 0.1, 2.0, 0.5)
    found = {"loss": loss, "accuracy": accuracy, "held_out": held, "surrogate": surrogate}
    return replace(made, **found, seconds=7.0, peak_mib=9.0)
