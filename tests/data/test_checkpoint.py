import copy
import resource
import signal

import pytest
import torch
from torch_geometric.data import Data

from graphcond.data import Checkpoint, describe, digest, load, split_interactions
from graphcond.errors import FileFormatError, StorageError


def test_what_is_saved_comes_back_to_the_same_run_only(tmp_path):
    Checkpoint(tmp_path / "c", "one").save({"x": torch.arange(3.0)}, {"step": 2})
    tensors, record = Checkpoint(tmp_path / "c", "one").load()
    assert (tensors["x"].tolist(), record["step"]) == ([0.0, 1.0, 2.0], 2)
    with pytest.raises(FileFormatError, match="same settings and data"):
        Checkpoint(tmp_path / "c", "another").load()
    assert Checkpoint(tmp_path / "none", "one").load() is None
    assert (
        Checkpoint(tmp_path / "c.safetensors", "one").beside("val").path.name == "c.val.safetensors"
    )


def test_a_write_is_due_after_its_time(monkeypatch, tmp_path):
    clock = [100.0]
    monkeypatch.setattr("graphcond.data.checkpoint.time.monotonic", lambda: clock[0])
    checkpoint = Checkpoint(tmp_path / "c", "run", every=30.0)
    assert not checkpoint.due()
    clock[0] = 130.0
    assert checkpoint.due()
    checkpoint.save({}, {})
    assert not checkpoint.due()


def test_a_path_that_cannot_be_written_fails_at_once(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for bad in (tmp_path / "file" / "c", tmp_path):
        with pytest.raises(StorageError, match="must|needs"):
            Checkpoint(bad, "run")


def test_a_full_disk_costs_a_warning_and_the_last_file_stands(tmp_path):
    """A limit on the size of files stands for a full disk: the system refuses the write in the same
    way.
    """
    checkpoint = Checkpoint(tmp_path / "c", "run")
    checkpoint.save({"x": torch.zeros(10)}, {"step": 1})
    limits, handler = (
        resource.getrlimit(resource.RLIMIT_FSIZE),
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.warns(RuntimeWarning, match="last one stands"):
            checkpoint.save({"x": torch.zeros(100_000)}, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert checkpoint.load()[1]["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_digest_names_the_content():
    data = split_interactions(load("southern-women"), seed=0)
    assert digest(data) == digest(copy.deepcopy(data))
    assert digest(data) != digest(split_interactions(load("southern-women"), seed=1))
    graph = Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1], [1, 0]]))
    same = graph.clone()
    same.card = {"name": "another"}
    assert digest(graph) == digest(same)
    for name, value in (
        ("edge_weight", torch.ones(2)),
        ("x", torch.eye(3).double()),
        ("x", torch.eye(3).flip(0)),
    ):
        changed = graph.clone()
        changed[name] = value
        assert digest(graph) != digest(changed)
    assert digest(torch.eye(2), None) != digest(None, torch.eye(2))
    assert digest(torch.eye(2).to_sparse()) == digest(torch.eye(2).to_sparse())
    assert digest(torch.tensor(1)) != digest(torch.tensor(2))


def test_settings_are_described_without_addresses():
    make = {"key": lambda: None}
    assert "0x" in repr(make)
    assert "0x" not in describe(make)
