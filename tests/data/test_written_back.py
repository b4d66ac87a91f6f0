"""The user's file in, the same file out: for each format, ids, columns and bytes of kept rows."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from graphcond.condensers import RandomInteractions
from graphcond.data import (
    EDGE,
    Columns,
    WrittenBack,
    content_digest,
    from_frame,
    kept_rows,
    load,
    num_items,
    split_interactions,
    test_edges,
    train_edges,
    val_edges,
    with_interactions,
    write_back,
)
from graphcond.errors import FileFormatError, InputError

NAMES = st.text(st.sampled_from('ab7é0"_ ,;|ß'), min_size=1, max_size=5).filter(
    lambda word: word == word.strip()
)
WORDS = st.text(st.sampled_from('xyz",;\n\t é|'), max_size=6)
ROWS = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 2**31), WORDS), min_size=4, max_size=25)


def _half(data: HeteroData, seed: int = 0) -> HeteroData:
    """Every second training interaction, with no condenser in the way."""
    count = train_edges(data).size(1)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: -(-count // 2)]
    return with_interactions(data, train_edges(data)[:, chosen.sort().values])


def _named(pairs: torch.Tensor, data: HeteroData) -> set[tuple[str, str]]:
    known = [
        [str(word) for word in (ids.tolist() if isinstance(ids, torch.Tensor) else ids)]
        if ids is not None
        else [str(i) for i in range(int(data[kind].num_nodes))]
        for kind, ids in ((kind, data[kind].get("original_id")) for kind in ("user", "item"))
    ]
    return {(known[0][user], known[1][item]) for user, item in pairs.t().tolist()}


def _text(rows: list[tuple[Any, ...]], delimiter: str, end: str, quoting: Any) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows(rows)
    return stream.getvalue()


@settings(max_examples=150, deadline=None)
@given(
    ROWS,
    st.sampled_from([",", ";", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.integers(0, 9),
)
def test_kept_rows_are_the_inputs_rows(
    rows: list[tuple[str, str, int, str]],
    delimiter: str,
    end: str,
    quoting: Any,
    cut: bool,
    seed: int,
) -> None:
    """Against the csv module: every row is in exactly one file, as it stands, in its order."""
    header = ("note", "user", "timestamp", "item")
    ordered = [(note.replace("\n", "/"), user, time, item) for user, item, time, note in rows]
    text = _text([header, *ordered], delimiter, end, quoting)
    text = text.removesuffix(end) if cut else text
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "own.csv"
        source.write_bytes(text.encode())
        data = split_interactions(load(source), seed=seed)
        small = _half(data, seed)
        done = write_back(source, Path(name) / "out", data, small)
        lines = [f"{line}{end}" for line in text.removesuffix(end).split(end)]
        parts = {
            "own.csv": _named(train_edges(small), data),
            "own.valid.csv": _named(val_edges(data), data),
            "own.test.csv": _named(test_edges(data), data),
        }
        for file, pairs in parts.items():
            expected = [lines[0]] + [
                line for line, row in zip(lines[1:], ordered) if (row[1], row[3]) in pairs
            ]
            path = Path(name) / "out" / file
            assert path.exists() == bool(pairs)
            if pairs:
                assert path.read_bytes().decode() == "".join(expected)
        again = load(Path(name) / "out" / "own.csv")
        assert _named(train_edges(again), again) == parts["own.csv"]
        assert done.rows_of == len(rows)
        assert done.proposals == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 9)), min_size=4, max_size=30),
    st.integers(0, 9),
)
def test_whole_numbers_in_arrays_and_text(pairs: list[tuple[int, int]], seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        user, item = (np.array(column) for column in zip(*pairs))
        extra = np.arange(len(pairs)) / 7
        np.savez(folder / "own.npz", user=user, item=item, note=extra, other=np.arange(3)[:, None])
        data = split_interactions(load(folder / "own.npz"), seed=seed)
        small = _half(data, seed)
        write_back(folder / "own.npz", folder / "out", data, small)
        wanted = _named(train_edges(small), data)
        keep = [(str(u), str(i)) in wanted for u, i in pairs]
        with np.load(folder / "out" / "own.npz") as out:
            assert out["user"].tolist() == user[keep].tolist()
            assert out["item"].tolist() == item[keep].tolist()
            assert out["note"].tolist() == extra[keep].tolist()
            assert out["user"].dtype == user.dtype


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.txt").write_text("7 3 1 9\n0 3000000000 5 1\n2 1 3 5\n")
    (folder / "test.txt").write_text("7 5\n0 3\n")
    return folder


def test_lightgcn_s_text_keeps_its_order(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    data = split_interactions(load(folder), strategy="published", ratios=(0.9, 0.0, 0.1))
    keep = {("7", "1"), ("7", "9"), ("0", "3000000000")}
    edges = train_edges(data)
    chosen = [i for i in range(edges.size(1)) if _named(edges[:, [i]], data) <= keep]
    done = write_back(folder, tmp_path / "out", data, with_interactions(data, edges[:, chosen]))
    assert (tmp_path / "out" / "train.txt").read_text() == "7 1 9\n0 3000000000\n"
    assert (tmp_path / "out" / "test.txt").read_text() == "7 5\n0 3\n"
    assert [path.name for path in done.files] == ["train.txt", "test.txt"]
    assert (done.rows, done.rows_of) == (3, 11)


def test_recbole_s_parts_stay_parts(tmp_path: Path) -> None:
    head = "user_id:token\titem_id:token\trating:float\n"
    parts = {"train": "b\tx\t3\na\ty\t1\nb\ty\t2\n", "valid": "a\tx\t5\n", "test": "b\tz\t4.50\n"}
    for part, text in parts.items():
        (tmp_path / f"own.{part}.inter").write_text(head + text)
    data = split_interactions(load(tmp_path / "own.inter"), strategy="published")
    edges = train_edges(data)
    chosen = [i for i in range(3) if _named(edges[:, [i]], data) != {("a", "y")}]
    small = with_interactions(data, edges[:, chosen])
    done = write_back(tmp_path / "own.inter", tmp_path / "out", data, small)
    assert [path.name for path in done.files] == [f"own.{part}.inter" for part in parts]
    assert (tmp_path / "out/own.train.inter").read_text() == head + "b\tx\t3\nb\ty\t2\n"
    for part in ("valid", "test"):
        assert (tmp_path / f"out/own.{part}.inter").read_text() == head + parts[part]


PROPOSED = 'zeit;kunde;ware\r\n5;"b;1";x\r\n6;a;y\r\n7;"b;1";y\r\n'
GERMAN = Columns(user="kunde", item="ware", time="zeit")


def _proposed(source: Path, columns: Columns | None = None) -> tuple[HeteroData, HeteroData]:
    """A set that keeps one observed pair and proposes one new."""
    data = split_interactions(load(source, columns=columns), ratios=(1.0, 0.0, 0.0))
    users, items = data["user"].original_id, data["item"].original_id
    pairs = [[users.index("b;1"), users.index("a")], [items.index("y"), items.index("x")]]
    return data, with_interactions(data, torch.tensor(pairs))


def test_proposals_are_marked_and_what_to_leave_out_is_listed(tmp_path: Path) -> None:
    source = tmp_path / "own.csv"
    source.write_bytes(PROPOSED.encode())
    data, small = _proposed(source, GERMAN)
    done = write_back(source, tmp_path / "out", data, small, GERMAN)
    assert (tmp_path / "out" / "own.csv").read_bytes().decode() == (
        'zeit;kunde;ware;origin\r\n7;"b;1";y;observed\r\n;a;x;proposal\r\n'
    )
    assert (done.rows, done.rows_of, done.proposals) == (1, 3, 1)
    listed = (tmp_path / "out" / "leave_out.csv").read_text()
    assert sorted(listed.splitlines()) == sorted(["user,item", "b;1,x", "a,y", "b;1,y"])
    again = load(tmp_path / "out" / "own.csv", columns=GERMAN)
    assert again.card["proposals"] == 1
    assert _named(train_edges(again), again) == {("b;1", "y"), ("a", "x")}
    assert "timestamp" not in again[EDGE], "proposals have no time"


def test_proposals_that_a_format_cannot_hold_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "own.csv"
    source.write_text("user,item,origin\nb;1,x,shop\na,y,web\nb;1,y,web\n")
    data, small = _proposed(source)
    with pytest.raises(InputError, match="has a column 'origin' already"):
        write_back(source, tmp_path / "out", data, small)
    assert not list((tmp_path / "out").iterdir()), "nothing is left behind"


def test_arrays_and_text_files_take_proposals_too(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    data = split_interactions(load(folder), strategy="published", ratios=(0.9, 0.0, 0.1))
    place = {word: i for i, word in enumerate(data["item"].original_id.tolist())}
    pairs = torch.tensor([[7, 2], [place[3], place[3_000_000_000]]])
    write_back(folder, tmp_path / "out", data, with_interactions(data, pairs))
    assert (tmp_path / "out" / "train.txt").read_text() == "7 3\n2 3000000000\n"
    assert (tmp_path / "out" / "proposals.txt").read_text() == "2 3000000000\n"
    assert len((tmp_path / "out" / "leave_out.csv").read_text().splitlines()) == 10
    np.savez(tmp_path / "own.npz", user=np.array([0, 1, 1]), item=np.array([5, 5, 6]))
    data = split_interactions(load(tmp_path / "own.npz"), ratios=(1.0, 0.0, 0.0))
    small = with_interactions(data, torch.tensor([[0, 1], [6, 5]]))
    write_back(tmp_path / "own.npz", tmp_path / "out", data, small)
    with np.load(tmp_path / "out" / "own.npz") as out:
        found = list(zip(out["user"].tolist(), out["item"].tolist(), out["origin"].tolist()))
    assert found == [(1, 5, "observed"), (0, 6, "proposal")]


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    source, out = tmp_path / "own.csv", tmp_path / "out"
    source.write_bytes(PROPOSED.encode())
    data, small = _proposed(source, GERMAN)
    write_back(source, out, data, small, GERMAN)
    (out / "mine.txt").write_text("stays")
    write_back(source, out, data, data, GERMAN)
    assert {path.name for path in out.iterdir()} == {"own.csv", "mine.txt"}
    assert (out / "own.csv").read_bytes() == source.read_bytes()


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "own.csv"
    source.write_text("user,item\n1,2\n1,3\n4,2\n")
    digest = content_digest(source)
    data = split_interactions(load(source), ratios=(1.0, 0.0, 0.0))
    source.write_text("user,item\n1,2\n1,3\n5,2\n")
    with pytest.raises(FileFormatError, match="has changed since it was loaded"):
        write_back(source, tmp_path / "out", data, _half(data), digest=digest)
    with pytest.raises(InputError, match="the folder of the original"):
        write_back(source, tmp_path, data, _half(data))


def test_rows_below_the_threshold_and_outside_the_core_are_not_kept(tmp_path: Path) -> None:
    from graphcond.data import k_core

    source = tmp_path / "own.csv"
    rows = [f"{user},{item},{5 if user < 8 else 1}" for user in range(9) for item in range(6)]
    rows += ["99,0,5", "0,0,2"]  # outside the core; a lower rating of a pair that is kept
    source.write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    columns = Columns(min_rating=4)
    data = split_interactions(k_core(load(source, columns=columns), 2), ratios=(1.0, 0.0, 0.0))
    done = write_back(source, tmp_path / "out", data, data, columns)
    lines = (tmp_path / "out" / "own.csv").read_text().splitlines()[1:]
    assert lines == rows[:48]
    assert done == WrittenBack((tmp_path / "out" / "own.csv",), 48, 56, 0)


def test_frames_come_back_as_they_came() -> None:
    pandas = pytest.importorskip("pandas")
    rows = {"user": list("bbaac"), "item": [9, 7, 7, 9, 7], "note": [0.5, 1, 2, 3, 4]}
    frame = pandas.DataFrame(rows, index=[5, 4, 3, 2, 1])
    data = split_interactions(from_frame(frame), ratios=(1.0, 0.0, 0.0))
    small = _half(data)
    kept = kept_rows(frame, data, small)
    wanted = _named(train_edges(small), data)
    keep = [(user, str(item)) in wanted for user, item in zip(frame["user"], frame["item"])]
    pandas.testing.assert_frame_equal(kept, frame[keep])
    new = with_interactions(data, torch.tensor([[0, 2], [0, 1]]))
    marked = kept_rows(frame, data, new)
    assert marked["origin"].tolist() == ["observed", "proposal"]
    assert marked["user"].tolist() == ["a", "c"]
    assert marked["note"].isna().tolist() == [False, True]


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries_come_back(library: str) -> None:
    module = pytest.importorskip(library)
    rows = {"user": list("bbaac"), "item": [9, 7, 7, 9, 7], "note": list("vwxyz")}
    frame = module.DataFrame(rows) if library == "polars" else module.table(rows)
    data = split_interactions(from_frame(frame), ratios=(1.0, 0.0, 0.0))
    small = _half(data)
    kept = kept_rows(frame, data, small)
    wanted = _named(train_edges(small), data)
    keep = [(user, str(item)) in wanted for user, item in zip(rows["user"], rows["item"])]
    notes = kept["note"].to_pylist() if library == "pyarrow" else kept["note"].to_list()
    assert notes == [note for note, chosen in zip(rows["note"], keep) if chosen]
    assert type(kept) is type(frame)


def test_parquet_comes_back_with_its_types(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {
            "user": pyarrow.array(["b;1", "a", "b;1"]),
            "when": pyarrow.array([5, 6, 7], pyarrow.timestamp("ms")),
            "item": pyarrow.array(["x", "y", "y"]),
        }
    )
    parquet.write_table(table, tmp_path / "own.parquet")
    columns = Columns(time="when")
    data, small = _proposed(tmp_path / "own.parquet", columns)
    write_back(tmp_path / "own.parquet", tmp_path / "out", data, data, columns)
    assert parquet.read_table(tmp_path / "out" / "own.parquet").equals(table)
    write_back(tmp_path / "own.parquet", tmp_path / "out", data, small, columns)
    back = parquet.read_table(tmp_path / "out" / "own.parquet")
    assert back.column("origin").to_pylist() == ["observed", "proposal"]
    assert back.schema.field("when").type == table.schema.field("when").type
    assert back.column("user").to_pylist() == ["b;1", "a"]


def test_a_condensers_set_is_written_back(tmp_path: Path) -> None:
    """The whole way with a real condenser, which numbers, merges and sorts."""
    rows = [
        f"u{user},i{(user * 7 + item * 3) % 40},{user}" for user in range(30) for item in range(9)
    ]
    source = tmp_path / "own.csv"
    source.write_text("\n".join(["user,item,note", *rows]) + "\n")
    data = split_interactions(load(source))
    small = RandomInteractions(ratio=0.25)(data)
    done = write_back(source, tmp_path / "out", data, small)
    lines = (tmp_path / "out" / "own.csv").read_text().splitlines()[1:]
    assert len(lines) == done.rows == train_edges(small).size(1) <= 0.25 * train_edges(data).size(1)
    assert lines == [row for row in rows if row in set(lines)], "in the order of the input"
    assert num_items(small) == num_items(data)
