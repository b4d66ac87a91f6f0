"""Columns as pandas, polars, arrow and NumPy make them."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphcond.data import EDGE, Columns, from_frame, load, train_edges
from graphcond.errors import FileFormatError, InputError

pandas = pytest.importorskip("pandas")
ROWS = {"user": ["b", "a"], "item": [9, 7]}


@pytest.mark.parametrize(
    "users",
    [
        np.array([4, 3], dtype=object),
        pandas.Series([np.int64(4), np.int32(3)], dtype=object),
        pandas.array([4, 3], dtype="Int64"),
        pandas.Categorical([4, 3], categories=[0, 3, 4]),
        pandas.array([4.0, 3.0], dtype="Float64"),
        torch.tensor([4, 3]),
    ],
    ids=["object", "numpy", "nullable", "categorical", "float", "torch"],
)
def test_whole_numbers_are_ids_in_every_dress(users: Any) -> None:
    data = from_frame({**ROWS, "user": users})
    assert data["user"].original_id.tolist() == [3, 4]
    assert train_edges(data).tolist() == [[0, 1], [0, 1]]


def test_texts_of_numpy_are_texts() -> None:
    texts = pandas.Series([np.str_("b"), np.str_("a")], dtype=object)
    assert from_frame({**ROWS, "user": texts})["user"].original_id == ["a", "b"]


def test_columns_without_names_are_taken_by_number() -> None:
    data = from_frame(pandas.DataFrame([[4, 9], [3, 7]]), Columns(user="0", item="1"))
    assert data["user"].original_id.tolist() == [3, 4]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("name", "values", "law"),
    [
        ("timestamp", ["2020-01-01", "2020-01-02"], "The time .* in row {} .* is no time"),
        ("timestamp", [1577836800, 1577836801], "The time .* in row {} .* is no time"),
        ("split", ["train", "test"], "The split 'nan' in row {}"),
        ("rating", [1.5, 2.5], "The rating .* in row {} .* is no finite number"),
    ],
)
def test_what_is_missing_is_not_taken_from_another_row(
    place: int, name: str, values: list[Any], law: str
) -> None:
    column = pandas.Series(values, dtype=object)
    column[place] = None
    with pytest.raises(InputError, match=law.format(place + 1)):
        from_frame({**ROWS, name: column})
    if isinstance(values[0], str):
        with pytest.raises(InputError, match=law.format(place + 1)):
            from_frame({**ROWS, name: column.astype("string")})


@pytest.mark.parametrize(
    ("name", "values", "law"),
    [
        ("user", [[1], [2]], "one value a row, but it holds lists"),
        ("user", [[1], [2, 3]], "one value a row, but it holds lists"),
        ("user", pandas.Series([[1], [2]]), "of type list"),
        ("user", [True, False], "of type bool"),
        ("user", [2**70, 1], "does not fit into 64 bits"),
        ("user", np.array([2**25, 1], dtype=np.float32), "no whole number that float32 holds"),
        ("user", [1, 2, 3], "their lengths are .*'user': 3"),
        ("rating", [1e300, 1.0], "no finite number of 32 bits"),
        ("rating", [1j, 1.0], "must hold real numbers"),
        ("rating", np.array(["2020", "2021"], dtype="datetime64[s]"), "must hold real numbers"),
        ("weight", np.array([1, 2], dtype="timedelta64[s]"), "must hold real numbers"),
        ("timestamp", [True, False], "is no time"),
    ],
)
def test_values_of_another_kind_are_named(name: str, values: Any, law: str) -> None:
    with pytest.raises(InputError, match=law):
        from_frame({**ROWS, name: values})


def test_dates_of_python_are_times() -> None:
    dates = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]
    found = from_frame({**ROWS, "timestamp": dates})[EDGE].timestamp
    assert sorted(found.tolist()) == [1577836800, 1577923200]


def test_a_lowest_rating_of_numpy_is_a_number_of_the_card() -> None:
    columns = Columns(min_rating=np.float32(2))  # type: ignore[arg-type]
    small = from_frame({**ROWS, "rating": [1, 3]}, columns)
    assert type(small.card["min_rating"]) is float
    assert train_edges(small).size(1) == 1


def test_a_member_of_an_archive_that_is_no_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.eye(3), edge_index=np.array([[0], [1]]))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", b"no array")
    with pytest.raises(FileFormatError, match="'y' .* is damaged"):
        load(path)
