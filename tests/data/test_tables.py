"""CSV, RecBole and LightGCN files, read and written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graphcond.data import (
    EDGE,
    load,
    num_items,
    num_users,
    planted_interactions,
    split_interactions,
    test_edges,
    train_edges,
    val_edges,
    with_interactions,
    write_inter,
    write_lightgcn,
)
from graphcond.errors import FileFormatError, InputError


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "user,item\n10,7\n10,30\n2,7\n10,7\n"),
        ("b.csv", "10,7\n10,30\n2,7\n10,7\n"),
        ("c.tsv", "item_id\tuserId\trating\n7\t10\t5\n30\t10\t1\n7\t2\t3\n7\t10\t5\n"),
        ("d.csv", "\ufeff timestamp; Item ;User_ID\n0;7;10\n1;30;10\n\n2;7;2\n3;7;10"),
        (
            "e.inter",
            "user_id:token\titem_id:token\trating:float\n10\t7\t1\n10\t30\t2\n2\t7\t3\n10\t7\t1\n",
        ),
        ("f.csv", "user item\n10 7\n10 30\n2 7\n10 7\n"),
    ],
)
def test_tables_are_read_in_any_usual_form(tmp_path: Path, name: str, text: str) -> None:
    data = load(_write(tmp_path / name, text))
    assert train_edges(data).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert data["user"].original_id.tolist() == [2, 10], "whole numbers sort as numbers"
    assert data["item"].original_id.tolist() == [7, 30]
    assert data.card == {"name": name.split(".")[0], "duplicates_merged": 1}


def test_ids_may_be_text_and_weights_and_splits_are_read(tmp_path: Path) -> None:
    text = "user,item,weight,split\nzoë,x,2,train\nal,y,0.5,test\nzoë,y,1,valid\n"
    data = load(_write(tmp_path / "a.csv", text))
    assert data["user"].original_id == ["al", "zoë"]
    assert data[EDGE].edge_weight.tolist() == [0.5, 2.0, 1.0]
    assert data[EDGE].split.tolist() == [2, 0, 1]
    out = split_interactions(data, strategy="published")
    assert train_edges(out).tolist() == [[1], [0]]
    assert out[EDGE].edge_weight.tolist() == [2.0]


def test_dense_ids_need_no_map(tmp_path: Path) -> None:
    data = load(_write(tmp_path / "a.csv", "0,1\n1,0\n"))
    assert "original_id" not in data["user"]
    leading = load(_write(tmp_path / "b.csv", "user,item\n007,1\n7,1\n"))
    assert leading["user"].original_id == ["007", "7"], "leading zeros make different ids"


@pytest.mark.parametrize(
    ("name", "text", "law"),
    [
        ("a.csv", "", "at least one interaction"),
        ("a.csv", "user,item\n", "at least one interaction"),
        ("a.csv", "user,item\n1\n", "2 columns in every row must hold.*row=0"),
        ("a.csv", "customer,product\n1,2\n", "columns `user` and `item`"),
        ("a.csv", "user,item,weight\n1,2,heavy\n", "numbers as weights"),
        ("a.csv", "user,item,split\n1,2,dev\n", "train / valid / test"),
        ("a.csv", "user,item,weight\n1,2,nan\n", "finite weights"),
        ("a.csv", "user,item\n1,\n2,3\n", "an id of the item in every row"),
        ("train.txt", "0 -1\n", "ids of users and items ≥ 0"),
        ("a.npy", "no archive", "a file of a known form"),
        ("a.inter", "uid:token\tmovie:token\n1\t2\n", "columns `user` and `item`"),
        ("a.npz", "no archive", "a readable .npz must hold"),
    ],
)
def test_faulty_tables_are_named(tmp_path: Path, name: str, text: str, law: str) -> None:
    with pytest.raises(FileFormatError, match=law):
        load(_write(tmp_path / name, text))


def test_binary_files_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00user")
    with pytest.raises(FileFormatError, match="a readable .csv"):
        load(tmp_path / "a.csv")
    with pytest.raises(FileFormatError, match="an existing file"):
        load(tmp_path / "none.csv")


def test_lightgcn_text_goes_out_and_comes_back(tmp_path: Path) -> None:
    data = split_interactions(planted_interactions(60, 50, 600), seed=1)
    written = write_lightgcn(tmp_path / "set", data)
    assert [path.name for path in written] == ["train.txt", "valid.txt", "test.txt"]
    first = (tmp_path / "set" / "train.txt").read_text().splitlines()[0].split()
    assert [int(item) for item in first[1:]] == sorted(
        train_edges(data)[1][train_edges(data)[0] == 0].tolist()
    )
    back = load(tmp_path / "set")
    assert back.card["name"] == "set"
    again = split_interactions(back, strategy="published")
    for part in (train_edges, val_edges, test_edges):
        given = part(data)[:, (part(data)[0] * 50 + part(data)[1]).argsort()]
        assert torch.equal(given, part(again))


def test_lightgcn_users_without_items_are_kept(tmp_path: Path) -> None:
    _write(tmp_path / "train.txt", "0 3 1\n1\n2 0\n")
    _write(tmp_path / "test.txt", "1 2\n")
    data = load(tmp_path)
    assert (num_users(data), num_items(data)) == (3, 4)
    assert data[EDGE].split.tolist() == [0, 0, 2, 0]
    _write(tmp_path / "train.txt", "0 3 x\n")
    with pytest.raises(FileFormatError, match="whole numbers must hold"):
        load(tmp_path)
    _write(tmp_path / "train.txt", "\n")
    (tmp_path / "test.txt").unlink()
    with pytest.raises(FileFormatError, match="at least one interaction"):
        load(tmp_path)
    (tmp_path / "train.txt").unlink()
    with pytest.raises(FileFormatError, match="a file `train.txt`"):
        load(f"{tmp_path}/")


def test_recbole_files_go_out_and_come_back(tmp_path: Path) -> None:
    data = load("southern-women")
    assert [path.name for path in write_inter(tmp_path / "davis.inter", data)] == ["davis.inter"]
    assert (
        (tmp_path / "davis.inter")
        .read_text()
        .startswith("user_id:token\titem_id:token\nEvelyn Jefferson\tE1\n")
    )
    back = load(tmp_path / "davis.inter")
    assert train_edges(back).size(1) == 89
    assert back["user"].original_id == sorted(data["user"].original_id)

    split = split_interactions(data, seed=0)
    names = [path.name for path in write_inter(tmp_path / "parts.inter", split)]
    assert names == ["parts.train.inter", "parts.valid.inter", "parts.test.inter"]
    again = load(tmp_path / "parts.inter")
    counts = torch.bincount(again[EDGE].split.long(), minlength=3).tolist()
    assert counts == [part(split).size(1) for part in (train_edges, val_edges, test_edges)]


def test_condensed_sets_are_written_with_the_ids_users_know(tmp_path: Path) -> None:
    data = load("southern-women")
    small = with_interactions(data, train_edges(data)[:, [0, -1]], torch.tensor([1.0, 2.0]))
    assert (num_users(small), num_items(small), small[EDGE].edge_weight.tolist()) == (
        18,
        14,
        [1.0, 2.0],
    )
    write_inter(tmp_path / "small.inter", small)
    first, last = (tmp_path / "small.inter").read_text().splitlines()[1:]
    assert first == "Evelyn Jefferson\tE1"
    assert last.split("\t")[0] == data["user"].original_id[-1]
    with pytest.raises(InputError, match="a writable folder"):
        write_inter(tmp_path / "small.inter" / "x.inter", data)
