"""A search that was killed ends like one that was not."""

import fcntl
import json
import os
import time
from pathlib import Path

import optuna
import pytest

from graphcond.errors import FileFormatError, InputError, StorageError
from graphcond.search import search
from graphcond.search.journal import JournalFile
from graphcond.search.presence import LockedFile

COMPLETE = optuna.trial.TrialState.COMPLETE


class Kill(BaseException):
    """The end of a process; what the handlers of this exception still do is not written."""


class Killed(JournalFile):
    """A journal whose process dies at one of its writes: before, within or behind it."""

    def __init__(self, path, at, how):
        super().__init__(path)
        self.left, self.how = at, how

    def append_logs(self, logs):
        self.left -= 1
        if self.left > 0:
            return super().append_logs(logs)
        if self.left == 0 and self.how == "within":
            with open(self.path, "ab") as stream:
                stream.write(json.dumps(logs[0])[:25].encode())
        if self.left == 0 and self.how == "behind":
            super().append_logs(logs)
        raise Kill


def conditional(trial):
    """Eight candidates; the second parameter depends on the first."""
    if trial.suggest_categorical("kind", ["deep", "flat"]) == "deep":
        return trial.suggest_int("depth", 2, 4) + trial.suggest_int("skips", 0, 1)
    return trial.suggest_float("rate", 0.0, 1.0, step=1.0)


def smooth(trial):
    return trial.suggest_float("x", -1, 1) ** 2 - trial.suggest_float("y", -1, 1)


def told(study):
    return [(trial.number, trial.params, trial.value, trial.state) for trial in study.trials]


@pytest.mark.parametrize("how", ["before", "within", "behind"])
@pytest.mark.parametrize(
    ("objective", "trials", "finite"), [(conditional, 8, True), (smooth, 12, False)]
)
def test_a_kill_at_any_write_changes_nothing(tmp_path, monkeypatch, how, objective, trials, finite):
    # The disk is not what is tested here.
    monkeypatch.setattr(os, "fsync", lambda stream: None)
    wanted = told(search(objective, trials, finite=finite, seed=3))
    assert [state for *_, state in wanted] == [COMPLETE] * trials
    writes = 0
    search(objective, trials, finite=finite, seed=3, journal=tmp_path / "whole")
    writes = len((tmp_path / "whole").read_text().splitlines())
    # All crash points of the first trials and of the last ones, where TPE has begun to learn.
    points = [*range(1, 14), *range(writes - 9, writes + 1)]
    for at in points:
        path = tmp_path / f"{at}"
        storage = optuna.storages.JournalStorage(Killed(path, at, how))
        with pytest.raises(Kill):
            search(objective, trials, finite=finite, seed=3, storage=storage)
        again = search(objective, trials, finite=finite, seed=3, journal=path)
        assert told(again) == wanted, f"killed {how} write {at}"
    assert not list(tmp_path.glob("*.alive")), "a dead worker's file is left"


@pytest.mark.parametrize("stops", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_trial_goes_on_with_its_parameters(tmp_path, stops):
    calls = []

    def interrupted(trial):
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        calls.append(kind)
        if len(calls) == 2:
            raise stops
        return trial.suggest_int("width", 1, 3)

    with pytest.raises(stops):
        search(interrupted, 9, finite=True, journal=tmp_path / "j")
    study = search(interrupted, 9, finite=True, journal=tmp_path / "j")
    assert calls[2] == calls[1]
    assert [trial.state for trial in study.trials] == [COMPLETE] * 9
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 9


def test_a_live_workers_trial_is_left_alone_and_a_dead_ones_is_not(tmp_path):
    search(smooth, 1, journal=tmp_path / "j")
    live, dead = LockedFile(tmp_path / "j"), LockedFile(tmp_path / "j")
    assert live.alive(live.token)
    assert live.alive(dead.token)
    assert dead.alive(live.token)
    dead._stream.close()  # what the system does for a dead process
    assert not live.alive(dead.token)
    assert dead.alive(live.token)
    live.leave()
    assert not list(tmp_path.glob("*.alive"))


def test_a_torn_line_is_cut_and_costs_only_itself(tmp_path):
    whole = search(smooth, 4, journal=tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    for cut in (1, 20, 150):
        path = tmp_path / f"cut {cut}"
        path.write_bytes(content[:-cut])
        assert told(search(smooth, 4, journal=path)) == told(whole)


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1}\n',
        b"[1, 2]\n",
        b"hello",
        b"no journal\n",
        bytes(range(128, 255)) + b"\n",
        b'{"op_code": 9, "worker_id": "w"}\n',
        b'{"op_code":4,"worker_id":"w"}\n',
        b'{"op_code":0,"worker_id":"w","study_name":"search","directions":[1]}\n{"a": 1}\n',
    ],
)
def test_a_foreign_file_is_refused_and_kept(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(FileFormatError, match="journal of Optuna"):
        search(smooth, 2, journal=tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b'{"op', b'{"op_code":0,"worker_id":"x"'])
def test_an_empty_or_torn_first_line_is_a_new_journal(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    assert len(search(smooth, 2, journal=tmp_path / "j").trials) == 2


def test_a_lock_left_over_is_told_and_broken_in_a_second(tmp_path):
    search(smooth, 1, journal=tmp_path / "j")
    lock = tmp_path / "j.lock"
    lock.symlink_to(tmp_path / "j")  # as Optuna's own backend makes it
    start = time.monotonic()
    with pytest.warns(UserWarning, match="process that is gone"):
        search(smooth, 2, journal=tmp_path / "j")
    assert time.monotonic() - start < 4
    assert not lock.is_symlink()


def test_another_search_in_the_same_place_is_refused(tmp_path):
    search(smooth, 2, journal=tmp_path / "j", settings={"graph": "a"})
    with pytest.raises(InputError, match="seed 0; this one has seed 1"):
        search(smooth, 2, seed=1, journal=tmp_path / "j", settings={"graph": "a"})
    with pytest.raises(InputError, match="graph 'a'; this one has graph 'b'"):
        search(smooth, 2, journal=tmp_path / "j", settings={"graph": "b"})
    with pytest.raises(InputError, match="`direction` is 'minimize'"):
        search(smooth, 2, journal=tmp_path / "j", settings={"graph": "a"}, direction="minimize")
    assert len(search(smooth, 3, journal=tmp_path / "j", settings={"graph": "a"}).trials) == 3


def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path, monkeypatch):
    whole = told(search(smooth, 3))
    written = []

    def full(stream):
        written.append(stream)
        if len(written) == 12:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        search(smooth, 3, journal=tmp_path / "j")
    assert len((tmp_path / "j").read_bytes().splitlines()) == 11, "what was not kept is there"
    assert told(search(smooth, 3, journal=tmp_path / "j")) == whole


def test_optuna_reads_the_journal(tmp_path):
    study = search(smooth, 3, journal=tmp_path / "j")
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "j"))
    )
    there = optuna.load_study(study_name="search", storage=storage)
    assert [trial.params for trial in there.trials] == [trial.params for trial in study.trials]


def test_a_workers_file_that_was_never_locked_is_removed(tmp_path):
    (tmp_path / "run.log.dead.alive").touch()
    presence = LockedFile(tmp_path / "run.log")
    assert [path.name for path in tmp_path.glob("*.alive")] != []
    presence.leave()
    assert not list(tmp_path.iterdir())


def test_a_workers_file_that_was_taken_for_a_dead_ones_is_made_again(tmp_path, monkeypatch):
    lock, taken = fcntl.flock, []

    def late(stream, how):
        if not taken:
            taken.append(stream.name)
            Path(stream.name).unlink()
        lock(stream, how)

    monkeypatch.setattr(fcntl, "flock", late)
    presence = LockedFile(tmp_path / "run.log")
    assert Path(taken[0]).exists()
    presence.leave()


def test_a_workers_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        LockedFile(tmp_path / "nowhere" / "run.log")
