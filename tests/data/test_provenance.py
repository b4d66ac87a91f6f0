"""A set is judged on the split it was made from, and never trained on test answers."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch_geometric.data import Data, HeteroData

from graphcond import condensers, nn
from graphcond.data import (
    EDGE,
    check_apart,
    check_split,
    make_interactions,
    planted_graph,
    planted_interactions,
    split_again,
    split_interactions,
    split_nodes,
    test_edges,
    train_edges,
    with_interactions,
    without_test,
)
from graphcond.errors import InputError
from graphcond.evaluation import evaluate_node, evaluate_recommender
from graphcond.search import ModelObjective
from graphcond.training import BPR, ClassifierTraining

SHORT = BPR(rounds=1, min_steps=1)


@pytest.fixture(scope="module")
def whole() -> HeteroData:
    return planted_interactions(60, 80, 1000)


@pytest.fixture(scope="module")
def graph() -> Data:
    data = planted_graph(num_nodes=240, num_classes=3, num_features=8)
    for part in ("train_mask", "val_mask", "test_mask"):
        del data[part]
    return data


def nodes(data: Data, seed: int) -> Data:
    return split_nodes(data, seed=seed, train=20, val=60)


def test_interactions_of_another_seed_are_refused(whole: HeteroData) -> None:
    one, two = (split_interactions(whole, seed=seed) for seed in (0, 1))
    small = condensers.RandomInteractions(ratio=0.5)(one)
    judge = partial(evaluate_recommender, partial(nn.MF, dim=4), ks=(5,), seeds=[0], recipe=SHORT)
    judge(small, one)
    with pytest.raises(InputError, match="another split.*seed 0.*seed 1"):
        judge(small, two)


def test_nodes_of_another_seed_are_refused(graph: Data) -> None:
    one, two = nodes(graph, 0), nodes(graph, 1)
    small = condensers.RandomNodes(num_nodes=9)(one)
    recipe = ClassifierTraining(epochs=1)
    evaluate_node(nn.GraphNet, small, one, seeds=[0], recipe=recipe)
    with pytest.raises(InputError, match="another split"):
        evaluate_node(nn.GraphNet, small, two, seeds=[0], recipe=recipe)
    with pytest.raises(InputError, match="another split"):
        ModelObjective(small, validation=without_test(two))


def test_sets_without_a_card_are_compared_with_the_test_part(
    whole: HeteroData, graph: Data
) -> None:
    one, two = (split_interactions(whole, seed=seed) for seed in (0, 1))
    with pytest.raises(InputError, match="test interactions are in the set"):
        check_apart(make_interactions(train_edges(one), 60, 80), two)
    check_apart(make_interactions(train_edges(one), 60, 80), one)
    small = condensers.RandomNodes(num_nodes=30)(nodes(graph, 0))
    del small["card"]
    with pytest.raises(InputError, match="features of test nodes"):
        check_apart(small, nodes(graph, 1))
    check_apart(small, nodes(graph, 0))


def test_pairs_added_to_a_condensed_set_are_found(whole: HeteroData) -> None:
    data = split_interactions(whole, seed=0)
    small = condensers.RandomInteractions(ratio=0.5)(data)
    more = with_interactions(data, torch.cat([train_edges(small), test_edges(data)[:, :3]], 1))
    more.card = small.card
    with pytest.raises(InputError, match="3 of the"):
        check_apart(more, data)


def test_pairs_that_a_condenser_proposed_may_be_test_pairs(whole: HeteroData) -> None:
    data = split_interactions(whole, seed=0)
    small = with_interactions(data, torch.cat([train_edges(data), test_edges(data)[:, :3]], 1))
    card = condensers.RandomInteractions(ratio=0.5)(data).card
    small.card = {**card, "num_new": 3}
    check_apart(small, data)


def test_unlabelled_test_nodes_narrow_ids_and_order_do_not_count(
    whole: HeteroData, graph: Data
) -> None:
    data = split_interactions(whole, seed=0)
    small, other = condensers.RandomInteractions(ratio=0.5)(data), copy.copy(data)
    for name in ("edge_index", "val_edge_index", "test_edge_index"):
        other[EDGE][name] = data[EDGE][name].flip(1).int()
    assert check_split(small, other)
    g = nodes(graph, 0)
    g.y = torch.where(g.test_mask & (torch.arange(240) % 2 == 0), -1, g.y)
    labelled = copy.copy(g)
    labelled.test_mask = g.test_mask & (g.y >= 0)
    assert check_split(condensers.RandomNodes(num_nodes=9)(g), labelled)


def test_a_set_condensed_twice_belongs_to_the_first_split(graph: Data) -> None:
    once = condensers.RandomNodes(num_nodes=30)(nodes(graph, 0))
    twice = condensers.RandomNodes(num_nodes=9)(once)
    assert check_split(twice, nodes(graph, 0))
    with pytest.raises(InputError, match="another split"):
        check_split(twice, nodes(graph, 1))


def test_a_split_is_made_again_from_its_record(whole: HeteroData, graph: Data) -> None:
    for data, split in (
        (whole, split_interactions(whole, seed=3, ratios=(0.6, 0.2, 0.2))),
        (graph, nodes(graph, 3)),
    ):
        condenser = condensers.RandomInteractions(ratio=0.5)
        if isinstance(data, Data):
            condenser = condensers.RandomNodes(num_nodes=9)
        small = condenser(split)
        assert check_split(small, split_again(data, small.card["split"]))
