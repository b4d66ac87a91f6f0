"""Tables of interactions in files: CSV, TSV and Parquet."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from torch_geometric.data import HeteroData

from graphcond.data.atomic import write_atomically
from graphcond.data.columns import Columns, check_found, plainly
from graphcond.data.frames import Table, frame_table, make_table
from graphcond.data.ids import Ids, number_texts
from graphcond.data.records import Records, find_records
from graphcond.errors import FileFormatError, InputError, require

KINDS = ("user", "item")
_TEXT = {"user", "item", "split"}
PROPOSAL = "proposal"
"""What the column `origin` says of a pair that is no interaction of the original."""


def read_csv(path: str | os.PathLike[str], columns: Columns | None = None) -> HeteroData:
    """Read a table of interactions, one a row.

    A header names the columns: user and item (also ``user_id``, ``movieId``, …), perhaps
    ``rating``, ``timestamp``, ``weight`` and ``split`` (train / valid / test or 0 / 1 / 2); other
    columns are left aside. Without a header, users and items are the first two columns. Commas,
    tabs, semicolons, bars or blanks divide the columns. Ids may be any text; they are numbered in
    sorted order (as numbers where all are whole numbers) and kept as ``original_id``.

    Every row becomes an interaction or is named in an error: a row that is too short or too long, a
    quote that is never closed, a header within the file, a value that cannot be read.

    Args:
        path: The file.
        columns: Names of the columns; None looks for the usual ones.

    Returns:
        All interactions, with what further columns there are.

    Raises:
        FileFormatError: If the table has no interaction, or a row cannot be read.
    """
    return read_table(path, columns or Columns()).table.interactions(Path(path).stem)


@final
@dataclass(frozen=True)
class TextTable:
    """A text file of interactions.

    Attributes:
        table: Its rows as numbers.
        records: Its rows as bytes, the header among them.
        places: Which column is what.
        first: Number of the first row of ``records`` with values: 1 after a header, else 0.
    """

    table: Table
    records: Records
    places: Mapping[str, int]
    first: int


def read_table(path: str | os.PathLike[str], columns: Columns) -> TextTable:
    """Read the rows of a text file as numbers.

    Args:
        path: A file with one interaction a row.
        columns: Names of the columns.

    Returns:
        The table, and the rows it was read from.
    """
    path = Path(path)
    records = find_records(str(path), path.read_bytes(), "\t" if path.suffix == ".inter" else None)
    names, first = _header(records, columns)
    places = columns.find(names, str(path))
    for kind in ("user", "item"):
        check_found(kind, places, names, str(path))
    marked = {"origin": plain.index("origin")} if "origin" in (plain := _plain(names)) else {}
    frame = records.columns({**places, **marked}, _TEXT | {"origin"}, first)
    proposals = _proposals(frame) if marked else 0
    if proposals:
        places = {kind: place for kind, place in places.items() if kind in _TEXT}

    def where(row: int) -> str:
        return f"line {records.line(row + first)}"

    if first:
        _check_no_second_header(frame, names, places, str(path), where)
    ids = {
        kind: number_texts(*_categories(frame[kind]), kind, str(path), where)
        for kind in ("user", "item")
    }
    values = {kind: frame[kind] for kind in places if kind not in ids}
    _check_multiline(records, first, places, ids)
    require(
        not proposals or columns.min_rating is None,
        f"{str(path)!r} holds {proposals} proposals, which have no rating. Leave `min_rating`"
        " away.",
        error=FileFormatError,
    )
    table = make_table(str(path), ids, values, columns.min_rating, where)
    if proposals:
        table.card["proposals"] = proposals
    return TextTable(table, records, places, first)


def _plain(names: list[str]) -> list[str]:
    return [plainly(name) for name in names]


def _proposals(frame: Any) -> int:
    """Return how many rows a condenser proposed; they have no time, rating or weight."""
    return int((frame["origin"].astype(str).str.strip() == PROPOSAL).sum())


def _header(records: Records, columns: Columns) -> tuple[list[str], int]:
    """Return the names of the columns, and the number of the first row with values."""
    cells = records.cells(0)
    named = [name for name in (columns.user, columns.item) if name is not None]
    plain = _plain(cells)
    numbers = all(_is_number(cell) for cell in cells[:2])
    known = any(plainly(name) in plain for name in named)
    if numbers and not known:
        names = [str(place + 1) for place in range(len(cells))]
        return (names if named else ["user", "item", *names[2:]][: len(cells)]), 0
    return cells, 1


def _is_number(cell: str) -> bool:
    return cell.strip().strip('"').lstrip("-").replace(".", "", 1).isdigit()


def _categories(column: Any) -> tuple[np.ndarray, list[str]]:
    import pandas

    codes, distinct = pandas.factorize(column)
    return codes.astype(np.int64), [str(word) for word in distinct]


def _check_no_second_header(
    frame: Any, names: list[str], places: dict[str, int], path: str, where: Callable[[int], str]
) -> None:
    again = np.ones(len(frame), dtype=bool)
    for kind in ("user", "item"):
        name = names[places[kind]].strip().strip('"').casefold()
        same = [word for word in frame[kind].unique() if str(word).strip().casefold() == name]
        again &= frame[kind].isin(same).to_numpy(dtype=bool)
    require(
        not again.any(),
        f"The header of {path!r} comes again in"
        f" {where(int(np.argmax(again))) if again.any() else ''}. Take that line out.",
        error=FileFormatError,
    )


def _check_multiline(
    records: Records, first: int, places: dict[str, int], ids: dict[str, Ids]
) -> None:
    """Raise if a quoted field runs over what looks like rows of their own: two quotes that were
    left unclosed make one field that is closed.
    """
    if not records.quoted:
        return
    whole = {kind: isinstance(ids[kind].known, np.ndarray) for kind in ids}
    fields = len(records.cells(0))
    for number in np.flatnonzero(_spans(records)):
        for offset, line in enumerate(records.row(int(number)).decode("utf-8").split("\n")):
            cells = [cell.strip().strip('"') for cell in line.split(records.delimiter)]
            alike = len(cells) == fields and all(
                cells[places[kind]].isdigit() if whole[kind] else bool(cells[places[kind]])
                for kind in ids
            )
            require(
                offset == 0 or not alike,
                f"Line {records.line(int(number)) + offset} of {records.path!r} is within the"
                f" quotes of a field that begins in line {records.line(int(number))}, but it looks"
                " like a row. Close the quote, or take the line breaks out of the field.",
                error=FileFormatError,
            )


def _spans(records: Records) -> np.ndarray:
    """Return which rows hold a line end, within quotes [R]."""
    places = np.flatnonzero(np.frombuffer(records.raw, dtype=np.uint8) == 10)
    inner = np.searchsorted(places, records.stop) - np.searchsorted(places, records.start)
    return inner > 0


def read_parquet(path: str | os.PathLike[str], columns: Columns | None = None) -> HeteroData:
    """Read a table of interactions from a Parquet file; see :func:`read_csv` for the columns.

    Args:
        path: The file.
        columns: Names of the columns; None looks for the usual ones.

    Returns:
        All interactions.

    Raises:
        FileFormatError: If it is no Parquet file, or a value cannot be read.
        InputError: If pyarrow is not installed.
    """
    columns = columns or Columns()
    return frame_table(arrow_table(path), columns, str(path)).interactions(Path(path).stem)


def arrow_table(path: str | os.PathLike[str]) -> Any:
    """Return a Parquet file as a table of arrow.

    Args:
        path: The file.
    """
    parquet = arrow_parquet(str(path))
    require(
        not os.path.isdir(path),
        f"{str(path)!r} is a folder of Parquet files. pandas reads it:"
        " `from_frame(pandas.read_parquet(path))` takes the frame.",
        error=FileFormatError,
    )
    raw = Path(path).read_bytes()
    try:
        return parquet.read_table(io.BytesIO(raw))
    except (ValueError, OSError) as error:
        raise FileFormatError(f"{str(path)!r} is no complete Parquet file: {error}.") from error


def write_parquet(path: str | os.PathLike[str], columns: Columns | None = None) -> Path:
    """Write a text file of interactions as Parquet, beside it.

    Users and items become texts, as in the file; other columns get the types that pandas finds.

    Args:
        path: A ``.csv``, ``.tsv`` or ``.inter`` file.
        columns: Names of the columns; None looks for the usual ones.

    Returns:
        The file written.

    Raises:
        InputError: If it is another file, or pyarrow is not installed.
    """
    import pandas

    path = Path(path)
    if path.suffix == ".parquet":
        return path
    require(
        path.suffix in (".csv", ".tsv", ".inter"),
        f"{str(path)!r} is no table that could be written as Parquet. Leave `parquet` away.",
    )
    arrow_parquet(str(path))
    text = read_table(path, columns or Columns())
    names = text.records.cells(0) if text.first else []
    names = [name.strip().split(":")[0] if path.suffix == ".inter" else name for name in names]
    fields = len(text.records.cells(0))
    names = names or [str(place + 1) for place in range(fields)]
    frame = text.records.columns(
        dict(zip(names, range(fields))), {names[text.places[kind]] for kind in KINDS}, text.first
    )
    target = path.with_suffix(".parquet")
    with write_atomically(target) as temporary:
        pandas.DataFrame(frame).to_parquet(temporary, engine="pyarrow", index=False)
    return target


def arrow_parquet(path: str) -> Any:
    """Return the module that reads and writes Parquet, or say how to get it.

    Args:
        path: The file it is needed for.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"{path!r} is a Parquet file, which needs pyarrow. Install it: pip install"
            " pyarrow. Or write the table as CSV."
        ) from error
    return parquet
