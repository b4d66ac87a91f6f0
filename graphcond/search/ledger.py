"""The trials of a study, shared by its workers: who runs which, and how many are left to run.

A trial's number is its place in the budget. One that was not finished, because its worker was
interrupted or killed, waits for the next worker with its number and its parameters, so that what
comes after it is as if nothing had happened. Every step is one operation of the storage; where two
workers take the same step, one of them finishes the trial and the other one's work is thrown away.
"""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from graphcond.search.presence import Presence

if TYPE_CHECKING:
    from optuna import Study

OWNER = "graphcond worker"
"""Attribute of a trial: who runs it."""

FAULT = "graphcond fault"
"""Attribute of a trial that is worth nothing: why."""

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING)
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Ledger:
    """What one worker sees and does of a study.

    Args:
        study: The study.
        presence: The worker's sign of life.
        distinct: Whether no two trials may have the same parameters.
    """

    def __init__(self, study: Study, presence: Presence, distinct: bool = False) -> None:
        self.study = study
        self.presence = presence
        self.distinct = distinct
        # Optuna's storages are public, but a study does not say which one is its own.
        self._storage = study._storage
        self._id = study._study_id

    def finished(self) -> int:
        """Return how many trials were finished."""
        return len(self.trials(_FINISHED))

    def unfinished(self, budget: int) -> bool:
        """Return whether a trial within the budget waits or is run by another worker.

        Args:
            budget: Trials to end with.
        """
        return any(trial.state not in _FINISHED for trial in self.trials()[:budget])

    def trials(self, states: tuple[TrialState, ...] = _COUNTED) -> list[FrozenTrial]:
        """Return the trials in given states, by number; failed ones do not count."""
        found: list[FrozenTrial] = self._storage.get_all_trials(
            self._id, deepcopy=False, states=states
        )
        return sorted(found, key=lambda trial: trial.number)

    def free(self, unowned: bool = False) -> None:
        """Let the trials of dead workers wait for another one.

        Args:
            unowned: Whether trials that no worker of this library runs are freed, too.
        """
        for trial in self.trials((TrialState.RUNNING,)):
            owner = trial.system_attrs.get(OWNER)
            dead = unowned if owner is None else not self.presence.alive(owner)
            if dead:
                self._set_state(trial.number, TrialState.WAITING)

    def take(self, budget: int) -> Trial | None:
        """Return a trial to run, or None where the budget leaves none.

        Args:
            budget: Trials to end with.
        """
        counted = self.trials()
        for trial in counted[:budget]:
            if trial.state == TrialState.WAITING and self._claim(trial.number):
                return Trial(self.study, self._trial_id(trial.number))
        return self._create(budget) if len(counted) < budget else None

    def release(self, trial: Trial) -> None:
        """Let a trial wait for another worker, with the parameters it has.

        Args:
            trial: A trial that this worker runs.
        """
        if self._mine(trial):
            self._set_state(trial.number, TrialState.WAITING)

    def finish(self, trial: Trial, value: float | None, fault: str | None = None) -> None:
        """Write down what a trial is worth.

        Args:
            trial: A trial that this worker runs.
            value: What it is worth; None: it was pruned.
            fault: Why it is worth nothing; then it counts as the worst of all.
        """
        now = self._mine(trial)
        if now is None:
            return
        if self.distinct and self._repeats(trial):
            self.drop(trial)
            return
        if fault is not None:
            value = worst(self.study)
        if fault != now.system_attrs.get(FAULT):
            self._storage.set_trial_system_attr(self._trial_id(trial.number), FAULT, fault)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        try:
            self.study.tell(trial, value, state=state)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            if self._mine(trial):
                raise

    def drop(self, trial: Trial) -> None:
        """Take a trial out of the count.

        Args:
            trial: A trial that this worker runs.
        """
        self._set_state(trial.number, TrialState.FAIL)

    def _create(self, budget: int) -> Trial | None:
        """Return a new trial, or None where other workers were faster."""
        template = FrozenTrial(
            number=-1,  # the storage gives the number
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.datetime.now(),
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={OWNER: self.presence.token},
            intermediate_values={},
        )
        trial = Trial(self.study, self._storage.create_new_trial(self._id, template))
        # Numbers are given out one by one, so that exactly the first `budget` are run.
        if trial.number in [each.number for each in self.trials()[:budget]]:
            return trial
        self.drop(trial)
        return None

    def _claim(self, number: int) -> bool:
        """Return whether this worker got a waiting trial."""
        if not self._set_state(number, TrialState.RUNNING):
            return False
        self._storage.set_trial_system_attr(self._trial_id(number), OWNER, self.presence.token)
        return True

    def _mine(self, trial: Trial) -> FrozenTrial | None:
        """Return how a trial stands in the storage, or None if this worker no longer runs it."""
        now: FrozenTrial = self._storage.get_trial(self._trial_id(trial.number))
        owner = now.system_attrs.get(OWNER)
        running = now.state == TrialState.RUNNING
        return now if running and owner == self.presence.token else None

    def _repeats(self, trial: Trial) -> bool:
        """Return whether an earlier trial has the same parameters."""
        params = trial.params
        others = [other for other in self.trials() if other.number != trial.number]
        return any(
            other.params == params and (other.number < trial.number or other.state in _FINISHED)
            for other in others
        )

    def _set_state(self, number: int, state: TrialState) -> bool:
        """Return whether a trial is now in a state; another worker may have finished it."""
        try:
            done: bool = self._storage.set_trial_state_values(self._trial_id(number), state)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        return done

    def _trial_id(self, number: int) -> int:
        found: int = self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
        return found


def worst(study: Study) -> float:
    """Return what is worse than any number in a study."""
    return math.inf if study.direction == StudyDirection.MINIMIZE else -math.inf
