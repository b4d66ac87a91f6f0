"""RecBole's atomic files: ``name.inter``, or a split in ``name.train.inter`` and so on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data.atomic import write_lines
from graphcond.data.columns import Columns
from graphcond.data.frames import Table
from graphcond.data.ids import Ids, number_texts
from graphcond.data.interactions import train_edges, val_edges
from graphcond.data.records import csv_cell
from graphcond.data.split import test_edges
from graphcond.data.tables import TextTable, read_csv, read_table
from graphcond.errors import FileFormatError, require

PARTS = ("train", "valid", "test")
"""Names of the three files in which RecBole keeps a split."""


def read_inter(path: str | os.PathLike[str], columns: Columns | None = None) -> HeteroData:
    """Read RecBole's atomic file ``name.inter``, or its three parts ``name.train.inter``,
    ``name.valid.inter``, ``name.test.inter``.

    Args:
        path: ``name.inter``; where only the parts exist they are read together and give ``split``.
        columns: Names of the columns; None looks for the usual ones.

    Returns:
        All interactions; see :func:`read_csv` for ids.

    Raises:
        FileFormatError: If there is no such file, or a header lacks ``user_id:token`` or
            ``item_id:token``.
    """
    columns = columns or Columns()
    if not inter_parts(path):
        return read_csv(path, columns)
    return read_parts(path, columns)[0].interactions(inter_stem(path))


def inter_stem(path: str | os.PathLike[str]) -> str:
    """Return ``name`` of ``name.inter`` or ``name.train.inter``.

    Args:
        path: The file.
    """
    stem = Path(path).name.removesuffix(".inter")
    for part in PARTS:
        stem = stem.removesuffix(f".{part}")
    return stem


def inter_parts(path: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the three files of a split that stand for ``name.inter``; none if it is one file.

    Args:
        path: ``name.inter`` or one of its parts.

    Returns:
        Paths by part, of those that exist.
    """
    path = Path(path)
    parts = {part: path.with_name(f"{inter_stem(path)}.{part}.inter") for part in PARTS}
    if path.is_file() and path not in parts.values():
        return {}
    present = {part: file for part, file in parts.items() if file.is_file()}
    require(
        bool(present),
        f"There is no file {str(path)!r}, nor its parts {parts['train'].name!r} and so on. Check"
        " the path.",
        error=FileFormatError,
    )
    return present


def read_parts(
    path: str | os.PathLike[str], columns: Columns
) -> tuple[Table, dict[str, TextTable]]:
    """Read the three files of a split.

    Args:
        path: ``name.inter`` or one of its parts.
        columns: Names of the columns.

    Returns:
        All rows in one table, in the order train, valid, test; and each part.
    """
    read = {part: read_table(file, columns) for part, file in inter_parts(path).items()}
    tables = [part.table for part in read.values()]
    ids = {kind: _joined([getattr(table, kind) for table in tables]) for kind in ("user", "item")}
    kinds = set.intersection(*(set(table.values) for table in tables)) - {"split"}
    values = {kind: np.concatenate([table.values[kind] for table in tables]) for kind in kinds}
    lengths = [len(table.kept) for table in tables]
    values["split"] = np.repeat([PARTS.index(part) for part in read], lengths).astype(np.uint8)
    kept = np.concatenate([table.kept for table in tables])
    card = dict(tables[0].card)
    if "rows_dropped" in card:
        card["rows_dropped"] = int((~kept).sum())
    return Table(str(path), ids["user"], ids["item"], values, kept, card), read


def _joined(parts: list[Ids]) -> Ids:
    """Number the ids of several columns together."""
    words = [str(word) for ids in parts for word in ids.known]
    shift = np.cumsum([0, *(ids.size for ids in parts[:-1])])
    codes = np.concatenate([ids.codes + start for ids, start in zip(parts, shift)])
    return number_texts(codes, words, "", "", str)


def write_inter(path: str | os.PathLike[str], data: HeteroData) -> list[Path]:
    """Write RecBole's atomic file; split data become ``name.train.inter``, ``name.valid.inter``,
    ``name.test.inter``.

    RecBole reads the parts with ``benchmark_filename: [train, valid, test]``.

    Args:
        path: ``name.inter``.
        data: Interactions; ``original_id`` is written where there is one.

    Returns:
        The files written.

    Raises:
        InputError: If an id holds a tab or a line end.
    """
    path = Path(path)
    stem = path.name.removesuffix(".inter")
    parts = {"train": train_edges(data), "valid": val_edges(data), "test": test_edges(data)}
    if not parts["valid"].size(1) and not parts["test"].size(1):
        return [_write_pairs(path.with_name(f"{stem}.inter"), parts["train"], data)]
    return [
        _write_pairs(path.with_name(f"{stem}.{part}.inter"), pairs, data)
        for part, pairs in parts.items()
    ]


def _write_pairs(path: Path, pairs: Tensor, data: HeteroData) -> Path:
    columns = []
    for kind, index in zip(("user", "item"), pairs.tolist()):
        ids = data[kind].get("original_id")
        known = ids.tolist() if isinstance(ids, Tensor) else ids
        columns.append(index if known is None else [known[i] for i in index])
    lines = ("\t".join(csv_cell(str(word), "\t", False) for word in pair) for pair in zip(*columns))
    return write_lines(path, ["user_id:token\titem_id:token", *lines])
