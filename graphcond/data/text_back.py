"""Kept rows of a file of text, byte for byte as they stand in it.

Every writer takes the user's file, the folder to write to, the split original, the condensed set
and, where the file has columns, how they were named to :func:`load`. It returns which rows of the
file went where, and the files; the condensed set first.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from graphcond.data.atomic import write_atomically
from graphcond.data.columns import Columns, plainly
from graphcond.data.own_files import OBSERVED, ORIGIN, paths_of
from graphcond.data.recbole import inter_stem, read_parts
from graphcond.data.records import csv_cell
from graphcond.data.rows import Rows, rows_of
from graphcond.data.tables import KINDS, PROPOSAL, TextTable, read_table
from graphcond.errors import require


def write_text(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    """Write the kept rows of a table, as they stand in it."""
    text = read_table(source, columns)
    rows = rows_of(text.table, data, small)
    paths = paths_of(folder, source.stem, source.suffix)
    files = [_write_bytes(paths["kept"], _lines(text, rows.kept, rows.proposals))]
    for part, chosen in rows.held_out.items():
        files.append(_write_bytes(paths[part], _lines(text, chosen)))
    return rows, files


def write_inter_parts(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    """Write the kept rows of RecBole's files of parts."""
    table, parts = read_parts(source, columns)
    rows = rows_of(table, data, small)
    ends = np.cumsum([len(part.table.kept) for part in parts.values()])[:-1]
    files = []
    for name, chosen in {"train": rows.kept, **rows.held_out}.items():
        proposals = rows.proposals if name == "train" else ()
        pieces: list[bytes] = []
        for part, mask in zip(parts.values(), np.split(chosen, ends)):
            lines = list(_lines(part, mask, (), marked=bool(proposals)))
            pieces += lines[1:] if pieces else lines
        pieces += _proposal_lines(next(iter(parts.values())), proposals)
        path = folder / f"{inter_stem(source)}.{name}.inter"
        files.append(_write_bytes(path, pieces))
    return rows, files


def _lines(
    text: TextTable,
    chosen: np.ndarray,
    proposals: tuple[tuple[Any, Any], ...] = (),
    marked: bool = False,
) -> Iterator[bytes]:
    """Yield the header and the chosen rows as they stand in the file, then the proposals.

    Args:
        text: The file.
        chosen: Rows [R], bool.
        proposals: Pairs that follow.
        marked: Whether rows have a mark of their origin; they have if there are proposals.
    """
    records = text.records
    marked = marked or bool(proposals)
    if marked:
        _check_markable(text)
    mark = records.delimiter.encode()
    start = codecs.BOM_UTF8 if records.raw.startswith(codecs.BOM_UTF8) else b""
    if text.first:
        name = f"{ORIGIN}:token" if records.path.endswith(".inter") else ORIGIN
        added = mark + name.encode() if marked else b""
        yield start + records.row(0) + added + records.line_end(0)
        start = b""
    added = mark + OBSERVED.encode() if marked else b""
    for number in (np.flatnonzero(chosen) + text.first).tolist():
        yield start + records.row(number) + added + records.line_end(number)
        start = b""
    yield from _proposal_lines(text, proposals)


def _check_markable(text: TextTable) -> None:
    names = [plainly(name) for name in text.records.cells(0)] if text.first else []
    require(
        ORIGIN not in names,
        f"{text.records.path!r} has a column {ORIGIN!r} already, in which proposals would be"
        " marked. Rename it, or condense without proposals.",
    )
    require(
        text.records.delimiter != " " or len(text.records.cells(0)) == 2,
        f"{text.records.path!r} has columns for which a proposal has no value, and blanks cannot"
        " divide empty fields. Bring it as CSV, or condense without proposals.",
    )


def _proposal_lines(text: TextTable, proposals: Iterable[tuple[Any, Any]]) -> Iterator[bytes]:
    records = text.records
    quoted = not records.path.endswith(".inter") and records.delimiter in (",", ";", "|")
    cells = [""] * len(records.cells(0))
    if "split" in text.places:
        split = text.table.values["split"]
        training = np.flatnonzero(split == 0)
        if len(training):
            row = records.cells(int(training[0]) + text.first)
            cells[text.places["split"]] = row[text.places["split"]]
    for pair in proposals:
        for kind, word in zip(KINDS, pair):
            cells[text.places[kind]] = csv_cell(str(word), records.delimiter, quoted)
        line = records.delimiter.join([*cells, PROPOSAL])
        yield line.encode() + records.line_end(0)


def _write_bytes(path: Path, pieces: Iterable[bytes]) -> Path:
    with write_atomically(path) as temporary, open(temporary, "wb") as stream:
        stream.writelines(pieces)
    return path
