"""A search that ends with the trials it was asked for, however often it was interrupted."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from graphcond.errors import InputError, require, require_at_least

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import BaseTrial


class TrialObjective(Protocol):
    """What a trial is worth: any function of a trial.

    A user's own stays as it is, only its graph changes: ``partial(objective, data=small)``.
    """

    def __call__(self, trial: BaseTrial, /) -> float:
        """Try a candidate.

        Args:
            trial: Optuna's trial, which suggests the parameters.

        Returns:
            The value that the study makes as large, or as small, as it can.
        """


def search(
    objective: TrialObjective,
    trials: int,
    *,
    seed: int = 0,
    finite: bool = False,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    journal: Path | None = None,
    storage: str | Path | BaseStorage | None = None,
    name: str = "search",
    study: Study | None = None,
    direction: Literal["maximize", "minimize"] | None = None,
    workers: int = 1,
    n_jobs: int = 1,
    timeout: float | None = None,
    settings: Mapping[str, str | int | float | None] | None = None,
) -> Study:
    """Search for the trial that an objective finds best.

    The search ends with exactly ``trials`` finished trials, shared by all workers on one storage.
    A trial whose worker was interrupted or killed is tried again, under its number and with its
    parameters, by the workers that are left or by the next start of the same search. One worker
    draws every trial from (seed, number): a search that was killed ends like one that was not.

    An objective that raises, or returns NaN or an infinite number, makes a finished trial that is
    worse than all others; :func:`fault` says why. Trials that it prunes are finished, too.

    Args:
        objective: Called with a trial.
        trials: Finished trials to end with, at least 1; a finite space ends when everything was
            tried.
        seed: Seed of the sampler.
        finite: Whether the space is finite; then no candidate is tried twice.
        sampler: Optuna's sampler; None draws distinct candidates of a finite space, and takes
            ``TPESampler`` otherwise. A sampler with a random state of its own begins it anew at
            every start; :class:`graphcond.search.samplers.PerTrial` makes one that does not.
        pruner: Optuna's pruner, for objectives that report how far they are; None prunes nothing.
        journal: A journal's file, the same as ``storage`` with a path.
        storage: Where trials are kept, to resume from and to share: a path or
            ``"journal:run.log"``, ``"sqlite:///run.db"`` or another data base's URL, or Optuna's
            storage. None keeps them in memory.
        name: The study's name in the storage, which may hold several.
        study: A study of one's own, instead of storage, name and direction. Its sampler is used
            unless ``sampler`` is given.
        direction: ``"maximize"``, the default, or ``"minimize"``.
        workers: Processes, at least 1; more than one need a storage, and an objective at the top of
            a module. Call :func:`search` under ``if __name__ == "__main__":`` then.
        n_jobs: Threads, at least 1, for objectives that wait or release Python's lock.
        timeout: After so many seconds no trial is started.
        settings: What the search is of, beside seed and finite; a search of anything else in the
            same place and under the same name is refused.

    Returns:
        The study. A warning says so if trials failed, or if fewer were finished than asked for.

    Raises:
        InputError: If an argument is out of its range, the study has several objectives, another
            search is in the place, or Optuna is not installed.
        StorageError: If the storage cannot be written.
        FileFormatError: If the journal is damaged.
    """
    _check_counts(trials, workers, n_jobs)
    optuna = require_optuna()
    _check_choices(direction, timeout)
    for kind, given in (("Sampler", sampler), ("Pruner", pruner)):
        base = getattr(getattr(optuna, f"{kind.lower()}s"), f"Base{kind}")
        require(
            given is None or isinstance(given, base),
            f"`{kind.lower()}` must be one of optuna.{kind.lower()}s, made, but it is {given!r}."
            " Leave it away, or call its class.",
        )
    seed = whole("seed", seed)
    # They need Optuna, which is an extra.
    from graphcond.search.ledger import Ledger
    from graphcond.search.loop import work_in_threads
    from graphcond.search.processes import Job
    from graphcond.search.processes import workers as running
    from graphcond.search.storage import (
        check_direction,
        check_single,
        open_storage,
        open_study,
        presence_on,
    )

    own = study is None
    if study is None:
        require(
            journal is None or storage is None,
            "Both `journal` and `storage` are given. Give one of them.",
        )
        kept = open_storage(storage if journal is None else Path(journal))
        known = {"seed": seed, "finite": finite} | dict(settings or {})
        study = open_study(kept, name, direction, known)
    else:
        require(
            journal is None and storage is None,
            "Both `study` and a storage are given. A study has its own: leave the storage away.",
        )
        check_single(study)
        check_direction(study, direction)
    if sampler is not None or own or finite:
        study.sampler = sampler or _default_sampler(finite, seed)
    if pruner is not None or own:
        study.pruner = pruner or optuna.pruners.NopPruner()
    seconds = math.inf if timeout is None else timeout
    deadline = time.monotonic() + seconds
    distinct = finite and sampler is None
    presence = presence_on(study, study._storage)
    ledger = Ledger(study, presence, distinct)
    study._stop_flag = False
    try:
        ledger.free(unowned=True)
        job = Job(study, objective, trials, distinct, seconds)
        with running(workers - 1 if ledger.finished() < trials else 0, job):
            work_in_threads(ledger, objective, trials, deadline, n_jobs)
    finally:
        presence.leave()
    _tell(study, ledger.finished(), trials)
    return study


def fault(trial: Any) -> str | None:
    """Return why a finished trial is worth nothing, or None.

    Args:
        trial: A trial of a study, frozen.

    Returns:
        What the objective raised or returned.
    """
    from graphcond.search.ledger import FAULT

    found: str | None = trial.system_attrs.get(FAULT)
    return found


def fixed(params: dict[str, Any]) -> BaseTrial:
    """Return a trial with given parameters, from which an objective's ``choice`` reads them.

    Args:
        params: Values by name, as in :attr:`graphcond.search.Promotion.params`.
    """
    trial: BaseTrial = require_optuna().trial.FixedTrial(params)
    return trial


def require_optuna() -> Any:
    """Return Optuna, told to be quiet, or raise a sentence."""
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "A search needs optuna, which is not installed. Run `pip install optuna`."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _check_counts(trials: int, workers: int, n_jobs: int) -> None:
    require_at_least(1, "It is the number of candidates.", trials=whole("trials", trials))
    require_at_least(1, "It is the number of processes.", workers=whole("workers", workers))
    require_at_least(1, "It is the number of threads.", n_jobs=whole("n_jobs", n_jobs))


def whole(name: str, value: object) -> int:
    """Return a whole number, Python's or NumPy's, as Python's.

    Args:
        name: What it is called, for messages.
        value: What was given.

    Raises:
        InputError: If it is something else.
    """
    require(
        isinstance(value, Integral) and not isinstance(value, bool),
        f"`{name}` must be a whole number, but it is {value!r}. Pass a number such as 3.",
    )
    return int(value)  # type: ignore[call-overload, no-any-return]


def _check_choices(direction: object, timeout: object) -> None:
    require(
        direction in (None, "maximize", "minimize"),
        f"`direction` must be 'maximize' or 'minimize', but it is {direction!r}. It says which"
        " values are better.",
    )
    require(
        timeout is None or (isinstance(timeout, Real) and float(timeout) >= 0),
        f"`timeout` must be a number of seconds, but it is {timeout!r}. Leave it away to go on to"
        " the end.",
    )


def _default_sampler(finite: bool, seed: int) -> BaseSampler:
    from graphcond.search.samplers import Exhaustive, PerTrial, make_tpe

    return Exhaustive(seed) if finite else PerTrial(make_tpe, seed)


def _tell(study: Study, finished: int, asked: int) -> None:
    """Warn of missing and failed trials."""
    if finished < asked:
        warnings.warn(
            f"{finished} trials were finished, but {asked} were asked for:"
            " the space has no more candidates, the time was up, or the study was stopped.",
            stacklevel=3,
        )
    reasons = [reason for reason in map(fault, study.get_trials(deepcopy=False)) if reason]
    if reasons:
        all_of_them = len(reasons) == finished
        number = "All"
        if not all_of_them:
            number = str(len(reasons))
        warnings.warn(
            f"{number} of {finished} trials failed and count as worse than any number."
            f" The first: {reasons[0]}.",
            stacklevel=3,
        )
