import itertools
import math

import pytest
import torch

from graphcond.data import Checkpoint
from graphcond.errors import FileFormatError, InputError, NumericalError
from graphcond.training import EarlyStopping, Program, fit


class Walk(Program):
    """Scores follow a list; the tensor counts epochs."""

    def __init__(self, scores, size=1):
        self.scores, self.x, self.moment = scores, torch.zeros(size), torch.zeros(size)
        self.epoch = -1

    def tensors(self):
        return {"x": self.x}

    def state_dict(self):
        return {"x": self.x, "moment": self.moment}

    def step(self, epoch):
        self.epoch = epoch
        self.moment += epoch
        self.x += 1 + self.moment
        return float(epoch)

    def validate(self):
        return self.scores[self.epoch]


def test_the_best_tensors_are_kept_and_patience_ends():
    walk = Walk([0.1, 0.5, 0.2, 0.3, 0.9])
    history = fit(walk, 5, EarlyStopping(patience=2))
    assert (history.best_epoch, history.best_score, len(history.losses)) == (1, 0.5, 4)
    assert walk.x.item() == 3.0  # after two steps: 1 + 0, then 1 + 1


def test_without_stopping_the_last_tensors_stay():
    walk = Walk([])
    history = fit(walk, 3)
    assert (history.best_epoch, history.losses) == (2, [0.0, 1.0, 2.0])
    assert walk.x.item() == 3 + 0 + 1 + 3


def test_looks_every_second_epoch():
    history = fit(Walk([9, 0.1, 9, 0.2]), 4, EarlyStopping(patience=5, every=2))
    assert (history.epochs, history.best_epoch) == ([1, 3], 3)


def test_nan_raises():
    with pytest.raises(NumericalError, match="number"):
        fit(Walk([math.nan]), 1, EarlyStopping())


@pytest.mark.parametrize("killed", [1, 3, 5])
def test_a_resumed_run_is_the_unbroken_one(tmp_path, killed):
    scores = [0.1, 0.5, 0.2, 0.6, 0.3, 0.4, 0.5]
    whole = Walk(scores)
    want = fit(whole, 7, EarlyStopping(patience=3))
    fit(
        Walk(scores),
        killed,
        EarlyStopping(patience=3),
        checkpoint=Checkpoint(tmp_path / "c", "a walk"),
    )
    again = Walk(scores)
    got = fit(again, 7, EarlyStopping(patience=3), checkpoint=Checkpoint(tmp_path / "c", "a walk"))
    assert torch.equal(again.x, whole.x)
    assert (got.losses, got.scores, got.best_epoch) == (want.losses, want.scores, want.best_epoch)


def test_a_write_that_is_due_keeps_the_epochs_before_a_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "due", lambda _: True)
    walk = Walk([0.1, 0.5, 0.2])  # and no fourth score
    with pytest.raises(IndexError):
        fit(walk, 9, EarlyStopping(), checkpoint=Checkpoint(tmp_path / "c", "a walk"))
    again = Walk([0.1, 0.5, 0.2])
    got = fit(again, 3, EarlyStopping(), checkpoint=Checkpoint(tmp_path / "c", "a walk"))
    assert (got.losses, got.scores, again.epoch) == ([0.0, 1.0, 2.0], [0.1, 0.5, 0.2], -1)


def test_seconds_of_resumed_parts_add_up(tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    parts = [
        fit(Walk([]), epochs, checkpoint=Checkpoint(tmp_path / "c", "a walk")) for epochs in (5, 6)
    ]
    assert 5 <= parts[0].seconds < parts[1].seconds < next(ticks)


def test_a_checkpoint_of_another_program_is_refused(tmp_path):
    fit(Walk([]), 1, checkpoint=Checkpoint(tmp_path / "c", "a walk"))
    with pytest.raises(FileFormatError, match="same settings"):
        fit(Walk([]), 2, checkpoint=Checkpoint(tmp_path / "c", "another walk"))
    with pytest.raises(FileFormatError, match="checkpoint"):
        fit(Walk([], size=2), 2, checkpoint=Checkpoint(tmp_path / "c", "a walk"))


def test_wrong_arguments():
    with pytest.raises(InputError, match="patience"):
        EarlyStopping(patience=0)
    with pytest.raises(InputError, match="epochs"):
        fit(Walk([]), 0)


def test_a_run_without_looks_resumes_too(tmp_path):
    whole = Walk([])
    fit(whole, 5)
    fit(Walk([]), 2, checkpoint=Checkpoint(tmp_path / "c", "a walk"))
    again = Walk([])
    history = fit(again, 5, checkpoint=Checkpoint(tmp_path / "c", "a walk"))
    assert torch.equal(again.x, whole.x)
    assert math.isnan(history.best_score)


def test_a_loss_that_is_no_number_stops_too():
    walk = Walk([])
    walk.step = lambda epoch: math.nan
    with pytest.raises(NumericalError, match="number"):
        fit(walk, 1)


def test_a_rise_counts_from_min_delta_on_and_a_tie_is_none():
    rule = EarlyStopping(patience=2, min_delta=0.1)
    assert rule.best([0.1, 0.15, 0.19]) == 0
    assert rule.best([0.1, 0.25, 0.3]) == 1
    assert EarlyStopping().best([0.1, 0.3, 0.3, 0.2]) == 1
    assert EarlyStopping().best([]) == -1
    assert not rule.stop([0.1, 0.15])
    assert rule.stop([0.1, 0.15, 0.19])
    assert [EarlyStopping(every=3).due(epoch) for epoch in range(6)] == [False, False, True] * 2
