"""What surrounds a call of the library changes no result, and is as it was afterwards."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch_geometric.data import Data

from graphcond import condensers, nn
from graphcond.ambient import steady
from graphcond.data import load, planted_graph, planted_interactions, split_interactions
from graphcond.errors import NumericalError
from graphcond.evaluation import calibrate, evaluate_node, evaluate_recommender
from graphcond.search import FilterObjective, ModelObjective, search
from graphcond.spaces import ModelChoices, PolynomialFilters
from graphcond.training import BPR, ClassifierTraining, FilterTraining

GRAPH = planted_graph(num_nodes=240, num_classes=3, num_features=8)
PAIRS = split_interactions(planted_interactions(60, 80, 1000), seed=0)
SMALL = condensers.RandomNodes(num_nodes=9)(GRAPH)
FEW = {"rounds": 1, "steps": 2, "num_nodes": 9}
NET = nn.PolynomialFilterNet(8, hidden=8, num_classes=3)
LAM = PolynomialFilters(order=2).sample(5, seed=1)


@contextlib.contextmanager
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "default dtype float64": double,
    "default device meta": lambda: torch.device("meta"),
}


def _judge() -> float:
    recipe = ClassifierTraining(epochs=10)
    return evaluate_node(nn.GraphNet, SMALL, GRAPH, seeds=[0], recipe=recipe).mean("accuracy")


def _recommend() -> float:
    recipe = BPR(rounds=1, min_steps=2)
    factory = partial(nn.MF, dim=4)
    return evaluate_recommender(factory, PAIRS, PAIRS, seeds=[0], recipe=recipe).mean("ndcg@10")


def _calibrate() -> float:
    recipe = FilterTraining(epochs=3)
    found = calibrate(NET, LAM, full=GRAPH, condensed=SMALL, seeds=(0, 1), recipe=recipe)
    return found.mean("spearman_loss")


def _search() -> float:
    recipe = ClassifierTraining(epochs=3)
    space = ModelChoices(kinds=("gcn",), widths=(8,), depths=(2,))
    objective = ModelObjective(GRAPH, space=space, recipe=recipe)
    return float(search(objective, 1).best_value)


CALLS: dict[str, Callable[[], object]] = {
    "evaluate_node": _judge,
    "evaluate_recommender": _recommend,
    "calibrate": _calibrate,
    "search of models": _search,
    "search of filters": lambda: (
        search(FilterObjective(GRAPH, recipe=FilterTraining(epochs=3)), 1).best_value
    ),
    "Partition": lambda: condensers.Partition(num_nodes=9)(GRAPH).x,
    "GCond": lambda: condensers.GCond(num_seeds=1, steps=2, num_nodes=9)(GRAPH).x,
    "DosCond": lambda: condensers.DosCond(num_seeds=2, num_nodes=9)(GRAPH).x,
    "KernelInducingPoints": lambda: condensers.KernelInducingPoints(**FEW)(GRAPH).x,
    "TrajectoryMatching": lambda: condensers.TrajectoryMatching(**FEW)(GRAPH).x,
    "DistributionMatching": lambda: condensers.DistributionMatching(**FEW)(GRAPH).x,
    "load": lambda: load("karate").x,
    "planted_graph": lambda: planted_graph(num_nodes=60, num_classes=2, num_features=3).x,
}


QUICK = ("evaluate_node", "KernelInducingPoints", "search of models", "load")
TRIALS = [
    pytest.param(mode, call, marks=() if call in QUICK else pytest.mark.faults)
    for mode in MODES
    for call in CALLS
]


@pytest.mark.parametrize(("mode", "call"), TRIALS)
def test_the_mode_around_a_call_changes_nothing(mode: str, call: str) -> None:
    want = CALLS[call]()
    with MODES[mode]():
        got = CALLS[call]()
    if isinstance(want, torch.Tensor):
        assert isinstance(got, torch.Tensor)
        assert not got.is_inference()
        assert torch.equal(got, want)
    else:
        assert got == want


def test_the_mode_is_as_it_was_also_after_an_error() -> None:
    with double(), torch.autocast("cpu", torch.bfloat16), torch.no_grad(), torch.inference_mode():
        with contextlib.suppress(ZeroDivisionError), steady():
            assert torch.get_default_dtype() == torch.float32
            assert not torch.is_autocast_enabled("cpu")
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            raise ZeroDivisionError
        assert torch.get_default_dtype() == torch.float64
        assert torch.is_autocast_enabled("cpu")
        assert torch.is_inference_mode_enabled()
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("scale", [0.0, 1e25])
def test_a_singular_closed_form_ends_in_a_sentence(scale: float) -> None:
    flat = copy.copy(GRAPH)
    flat.x = GRAPH.x * scale
    with pytest.raises(NumericalError, match="scale them to about 1"):
        condensers.KernelInducingPoints(**FEW)(flat)


def in_double(data: Data) -> Data:
    out = copy.copy(data)
    out.x = data.x.double()
    return out


@pytest.mark.parametrize("name", [name for name in CALLS if name[0].isupper()])
def test_condensers_follow_the_dtype_of_the_features(name: str) -> None:
    condenser = {
        "Partition": condensers.Partition(num_nodes=9),
        "GCond": condensers.GCond(num_seeds=1, steps=2, num_nodes=9),
        "DosCond": condensers.DosCond(num_seeds=2, num_nodes=9),
        "KernelInducingPoints": condensers.KernelInducingPoints(**FEW),
        "TrajectoryMatching": condensers.TrajectoryMatching(**FEW),
        "DistributionMatching": condensers.DistributionMatching(**FEW),
    }[name]
    assert condenser(in_double(GRAPH)).x.dtype == torch.float64


def test_a_set_in_double_precision_is_judged_on_the_original_in_single() -> None:
    wide = condensers.RandomNodes(num_nodes=9)(in_double(GRAPH))
    recipe = ClassifierTraining(epochs=10)
    found = evaluate_node(nn.GraphNet, wide, GRAPH, seeds=[0], recipe=recipe).mean("accuracy")
    assert found == pytest.approx(_judge(), abs=2)
    objective = ModelObjective(in_double(GRAPH), recipe=ClassifierTraining(epochs=2))
    assert search(objective, 1).best_value > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_interactions_may_be_weighted_in_any_type(dtype: torch.dtype) -> None:
    data = copy.copy(PAIRS)
    weight = torch.ones(data["user", "interacts", "item"].edge_index.size(1), dtype=dtype)
    data["user", "interacts", "item"].edge_weight = weight
    recipe = BPR(rounds=1, min_steps=2, weighted=True)
    evaluate_recommender(partial(nn.LightGCN, dim=4), data, data, seeds=[0], recipe=recipe)
