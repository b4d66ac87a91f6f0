"""Where a search keeps its trials: a journal, a data base, or memory; and its settings there."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.study import StudyDirection

from graphcond.data import check_writable
from graphcond.errors import FileFormatError, InputError, StorageError, require
from graphcond.search.journal import JournalFile
from graphcond.search.presence import LOCKS, Heartbeat, InProcess, LockedFile, Presence

if TYPE_CHECKING:
    from optuna import Study

SETTINGS = "graphcond search"
"""Attribute of a study: what it is a search of."""

_JOURNAL = "journal:"
_SQLITE = "sqlite:///"
_WAIT = 60
"""Seconds that SQLite waits for another process to write, instead of 5."""
_TRIES = 20
"""Times that a data base is opened in which other processes are making tables."""
_PAUSE = 0.5
"""Seconds between two such tries."""


def open_storage(place: str | Path | BaseStorage | None) -> BaseStorage | None:
    """Return Optuna's storage for a place.

    Args:
        place: A path or ``"journal:run.log"``: a journal; ``"sqlite:///run.db"`` or another URL of
            SQLAlchemy: a data base; a storage is returned as it is; None: memory.

    Returns:
        The storage, or None for memory.

    Raises:
        StorageError: If it cannot be opened or written.
        FileFormatError: If it is of another program.
    """
    if place is None or isinstance(place, BaseStorage):
        return place
    text = str(place)
    if isinstance(place, Path) or text.startswith(_JOURNAL):
        return _journal(Path(text.removeprefix(_JOURNAL)))
    require(
        "://" in text,
        f"`storage` must be journal:FILE, sqlite:///FILE or another URL, but it is {text!r}."
        " journal:run.log serves one machine.",
    )
    return _database(text)


def presence_on(study: Study, storage: BaseStorage | None) -> Presence:
    """Return the sign of life of a worker on a study.

    Args:
        study: The study.
        storage: Its storage; None: memory.
    """
    if storage is None or isinstance(storage, InMemoryStorage):
        return InProcess()
    file = _file(storage)
    return Heartbeat(study) if file is None or not LOCKS else LockedFile(file)


def open_study(
    storage: BaseStorage | None,
    name: str,
    direction: Literal["maximize", "minimize"] | None,
    settings: Mapping[str, Any],
) -> Study:
    """Return a new study, or the one that is there, if it is of the same search.

    Args:
        storage: Where; None: memory.
        name: The study's name.
        direction: ``"maximize"`` or ``"minimize"``; None takes what is there, or maximises.
        settings: What the search is of, ready for JSON.

    Returns:
        The study.

    Raises:
        FileFormatError: If the journal is damaged.
        InputError: If the study is of another search.
    """
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, direction=direction or "maximize", load_if_exists=True
        )
        check_single(study)
        found = study.user_attrs.get(SETTINGS)
        if found is None:
            study.set_user_attr(SETTINGS, json.loads(json.dumps(dict(settings))))
            found = study.user_attrs[SETTINGS]
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise _damaged(None if storage is None else _file(storage), error) from error
    _check_same(found, json.loads(json.dumps(dict(settings))))
    check_direction(study, direction)
    return study


def check_single(study: Study) -> None:
    """Raise unless a study has one objective."""
    count = len(study.directions)
    require(
        count == 1,
        f"The study has {count} objectives, but a search ranks by one."
        " Return one number from the objective, for example a weighted sum.",
    )


def check_direction(study: Study, direction: str | None) -> None:
    """Raise if a study goes in another direction than asked for."""
    minimising = study.direction == StudyDirection.MINIMIZE
    found = "minimize" if minimising else "maximize"
    require(
        direction in (None, found),
        f"`direction` is {direction!r}, but the study that is there has {found!r}."
        " Leave `direction` away, or give the search another name.",
    )


def _check_same(found: dict[str, Any], asked: dict[str, Any]) -> None:
    names = sorted(
        name for name in found.keys() | asked.keys() if found.get(name) != asked.get(name)
    )
    there = ", ".join(f"{name} {found.get(name)!r}" for name in names)
    here = ", ".join(f"{name} {asked.get(name)!r}" for name in names)
    require(
        not names,
        f"There is another search in this place, with {there}; this one has {here}."
        " Give another place, or repeat the other one's settings.",
    )


def _journal(path: Path) -> BaseStorage:
    check_writable(path)
    backend = JournalFile(path)
    try:
        return JournalStorage(backend)
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, error) from error


def _damaged(path: Path | None, error: Exception) -> FileFormatError:
    return FileFormatError(
        f"{str(path)!r} is not a journal of Optuna, or a damaged one: its operations do not fit"
        f" together ({error!r}). Delete the file or give another path."
    )


def _database(url: str) -> BaseStorage:
    options: dict[str, Any] = {}
    if url.startswith(_SQLITE):
        check_writable(Path(url.removeprefix(_SQLITE)))
        options = {"connect_args": {"timeout": _WAIT}}
    for left in reversed(range(_TRIES)):
        try:
            storage: BaseStorage = optuna.storages.RDBStorage(url, engine_kwargs=options)
        except ImportError as error:
            raise InputError(
                f"The data base {url!r} needs a driver that is not installed: {error}."
            ) from error
        except Exception as error:  # SQLAlchemy and its drivers have dozens of classes
            # Another process that starts now may make the tables between our look and our making.
            if left == 0 or "already exists" not in str(error):
                raise StorageError(
                    f"The data base {url!r} cannot be opened: {error}."
                    " Check the address and the file."
                ) from error
            time.sleep(_PAUSE)
        else:
            break
    return storage


def _file(storage: BaseStorage) -> Path | None:
    """Return the file of a storage on one machine, or None."""
    if isinstance(storage, JournalStorage):
        # Optuna's storage does not say which file its backend writes.
        backend = storage._backend
        return backend.path if isinstance(backend, JournalFile) else None
    uncached: Any = getattr(storage, "_backend", storage)  # a data base may be behind a cache
    url = str(getattr(uncached, "url", ""))
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
