"""Spaces in numbers: where samples lie, what a row decodes to, and what a trial is asked."""

from __future__ import annotations

import math

import optuna
import pytest
import torch

from graphcond.seeding import derive, generator
from graphcond.spaces import (
    GraphNAS,
    ModelChoices,
    PolynomialFilters,
    Product,
    TrainingRanges,
    discrete,
)

SMALL = ModelChoices(kinds=("gcn", "gat", "gin-0"), widths=(8, 16), depths=(1, 2))


def test_filters_are_uniform_between_their_bounds():
    space = PolynomialFilters(order=1, low=-2.0, high=1.0)
    lam = space.sample(4000, seed=0)
    assert float(lam.min()) == pytest.approx(-2, abs=0.01)
    assert float(lam.max()) == pytest.approx(1, abs=0.01)
    assert float(lam.mean()) == pytest.approx(-0.5, abs=0.05)
    ends = torch.tensor([[-2.0, 1.0], [-2.001, 0.0], [0.0, 1.001]])
    assert space.contains(ends).tolist() == [True, False, False]
    assert space.relax(torch.tensor([[-3.0, 2.0]])).tolist() == [[-2, 1]]


def asked(space):
    """The distributions that a trial is asked for."""
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    space.suggest(trial)
    return trial.distributions


def test_a_trial_is_asked_for_the_bounds_and_scales_of_the_space():
    found = asked(PolynomialFilters(order=1, low=-2.0, high=0.5))
    assert [(each.low, each.high, each.log) for each in found.values()] == [(-2, 0.5, False)] * 2
    found = asked(TrainingRanges(dropout=(0.1, 0.4)))
    assert {name: (each.low, each.high, each.log) for name, each in found.items()} == {
        "learning_rate": (1e-3, 1e-1, True),
        "weight_decay": (1e-5, 1e-2, True),
        "dropout": (0.1, 0.4, False),
    }
    found = asked(SMALL)
    assert {name: each.choices for name, each in found.items()} == SMALL.options


def test_rates_lie_on_a_logarithmic_scale_and_dropout_on_a_plain_one():
    space = TrainingRanges((1e-3, 1e-1), (1e-4, 1e-2), (0.2, 0.6))
    found = space.decode(torch.tensor([[0.0, 1.0, 0.25], [0.25, 0.5, 1.0], [1.0, 0.0, 0.0]]))
    assert [choice.learning_rate for choice in found] == pytest.approx([1e-3, 10**-2.5, 1e-1], 1e-5)
    assert [choice.weight_decay for choice in found] == pytest.approx([1e-2, 1e-3, 1e-4])
    assert [choice.dropout for choice in found] == pytest.approx([0.3, 0.6, 0.2])
    lam = space.sample(2000, seed=0)
    assert float(lam.mean()) == pytest.approx(0.5, abs=0.03)
    inside = torch.tensor([[0.0, 1.0, 0.5], [-0.01, 0.5, 0.5], [0.5, 0.5, 1.01]])
    assert space.contains(inside).tolist() == [True, False, False]


def test_the_last_name_changes_fastest_and_samples_are_of_all():
    every = SMALL.decode(SMALL.all())
    wanted = [
        (kind, width, depth) for kind in SMALL.kinds for width in SMALL.widths for depth in (1, 2)
    ]
    assert [(each.kind, each.hidden, each.num_layers) for each in every] == wanted
    assert (len(SMALL), SMALL.size, SMALL.groups) == (12, 7, (3, 2, 2))
    places = torch.tensor([0, 5, 11, 6])
    assert torch.equal(SMALL._one_hot(SMALL._digits(places)), SMALL.all()[places])
    mixed = torch.tensor([[0.2, 0.5, 0.3, 0.6, 0.4, 0.1, 0.9]])
    (choice,) = SMALL.decode(mixed)
    assert (choice.kind, choice.hidden, choice.num_layers) == ("gat", 8, 2)


@pytest.mark.parametrize("listed", [12, 11])
def test_samples_are_distinct_extend_and_reach_all_whether_listed_or_drawn(listed, monkeypatch):
    monkeypatch.setattr(discrete, "_LISTED", listed)
    lam = SMALL.sample(12, seed=1)
    assert len(lam.unique(dim=0)) == 12
    assert SMALL.contains(lam).all()
    assert torch.equal(SMALL.sample(5, seed=1), lam[:5])
    assert not torch.equal(SMALL.sample(12, seed=2), lam)
    order = torch.randperm(12, generator=generator(1, "space"))
    assert torch.equal(lam, SMALL.all()[order]) == (listed == 12)


def test_a_product_is_gone_through_round_by_round_with_seeds_of_its_own():
    filters = PolynomialFilters(order=0)
    space = Product((SMALL, filters))
    lam = space.sample(30, seed=5)
    assert lam.shape == (30, 8)
    own = derive(5, "product", 0)
    for start in (0, 12, 24):
        some = lam[start : start + 12, :7]
        assert torch.equal(some, SMALL.sample(len(some), derive(own, "round", start)))
    last = derive(derive(5, "product", 1), "round", 0)
    assert torch.equal(lam[:, 7:], filters.sample(30, last))
    outside = lam.clone()
    outside[3, 7] = 2.0
    outside[4, 0] = 0.5
    wanted = [place not in (3, 4) for place in range(30)]
    assert space.contains(outside).tolist() == wanted


def test_layers_of_graph_nas_are_named_one_after_the_other_and_the_last_has_no_width():
    space = GraphNAS(num_layers=2, heads=(1, 2), widths=(4, 8))
    kinds = ("attention", "aggregator", "activation", "heads", "hidden")
    wanted = [f"{kind}{layer}" for layer in (0, 1) for kind in kinds]
    assert list(space.names) == wanted[:-1]
    assert len(space) == math.prod(len(choices) for choices in space.options.values())
    values = {name: choices[-1] for name, choices in space.options.items()}
    first, second = space.build(values).layers
    assert (first.heads, first.hidden, second.heads, second.hidden) == (2, 8, 2, 0)
    assert first.activation == space.activations[-1]
    assert first.attention == space.attentions[-1]
    assert first.aggregator == space.aggregators[-1]
    apart = {name: choices[int(name[-1])] for name, choices in space.options.items()}
    for layer, found in enumerate(space.build(apart).layers):
        assert found.attention == space.attentions[layer]
        assert found.aggregator == space.aggregators[layer]
        assert found.activation == space.activations[layer]
        assert found.heads == space.heads[layer]
    assert space.build(apart).layers[0].hidden == 4
