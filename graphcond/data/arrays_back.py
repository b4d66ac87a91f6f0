"""Kept rows of files of arrays and of lists: Parquet, npz, and LightGCN's.

Every writer takes the user's file, the folder to write to, the split original, the condensed set
and, where the file has columns, how they were named to :func:`load`. It returns which rows of the
file went where, and the files; the condensed set first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from graphcond.data.atomic import write_atomically, write_lines
from graphcond.data.columns import Columns
from graphcond.data.frames import frame_table
from graphcond.data.lightgcn import read_lightgcn_table
from graphcond.data.own_files import OBSERVED, ORIGIN, paths_of
from graphcond.data.recommendation import arrays_table, own_arrays
from graphcond.data.rows import Rows, rows_of
from graphcond.data.tables import KINDS, PROPOSAL, arrow_parquet, arrow_table
from graphcond.errors import require


def write_arrow(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    """Write the kept rows of a Parquet file."""
    table = arrow_table(source)
    parquet = arrow_parquet(str(source))
    rows = rows_of(frame_table(table, columns, str(source)), data, small)
    places = columns.find(table.column_names, str(source))
    kept = table.take(np.flatnonzero(rows.kept))
    if rows.proposals:
        kept = _with_proposals(kept, rows, places, str(source))
    paths = paths_of(folder, source.stem, source.suffix)
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


def write_arrays(
    source: Path, folder: Path, data: HeteroData, small: HeteroData, columns: Columns
) -> tuple[Rows, list[Path]]:
    """Write the kept rows of an npz file."""
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
    paths = paths_of(folder, source.stem, source.suffix)
    contents = {"kept": kept}
    for part, mask in rows.held_out.items():
        contents[part] = {name: array[mask] for name, array in arrays.items()}
    for part, content in contents.items():
        with write_atomically(paths[part]) as temporary:
            np.savez(temporary, **content)
    return rows, [paths[part] for part in contents]


def write_lightgcn(
    source: Path, folder: Path, data: HeteroData, small: HeteroData
) -> tuple[Rows, list[Path]]:
    """Write the kept rows of LightGCN's files."""
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
