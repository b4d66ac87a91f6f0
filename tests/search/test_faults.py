"""A candidate that fails is written down and put last."""

import math

import numpy as np
import optuna
import pytest

from graphcond.errors import InputError
from graphcond.search import fault, promote, search

COMPLETE = optuna.trial.TrialState.COMPLETE


def numbers(trial):
    return float(trial.suggest_int("a", 0, 9))


def half_nan(trial):
    a = trial.suggest_int("a", 0, 3)
    return math.nan if a % 2 else float(a)


def raising(trial):
    if trial.suggest_int("a", 0, 3) == 1:
        raise RuntimeError("diverged")
    return numbers(trial)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("objective", [half_nan, raising])
def test_failed_trials_count_and_come_last(objective, direction):
    with pytest.warns(UserWarning, match="of 4 trials failed"):
        study = search(objective, 4, finite=True, direction=direction)
    assert [trial.state for trial in study.trials] == [COMPLETE] * 4
    failed = {trial.params["a"] for trial in study.trials if fault(trial)}
    assert failed == ({1, 3} if objective is half_nan else {1})
    assert study.best_params["a"] not in failed
    best = promote(study, lambda trial: 1.0 * trial.suggest_int("a", 0, 9), top=4)
    left = [each.params["a"] for each in best if math.isfinite(each.small)]
    assert left == sorted(left, reverse=direction == "maximize")


def test_a_search_of_which_all_trials_fail_says_so():
    with pytest.warns(UserWarning, match="All of 3 trials failed.*returned nan"):
        study = search(lambda trial: math.nan * trial.suggest_float("x", 0, 1), 3)
    assert len(study.trials) == 3
    with pytest.warns(UserWarning, match="All of 2 trials failed.*NoneType, not a number"):
        search(lambda trial: None, 2)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinite_values_win_nowhere(value):
    study = search(numbers, 5, finite=True)
    worth = {a: value if a == study.best_params["a"] else a for a in range(10)}
    best = promote(study, lambda trial: worth[trial.suggest_int("a", 0, 9)], top=5)
    assert math.isnan(best[-1].full)
    assert best[-1].params == study.best_params
    assert "returned" in best[-1].fault
    assert [each.full for each in best[:-1]] == sorted(
        (each.full for each in best[:-1]), reverse=True
    )


@pytest.mark.parametrize(
    "worth", [[0.5, math.nan, 0.9, math.nan, 0.1], [math.nan, 0.5, 0.9], [math.nan, 0.9]]
)
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_promotion_obeys_the_direction_and_puts_nan_last(worth, direction):
    study = search(numbers, 6, finite=True, direction=direction)
    values = iter(worth)
    best = promote(study, lambda trial: next(values), len(worth))
    numbers_left = sorted(v for v in worth if v == v)
    wanted = numbers_left[::-1] if direction == "maximize" else numbers_left
    assert [each.full for each in best][: len(wanted)] == wanted
    assert all(math.isnan(each.full) for each in best[len(wanted) :])
    smalls = sorted(trial.value for trial in study.trials)
    shortlist = smalls[::-1] if direction == "maximize" else smalls
    assert sorted(each.small for each in best) == sorted(shortlist[: len(worth)])


def test_a_promotion_that_raises_costs_only_itself():
    study = search(numbers, 4, finite=True)
    top = study.best_params["a"]

    def fails(trial):
        if trial.suggest_int("a", 0, 9) == top:
            raise ValueError("no memory")
        return 1.0

    best = promote(study, fails, top=4)
    assert best[-1].fault == "ValueError: no memory"
    assert [each.full for each in best[:-1]] == [1.0] * 3


def test_several_objectives_are_refused():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda trial: (trial.suggest_int("a", 0, 3), 1.0), 3)
    with pytest.raises(InputError, match="2 objectives"):
        promote(study, numbers)
    with pytest.raises(InputError, match="2 objectives"):
        search(numbers, 3, study=study)


def test_fewer_trials_than_asked_for_are_told():
    with pytest.warns(UserWarning, match="10 trials were finished, but 30 were asked for"):
        search(numbers, 30, finite=True)
    with pytest.warns(UserWarning, match="0 trials were finished, but 3 were asked for"):
        search(numbers, 3, timeout=0.0)
    with pytest.raises(InputError, match="no end of values"):
        search(lambda trial: trial.suggest_float("x", 0, 1), 3, finite=True)


def test_a_users_own_study_is_searched_in_its_direction_and_with_its_sampler():
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({"a": 7})
    same = search(numbers, 5, study=study)
    assert same is study
    assert study.trials[0].params == {"a": 7}
    assert len(study.trials) == 5
    assert isinstance(study.sampler, optuna.samplers.RandomSampler)
    assert len(search(numbers, 8, study=study).trials) == 8
    with pytest.raises(InputError, match="`direction` is 'maximize'"):
        search(numbers, 8, study=study, direction="maximize")
    with pytest.raises(InputError, match="leave the storage away"):
        search(numbers, 8, study=study, storage="sqlite:///x.db")


def test_pruned_trials_are_finished():
    def pruned(trial):
        trial.report(1.0, 0)
        if trial.suggest_int("a", 0, 3) > 1:
            raise optuna.TrialPruned
        return 0.0

    study = search(pruned, 4, finite=True)
    states = [trial.state.name for trial in study.trials]
    assert sorted(states) == ["COMPLETE"] * 2 + ["PRUNED"] * 2


@pytest.mark.parametrize(
    ("given", "law"),
    [
        ({"trials": 1.5}, "`trials` must be a whole number"),
        ({"trials": "3"}, "`trials` must be a whole number"),
        ({"workers": None}, "`workers` must be a whole number"),
        ({"n_jobs": 0}, "`n_jobs` must be at least 1"),
        ({"seed": "a"}, "`seed` must be a whole number"),
        ({"timeout": math.nan}, "`timeout` must be a number of seconds"),
        ({"timeout": "5"}, "`timeout` must be a number of seconds"),
        ({"direction": "max"}, "`direction` must be"),
        ({"sampler": "tpe"}, "`sampler` must be one of"),
        ({"sampler": optuna.samplers.TPESampler}, "call its class"),
        ({"pruner": "median"}, "`pruner` must be one of"),
    ],
)
def test_arguments_of_another_kind_are_named(given, law):
    with pytest.raises(InputError, match=law):
        search(numbers, **{"trials": 2, **given})


def test_numbers_of_numpy_are_numbers(tmp_path):
    study = search(numbers, np.int64(2), seed=np.int64(1), journal=tmp_path / "run.log")
    same = search(numbers, 2, seed=1, journal=tmp_path / "run.log")
    assert [trial.params for trial in study.trials] == [trial.params for trial in same.trials]
    assert len(promote(study, lambda trial: 1.0, np.int64(1))) == 1
    with pytest.raises(InputError, match="`top` must be a whole number"):
        promote(study, lambda trial: 1.0, 1.5)


def test_a_grid_that_is_spent_ends_the_search():
    grid = optuna.samplers.GridSampler({"a": [1, 5]}, seed=0)
    with pytest.warns(UserWarning, match="2 trials were finished, but 6"):
        study = search(numbers, 6, sampler=grid)
    assert sorted(trial.params["a"] for trial in study.trials) == [1, 5]


def test_an_objective_may_stop_the_study():
    def stopping(trial):
        if trial.number == 1:
            trial.study.stop()
        return numbers(trial)

    study = optuna.create_study()
    with pytest.warns(UserWarning, match="the study was stopped"):
        search(stopping, 6, study=study)
    assert len(study.trials) == 2
    study.optimize(numbers, n_trials=1)  # what the search set for it is taken back
    search(numbers, 6, study=study)
    assert len(study.trials) == 6
