"""The controller learns, in the study's direction, and what it draws survives a kill."""

import math

import numpy as np
import optuna
import pytest
import torch

from graphcond.errors import InputError
from graphcond.search import search
from graphcond.search.reinforce import Controller, ReinforceSampler
from graphcond.seeding import generator
from graphcond.spaces import GraphNAS, ModelChoices

SPACE = GraphNAS()


def planted(seed):
    """A worth in [0, 1] that adds up over the choices."""
    stream = np.random.default_rng(seed)
    table = {name: stream.normal(size=len(each)) for name, each in SPACE.options.items()}
    low = sum(each.min() for each in table.values())
    high = sum(each.max() for each in table.values())

    def worth(trial):
        total = 0.0
        for name, choices in SPACE.options.items():
            choice = trial.suggest_categorical(name, choices)
            total += table[name][choices.index(choice)]
        return (total - low) / (high - low)

    return worth


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_it_beats_random_on_a_planted_space_at_equal_budget(direction):
    sign = 1 if direction == "maximize" else -1
    gains, late = [], []
    for seed in range(2):
        worth = planted(seed)
        found = search(worth, 80, sampler=ReinforceSampler(SPACE, seed=seed), direction=direction)
        random = optuna.samplers.RandomSampler(seed=seed)
        other = search(worth, 80, sampler=random, direction=direction)
        gains.append(sign * (found.best_value - other.best_value))
        late.append(sign * np.mean([trial.value for trial in found.trials[60:]]))
        late[-1] -= sign * np.mean([trial.value for trial in other.trials[60:]])
    assert min(late) > 0.05
    assert sum(gains) > 0


def test_a_second_start_draws_what_the_first_would_have_drawn(tmp_path):
    worth = planted(0)
    whole = search(worth, 12, sampler=ReinforceSampler(SPACE, seed=1))
    search(worth, 7, sampler=ReinforceSampler(SPACE, seed=1), journal=tmp_path / "j")
    again = search(worth, 12, sampler=ReinforceSampler(SPACE, seed=1), journal=tmp_path / "j")
    assert [trial.params for trial in again.trials] == [trial.params for trial in whole.trials]
    other = search(worth, 12, sampler=ReinforceSampler(SPACE, seed=2))
    assert [trial.params for trial in other.trials] != [trial.params for trial in whole.trials]


def test_a_trial_that_ended_out_of_order_makes_it_learn_anew():
    study = optuna.create_study(direction="maximize")
    sampler = ReinforceSampler(SPACE, seed=0)
    study.sampler = sampler
    first, second = study.ask(), study.ask()
    worths = [planted(0)(trial) for trial in (first, second)]
    study.tell(second, worths[1])
    sampler._learn(study)
    assert sampler._learned == [1]
    study.tell(first, worths[0])
    sampler._learn(study)
    assert sampler._learned == [1, 0]
    fresh = ReinforceSampler(SPACE, seed=0)
    fresh._learn(study)
    pairs = zip(sampler._controller.parameters(), fresh._controller.parameters())
    assert all(torch.equal(*pair) for pair in pairs)


def test_failed_trials_are_the_worst_and_other_parameters_are_random():
    space = ModelChoices(kinds=("gcn", "gat"), widths=(8,), depths=(2,))

    def half(trial):
        rate = trial.suggest_float("rate", 0, 1)
        return math.nan if space.suggest(trial).kind == "gat" else 0.5 + 0.01 * rate

    with pytest.warns(UserWarning, match="failed"):
        study = search(half, 60, sampler=ReinforceSampler(space, seed=0, learning_rate=0.05))
    assert len({trial.params["rate"] for trial in study.trials}) == 60
    # A failed trial costs as much as the worst so far: on average not better than any other.
    kinds = [trial.params["kind"] for trial in study.trials[40:]]
    assert kinds.count("gcn") > kinds.count("gat")


def test_the_controllers_probabilities_are_those_it_draws_by():
    controller = Controller((3, 2), generator(0, "controller"))
    with torch.no_grad():
        every = [controller([a, b])[1].exp() for a in range(3) for b in range(2)]
        torch.testing.assert_close(sum(every), torch.tensor(1.0))
        stream = generator(0, "draws")
        draws = [tuple(controller(stream=stream)[0]) for _ in range(600)]
    for (a, b), probability in zip(((a, b) for a in range(3) for b in range(2)), every):
        # 600 draws: five standard errors are below .08.
        assert abs(draws.count((a, b)) / 600 - float(probability)) < 0.08


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`learning_rate`"):
        ReinforceSampler(SPACE, learning_rate=0.0)
    with pytest.raises(InputError, match="`baseline_decay`"):
        ReinforceSampler(SPACE, baseline_decay=1.0)
