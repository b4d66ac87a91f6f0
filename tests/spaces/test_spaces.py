"""What holds for every space: candidates are inside, samples extend, JSON comes back, trials
choose.
"""

import json

import optuna
import pytest
import torch

from graphcond.errors import InputError
from graphcond.spaces import (
    GraphNAS,
    ModelChoices,
    NasBenchGraph,
    PolynomialFilters,
    Product,
    Recommenders,
    TrainingChoice,
    TrainingRanges,
    space_from_json,
)

SMALL = ModelChoices(kinds=("gcn", "gat"), widths=(8,), depths=(1, 2))
SPACES = [
    PolynomialFilters(order=1, num_layers=2),
    SMALL,
    NasBenchGraph(),
    TrainingRanges(),
    GraphNAS(),
    Recommenders(),
    Product((SMALL, TrainingRanges(dropout=(0.1, 0.4)))),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_a_space_is_a_value(space):
    again = space_from_json(space.to_json())
    assert again == space
    assert type(again) is type(space)
    assert hash(again) == hash(space)
    assert json.loads(space.to_json())["space"] == type(space).__name__


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_samples_are_inside_and_extend_each_other(space):
    lam = space.sample(4, seed=3)
    assert lam.shape == (4, space.size)
    assert space.contains(lam).all()
    assert not space.contains(lam - 3).any()
    assert not space.contains(torch.zeros(2, space.size + 1)).any()
    assert torch.equal(space.sample(2, seed=3), lam[:2])
    assert not torch.equal(space.sample(4, seed=4), lam)
    assert len(space.decode(lam)) == 4


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_a_trial_is_asked_for_every_name_once(space):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    chosen = space.suggest(trial)
    assert tuple(trial.params) == space.names
    fixed = optuna.trial.FixedTrial(trial.params)
    same = space.suggest(fixed)
    assert torch.equal(same, chosen) if isinstance(chosen, torch.Tensor) else same == chosen


def test_suggestions_and_rows_decode_to_the_same_candidates():
    trial = optuna.trial.FixedTrial({"kind": "gat", "hidden": 8, "num_layers": 2})
    assert SMALL.suggest(trial) == SMALL.decode(SMALL.all())[3]
    values = {"learning_rate": 1e-2, "weight_decay": 1e-5, "dropout": 0.8}
    chosen = TrainingRanges().suggest(optuna.trial.FixedTrial(values))
    assert chosen == TrainingRanges().decode(torch.tensor([[0.5, 0.0, 1.0]]))[0]
    assert chosen == TrainingChoice(1e-2, 1e-5, 0.8)


def test_a_product_pairs_its_parts_and_goes_through_a_small_one_again():
    space = Product((SMALL, PolynomialFilters(order=0)))
    lam = space.sample(10, seed=1)
    networks = [network for network, _ in space.decode(lam)]
    assert len(set(networks[:4])) == len(set(networks[4:8])) == 4
    assert networks[:4] != networks[4:8]
    assert torch.equal(space.sample(6, seed=1), lam[:6])
    assert space.decode(lam)[0][1] == {"lambda0": pytest.approx(float(lam[0, -1]))}


def test_wrong_spaces_are_refused():
    with pytest.raises(InputError, match="a parameter hidden, kind"):
        Product((SMALL, SMALL))
    with pytest.raises(InputError, match="empty"):
        Product(())
    with pytest.raises(InputError, match="above 0"):
        TrainingRanges(learning_rate=(0.0, 1.0))
    with pytest.raises(InputError, match="low to high"):
        TrainingRanges(dropout=(0.5, 0.1))
    with pytest.raises(InputError, match="At 1 nothing"):
        TrainingRanges(dropout=(0.5, 1.0))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"space": "Other"}', '{"space": "TrainingRanges", "rate": 1}']
)
def test_foreign_json_is_refused(text):
    with pytest.raises(InputError):
        space_from_json(text)
