"""A user's file in, the same file out: the rows that were kept, as they stand in the input.

``condense`` works on numbers. What a user wants back is the file that came in, smaller: the same
ids, columns, separators and quotes, in the same order, so that every tool that read the one reads
the other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from torch_geometric.data import HeteroData

from graphcond.data.arrays_back import write_arrays, write_arrow, write_lightgcn
from graphcond.data.atomic import write_lines
from graphcond.data.columns import Columns
from graphcond.data.frames import frame_table
from graphcond.data.interactions import train_edges
from graphcond.data.lightgcn import folder_of
from graphcond.data.own_files import LEAVE_OUT, OBSERVED, ORIGIN, content_digest, names_written
from graphcond.data.recbole import inter_parts
from graphcond.data.records import csv_cell
from graphcond.data.rows import name_of, rows_of
from graphcond.data.tables import KINDS, PROPOSAL
from graphcond.data.text_back import write_inter_parts, write_text
from graphcond.errors import FileFormatError, require


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
    for name in names_written(source):  # of an earlier run
        (folder / name).unlink(missing_ok=True)
    before = content_digest(source)
    require(
        digest is None or before == digest,
        f"{str(source)!r} has changed since it was loaded, so its rows are no longer known."
        " Condense it again.",
        error=FileFormatError,
    )
    if source.suffix == ".inter" and inter_parts(source):
        rows, files = write_inter_parts(source, folder, data, small, columns)
    elif source.suffix in (".csv", ".tsv", ".inter"):
        rows, files = write_text(source, folder, data, small, columns)
    elif source.suffix == ".parquet":
        rows, files = write_arrow(source, folder, data, small, columns)
    elif source.suffix == ".npz":
        rows, files = write_arrays(source, folder, data, small, columns)
    else:
        rows, files = write_lightgcn(source, folder, data, small)
    require(
        content_digest(source) == before,
        f"{str(source)!r} changed while it was read. Condense it again.",
        error=FileFormatError,
    )
    if rows.proposals:
        files.append(_write_leave_out(folder, data))
    return WrittenBack(tuple(files), int(rows.kept.sum()), len(rows.kept), len(rows.proposals))


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


def _write_leave_out(folder: Path, data: HeteroData) -> Path:
    columns = [name_of(row, data, kind) for row, kind in zip(train_edges(data), KINDS)]
    rows = (",".join(csv_cell(str(word), ",", True) for word in pair) for pair in zip(*columns))
    return write_lines(folder / LEAVE_OUT, ["user,item", *rows])
