"""An Optuna study that resumes, and the promotion of its best trials to the original."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graphcond.data import check_writable
from graphcond.errors import FileFormatError, InputError, require
from graphcond.seeding import derive

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import BaseTrial

Objective = Callable[["BaseTrial"], float]
"""What a trial is worth; higher is better. A user's own stays as it is, only its graph changes:
``partial(objective, data=small)``.
"""


class Promotion(NamedTuple):
    """A trial that was tried again on the original.

    Attributes:
        params: Its parameters by name.
        small: Its value on the graph that was searched.
        full: Its value on the original.
    """

    params: dict[str, Any]
    small: float
    full: float


def search(
    objective: Objective,
    trials: int,
    *,
    seed: int = 0,
    finite: bool = False,
    sampler: BaseSampler | None = None,
    journal: Path | None = None,
    name: str = "search",
) -> Study:
    """Maximise an objective.

    Args:
        objective: Called with a trial.
        trials: Finished trials to end with, at least 1; a finite space ends when everything was
            tried.
        seed: Seed of the sampler.
        finite: Whether the space is finite; then no trial is repeated.
        sampler: Optuna's sampler; None takes ``BruteForceSampler`` for a finite space and
            ``TPESampler`` otherwise.
        journal: File to resume from and to write to, one process at a time. Trials that a killed
            run left unfinished are marked as failed and tried again.
        name: The study's name in the journal, which may hold several.

    Returns:
        The study, with at least one finished trial.

    Raises:
        InputError: If ``trials`` is not positive or Optuna is not installed.
        StorageError: If the journal cannot be written.
        FileFormatError: If the journal is damaged.
    """
    require(trials >= 1, "`trials` >= 1", "It is the number of candidates.", trials=trials)
    optuna = _optuna()
    storage = None
    if journal is not None:
        check_writable(journal)
    try:
        if journal is not None:
            storage = optuna.storages.JournalStorage(
                optuna.storages.journal.JournalFileBackend(str(journal))
            )
        study: Study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
    except json.JSONDecodeError as error:
        law, cure = "a journal of Optuna", "Delete the file or give another path."
        raise FileFormatError(
            f"{law} must hold, but got (path={str(journal)!r}, reason={str(error)!r}). {cure}"
        ) from error
    states = optuna.trial.TrialState
    for left in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        study.tell(left.number, state=states.FAIL)
        study.enqueue_trial(left.params)
    stream = derive(seed, "search", len(study.trials)) % 2**32
    kind = optuna.samplers.BruteForceSampler if finite else optuna.samplers.TPESampler
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", optuna.exceptions.ExperimentalWarning
        )  # BruteForceSampler: "may change"
        study.sampler = sampler or kind(seed=stream)
    missing = trials - len(study.get_trials(deepcopy=False, states=(states.COMPLETE,)))
    if missing > 0:
        study.optimize(objective, n_trials=missing)
    return study


def promote(study: Study, objective: Objective, top: int = 5) -> list[Promotion]:
    """Try the best trials of a study again with another objective, usually the same one on the
    original graph.

    Args:
        study: A study with finished trials.
        objective: What decides.
        top: How many different trials are tried again, at least 1.

    Returns:
        At most ``top`` promotions, the best by the new objective first.
    """
    require(
        top >= 1,
        "`top` >= 1",
        "It is the number of candidates that are trained on the original.",
        top=top,
    )
    optuna, best = _optuna(), dict[str, tuple[dict[str, Any], float]]()
    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    values = [(trial.params, trial.value) for trial in done if trial.value is not None]
    for params, value in sorted(values, key=lambda each: -each[1]):
        best.setdefault(repr(sorted(params.items())), (params, value))
    shortlist = list(best.values())[:top]
    found = [Promotion(params, value, objective(fixed(params))) for params, value in shortlist]
    return sorted(found, key=lambda each: -each.full)


def fixed(params: dict[str, Any]) -> BaseTrial:
    """Return a trial with given parameters, from which an objective's ``choice`` reads them.

    Args:
        params: Values by name, as in :attr:`Promotion.params`.
    """
    trial: BaseTrial = _optuna().trial.FixedTrial(params)
    return trial


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "optuna must be installed to search. Run: pip install 'graphcond[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
