"""Several workers share one budget exactly, whatever happens to some of them."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import optuna
import pytest

from graphcond.errors import InputError, StorageError
from graphcond.search import search
from graphcond.search import study as module
from graphcond.search.ledger import Ledger
from graphcond.search.presence import Heartbeat, InProcess
from graphcond.search.storage import open_storage

N = 20
"""Trials of every search here."""

COMPLETE = optuna.trial.TrialState.COMPLETE


class Slow:
    """An objective over 48 candidates that notes who calls it, and kills the first caller."""

    def __init__(self, folder: Path, kill_at: int = -1) -> None:
        self.folder = folder
        self.kill_at = kill_at

    def __call__(self, trial):
        width, depth = trial.suggest_int("width", 1, 12), trial.suggest_int("depth", 1, 4)
        (self.folder / f"worker {os.getpid()}").touch()
        once = self.folder / "killed"
        if trial.number >= self.kill_at >= 0 and multiprocessing.parent_process():
            try:
                once.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return width / depth


def share(folder, storage):
    """What one of several processes that know nothing of each other does."""
    search(Slow(folder), N, finite=True, storage=storage)


def check(storage, trials):
    study = search(Slow(Path("/nowhere")), trials, finite=True, storage=storage)
    done = [trial.params for trial in study.trials if trial.state == COMPLETE]
    assert len(done) == trials
    assert len({tuple(sorted(params.items())) for params in done}) == trials
    unfinished = {trial.state.name for trial in study.trials} & {"RUNNING", "WAITING"}
    assert not unfinished
    return study


PLACES = ["journal:{}/run.log", "sqlite:///{}/run.db"]


@pytest.mark.parametrize("place", PLACES, ids=["journal", "sqlite"])
def test_four_workers_of_which_one_is_killed_finish_the_budget(tmp_path, place):
    storage = place.format(tmp_path)
    study = search(Slow(tmp_path, kill_at=5), N, finite=True, storage=storage, workers=4)
    assert (tmp_path / "killed").exists()
    assert sum(trial.state == COMPLETE for trial in study.trials) == N
    assert len(list(tmp_path.glob("worker *"))) >= 2, "nobody shared the work"
    check(storage, N)
    assert not list(tmp_path.glob("*.alive"))


@pytest.mark.parametrize("place", PLACES, ids=["journal", "sqlite"])
def test_four_processes_killed_in_mid_trial_are_resumed(tmp_path, place):
    storage = place.format(tmp_path)
    search(Slow(tmp_path), 1, finite=True, storage=storage)
    context = multiprocessing.get_context("forkserver")
    crowd = [context.Process(target=share, args=(tmp_path, storage)) for _ in range(4)]
    for process in crowd:
        process.start()
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("worker *"))) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    for process in crowd:
        process.kill()
        process.join()
    again = [context.Process(target=share, args=(tmp_path, storage)) for _ in range(4)]
    for process in again:
        process.start()
    for process in again:
        process.join()
        assert process.exitcode == 0
    check(storage, N)


def test_threads_share_the_budget(tmp_path):
    study = search(Slow(tmp_path), 20, finite=True, n_jobs=4)
    assert sum(trial.state == COMPLETE for trial in study.trials) == 20
    with pytest.raises(KeyboardInterrupt):
        search(interrupted, 20, n_jobs=4)


def interrupted(trial):
    raise KeyboardInterrupt


def test_what_cannot_be_shared_is_refused(tmp_path):
    with pytest.raises(InputError, match="need a storage"):
        search(Slow(tmp_path), 2, workers=2)
    with pytest.raises(InputError, match="cannot be sent"):
        search(lambda trial: 1.0, 2, workers=2, storage=tmp_path / "j")
    with pytest.raises(InputError, match="journal:FILE"):
        search(Slow(tmp_path), 2, storage="run.log")
    with pytest.raises(InputError, match="`workers` must be"):
        search(Slow(tmp_path), 2, workers=0)
    (tmp_path / "no.db").write_text("no data base, but a long text" * 100)
    with pytest.raises(InputError, match="cannot be opened"):
        search(Slow(tmp_path), 2, storage=f"sqlite:///{tmp_path}/no.db")


def test_a_data_base_that_another_process_is_filling_is_opened_again(monkeypatch, tmp_path):
    real, failures = optuna.storages.RDBStorage, ["type already exists"] * 2

    def filling(*args, **kwargs):
        if failures:
            raise RuntimeError(failures.pop())
        return real(*args, **kwargs)

    monkeypatch.setattr(optuna.storages, "RDBStorage", filling)
    monkeypatch.setattr("graphcond.search.storage._PAUSE", 0.0)
    place = f"sqlite:///{tmp_path}/run.db"
    assert isinstance(open_storage(place), real)
    failures[:] = ["no such server"]
    with pytest.raises(StorageError, match="no such server"):
        open_storage(place)


def test_workers_without_a_file_give_signs_of_life(monkeypatch):
    study = module.require_optuna().create_study()
    first, second = Heartbeat(study), Heartbeat(study)
    assert first.alive(second.token)
    second.leave()
    assert not first.alive(second.token)
    assert not first.alive("nobody")
    monkeypatch.setattr("graphcond.search.presence.SILENCE", -1.0)
    assert not second.alive(first.token)
    first.leave()


def test_a_trial_too_many_is_not_run():
    """Two workers see the last place free at the same time."""

    class Late(Ledger):
        """A ledger that sees the study as it was before another worker's trial, once."""

        late = True

        def trials(self, *states):
            was, self.late = self.late, False
            return [] if was else super().trials(*states)

    study = module.require_optuna().create_study()
    first, second = Ledger(study, InProcess()), Late(study, InProcess())
    assert first.take(1) is not None
    assert second.take(1) is None
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL"]


def test_the_same_candidate_counts_once():
    """Two workers draw the same candidate at the same time."""
    study = module.require_optuna().create_study()
    ledgers = [Ledger(study, InProcess(), distinct=True) for _ in range(2)]
    trials = [ledger.take(2) for ledger in ledgers]
    for trial in trials:
        trial.suggest_categorical("kind", ["only"])
    ledgers[1].finish(trials[1], 1.0)
    ledgers[0].finish(trials[0], 1.0)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]


def test_a_worker_that_lost_its_trial_writes_nothing():
    study = module.require_optuna().create_study()
    slow, other = Ledger(study, InProcess()), Ledger(study, InProcess())
    trial = slow.take(1)
    slow.presence.leave()  # as after a suspension that others took for its death
    other.free()
    again = other.take(1)
    assert again.number == trial.number
    slow.finish(trial, 5.0)
    slow.release(trial)
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    other.finish(again, 7.0)
    assert [trial.value for trial in study.trials] == [7.0]
