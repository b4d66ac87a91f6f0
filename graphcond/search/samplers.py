"""Samplers of Optuna whose suggestions do not depend on what happened to their process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from graphcond.errors import InputError
from graphcond.seeding import derive

if TYPE_CHECKING:
    from optuna import Study

_SEEDS = 2**32
"""NumPy's generators take seeds below this."""


class ExhaustedError(Exception):
    """Every candidate of a finite space was taken."""


class EndlessError(InputError):
    """A parameter of a space that was said to be finite has no end of values."""


class PerTrial(BaseSampler):
    """Another sampler, made anew for every draw, with a seed from (seed, trial, parameter).

    A sampler's own generator forgets, when its process ends, how far it had come. Here a second
    start of a search draws what the first would have drawn.

    Args:
        make: Makes a sampler from its seed, for example ``make_tpe``.
        seed: Seed of all trials.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int = 0) -> None:
        self._make = make
        self._seed = seed

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that are drawn together."""
        found: dict[str, BaseDistribution] = self._fresh(trial).infer_relative_search_space(
            study, trial
        )
        return found

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of the parameters that are drawn together."""
        found: dict[str, Any] = self._fresh(trial).sample_relative(study, trial, search_space)
        return found

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of one parameter."""
        sampler = self._fresh(trial, param_name)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Tell the sampler that a trial has ended."""
        self._fresh(trial).after_trial(study, trial, state, values)

    def _fresh(self, trial: FrozenTrial, name: str = "") -> BaseSampler:
        return self._make(derive(self._seed, "search", trial.number, name) % _SEEDS)


def make_tpe(seed: int) -> BaseSampler:
    """Return Optuna's ``TPESampler``.

    Args:
        seed: Its seed.
    """
    sampler: BaseSampler = TPESampler(seed=seed)
    return sampler


class Exhaustive(BaseSampler):
    """Every candidate of a finite space once, in an order drawn from the seed.

    As Optuna's ``BruteForceSampler``, but a failed trial is not taken for visited, and a trial that
    was interrupted between two of its parameters goes on.

    The space is what the objective asks for. The parameters of other trials show it as a tree: at
    every node the choices that other trials have used up are left out.

    Args:
        seed: Seed of the order.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: parameters are drawn one by one."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing: parameters are drawn one by one."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a choice below which a candidate is left.

        Raises:
            ExhaustedError: If none is left.
            InputError: If the parameter has no end of values.
        """
        others = [other for other in _counted(study) if other.number != trial.number]
        here = _below(others, trial.params)
        known = _leaves(others)
        left = []
        for choice in _choices(param_name, param_distribution):
            fixed = trial.params | {param_name: choice}
            if not _used(_below(here, fixed), fixed, known):
                left.append(choice)
        if not left:
            raise ExhaustedError
        stream = np.random.default_rng(derive(self._seed, "search", trial.number, param_name))
        return left[int(stream.integers(len(left)))]

    def exhausted(self, trials: list[FrozenTrial]) -> bool:
        """Return whether trials have used up every candidate.

        Args:
            trials: Trials that count.
        """
        return _used(trials, {}, _leaves(trials))


Leaves = set[frozenset[str]]
"""Sets of names that a whole candidate has."""


def _counted(study: Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def _leaves(trials: list[FrozenTrial]) -> Leaves:
    return {frozenset(trial.params) for trial in trials if trial.state.is_finished()}


def _below(trials: list[FrozenTrial], fixed: dict[str, Any]) -> list[FrozenTrial]:
    """Return the trials that have the fixed parameters."""
    return [
        trial
        for trial in trials
        if all(name in trial.params and trial.params[name] == fixed[name] for name in fixed)
    ]


def _used(below: list[FrozenTrial], fixed: dict[str, Any], known: Leaves) -> bool:
    """Return whether trials have used up every candidate with the fixed parameters.

    Args:
        below: The trials that have the fixed parameters.
        fixed: The fixed parameters.
        known: Sets of names that a whole candidate has. A trial that has such names, and is still
            running, is taken for a whole candidate.
    """
    further = [trial for trial in below if len(trial.params) > len(fixed)]
    if not further:
        return any(trial.state.is_finished() or frozenset(fixed) in known for trial in below)
    # The next parameter depends on the fixed ones alone, so all of these trials have it.
    shared = set.intersection(*(set(trial.params) for trial in further)) - set(fixed)
    name = min(shared)
    for choice in _choices(name, further[0].distributions[name]):
        deeper = fixed | {name: choice}
        if not _used(_below(further, deeper), deeper, known):
            return False
    return True


def _choices(name: str, distribution: BaseDistribution) -> list[Any]:
    """Return every value of a parameter."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        steps = round((distribution.high - distribution.low) / distribution.step)
        return [distribution.low + step * distribution.step for step in range(steps + 1)]
    raise EndlessError(
        f"The search is finite, but the parameter {name!r} has no end of values."
        " Give it a step, or leave `finite` away."
    )
