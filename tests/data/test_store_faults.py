"""What `save` writes `read` reads; what was damaged is refused; nothing is left over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from graphcond import __version__
from graphcond.data import (
    EDGE,
    Checkpoint,
    check_writable,
    load_state,
    read,
    save,
    save_state,
    write_atomically,
)
from graphcond.data import store as module
from graphcond.errors import FileFormatError, GraphcondError, InputError, StorageError


class PaperGraph(Data):
    pass


class Shop(HeteroData):
    pass


def plain() -> dict[str, torch.Tensor]:
    edges = torch.tensor([[0, 1], [1, 0]])
    return {"x": torch.eye(3), "edge_index": edges, "y": torch.tensor([0, 1, 0])}


def shop(kind: type[HeteroData]) -> HeteroData:
    data = kind()
    data["user"].num_nodes = data["item"].num_nodes = 2
    data[EDGE].edge_index = torch.tensor([[0, 1], [0, 1]])
    return data


@pytest.mark.parametrize(
    "data",
    [
        PaperGraph(**plain()),
        Batch.from_data_list([Data(**plain())] * 2),
        shop(Shop),
        Batch.from_data_list([shop(HeteroData)] * 2),
    ],
    ids=["Data", "Batch", "HeteroData", "Batch of HeteroData"],
)
def test_subclasses_come_back_as_plain_data(tmp_path: Path, data: Data | HeteroData) -> None:
    save(tmp_path / "f.safetensors", data)
    back = read(tmp_path / "f.safetensors")
    assert type(back) is (Data if isinstance(data, Data) else HeteroData)
    ours = [(name, value) for store in data.stores for name, value in store.items()]
    theirs = [(name, value) for store in back.stores for name, value in store.items()]
    assert sorted(name for name, _ in ours) == sorted(name for name, _ in theirs)
    for (_, one), (_, other) in zip(sorted(ours, key=str), sorted(theirs, key=str)):
        assert str(one) == str(other)


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([1 + 2j, -3j], dtype=torch.complex128),
        torch.tensor([1 + 2j], dtype=torch.complex64).conj(),
        torch.tensor(2.5 + 1j),
        torch.tensor([[0, 1j], [2, 0]]).to_sparse(),
        torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        torch.tensor([2**40, -1]),
        torch.zeros(0, 3),
        torch.tensor(True),
    ],
    ids=str,
)
def test_every_usual_tensor_comes_back(tmp_path: Path, value: torch.Tensor) -> None:
    save(tmp_path / "f.safetensors", Data(**plain(), z=value))
    back = read(tmp_path / "f.safetensors").z
    assert (back.dtype, back.shape, back.layout) == (value.dtype, value.shape, value.layout)
    assert torch.equal(back.to_dense(), value.to_dense())


@pytest.mark.parametrize(
    "value",
    [
        {(0, 1): "pair"},
        {"a": object()},
        {1, 2},
        b"bytes",
        torch.empty(2, device="meta"),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    ],
    ids=lambda value: type(value).__name__ + str(value)[:12],
)
def test_what_would_not_come_back_is_refused_and_nothing_is_written(
    tmp_path: Path, value: object
) -> None:
    save(tmp_path / "f.safetensors", Data(**plain()))
    with pytest.raises(InputError):
        save(tmp_path / "f.safetensors", Data(**plain(), names=value))
    assert os.listdir(tmp_path) == ["f.safetensors"]
    assert "names" not in read(tmp_path / "f.safetensors")


@pytest.mark.parametrize(
    "value", [{0: "a", 1: "b"}, {"inside": [{None: 1, "1": 2, 1: 3}]}, {"graphcond-pairs": [1]}, {}]
)
def test_keys_that_are_numbers_come_back_as_numbers(tmp_path: Path, value: object) -> None:
    save(tmp_path / "f.safetensors", Data(**plain(), names=value))
    assert read(tmp_path / "f.safetensors").names == value


def test_a_text_key_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"key 7, which is no text.*'7'"):
        save_state(tmp_path / "s.safetensors", {}, {"best": {7: 0.5}})


def test_no_flipped_bit_is_accepted(tmp_path: Path) -> None:
    data = Data(**plain(), edge_weight=torch.rand(2), card={"name": "ünì", "seed": 3})
    path = tmp_path / "f.safetensors"
    save(path, data)
    whole = path.read_bytes()
    stream = torch.Generator().manual_seed(0)
    for place in torch.randint(0, 8 * len(whole), (400,), generator=stream).tolist():
        broken = bytearray(whole)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        try:
            back = read(path)
        except FileFormatError:
            continue
        # blanks of the header and the case of an escaped letter mean nothing
        assert str(back.to_dict()) == str(data.to_dict()), place


def test_files_of_the_first_format_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_VERSION", 1)
    monkeypatch.setattr(module, "content_digest_of", lambda text, tensors: "")
    save(tmp_path / "f.safetensors", Data(**plain()))
    monkeypatch.undo()
    assert torch.equal(read(tmp_path / "f.safetensors").x, torch.eye(3))


def test_two_writes_are_equal_byte_for_byte(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / name, Data(**plain(), card={"b": 1, "a": 2}))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "c.safetensors", "run")
    kept.save({"w": torch.ones(2)}, {"step": 3})
    tensors, record = load_state(kept.path)
    assert record["graphcond"] == __version__
    save_state(kept.path, tensors, {**record, "graphcond": "0.0.1"})
    with pytest.raises(FileFormatError, match="written by graphcond 0.0.1"):
        Checkpoint(kept.path, "run").load()


_KILLED = """
import os, sys
from graphcond.data import write_atomically
with write_atomically(sys.argv[1]) as beside:
    beside.write_text("half")
    os._exit(9)
"""


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    subprocess.run([sys.executable, "-c", _KILLED, str(target)], check=False)
    left = set(os.listdir(tmp_path)) - {"report.json"}
    assert len(left) == 1
    assert target.read_text() == "old"
    other = tmp_path / ".report-live-1-0000.json"
    other.write_text("of somebody else")
    with write_atomically(target) as beside:
        check_writable(target)  # a write beside it leaves this one alone
        assert beside.exists()
        beside.write_text("new")
    assert set(os.listdir(tmp_path)) == {"report.json", other.name}
    assert target.read_text() == "new"


def test_every_error_of_a_broken_file_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    save(path, Data(**plain()))
    whole = path.read_bytes()
    for content in (b"", whole[:7], whole[:60], whole[:-1], b"\x00" * 64, whole + b"x"):
        path.write_bytes(content)
        with pytest.raises(GraphcondError):
            read(path)


@pytest.mark.parametrize("path", [None, 3, ["a.safetensors"]])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(GraphcondError, match="A path of a file is needed"):
        read(path)  # type: ignore[arg-type]
    with pytest.raises(GraphcondError, match="A path of a file is needed"):
        save(path, Data(**plain()))  # type: ignore[arg-type]


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="File name too long"):
        save(tmp_path / ("n" * 300 + ".safetensors"), Data(x=torch.ones(1, 1)))
