"""PolicyGradient stopped and resumed: checkpoints, a full disk, interrupts and NaN."""

import errno
from pathlib import Path

import pytest
import torch

from graphcond import masks
from graphcond.condensers.dconrec import outer_loop
from graphcond.condensers.dconrec.one_step import UnrolledBPR
from graphcond.condensers.dconrec.outer_loop import Schedule, State, resumed
from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.data import Checkpoint, digest, train_edges, without_test
from graphcond.errors import FileFormatError, InputError, NumericalError
from tests.condensers.learned_masks import condenser, interactions


@pytest.mark.parametrize(
    "settings",
    [{}, {"estimator": masks.OneStep(), "inner": UnrolledBPR()}],
    ids=["epoch", "unrolled"],
)
@pytest.mark.parametrize("killed_at", [0, 1, 3])
def test_killed_and_resumed_equals_unbroken(tmp_path, monkeypatch, settings, killed_at):
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    data, path = interactions(), tmp_path / "run.safetensors"
    whole = condenser(**settings).condense(data)
    step = outer_loop.OuterLoop.step

    def killed(self, state):
        if len(state.history) == killed_at:
            raise KeyboardInterrupt
        step(self, state)

    monkeypatch.setattr(outer_loop.OuterLoop, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        condenser(**settings).condense(data, checkpoint=path)
    monkeypatch.setattr(outer_loop.OuterLoop, "step", step)
    resumed = condenser(**settings).condense(data, checkpoint=path)
    assert torch.equal(train_edges(whole.data), train_edges(resumed.data))
    assert whole.data.card == resumed.data.card

    def facts(history):
        return [
            {name: value for name, value in record.items() if name != "seconds"}
            for record in history
        ]

    assert facts(whole.history) == facts(resumed.history)
    again = condenser(**settings).condense(data, checkpoint=path)
    assert torch.equal(train_edges(whole.data), train_edges(again.data))


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    condenser(schedule=Schedule(steps=1)).condense(interactions(), checkpoint=path)
    with pytest.raises(FileFormatError, match="same settings and data"):
        condenser(seed=1, schedule=Schedule(steps=1)).condense(interactions(), checkpoint=path)
    with pytest.raises(FileFormatError, match="same settings and data"):
        condenser(schedule=Schedule(steps=1)).condense(interactions(seed=1), checkpoint=path)


def test_a_bad_path_fails_before_the_first_step(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(outer_loop.OuterLoop, "step", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises(InputError, match="folder"):
        condenser().condense(interactions(), checkpoint=tmp_path / "file" / "run.safetensors")


def test_a_disk_that_fills_up_loses_no_step(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    data, path, calls = interactions(), tmp_path / "run.safetensors", []
    whole = condenser().condense(data)
    write = Path.write_bytes

    def full(self, content):
        calls.append(self)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(RuntimeWarning, match="last one stands"):
        result = condenser().condense(data, checkpoint=path)
    assert torch.equal(train_edges(whole.data), train_edges(result.data))
    state, _ = resumed(
        Checkpoint(path, f"{condenser()._identity()} on {digest(without_test(data))}")
    )
    assert len(state.history) == 1


def test_an_interrupt_inside_a_step_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    data, path, step = interactions(), tmp_path / "run.safetensors", outer_loop.Adam.step
    whole = condenser().condense(data)

    def torn(self):
        step(self)
        if int(self.state_dict().get("probs.step", 0)) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(outer_loop.Adam, "step", torn)
    with pytest.raises(KeyboardInterrupt):
        condenser().condense(data, checkpoint=path)
    monkeypatch.setattr(outer_loop.Adam, "step", step)
    state, _ = resumed(
        Checkpoint(path, f"{condenser()._identity()} on {digest(without_test(data))}")
    )
    assert len(state.history) == int(state.state_dict()["probs.step"]) == 2
    assert torch.equal(
        train_edges(whole.data), train_edges(condenser().condense(data, checkpoint=path).data)
    )


def test_an_interrupt_between_two_writes_keeps_the_steps_that_are_done(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "due", lambda self: False)
    data, path, step = interactions(), tmp_path / "run.safetensors", outer_loop.OuterLoop.step

    def killed(self, state):
        if len(state.history) == 2:
            raise KeyboardInterrupt
        step(self, state)

    monkeypatch.setattr(outer_loop.OuterLoop, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        condenser().condense(data, checkpoint=path)
    state, _ = resumed(
        Checkpoint(path, f"{condenser()._identity()} on {digest(without_test(data))}")
    )
    assert len(state.history) == 2


def test_the_proxy_of_a_pool_is_kept_with_it(tmp_path):
    data, path = interactions(), tmp_path / "run.safetensors"
    settings = {"estimator": masks.OneStep(), "inner": UnrolledBPR(), "schedule": Schedule(steps=1)}
    how = condenser(**settings)
    how.condense(data, checkpoint=path)
    seen = without_test(data)
    _, pool = resumed(Checkpoint(path, f"{how._identity()} on {digest(seen)}"))
    (kept,), (made,) = pool.proxies, how._pool(seen).proxies
    assert torch.equal(kept.users, made.users)
    assert torch.equal(kept.items, made.items)


def test_nan_stops_with_the_step_and_the_cure(monkeypatch):
    calls, loss = [], OuterLoss.__call__

    def broken(self, *args, **kwargs):
        calls.append(1)
        return loss(self, *args, **kwargs) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(OuterLoss, "__call__", broken)
    with pytest.raises(NumericalError, match=r"Outer step 2: .*Lower the learning rate"):
        condenser().condense(interactions())


def test_state_is_small():
    """Pool, S and optimiser state take at most 40 bytes an interaction."""
    data, method = without_test(interactions()), condenser()
    pool = method._pool(data)
    state = State(method._start(method.loop(data, pool)))
    held = (pool.edges, pool.origin, pool.kept, *state.state_dict().values())
    per_edge = sum(t.element_size() * t.numel() for t in held) / len(pool)
    assert per_edge <= 40
