"""The objective that trains recommenders of a space on a set and validates them on the original."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch

from graphcond.condensers import PopularCore, RandomInteractions
from graphcond.data import (
    EDGE,
    load,
    make_interactions,
    split_interactions,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.errors import InputError
from graphcond.search import RankerObjective, promote, search
from graphcond.search import recommenders as module
from graphcond.spaces import Recommenders
from graphcond.training import BPR, held_out_ndcg

SHORT = BPR(rounds=3, min_steps=4)
SPACE = Recommenders(models=("MF",), dims=(4, 8), losses=("BPR",))
CHOICE = SPACE.decode(SPACE.sample(1, seed=1))[0]


@pytest.fixture
def women():
    return without_test(split_interactions(load("southern-women"), seed=0))


def spied(monkeypatch):
    """Return a list that receives what is trained and how."""
    calls, fit = [], module.fit_recommender

    def spy(factory, train, held, **given):
        calls.append({"train": train, "held": held, **given})
        calls[-1]["model"] = fit(factory, train, held, **given)
        return calls[-1]["model"]

    monkeypatch.setattr(module, "fit_recommender", spy)
    return calls


def test_users_and_items_of_which_the_set_has_nothing_are_nowhere(monkeypatch):
    pairs = torch.tensor([[1, 1, 3, 3, 0, 2, 3], [0, 2, 3, 0, 1, 2, 1]])
    full = make_interactions(pairs, 4, 5)
    full[EDGE].val_edge_index = torch.tensor([[1, 3, 3, 0, 2], [4, 4, 2, 0, 0]])
    small = make_interactions(pairs[:, :3], 4, 5)  # users 1 and 3, items 0, 2 and 3
    small[EDGE].val_edge_index = torch.tensor([[1], [0]])
    calls = spied(monkeypatch)
    of = partial(RankerObjective, small, recipe=SHORT, validation=full)
    # The two others of user 3 are left out of its ranking, also the one that the set lacks.
    assert {of(seed=seed).trained(CHOICE)[1] for seed in range(5)} == {1.0}
    call = calls[0]
    assert train_edges(call["train"]).tolist() == [[0, 0, 1], [0, 1, 2]]
    assert (call["train"]["user"].num_nodes, call["train"]["item"].num_nodes) == (2, 3)
    assert call["held"].tolist() == [[1], [1]]
    assert call["exclude"].tolist() == [[0, 0, 1, 1], [0, 1, 0, 2]]
    own = [held_out_ndcg(call["model"], call["held"], train_edges(call["train"])) for call in calls]
    assert min(own) < 1


def test_a_pass_takes_as_many_steps_as_on_the_original(women, monkeypatch):
    calls = spied(monkeypatch)
    small = RandomInteractions(ratio=0.5)(women)
    for size, batches in ((None, 1), (20, 4)):
        recipe = replace(SHORT, batch_size=size)
        RankerObjective(women, recipe=recipe).trained(CHOICE)
        RankerObjective(small, recipe=recipe, validation=women).trained(CHOICE)
        for call in calls[-2:]:
            edges = train_edges(call["train"]).size(1)
            assert -(-edges // call["recipe"].batch(edges)) == batches
    first, second = (each["recipe"] for each in calls[-2:])
    assert first == replace(second, batch_size=20)
    assert (first.learning_rate, first.weight_decay) == (CHOICE.learning_rate, CHOICE.weight_decay)


def test_batches_are_those_of_the_original_times_the_share_that_is_kept(women, monkeypatch):
    calls = spied(monkeypatch)
    monkeypatch.setattr(BPR, "batch", lambda self, size: self.batch_size or size**2)
    small = RandomInteractions(ratio=0.5)(women)
    RankerObjective(small, recipe=SHORT, validation=women).trained(CHOICE)
    kept, whole = (train_edges(each).size(1) for each in (small, women))
    assert calls[0]["recipe"].batch_size == whole * kept


def test_weights_stay_with_their_interactions(women, monkeypatch):
    women[EDGE].edge_weight = torch.arange(1.0, train_edges(women).size(1) + 1)
    small = PopularCore(ratio=0.5)(women)
    calls = spied(monkeypatch)
    recipe = replace(SHORT, weighted=True)
    RankerObjective(small, recipe=recipe, validation=women).trained(CHOICE)
    train = calls[0]["train"]
    names = [each.unique() for each in train_edges(small)]
    found = torch.stack([names[0][train_edges(train)[0]], names[1][train_edges(train)[1]]])
    assert torch.equal(found, train_edges(small))
    assert torch.equal(train[EDGE].edge_weight, small[EDGE].edge_weight)


def test_a_seed_repeats_and_two_differ(women):
    of = partial(RankerObjective, women, recipe=SHORT)
    first, again, other = (of(seed=seed).trained(CHOICE)[1] for seed in (0, 0, 1))
    assert first == again != other


def test_a_search_on_a_core_is_promoted_to_the_original(women):
    objective = partial(RankerObjective, space=SPACE, recipe=SHORT)
    small = PopularCore(ratio=0.5)(women)
    study = search(objective(small, validation=women), 4, finite=True)
    best = promote(study, objective(women), 2)
    values = sorted((trial.value for trial in study.trials), reverse=True)
    assert [each.small for each in sorted(best, key=lambda each: -each.small)] == values[:2]
    assert best[0].full >= best[1].full


def test_a_set_that_nothing_judges_or_of_other_data_is_refused(women):
    other = copy.copy(women)
    other[EDGE].val_edge_index = val_edges(women)[:, :0]
    with pytest.raises(InputError, match="Nothing judges"):
        RankerObjective(other)
    split = without_test(split_interactions(load("southern-women"), seed=1))
    with pytest.raises(InputError, match="another split"):
        RankerObjective(RandomInteractions(ratio=0.5)(split), validation=women)
    with pytest.raises(InputError, match="same users and items"):
        RankerObjective(make_interactions(torch.tensor([[0], [0]]), 2, 2), validation=women)
