"""Several processes that work on one search."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from optuna import Study
from optuna.storages import InMemoryStorage

from graphcond.errors import InputError, require
from graphcond.search.ledger import Ledger
from graphcond.search.loop import work
from graphcond.search.storage import presence_on

if TYPE_CHECKING:
    from graphcond.search.study import TrialObjective

_PRELOADED = ("graphcond.search.processes", "sqlalchemy.orm", "alembic.command")
"""What workers import; the last two are what Optuna needs for data bases, and may be missing."""

_GRACE = 20.0
"""Seconds that interrupted workers get to give their trials back."""


@dataclass(frozen=True)
class Job:
    """What a worker process is to do.

    Args:
        study: The study, on a storage that processes share.
        objective: What a trial is worth.
        budget: Finished trials to end with, by all workers.
        distinct: Whether no two trials may have the same parameters.
        seconds: After so many seconds no trial is started.
    """

    study: Study
    objective: TrialObjective
    budget: int
    distinct: bool
    seconds: float


@contextmanager
def workers(count: int, job: Job) -> Iterator[None]:
    """Run worker processes beside this one.

    A worker that dies loses nothing: its trial is tried again by those that are left.

    Args:
        count: How many, at least 0.
        job: What they do.

    Raises:
        InputError: If the objective or the storage cannot go to another process.
    """
    running: list[BaseProcess] = []
    if count > 0:
        packed = _pack(job)
        context = multiprocessing.get_context(_method())
        for _ in range(count):
            process = context.Process(target=_run, args=(packed,))  # type: ignore[attr-defined]
            process.start()
            running.append(process)
    try:
        yield
        for process in running:
            process.join()
    except BaseException:
        _interrupt(running)
        raise


def _method() -> str:
    """Return how processes are started: never by a bare fork, after which torch's threads hang."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    # The server imports the library once for all workers.
    multiprocessing.set_forkserver_preload(list(_PRELOADED))
    return "forkserver"


def _pack(job: Job) -> bytes:
    shared = not isinstance(job.study._storage, InMemoryStorage)
    require(
        shared,
        "Several workers need a storage that processes share, but the study is in memory."
        " Give `storage`, for example 'journal:run.log'.",
    )
    try:
        return pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"The objective cannot be sent to another process: {error}."
            " Define it at the top of a module, or take one worker."
        ) from error


def _run(packed: bytes) -> None:
    """Work until the budget is spent or the process that started this one is gone."""
    signal.signal(signal.SIGINT, _interrupted_once)
    parent = multiprocessing.parent_process()
    job: Job = pickle.loads(packed)
    presence = presence_on(job.study, job.study._storage)
    ledger = Ledger(job.study, presence, job.distinct)
    with suppress(KeyboardInterrupt):
        try:
            deadline = time.monotonic() + job.seconds
            work(
                ledger,
                job.objective,
                job.budget,
                deadline,
                lambda: parent is not None and not parent.is_alive(),
            )
        finally:
            presence.leave()


def _interrupted_once(number: int, frame: Any) -> None:
    """Raise KeyboardInterrupt; a second signal must not break off the giving back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _interrupt(running: list[BaseProcess]) -> None:
    """End workers, which give their trials back."""
    for process in running:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    end = time.monotonic() + _GRACE
    for process in running:
        process.join(max(end - time.monotonic(), 0.1))
        process.kill()
