"""CSV, RecBole and LightGCN files, read and written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from graphcond.data import (
    EDGE,
    Columns,
    from_frame,
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
    assert data.card["name"] == name.split(".")[0]
    assert data.card["duplicates_merged"] == 1


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
        ("a.csv", "", "is empty"),
        ("a.csv", "user,item\n", "holds no interaction"),
        ("a.csv", "user,item\n1\n", "Line 2 of .* has 1 fields, but the first row has 2"),
        ("a.csv", "customers,goods\n1,2\n", "no column that is known to hold the users"),
        ("a.csv", "user,item,weight\n1,2,heavy\n", "The weight 'heavy' in line 2"),
        ("a.csv", "user,item,split\n1,2,dev\n", "none of train, valid"),
        ("a.csv", "user,item,weight\n1,2,nan\n", "The weight 'nan' in line 2.*no finite number"),
        ("a.csv", "user,item,weight\n1,2,-1\n", "The weight -1.0 in line 2 .* is negative"),
        ("a.csv", "user,item\n1,\n2,3\n", "The item in line 2 .* is missing"),
        ("a.csv", "user,item\n1,4\nnan,3\n", "The user in line 3 .* is missing"),
        ("a.csv", "user,user_id,item\n1,2,3\n", "several columns of the user: 'user', 'user_id'"),
        ("a.csv", "user,item\n1,2\nuser,item\n5,6\n", "The header of .* comes again in line 3"),
        ("a.csv", 'user,item,t\n1,2,"a\n1,3,b\n', "The quote in line 2 .* never closed"),
        ("a.csv", 'user,item,t\n1,2,7"\n', "Line 2 .* has a quote within a field"),
        ("a.csv", 'user,item,t\n1,2,"a\n3,4,"b"\n', "begins in line 2 .* in line 3 more text"),
        ("a.csv", 'user,item,t\n1,2,"a\n3,4,b"\n', "Line 3 .* within the quotes .* line 2"),
        ("a.csv", "title,user,item\nA,1,2\nA, B,3,4\n", "Line 3 of .* has 4 fields"),
        ("a.csv", "user,item\r\n1,2\r3\r\n", "Line 2 .* carriage return"),
        ("a.csv", "user,item\n1\0,2\n", "is 0"),
        ("a.csv", "user,item,time\n1,2,noon\n", "The time 'noon' in line 2 .* is no time"),
        ("a.csv", 'user,item,rating\n1,2,"3,5"\n', "The rating '3,5' in line 2"),
        ("a.csv", "1\n2\n", "no column that is known to hold the items"),
        ("train.txt", "0 1\n1 -1\n", "Line 2 .* holds -1"),
        ("train.txt", "0 9223372036854775808\n", "holds '9223372036854775808'"),
        ("a.npy", "no archive", "of a form that graphcond does not read"),
        ("a.jsonl", "no table", "from_frame"),
        ("a.inter", "uid:token\tmovie:token\n1\t2\n", "no column that is known to hold the items"),
        ("a.npz", "no archive", "is no readable .npz"),
        ("a.csv", "user,item\n1,2\n1.0,3\n", "called both '1.0' and '1'"),
        ("a.csv", "user,item,rating\n1,2,1e300\n", "no finite number of 32 bits"),
        ("a.CSV", "user,item\n1,2\n", r"in small letters: \.csv"),
        ("ratings.txt", "1 2\n", "call a table .csv"),
        ("a.csv", "PK\x03\x04", "is compressed.*unzip"),
    ],
)
def test_faulty_tables_are_named(tmp_path: Path, name: str, text: str, law: str) -> None:
    with pytest.raises(FileFormatError, match=law):
        load(_write(tmp_path / name, text))


def test_binary_files_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00user")
    with pytest.raises(FileFormatError, match="Line 1 .* is not in UTF-8|is 0"):
        load(tmp_path / "a.csv")
    with pytest.raises(FileFormatError, match="There is no file"):
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
    with pytest.raises(FileFormatError, match="holds .x., which is no whole number"):
        load(tmp_path)
    _write(tmp_path / "train.txt", "\n")
    (tmp_path / "test.txt").unlink()
    with pytest.raises(FileFormatError, match="hold no interaction"):
        load(tmp_path)
    (tmp_path / "train.txt").unlink()
    with pytest.raises(FileFormatError, match="no file `train.txt`"):
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


def test_text_files_of_any_make_are_one_table(tmp_path: Path) -> None:
    """Line ends, a byte-order mark, quotes, blanks and a missing last line end change nothing."""
    rows = [["user", "item", "rating"], ["a", "x, y", "3"], ["b", "z", "4.5"]]
    plain = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    for i, text in enumerate(
        (
            plain,
            plain + "\n",
            plain + "\n\n  \n",
            "\ufeff" + plain,
            plain.replace("\n", "\r\n") + "\r\n",
            plain.replace("\n", "\r"),
            plain.replace(",", ", ").replace("x,  y", "x, y"),
            plain.replace('"a"', "a").replace('"3"', "3"),
            plain.replace('","', '";"'),
            plain.replace('","', '"|"'),
        )
    ):
        data = load(_write_bytes(tmp_path / f"{i}.csv", text))
        assert data["user"].original_id == ["a", "b"], repr(text)
        assert data["item"].original_id == ["x, y", "z"], repr(text)
        assert data[EDGE].rating.tolist() == [3.0, 4.5]


def _write_bytes(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8"))
    return path


def test_a_quoted_field_may_hold_quotes_and_lines(tmp_path: Path) -> None:
    text = 'user,item,review\n1,2,"She said ""no"".\nAnd left, at once."\n3,4,""\n5,6,fine\n'
    data = load(_write(tmp_path / "a.csv", text))
    assert data["user"].original_id.tolist() == [1, 3, 5]


def test_very_long_fields_are_read(tmp_path: Path) -> None:
    data = load(_write(tmp_path / "a.csv", f"user,item,t\n1,2,{'x' * 300_000}\n3,4,y\n"))
    assert train_edges(data).size(1) == 2


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["978300760", "978300761"], [978300760, 978300761]),
        (["978300760000", "978300761999"], [978300760, 978300761]),
        (["978300760.5", "978300761"], [978300760, 978300761]),
        (["978300760000000", "978300761000000"], [978300760, 978300761]),
        (["978300760000000000", "978300761000000000"], [978300760, 978300761]),
        (["2000-12-31T22:12:40Z", "2000-12-31 23:12:41+01:00"], [978300760, 978300761]),
        (["2000-12-31", "2001-01-01"], [978220800, 978307200]),
        (["20001231", "20010101"], [978220800, 978307200]),
        (["0", "978300761"], [0, 978300761]),
    ],
)
def test_times_are_seconds_however_they_are_written(
    tmp_path: Path, texts: list[str], found: list[int]
) -> None:
    rows = "".join(f"{i},0,{text}\n" for i, text in enumerate(texts))
    data = load(_write(tmp_path / "a.csv", "user,item,timestamp\n" + rows))
    assert data[EDGE].timestamp.tolist() == found
    assert data[EDGE].timestamp.dtype == torch.int64


def test_times_of_two_units_are_refused(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.csv", "user,item,time\n1,2,978300760000\n1,3,978300760\n")
    with pytest.raises(FileFormatError, match="978300760 in line 3 .* another unit"):
        load(file)
    assert "timestamp" not in load(file, columns=Columns(time=""))[EDGE]


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    text = "benutzer,artikel,zeit,wert\nzoë,x,2001-01-01,2\nal,y,2001-01-02,5\nal,x,2001-01-03,4\n"
    file = _write(tmp_path / "a.csv", text)
    with pytest.raises(FileFormatError, match="'benutzer', 'artikel'.*--user"):
        load(file)
    columns = Columns(user="benutzer", item="artikel", time="zeit", rating="wert")
    data = load(file, columns=columns)
    assert data["user"].original_id == ["al", "zoë"]
    assert data[EDGE].rating.tolist() == [4.0, 5.0, 2.0]
    assert data[EDGE].timestamp.tolist() == [978480000, 978393600, 978307200]
    assert "not used" in data.card["ratings"]
    rated = load(file, columns=dataclasses.replace(columns, min_rating=4))
    assert rated["user"].original_id == ["al"], "users without a row left are no users"
    assert rated.card["rows_dropped"] == 1
    with pytest.raises(FileFormatError, match="every row is rated too low"):
        load(file, columns=dataclasses.replace(columns, min_rating=6))
    with pytest.raises(InputError, match="no column 'artikle'.*Did you mean 'artikel'"):
        load(file, columns=dataclasses.replace(columns, item="artikle"))
    with pytest.raises(InputError, match="'zeit' of .* cannot be item and time at once"):
        load(file, columns=dataclasses.replace(columns, item="zeit"))
    with pytest.raises(FileFormatError, match="no column of ratings"):
        load(file, columns=dataclasses.replace(columns, rating="", min_rating=4))
    with pytest.raises(InputError, match="a data set with a card"):
        load("southern-women", columns=columns)


def test_columns_without_names_have_numbers(tmp_path: Path) -> None:
    file = _write(tmp_path / "u.csv", "196\t242\t3\t881250949\n186\t302\t1\t891717742\n")
    data = load(file, columns=Columns(rating="3", time="4", min_rating=2))
    assert (data["user"].original_id.tolist(), data["item"].original_id.tolist()) == ([196], [242])
    assert data[EDGE].timestamp.tolist() == [881250949]
    swapped = load(file, columns=Columns(user="2", item="1"))
    assert swapped["user"].original_id.tolist() == [242, 302]


def test_ids_with_a_tab_are_no_recbole_file(tmp_path: Path) -> None:
    data = load(_write(tmp_path / "a.csv", "user,item\na\tb,1\nc,2\n".replace(",", ";")))
    data["user"].original_id = ["a\tb", "c"]
    with pytest.raises(InputError, match="holds a tab"):
        write_inter(tmp_path / "out.inter", data)
    assert not (tmp_path / "out.inter").exists()


def test_ids_of_any_size_are_loaded(tmp_path: Path) -> None:
    _write(tmp_path / "train.txt", "0 3000000000 5\n3 4611686018427387904\n")
    data = load(tmp_path)
    assert train_edges(data).tolist() == [[0, 0, 3], [5, 3_000_000_000, 2**62]]
    assert num_items(split_interactions(data)) == 3
    np.savez(tmp_path / "a.npz", user=np.arange(3), item=9_780_000_000_000 + np.arange(3) ** 9)
    split = split_interactions(load(tmp_path / "a.npz"))
    assert split["item"].original_id.tolist() == [9780000000000, 9780000000001, 9780000000512]
    for item, law in (([-1, 2], "one is -1"), ([0.5, 1], "no whole number")):
        np.savez(tmp_path / "a.npz", user=np.arange(2), item=np.array(item))
        with pytest.raises(FileFormatError, match=law):
            load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", user=np.arange(2), item=np.array([2**63, 1], dtype=np.uint64))
    with pytest.raises(FileFormatError, match="does not fit into 64 bits"):
        load(tmp_path / "a.npz")
    names = np.array(["zoë", "al"])
    np.savez(tmp_path / "a.npz", user=names, item=np.arange(2), timestamp=np.array([5, 6]))
    assert load(tmp_path / "a.npz")["user"].original_id == ["al", "zoë"]


def test_frames_are_taken_as_they_are() -> None:
    pandas = pytest.importorskip("pandas")
    rows = {"user_id": ["b", "a", "b"], "item_id": [9, 7, 7], "stars": [1, 5, 3]}
    data = from_frame(pandas.DataFrame(rows))
    assert train_edges(data).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert data["user"].original_id == ["a", "b"]
    assert data["item"].original_id.tolist() == [7, 9]
    assert data[EDGE].rating.tolist() == [5.0, 3.0, 1.0]
    kept = from_frame(pandas.DataFrame(rows), Columns(min_rating=3))
    assert train_edges(kept).size(1) == 2
    dated = pandas.DataFrame({**rows, "date": pandas.to_datetime(["2001-01-01"] * 3)})
    assert from_frame(dated)[EDGE].timestamp.tolist() == [978307200] * 3
    for change, law in (
        ({"user_id": ["b", None, "b"]}, "The user in row 2 .* is missing"),
        ({"item_id": [9, float("nan"), 7]}, "The item in row 2 .* is missing"),
        ({"user_id": ["b", 3, "b"]}, "of type int and str"),
        ({"item_id": [9, -7, 7]}, "one is -7"),
    ):
        with pytest.raises(InputError, match=law):
            from_frame(pandas.DataFrame({**rows, **change}))
    with pytest.raises(InputError, match="but this is a int"):
        from_frame(3)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries(library: str) -> None:
    module = pytest.importorskip(library)
    rows = {"user": ["b", "a", "b"], "item": [9, 7, 7], "timestamp": [5, 6, 7]}
    frame = module.DataFrame(rows) if library == "polars" else module.table(rows)
    data = from_frame(frame)
    assert data["user"].original_id == ["a", "b"]
    assert data[EDGE].timestamp.tolist() == [6, 7, 5]


def test_parquet_says_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="pip install|no complete Parquet"):
        load(file)
    with pytest.raises(FileFormatError, match="There is no file"):
        load(tmp_path / "b.parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table({"user": ["b", "a"], "item": [1, 2]})
    parquet.write_table(table, file)
    assert load(file)["user"].original_id == ["a", "b"]


def test_line_ends_of_lightgcn_s_text(tmp_path: Path) -> None:
    for text in ("0 1 2\n3 1\n", "0 1 2\r\n3 1\r\n", "0 1 2\r3 1", "0 1\x0c2\n3 1"):
        (tmp_path / "train.txt").write_bytes(text.encode())
        assert train_edges(load(tmp_path)).tolist() == [[0, 0, 3], [1, 2, 1]], repr(text)
    (tmp_path / "train.txt").write_bytes(b"0 1\n\xff 2\n")
    with pytest.raises(FileFormatError, match="Line 2 .* is not in UTF-8"):
        load(tmp_path)
