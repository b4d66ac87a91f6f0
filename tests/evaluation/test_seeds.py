"""What is no list of seeds or lengths is refused in a sentence, by both judges."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from graphcond.data import EDGE, load, split_interactions
from graphcond.errors import InputError
from graphcond.evaluation import evaluate_node, evaluate_recommender
from graphcond.evaluation.seeds import whole_numbers
from graphcond.nn import MF, GraphNet
from graphcond.training import BPR, ClassifierTraining

BAD: list[tuple[Any, str]] = [
    (3, "`seeds` must be several whole numbers, but it is 3"),
    (None, "`seeds` must be several whole numbers, but it is None"),
    ("12", "`seeds` must be several whole numbers, but it is '12'"),
    (["a"], r"`seeds` must be whole numbers, but it holds \['a'\]"),
    ([1.5], r"`seeds` must be whole numbers, but it holds \[1.5\]"),
    ([0, True], r"`seeds` must be whole numbers, but it holds \[True\]"),
    ([], "`seeds` must hold a whole number"),
]


@pytest.mark.parametrize(("seeds", "message"), BAD)
def test_seeds_that_are_none_are_refused(seeds: Any, message: str) -> None:
    data = split_interactions(load("southern-women"), seed=0)
    with pytest.raises(InputError, match=message):
        evaluate_recommender(partial(MF, dim=2), data, data, seeds=seeds)
    graph = load("karate")
    with pytest.raises(InputError, match=message):
        evaluate_node(GraphNet, graph, graph, seeds=seeds)


def test_a_recipe_of_another_model_is_refused() -> None:
    data = split_interactions(load("southern-women"), seed=0)
    recipe: Any = ClassifierTraining()
    with pytest.raises(InputError, match="`recipe` must be a BPR, but it is ClassifierTraining"):
        evaluate_recommender(partial(MF, dim=2), data, data, seeds=(0,), recipe=recipe)
    graph = load("karate")
    recipe = BPR()
    with pytest.raises(InputError, match="`recipe` must be a ClassifierTraining, but it is BPR"):
        evaluate_node(GraphNet, graph, graph, seeds=(0,), recipe=recipe)


def test_seeds_of_numpy_are_seeds() -> None:
    data = split_interactions(load("southern-women"), seed=0)
    report = evaluate_recommender(partial(MF, dim=2), data, data, seeds=np.arange(1))
    assert [row["seed"] for row in report.rows] == [0]


@pytest.mark.parametrize("ks", [10, ("5",), (2.5,), "10", ()])
def test_lengths_that_are_none_are_refused(ks: Any) -> None:
    data = split_interactions(load("southern-women"), seed=0)
    with pytest.raises(InputError, match="`ks` must"):
        evaluate_recommender(partial(MF, dim=2), data, data, ks=ks, seeds=(0,))


def test_all_seeds_are_kept_as_they_come() -> None:
    assert whole_numbers("seeds", range(5, 0, -1), "(0,)") == [5, 4, 3, 2, 1]
    found = whole_numbers("seeds", np.arange(4), "(0,)")
    assert found == [0, 1, 2, 3]
    assert {type(seed) for seed in found} == {int}


def test_a_set_without_pairs_of_its_own_is_refused() -> None:
    data = split_interactions(load("southern-women"), seed=0)
    small = copy.copy(data)
    small[EDGE].edge_index = torch.tensor([[0, 18], [0, 0]])
    with pytest.raises(InputError, match="edge_index"):
        evaluate_recommender(partial(MF, dim=2), small, data, seeds=(0,))
