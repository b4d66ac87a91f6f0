"""What one worker of a search does: take a trial, try it, write down what it is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import Trial

from graphcond.errors import FileFormatError, StorageError
from graphcond.search.ledger import Ledger
from graphcond.search.samplers import EndlessError, ExhaustedError, Exhaustive

if TYPE_CHECKING:
    from graphcond.search.study import TrialObjective

_PAUSE = 0.05
"""Seconds between two looks at a study whose last trials other workers run."""


_OF_STORAGE = (FileFormatError, StorageError, optuna.exceptions.StorageInternalError)


def work(
    ledger: Ledger,
    objective: TrialObjective,
    budget: int,
    deadline: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run trials until the budget is spent, by this worker and others.

    Args:
        ledger: The study's trials.
        objective: What a trial is worth.
        budget: Finished trials to end with.
        deadline: Time of :func:`time.monotonic` after which no trial is started.
        stop: Whether to end early, asked before every trial.
    """
    study = ledger.study
    # As in `study.optimize`, objectives and samplers may stop the study.
    state = study._thread_local
    before = state.in_optimize_loop
    state.in_optimize_loop = True
    try:
        while time.monotonic() < deadline and not stop() and not study._stop_flag:
            ledger.free()
            places = min(budget, len(ledger.trials())) if _exhausted(ledger) else budget
            trial = ledger.take(places)
            if trial is not None:
                _try(ledger, trial, objective)
            elif ledger.unfinished(places):
                time.sleep(_PAUSE)
            else:
                return
    finally:
        state.in_optimize_loop = before


def work_in_threads(
    ledger: Ledger, objective: TrialObjective, budget: int, deadline: float, threads: int
) -> None:
    """Run :func:`work` in several threads of this process.

    Args:
        ledger: The study's trials.
        objective: What a trial is worth; called by several threads at once.
        budget: Finished trials to end with.
        deadline: Time after which no trial is started.
        threads: How many; one is this thread, so that Ctrl-C reaches the objective.
    """
    if threads == 1:
        work(ledger, objective, budget, deadline)
        return
    stopped: list[bool] = []
    with ThreadPoolExecutor(threads) as pool:
        try:
            jobs = [
                pool.submit(work, ledger, objective, budget, deadline, lambda: bool(stopped))
                for _ in range(threads)
            ]
            for job in jobs:
                job.result()
        finally:
            stopped.append(True)


def _exhausted(ledger: Ledger) -> bool:
    """Return whether every candidate of a finite space was taken."""
    sampler = ledger.study.sampler
    return isinstance(sampler, Exhaustive) and sampler.exhausted(ledger.trials())


def _try(ledger: Ledger, trial: Trial, objective: TrialObjective) -> None:
    """Try one trial."""
    try:
        value, fault = number(objective(trial))
    except optuna.TrialPruned:
        ledger.finish(trial, None)
    except ExhaustedError:  # another worker was faster
        ledger.drop(trial)
    except EndlessError:
        ledger.drop(trial)
        raise
    except _OF_STORAGE:  # no fault of the candidate
        raise
    except Exception as error:  # an objective is a user's: whatever it raises is written down
        ledger.finish(trial, None, f"{type(error).__name__}: {error}")
    except BaseException:  # interrupted: another worker, or the next start, tries it again
        ledger.release(trial)
        raise
    else:
        ledger.finish(trial, value, fault)


def number(worth: Any) -> tuple[float | None, str | None]:
    """Return what an objective returned as a number, or why it is none.

    Args:
        worth: Whatever it returned.

    Returns:
        ``(number, None)``, or ``(None, reason)`` for what is not finite or no number.
    """
    try:
        value = float(worth)
    except (TypeError, ValueError):
        return None, f"the objective returned {type(worth).__name__}, not a number"
    if not math.isfinite(value):
        return None, f"the objective returned {value}"
    return value, None
