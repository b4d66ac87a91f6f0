import itertools
import math
from functools import partial

import optuna
import pytest
import torch

from graphcond.condensers import RandomNodes
from graphcond.data import load, planted_graph
from graphcond.errors import InputError
from graphcond.metrics import accuracy
from graphcond.search import FilterObjective, ModelObjective, promote, search
from graphcond.search.study import fixed
from graphcond.spaces import ModelChoices
from graphcond.training import ClassifierTraining, FilterTraining, train_filters

SPACE = ModelChoices(kinds=("gcn", "sage-mean"), widths=(4, 8), depths=(1, 2))
QUICK = ClassifierTraining(epochs=3)
RUNNING = optuna.trial.TrialState.RUNNING


def quadratic(trial):
    return -((trial.suggest_float("x", -1.0, 1.0) - 0.3) ** 2)


def test_a_finite_space_is_tried_once_each_and_ends():
    study = search(ModelObjective(load("karate"), SPACE, QUICK), trials=20, finite=True)
    tried = [tuple(trial.params.values()) for trial in study.trials]
    assert len(tried) == len(set(tried)) == len(SPACE.all())


def test_tpe_finds_a_maximum_and_repeats_itself():
    first, again = (search(quadratic, 40, seed=1) for _ in range(2))
    assert abs(first.best_params["x"] - 0.3) < 0.1
    assert [trial.params for trial in first.trials] == [trial.params for trial in again.trials]


def test_an_interrupted_search_goes_on(tmp_path):
    journal, calls = tmp_path / "deep" / "search.journal", []

    def breaks(trial):
        calls.append(trial.suggest_float("x", -1.0, 1.0))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return calls[-1]

    with pytest.raises(KeyboardInterrupt):
        search(breaks, 5, journal=journal)
    study = search(breaks, 5, journal=journal)
    states = [trial.state for trial in study.trials]
    assert states.count(optuna.trial.TrialState.COMPLETE) == 5
    assert len(search(breaks, 5, journal=journal).trials) == len(study.trials)  # done is done
    assert len(search(quadratic, 1, journal=journal, name="another").trials) == 1


def test_a_killed_worker_leaves_no_running_trial(tmp_path):
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "j"))
    )
    left = optuna.create_study(storage=storage, study_name="search", direction="maximize").ask()
    x = left.suggest_float("x", -1.0, 1.0)
    study = search(quadratic, 2, journal=tmp_path / "j")
    assert RUNNING not in [trial.state for trial in study.trials]
    assert study.trials[0].params["x"] == x  # tried again


def test_promotion_is_decided_by_the_other_objective():
    study = search(quadratic, 30)
    best = promote(study, lambda trial: trial.suggest_float("x", -1.0, 1.0), top=4)
    smalls = sorted((trial.value for trial in study.trials), reverse=True)[:4]
    assert sorted((each.small for each in best), reverse=True) == smalls
    assert [each.full for each in best] == sorted((each.params["x"] for each in best), reverse=True)


def test_only_the_graph_changes():
    full = planted_graph(seed=0)
    small = RandomNodes(num_nodes=20)(full)
    objective = partial(
        ModelObjective, space=SPACE, recipe=QUICK, num_classes=int(full.y.max()) + 1
    )
    best = promote(search(objective(small), 4, finite=True), objective(full), top=2)
    assert len(best) == 2
    assert all(each.full == objective(full)(fixed(each.params)) for each in best)
    assert all(each.small == objective(small)(fixed(each.params)) for each in best)


def test_a_filters_value_is_minus_its_validation_loss():
    data = load("karate")
    objective = FilterObjective(data, recipe=FilterTraining(epochs=5))
    trial = fixed({"lambda0": 0.5, "lambda1": -0.25, "lambda2": 1.0})
    assert objective.choice(trial).tolist() == [[0.5, -0.25, 1.0]]
    runs = train_filters(
        objective.network,
        torch.tensor([[0.5, -0.25, 1.0]]),
        data,
        recipe=FilterTraining(epochs=5),
        seed=0,
    )
    assert objective(trial) == -float(runs.loss)


def test_losses_only_break_ties_of_accuracy():
    data, trial = load("karate"), fixed({"kind": "gcn", "hidden": 8, "num_layers": 2})
    nodes = int(data.val_mask.sum())
    for seed in range(3):
        value = ModelObjective(data, SPACE, QUICK, seed=seed)(trial)
        gap = math.ceil(value * nodes) / nodes - value
        assert 0 < gap < 1e-3


def test_counts_are_checked():
    with pytest.raises(InputError, match="`trials` must be"):
        search(quadratic, 0)
    with pytest.raises(InputError, match="`top` must be"):
        promote(search(quadratic, 1), quadratic, 0)


def test_the_original_may_judge_networks_trained_on_a_condensed_graph():
    data, trial = load("karate"), fixed({"kind": "gcn", "hidden": 8, "num_layers": 2})
    small = RandomNodes(num_nodes=8, num_val=2)(data)
    model, value = ModelObjective(small, SPACE, QUICK, validation=data).trained(
        SPACE.decode(SPACE.all()[1:2])[0]
    )
    right = float(accuracy(model(data.x, data.edge_index), data.y, data.val_mask))
    assert 0 < right - value < 1e-3
    elsewhere = data.clone()
    elsewhere.y = torch.where(data.val_mask, 1 - data.y.clamp(max=1), data.y)
    judged = [
        ModelObjective(small, SPACE, QUICK, num_classes=4, validation=graph)(trial)
        for graph in (data, elsewhere)
    ]
    assert judged[0] != judged[1], "other validation labels, another value"


def test_two_seeds_draw_other_values_and_so_do_trials_and_parameters():
    def two(trial):
        return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)

    drawn = [
        value
        for seed in (0, 1)
        for trial in search(two, 4, seed=seed).trials
        for value in trial.params.values()
    ]
    assert len(set(drawn)) == 16

    def grid(trial):
        return trial.suggest_int("a", 0, 9) + trial.suggest_int("b", 0, 9)

    orders = [
        [tuple(trial.params.values()) for trial in search(grid, 12, seed=seed, finite=True).trials]
        for seed in (0, 1)
    ]
    assert orders[0] != orders[1]
    assert len(set(zip(*orders[0]))) == 2, "parameters of one trial are drawn apart"


def test_every_value_of_a_finite_space_is_tried_its_ends_included():
    def grid(trial):
        width = trial.suggest_int("width", 1, 7, step=3)
        return (
            width
            + trial.suggest_float("c", 0, 1, step=0.5)
            + trial.suggest_categorical("k", (0, 9))
        )

    study = search(grid, 18, finite=True)
    tried = {tuple(trial.params.values()) for trial in study.trials}
    assert tried == set(itertools.product((1, 4, 7), (0.0, 0.5, 1.0), (0, 9)))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_as_many_different_trials_as_asked_for_are_promoted_the_best_first(direction):
    study = optuna.create_study(direction=direction)
    sign = 1 if direction == "maximize" else -1
    small = {0.1: 5.0, 0.2: 1.0, 0.3: 4.0, 0.4: 3.0, 0.5: 2.0}
    for x, value in [*small.items(), (0.1, 4.5)]:
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": x},
                distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
                value=sign * value,
            )
        )
    full = {0.1: 1.0, 0.3: 2.0, 0.4: 7.0}
    best = promote(study, lambda trial: sign * full[trial.suggest_float("x", 0, 1)], top=3)
    # Of 0.1, which was tried twice, the better value is told.
    told = [(each.params["x"], sign * each.small, sign * each.full) for each in best]
    assert told == [(0.4, 3.0, 7.0), (0.3, 4.0, 2.0), (0.1, 5.0, 1.0)]
