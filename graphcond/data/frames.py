"""Columns of a table, checked, as interactions: from files, and from pandas, polars and arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, final

import numpy as np
import torch
from torch_geometric.data import HeteroData

from graphcond.data.columns import Columns, check_found
from graphcond.data.ids import Ids, number_integers, number_texts
from graphcond.data.interactions import make_interactions
from graphcond.data.times import seconds
from graphcond.errors import FileFormatError, require

_PARTS = {"train": 0, "valid": 1, "val": 1, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}


@final
@dataclass(frozen=True)
class Table:
    """The rows of a table of interactions, as numbers.

    Attributes:
        path: Where it comes from, for messages.
        user: The users, one per row [R].
        item: The items, one per row [R].
        values: ``weight``, ``split``, ``rating`` and ``time`` where there are such columns [R].
        kept: Which rows are interactions [R]; others are rated too low.
        card: What else is to be said of it.
    """

    path: str
    user: Ids
    item: Ids
    values: Mapping[str, np.ndarray]
    kept: np.ndarray
    card: dict[str, Any] = field(default_factory=dict)

    def interactions(self, name: str) -> HeteroData:
        """Return the interactions with repeated pairs merged.

        Args:
            name: Name of the data set, for its card.
        """
        require(
            bool(self.kept.any()),
            f"{self.path!r} holds no interaction"
            + (". It is empty." if not len(self.kept) else ": every row is rated too low."),
            error=FileFormatError,
        )
        user, item = (self._seen(ids) for ids in (self.user, self.item))
        given = {kind: torch.from_numpy(value[self.kept]) for kind, value in self.values.items()}
        data = make_interactions(
            torch.from_numpy(np.stack([user.codes, item.codes])),
            user.size,
            item.size,
            given.get("weight"),
            given.get("split"),
            {"name": name, **self.card},
            rating=given.get("rating"),
            timestamp=given.get("time"),
        )
        for kind, ids in (("user", user), ("item", item)):
            if ids.original is not None:
                data[kind].original_id = ids.original
        return data

    def _seen(self, ids: Ids) -> Ids:
        """Return the ids of the rows that are kept, without those that occur in no such row."""
        if self.kept.all() or ids.known is None:
            return ids
        used, codes = np.unique(ids.codes[self.kept], return_inverse=True)
        if isinstance(ids.known, np.ndarray):
            return Ids(codes.reshape(-1), ids.known[used], len(used))
        return Ids(codes.reshape(-1), [ids.known[i] for i in used], len(used))


def make_table(
    path: str,
    ids: Mapping[str, Ids],
    values: Mapping[str, Any],
    min_rating: float | None,
    where: Callable[[int], str],
) -> Table:
    """Check the columns of a table and return it.

    Args:
        path: Where it comes from, for messages.
        ids: Users and items.
        values: ``weight``, ``split``, ``rating`` and ``time`` as they were read.
        min_rating: Rows with a lower rating are no interactions.
        where: Names a row in messages, given its index.

    Returns:
        The table.

    Raises:
        FileFormatError: If a value cannot be read; the message names its row.
    """
    read: dict[str, np.ndarray] = {}
    for kind in ("weight", "rating"):
        if kind in values:
            read[kind] = _floats(values[kind], kind, path, where)
    if "split" in values:
        read["split"] = _parts(values["split"], path, where)
    if "time" in values:
        read["time"] = seconds(values["time"], path, where)
    count = len(ids["user"].codes)
    kept = np.ones(count, dtype=bool)
    card: dict[str, Any] = {}
    if min_rating is not None:
        kept = read["rating"] >= min_rating
        card = {"min_rating": float(min_rating), "rows_dropped": int((~kept).sum())}
    elif "rating" in read:
        card = {"ratings": "kept, not used: a row of any rating is an interaction (min_rating)"}
    if "weight" in read:
        card["weights"] = "kept, not used in training (BPR(weighted=True))"
    return Table(path, ids["user"], ids["item"], read, kept, card)


def _floats(values: Any, kind: str, path: str, where: Callable[[int], str]) -> np.ndarray:
    import pandas

    array = np.asarray(values)
    require(
        array.dtype.kind not in "cmM",
        f"The column {kind!r} of {path!r} must hold real numbers, but it is of {array.dtype}."
        f" Convert it, or take no such column (--{kind} '').",
        error=FileFormatError,
    )
    numbers = pandas.to_numeric(pandas.Series(array), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~(np.abs(numbers) <= np.finfo(np.float32).max))
    if len(bad):
        found = array[int(bad[0])]
        shown = found.item() if hasattr(found, "item") else found
        raise FileFormatError(
            f"The {kind} {shown!r} in {where(int(bad[0]))} of {path!r} is no finite number of 32"
            f" bits. Mend it (decimals have a point), or take no such column (--{kind} '')."
        )
    low = np.flatnonzero(numbers < 0) if kind == "weight" else bad
    if len(low):
        raise FileFormatError(
            f"The weight {numbers[int(low[0])]} in {where(int(low[0]))} of {path!r} is negative."
            " Weights say how strong an interaction is; drop the row or shift them."
        )
    return np.asarray(numbers, dtype=np.float32)


def _parts(values: Any, path: str, where: Callable[[int], str]) -> np.ndarray:
    import pandas

    texts = pandas.Series(np.asarray(values)).astype(str)
    # without the option what is missing would be -1, which is the last of the parts
    codes, distinct = pandas.factorize(texts, use_na_sentinel=False)
    known = np.array([_PARTS.get(str(word).strip().lower(), -1) for word in distinct])
    parts = known[codes] if len(codes) else np.empty(0, dtype=np.int64)
    bad = np.flatnonzero(parts < 0)
    if len(bad):
        word = str(distinct[codes[int(bad[0])]])
        raise FileFormatError(
            f"The split {word!r} in {where(int(bad[0]))} of {path!r} is none of train, valid and"
            " test (0, 1, 2). Mend it or rename the column."
        )
    return parts.astype(np.uint8)


def from_frame(frame: Any, columns: Columns | None = None, name: str = "frame") -> HeteroData:
    """Return interactions from a frame of pandas or polars, or a table of arrow.

    Args:
        frame: A row per interaction.
        columns: Which columns to take; None looks for the usual names.
        name: Name of the data set, for its card.

    Returns:
        All interactions, with ``original_id``, and with ``timestamp``, ``rating``, ``split`` and
        ``edge_weight`` where there are such columns.

    Raises:
        InputError: If a column is missing or a value cannot be read; the message names the row.

    Example:
        >>> import pandas
        >>> rows = {"user": ["zoë", "al"], "item": ["x", "x"], "date": ["2024-01-01", "2025-01-01"]}
        >>> data = from_frame(pandas.DataFrame(rows))
        >>> data["user"].original_id, data["user", "interacts", "item"].timestamp.tolist()
        (['al', 'zoë'], [1735689600, 1704067200])
    """
    return frame_table(frame, columns or Columns(), name).interactions(name)


def frame_table(frame: Any, columns: Columns, path: str) -> Table:
    """Return the rows of a frame as numbers.

    Args:
        frame: A frame of pandas or polars, or a table of arrow.
        columns: Which columns to take.
        path: Where it comes from, for messages.

    Returns:
        The table, in the order of the frame's rows.
    """
    names = getattr(frame, "column_names", None)
    if isinstance(frame, Mapping):
        names = list(frame)
    elif names is None and hasattr(frame, "columns"):
        names = list(frame.columns)
    require(
        names is not None,
        f"A table must be a frame of pandas or polars, or a table of arrow, but this is a"
        f" {type(frame).__name__}. Make a `pandas.DataFrame` of it.",
    )
    keys = list(names or ())  # pandas numbers columns without names
    names = [str(column) for column in keys]
    places = columns.find(names, path)
    for kind in ("user", "item"):
        check_found(kind, places, names, path)

    def where(row: int) -> str:
        return f"row {row + 1}"

    taken = {kind: _column(frame, keys[place]) for kind, place in places.items()}
    lengths = {kind: len(column) for kind, column in taken.items()}
    require(
        len(set(lengths.values())) == 1,
        f"All columns must have a value for each row, but their lengths are {lengths}. Mend them.",
    )
    ids = {kind: _number(taken.pop(kind), kind, path, where) for kind in ("user", "item")}
    return make_table(path, ids, taken, columns.min_rating, where)


def _column(frame: Any, name: Any) -> np.ndarray:
    column = frame[name]
    require(
        getattr(column, "ndim", 1) == 1,
        f"There are several columns called {name!r}. Rename all but one.",
    )
    convert = getattr(column, "to_numpy", None)
    try:
        array = np.asarray(column if convert is None else convert())
    except ValueError:  # lists of several lengths
        array = np.empty((0, 0))
    require(
        array.ndim == 1,
        f"The column {name!r} must hold one value a row, but it holds lists. Give each of their"
        " entries a row.",
    )
    return array


def _number(values: np.ndarray, kind: str, path: str, where: Callable[[int], str]) -> Ids:
    """Number the ids of a frame's column, whatever their type."""
    import pandas

    missing = np.flatnonzero(pandas.isna(values))
    require(
        not len(missing),
        f"The {kind} in {where(int(missing[0])) if len(missing) else ''} of {path!r} is missing."
        " Fill it in or drop the row.",
        error=FileFormatError,
    )
    if np.issubdtype(values.dtype, np.floating):
        exact = 2 ** (np.finfo(values.dtype).nmant + 1)  # beyond, ids have been rounded
        broken = np.flatnonzero((values != np.floor(values)) | (np.abs(values) > exact))
        require(
            not len(broken),
            f"The {kind} in {where(int(broken[0])) if len(broken) else ''} of {path!r} is"
            f" {values[broken[0]] if len(broken) else ''}, which is no whole number that"
            f" {values.dtype} holds exactly. Bring ids as texts or whole numbers.",
            error=FileFormatError,
        )
        values = values.astype(np.int64)
    if np.issubdtype(values.dtype, np.integer):
        return number_integers(values, kind, path)
    try:
        codes, distinct = pandas.factorize(values.astype(object))
    except TypeError:  # lists and the like: named below
        distinct = values
    if all(isinstance(value, Integral) and not isinstance(value, bool) for value in distinct):
        big = next((value for value in distinct if abs(value) >= 2**63), None)
        require(
            big is None,
            f"The {kind} {big} of {path!r} does not fit into 64 bits. Bring ids as texts.",
            error=FileFormatError,
        )
        whole = np.array([int(value) for value in distinct], dtype=np.int64)
        return number_integers(whole[codes], kind, path)
    types = sorted({"str" if isinstance(word, str) else type(word).__name__ for word in distinct})
    require(
        types == ["str"],
        f"The {kind}s of {path!r} must all be texts or all whole numbers, but they are of type"
        f" {' and '.join(types)}. Convert the column, for example with `.astype(str)`.",
    )
    return number_texts(codes, [str(text) for text in distinct], kind, path, where)
