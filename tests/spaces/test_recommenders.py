import pytest

from graphcond import nn
from graphcond.data import load, num_items, split_interactions, val_edges
from graphcond.errors import InputError
from graphcond.spaces import Recommenders
from graphcond.training import BPR

VALUES = {
    "model": "LightGCN",
    "dim": 4,
    "num_layers": 2,
    "loss": "cosine softmax",
    "learning_rate": 0.01,
    "weight_decay": 0.001,
    "negatives": 7,
    "temperature": 0.3,
}


def test_a_choice_trains_what_it_says():
    contender = Recommenders().build(VALUES).contender(BPR(rounds=1, min_steps=1))
    model = contender.recommender(5, 6)
    assert isinstance(model, nn.LightGCN)
    assert (model.dim, model.num_layers) == (4, 2)
    recipe = contender.recipe
    assert recipe.loss == nn.SampledSoftmax(7, temperature=0.3)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.rounds) == (0.01, 0.001, 1)
    data = split_interactions(load("southern-women"), seed=0)
    assert contender.fit(data, val_edges(data)).items.shape == (num_items(data), 4)


def test_choices_that_train_the_same_are_equal():
    space = Recommenders()
    plain = space.build(VALUES | {"model": "MF", "loss": "BPR"})
    other = {"num_layers": 1, "negatives": 9, "temperature": 0.1}
    assert space.build(VALUES | {"model": "MF", "loss": "BPR"} | other) == plain
    assert (plain.num_layers, plain.negatives, plain.temperature) == (0, 1, 0.0)
    assert plain.contender().recipe.loss is None
    factorised = plain.contender().recommender(5, 6)
    assert isinstance(factorised, nn.MF)
    assert factorised.dim == VALUES["dim"]
    inner = space.build(VALUES | {"loss": "softmax"})
    assert inner == space.build(VALUES | {"loss": "softmax", "temperature": 0.7})
    assert inner.contender().recipe.loss == nn.SampledSoftmax(7, cosine=False, temperature=1.0)
    assert space.build(VALUES | {"negatives": 9}) != space.build(VALUES)
    assert space.build(VALUES | {"num_layers": 1}) != space.build(VALUES)


def test_choices_must_be_distinct():
    with pytest.raises(InputError, match="`dims` must be distinct"):
        Recommenders(dims=(8, 8))
