"""Files: round trips, byte identity, damage, atomic writing."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch_geometric.data import Data, HeteroData

from graphcond.data import (
    EDGE,
    load,
    load_state,
    planted_interactions,
    read,
    save,
    save_state,
    split_interactions,
    write_atomically,
)
from graphcond.errors import FileFormatError, InputError
from graphcond.testing import awkward_graph, small_interactions


def _assert_same(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    left, right = first.to_dict(), second.to_dict()
    flat = [(left, right)] if isinstance(first, Data) else [(left[key], right[key]) for key in left]
    assert left.keys() == right.keys()
    for a, b in flat:
        assert a.keys() == b.keys()
        for key, value in a.items():
            if isinstance(value, torch.Tensor):
                assert value.dtype == b[key].dtype
                assert torch.equal(value, b[key]), key
            else:
                assert value == b[key], key


@pytest.mark.parametrize(
    "make",
    [awkward_graph, small_interactions, lambda: load("southern-women"), lambda: load("karate")],
)
def test_a_file_gives_back_what_was_saved(tmp_path: Path, make: Any) -> None:
    data = make()
    data.card = {**data.card, "nested": {"list": [1, 2.5, None, "ü"], "flag": True}}
    save(tmp_path / "a.safetensors", data)
    save(tmp_path / "b.safetensors", make_same(data))
    _assert_same(data, read(tmp_path / "a.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert load(tmp_path / "a.safetensors").card == data.card


def make_same(data: Any) -> Any:
    """The same data with its attributes set in another order."""
    out = type(data)()
    for store, fresh in zip(reversed(data.stores), reversed(data.stores)):
        target = out if fresh._key is None else out[fresh._key]
        for key in reversed(list(store.keys())):
            target[key] = store[key]
    if isinstance(data, HeteroData):
        ordered = HeteroData()
        for key in data.node_types + data.edge_types:
            for name, value in out[key].items():
                ordered[key][name] = value
        for name, value in out._global_store.items():
            ordered[name] = value
        return ordered
    return out


def test_views_shared_memory_and_all_types_survive(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    data = Data(
        x=base.t(),
        twin=base,
        part=base[:, 1:3],
        edge_index=torch.tensor([[0, 1], [1, 2]]),
        empty=torch.empty(0, dtype=torch.long),
    )
    data.big, data.half, data.flag = (
        torch.tensor([2**40, -(2**40)]),
        base.bfloat16(),
        torch.tensor([True, False]),
    )
    data.scalar = torch.tensor(3)
    save(tmp_path / "a.safetensors", data)
    _assert_same(data, read(tmp_path / "a.safetensors"))


def test_ids_are_stored_narrow(tmp_path: Path) -> None:
    data = Data(edge_index=torch.zeros(2, 50_000, dtype=torch.long), num_nodes=1)
    save(tmp_path / "a.safetensors", data)
    assert (tmp_path / "a.safetensors").stat().st_size < 410_000
    assert read(tmp_path / "a.safetensors").edge_index.dtype == torch.int64


def test_sparse_features_are_stored_as_indices_and_values(tmp_path: Path) -> None:
    dense = torch.zeros(500, 400)
    dense[3, 7], dense[499, 0] = 2.0, -1.0
    for sparse in (dense.to_sparse_coo(), dense.to_sparse_csr()):
        save(tmp_path / "a.safetensors", Data(x=sparse))
        assert (tmp_path / "a.safetensors").stat().st_size < 2000
        back = read(tmp_path / "a.safetensors").x
        assert back.layout == torch.sparse_coo
        assert torch.equal(back.to_dense(), dense)


def test_a_state_is_tensors_and_a_record(tmp_path: Path) -> None:
    tensors = {"now.weight": torch.randn(3, 2), "step": torch.tensor(7)}
    save_state(tmp_path / "s", tensors, {"epoch": 3, "best": float("-inf"), "scores": [0.5]})
    back, record = load_state(tmp_path / "s")
    assert back.keys() == tensors.keys()
    assert torch.equal(back["now.weight"], tensors["now.weight"])
    assert record == {"epoch": 3, "best": float("-inf"), "scores": [0.5]}
    with pytest.raises(FileFormatError, match="a file of Data or HeteroData"):
        read(tmp_path / "s")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, split_interactions(planted_interactions(60, 50, 600)))
    whole = path.read_bytes()
    for cut in (0, 4, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError, match="(is not a|needs a) complete graphcond file"):
            read(path)
    for name, content in (
        ("text", b"user,item\n"),
        ("pickle", pickle.dumps({"x": 1})),
        ("npz", b"PK\x03\x04" + b"0" * 40),
    ):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="complete graphcond file"):
            read(path)
        assert name
    with pytest.raises(FileFormatError, match="an existing file"):
        read(tmp_path / "none.safetensors")


def test_foreign_and_newer_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.ones(2)}, path, metadata={"format": "pt"})
    with pytest.raises(FileFormatError, match="another program"):
        read(path)
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(FileFormatError, match="another program"):
        read(path)
    save_file({}, path, metadata={"graphcond": json.dumps({"version": 99, "kind": "Data"})})
    with pytest.raises(
        FileFormatError,
        match=r"format version from 1 to 2, but found .*version = 99.* Upgrade",
    ):
        read(path)
    for text in ("not json", "[]", "{}", json.dumps({"version": 1, "kind": "Data"})):
        save_file({}, path, metadata={"graphcond": text})
        with pytest.raises(FileFormatError, match="complete graphcond file"):
            read(path)


def _interrupted(path: Path) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.json"
    with write_atomically(path) as temporary:
        assert temporary.suffix == ".json"
        temporary.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(path)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["a.json"]
    with pytest.raises(InputError, match="values that JSON knows"):
        save_state(path, {}, {"object": object()})
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["a.json"]


def test_unwritable_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError,
        match=r"must be a writable folder.*Choose another output path",
    ):
        save(tmp_path / "file" / "a.safetensors", awkward_graph())
    with pytest.raises(InputError, match="It is a folder"):
        save(tmp_path, awkward_graph())
    (tmp_path / "locked").mkdir(mode=0o500)
    if not os.access(tmp_path / "locked", os.W_OK):  # root may write anywhere
        with pytest.raises(InputError, match="a writable folder"):
            save(tmp_path / "locked" / "a.safetensors", awkward_graph())


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    data = awkward_graph()
    data.note = {1, 2}
    with pytest.raises(InputError, match="values that JSON knows.* but `note` holds others"):
        save(tmp_path / "a.safetensors", data)
    with pytest.raises(InputError, match="a PyG `Data` or `HeteroData`"):
        save(tmp_path / "a.safetensors", {"x": torch.ones(1)})  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_the_header_is_one_sorted_key(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, small_interactions())
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert list(header["__metadata__"]) == ["graphcond"]
    text = header["__metadata__"]["graphcond"]
    assert json.dumps(json.loads(text), sort_keys=True) == text
    assert EDGE[1] in text


def test_a_folder_of_condense_is_read_as_the_set_in_it(tmp_path: Path) -> None:
    data = small_interactions()
    save(tmp_path / "condensed.safetensors", data)
    for found in (read(tmp_path), load(str(tmp_path))):
        _assert_same(data, found)
    with pytest.raises(FileFormatError, match="existing file"):
        read(tmp_path.parent)
