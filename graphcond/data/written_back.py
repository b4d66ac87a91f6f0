"""A user's file in, the same file out: the rows that were kept, as they stand in the input.

``condense`` works on numbers. What a user wants back is the file that came in, smaller: the same
ids, columns, separators and quotes, in the same order, so that every tool that read the one reads
the other.
"""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from torch_geometric.data import HeteroData

from graphcond.data.columns import Columns, plainly
from graphcond.data.frames import frame_table
from graphcond.data.interactions import train_edges
from graphcond.data.lightgcn import FILES, folder_of, read_lightgcn_table
from graphcond.data.recbole import inter_parts, inter_stem, read_parts
from graphcond.data.recommendation import arrays_table, own_arrays
from graphcond.data.records import csv_cell
from graphcond.data.rows import Rows, name_of, rows_of
from graphcond.data.store import write_atomically, write_lines
from graphcond.data.tables import KINDS, PROPOSAL, TextTable, arrow_parquet, arrow_table, read_table
from graphcond.errors import FileFormatError, require

ORIGIN = "origin"
OBSERVED = "observed"
LEAVE_OUT = "leave_out.csv"
"""The file with the original's training interactions, beside a set that holds proposals."""


@final
@dataclass(frozen=True)
class WrittenBack:
    """What was written.

    Attributes:
        files: The files; the condensed set first.
        rows: Rows of the input that were kept.
        rows_of: Rows of the input.
        proposals: Rows that are no interactions of the input.
    """

    files: tuple[Path, ...]
    rows: int
    rows_of: int
    proposals: int


def write_back(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    data: HeteroData,
    small: HeteroData,
    columns: Columns | None = None,
    digest: str | None = None,
) -> WrittenBack:
    """Write the condensed set in the form of the file that it was made of.

    Kept rows are those of the input, byte for byte in text files, in its order. All rows of a kept
    pair are kept. Pairs that are no interactions of the input follow at the end; a column
    ``origin`` then says ``observed`` or ``proposal``, and ``leave_out.csv`` lists the original's
    training interactions, which a ranking has to leave out. The rows that were held out go to
    ``name.valid.csv`` and ``name.test.csv``.

    Args:
        source: The file or folder that ``data`` were loaded from.
        folder: Where to write; made if missing.
        data: The split original.
        small: What a condenser made of it.
        columns: As they were given to :func:`load`.
        digest: :func:`content_digest` of the source when it was loaded; None trusts it.

    Returns:
        The files and how many rows they have.

    Raises:
        FileFormatError: If the source has changed since it was loaded.
        InputError: If the folder is that of the source, or the format cannot hold a proposal.
        StorageError: If a file cannot be written.
    """
    source = Path(source)
    folder = Path(folder)
    columns = columns or Columns()
    require(
        folder.resolve() != folder_of(source).resolve(),
        f"{str(folder)!r} is the folder of the original, which would be overwritten. Choose another"
        " folder.",
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in _names(source):  # of an earlier run
        (folder / name).unlink(missing_ok=True)
    before = content_digest(source)
    require(
        digest is None or before == digest,
        f"{str(source)!r} has changed since it was loaded, so its rows are no longer known."
        " Condense it again.",
        error=FileFormatError,
    )
    if source.suffix == ".inter" and inter_parts(source):
        rows, files = _write_inter_parts(source, folder, data, small, columns)
    elif source.suffix in (".csv", ".tsv", ".inter"):
        rows, files = _write_text(source, folder, data, small, columns)
    elif source.suffix == ".parquet":
        rows, files = _write_arrow(source, folder, data, small, columns)
    elif source.suffix == ".npz":
        rows, files = _write_arrays(source, folder, data, small, columns)
    else:
        rows, files = _write_lightgcn(source, folder, data, small)
    require(
        content_digest(source) == before,
        f"{str(source)!r} changed while it was read. Condense it again.",
        error=FileFormatError,
    )
    if rows.proposals:
        files.append(_write_leave_out(folder, data))
    return WrittenBack(tuple(files), int(rows.kept.sum()), len(rows.kept), len(rows.proposals))


def is_own_file(name: str) -> bool:
    """Return whether ``name`` is a file of interactions that :func:`write_back` can write.

    Args:
        name: As given to :func:`load`.
    """
    path = Path(name)
    if path.suffix in (".csv", ".tsv", ".inter", ".parquet", ".npz"):
        return True
    return (path.is_dir() or path.suffix == ".txt") and (folder_of(path) / "train.txt").is_file()


def content_digest(source: str | os.PathLike[str]) -> str:
    """Return a checksum of the files of a data set, by which a change between two reads is seen.

    Args:
        source: A file, one of RecBole's parts, or LightGCN's folder.
    """
    path = Path(source)
    if path.suffix == ".inter":
        files = list(inter_parts(path).values()) or [path]
    elif path.is_dir() or path.suffix == ".txt":
        files = [folder_of(path) / name for name in FILES if (folder_of(path) / name).is_file()]
    else:
        files = [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()


def kept_rows(
    frame: Any, data: HeteroData, small: HeteroData, columns: Columns | None = None
) -> Any:
    """Return the rows of a frame that are in a condensed set.

    Args:
        frame: The frame of pandas or polars, or the table of arrow, that ``data`` were made of.
        data: The split original.
        small: What a condenser made of it.
        columns: As they were given to :func:`from_frame`.

    Returns:
        A frame of the same kind, its rows in the same order. Where the set has proposals, they
        follow, and a column ``origin`` tells them apart; that is for pandas alone.

    Raises:
        InputError: If the set has proposals and the frame is not of pandas.

    Example:
        >>> import pandas
        >>> from graphcond.data import from_frame, split_interactions, with_interactions
        >>> frame = pandas.DataFrame({"user": list("aabb"), "item": list("wxyz"), "note": range(4)})
        >>> data = split_interactions(from_frame(frame), ratios=(1.0, 0.0, 0.0))
        >>> small = with_interactions(data, train_edges(data)[:, [0, 3]])
        >>> kept_rows(frame, data, small)["note"].tolist()
        [0, 3]
    """
    columns = columns or Columns()
    rows = rows_of(frame_table(frame, columns, "frame"), data, small)
    index = np.flatnonzero(rows.kept)
    if hasattr(frame, "take") and hasattr(frame, "column_names"):
        kept = frame.take(index)
    else:
        kept = frame.iloc[index] if hasattr(frame, "iloc") else frame[index]
    if not rows.proposals:
        return kept
    require(
        hasattr(frame, "iloc"),
        f"The set has {len(rows.proposals)} proposals, which only a frame of pandas can take."
        " Convert the frame with `.to_pandas()`.",
    )
    import pandas

    names = list(frame.columns)
    places = columns.find([str(name) for name in names], "frame")
    new = {names[places[kind]]: list(ids) for kind, ids in zip(KINDS, zip(*rows.proposals))}
    added = pandas.DataFrame({**new, ORIGIN: PROPOSAL}).reindex(columns=[*names, ORIGIN])
    return pandas.concat([kept.assign(**{ORIGIN: OBSERVED}), added], ignore_index=True)


def _names(source: Path) -> list[str]:
    """Return the names of all that may be written."""
    if source.is_dir() or source.suffix == ".txt":
        return [*FILES, LEAVE_OUT, "proposals.txt"]
    stem = inter_stem(source) if source.suffix == ".inter" else source.stem
    suffixes = (source.suffix, ".parquet")
    names = [f"{stem}{mark}{suffix}" for mark in _MARKS.values() for suffix in suffixes]
    names += [f"{stem}.train.inter"] if source.suffix == ".inter" else []
    return [*names, LEAVE_OUT]


def _paths(folder: Path, stem: str, suffix: str) -> dict[str, Path]:
    return {part: folder / f"{stem}{mark}{suffix}" for part, mark in _MARKS.items()}


_MARKS = {"kept": "", "valid": ".valid", "test": ".test"}


def _write_text(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    text = read_table(source, columns)
    rows = rows_of(text.table, data, small)
    paths = _paths(folder, source.stem, source.suffix)
    files = [_write_bytes(paths["kept"], _lines(text, rows.kept, rows.proposals))]
    for part, chosen in rows.held_out.items():
        files.append(_write_bytes(paths[part], _lines(text, chosen)))
    return rows, files


def _write_inter_parts(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
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


def _write_arrow(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    table = arrow_table(source)
    parquet = arrow_parquet(str(source))
    rows = rows_of(frame_table(table, columns, str(source)), data, small)
    places = columns.find(table.column_names, str(source))
    kept = table.take(np.flatnonzero(rows.kept))
    if rows.proposals:
        kept = _with_proposals(kept, rows, places, str(source))
    paths = _paths(folder, source.stem, source.suffix)
    tables = {"kept": kept}
    tables |= {part: table.take(np.flatnonzero(mask)) for part, mask in rows.held_out.items()}
    for part, content in tables.items():
        with write_atomically(paths[part]) as temporary:
            parquet.write_table(content, temporary)
    return rows, [paths[part] for part in tables]


def _with_proposals(kept: Any, rows: Rows, places: Mapping[str, int], path: str) -> Any:
    import pyarrow

    require(
        ORIGIN not in kept.column_names,
        f"{path!r} has a column {ORIGIN!r} already, in which proposals would be marked. Rename it,"
        " or condense without proposals.",
    )
    count = len(rows.proposals)
    arrays = [pyarrow.nulls(count, entry.type) for entry in kept.schema]
    for kind, ids in zip(KINDS, zip(*rows.proposals)):
        place = places[kind]
        arrays[place] = pyarrow.array(list(ids)).cast(kept.schema[place].type)
    added = pyarrow.Table.from_arrays(arrays, schema=kept.schema)
    mark = pyarrow.array([OBSERVED] * kept.num_rows + [PROPOSAL] * count)
    return pyarrow.concat_tables([kept, added]).append_column(ORIGIN, mark)


def _write_arrays(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    arrays = own_arrays(source, columns)
    rows = rows_of(arrays_table(arrays, columns, str(source)), data, small)
    places = columns.find(list(arrays), str(source))
    names = {list(arrays)[places[kind]]: kind for kind in KINDS}
    kept = {name: array[rows.kept] for name, array in arrays.items()}
    if rows.proposals:
        new = dict(zip(KINDS, zip(*rows.proposals)))
        for name, array in kept.items():
            blank = np.full(len(rows.proposals), np.nan) if array.dtype.kind == "f" else None
            filled = np.zeros(len(rows.proposals), array.dtype) if blank is None else blank
            added = np.array(new[names[name]]) if name in names else filled
            kept[name] = np.concatenate([array, added.astype(array.dtype)])
        kept[ORIGIN] = np.repeat([OBSERVED, PROPOSAL], [rows.kept.sum(), len(rows.proposals)])
    paths = _paths(folder, source.stem, source.suffix)
    contents = {"kept": kept}
    for part, mask in rows.held_out.items():
        contents[part] = {name: array[mask] for name, array in arrays.items()}
    for part, content in contents.items():
        with write_atomically(paths[part]) as temporary:
            np.savez(temporary, **content)
    return rows, [paths[part] for part in contents]


def _write_lightgcn(
    source: Path, folder: Path, data: HeteroData, small: HeteroData
) -> tuple[Rows, list[Path]]:
    table = read_lightgcn_table(source)
    rows = rows_of(table, data, small)
    users, items = (_numbers(ids) for ids in (table.user, table.item))
    files = []
    for name, mask in {"train": rows.kept, **rows.held_out}.items():
        pairs = list(zip(users[mask].tolist(), items[mask].tolist()))
        added = list(rows.proposals) if name == "train" else []
        files.append(write_lines(folder / f"{name}.txt", _adjacency([*pairs, *added])))
    if rows.proposals:
        files.append(write_lines(folder / "proposals.txt", _adjacency(rows.proposals)))
    return rows, files


def _numbers(ids: Any) -> np.ndarray:
    return np.asarray(ids.codes if ids.known is None else ids.known[ids.codes])


def _adjacency(pairs: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Yield a line per user with all its items, users and items in the order of the pairs."""
    lines: dict[int, list[int]] = {}
    for user, item in pairs:
        lines.setdefault(user, []).append(item)
    return (f"{user} {' '.join(map(str, items))}" for user, items in lines.items())


def _write_leave_out(folder: Path, data: HeteroData) -> Path:
    columns = [name_of(row, data, kind) for row, kind in zip(train_edges(data), KINDS)]
    rows = (",".join(csv_cell(str(word), ",", True) for word in pair) for pair in zip(*columns))
    return write_lines(folder / LEAVE_OUT, ["user,item", *rows])
