"""Tables of interactions: CSV, RecBole's atomic ``.inter`` and LightGCN's text files, read and
written.
"""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data.interactions import EDGE, make_interactions, num_items, num_users, val_edges
from graphcond.data.split import test_edges
from graphcond.data.store import write_atomically
from graphcond.errors import FileFormatError, require

_COLUMNS = {
    "user": ("user", "user_id", "userid", "uid", "u"),
    "item": (
        "item",
        "item_id",
        "itemid",
        "iid",
        "i",
        "movieid",
        "movie_id",
        "book_id",
        "artist_id",
        "business_id",
    ),
    "weight": ("weight", "edge_weight"),
    "split": ("split",),
}
_PARTS = {"train": 0, "valid": 1, "val": 1, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}


def read_csv(path: str | os.PathLike[str]) -> HeteroData:
    """Read a table of interactions, one a line.

    A header names the columns: user and item (also ``user_id``, ``itemId``, …), perhaps ``weight``
    and ``split`` (train / valid / test or 0 / 1 / 2); other columns are ignored. Without a header
    the first two columns are user and item. Commas, tabs, semicolons and blanks divide the columns.
    Ids may be any text; they are numbered in sorted order (as numbers where all are whole numbers)
    and kept as ``original_id``.

    Args:
        path: The file.

    Returns:
        All interactions, with ``split`` if there is such a column.

    Raises:
        FileFormatError: If a row is too short, there is no row, or a weight or split cannot be
            read.
    """
    with open(path, encoding="utf-8-sig", newline="") as stream:
        first = stream.readline()
        delimiter = next((mark for mark in ("\t", ",", ";") if mark in first), " ")
        stream.seek(0)
        quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        rows: Iterator[list[str]] = csv.reader(
            stream, delimiter=delimiter, skipinitialspace=True, quoting=quoting
        )
        header = next((row for row in rows if row), [])
        names = [name.strip().lower().split(":")[0] for name in header]
        places = {
            kind: i
            for kind, known in _COLUMNS.items()
            for i, name in reversed(list(enumerate(names)))
            if name in known
        }
        if not {"user", "item"} <= places.keys():
            plain = all(
                cell.strip().lstrip("-").replace(".", "", 1).isdigit() for cell in header[:2]
            )
            law, cure = (
                "columns `user` and `item` in the header",
                "Name them so, or leave the header away.",
            )
            require(plain, law, cure, error=FileFormatError, path=str(path), header=names)
            places = {"user": 0, "item": 1}
            rows = itertools.chain([header] if header else [], rows)
        return _from_columns(_columns(rows, places, str(path)), str(path))


def read_inter(path: str | os.PathLike[str]) -> HeteroData:
    """Read RecBole's atomic file ``name.inter``, or its three parts ``name.train.inter``,
    ``name.valid.inter``, ``name.test.inter``.

    Args:
        path: ``name.inter``; where only the parts exist they are read together and give ``split``.

    Returns:
        All interactions; see :func:`read_csv` for ids.

    Raises:
        FileFormatError: If the header lacks ``user_id:token`` or ``item_id:token``.
    """
    path = Path(path)
    stem = path.name.removesuffix(".inter")
    for part in ("train", "valid", "test"):
        stem = stem.removesuffix(f".{part}")
    parts = [path.with_name(f"{stem}.{part}.inter") for part in ("train", "valid", "test")]
    if path.is_file() and path not in parts:
        return read_csv(path)
    present = [(split, file) for split, file in enumerate(parts) if file.is_file()]
    require(
        bool(present),
        "an existing `.inter` file",
        "Check the path.",
        error=FileFormatError,
        path=str(path),
    )
    columns: dict[str, list[str]] = {"user": [], "item": [], "split": []}
    for split, file in present:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            names = [name.split(":")[0] for name in next(rows, [])]
            law = "columns `user_id:token` and `item_id:token`"
            known = {"user_id", "item_id"} <= set(names)
            require(
                known,
                law,
                "See RecBole's atomic files.",
                error=FileFormatError,
                path=str(file),
                header=names,
            )
            taken = _columns(
                rows, {"user": names.index("user_id"), "item": names.index("item_id")}, str(file)
            )
        taken["split"] = [str(split)] * len(taken["user"])
        for name, column in columns.items():
            column += taken[name]
    return _from_columns(columns, str(path))


def read_lightgcn(
    folder: str | os.PathLike[str], sizes: tuple[int, int] | None = None
) -> HeteroData:
    """Read LightGCN's ``train.txt``, ``test.txt`` and, if there, ``valid.txt``: per line a user and
    all its items.

    Args:
        folder: The folder, or one of its files.
        sizes: Numbers of users and items; by default the largest ids plus 1.

    Returns:
        All interactions with ``split``; ids as in the files.

    Raises:
        FileFormatError: If there is no ``train.txt`` or a word is no whole number.
    """
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    require(
        (folder / "train.txt").is_file(),
        "a file `train.txt`",
        "Check the folder.",
        error=FileFormatError,
        folder=str(folder),
    )
    users, items, parts = [], [], []
    for split, name in ((0, "train.txt"), (1, "valid.txt"), (2, "test.txt")):
        if (folder / name).is_file():
            user, item = _adjacency_lines(folder / name)
            users.append(user)
            items.append(item)
            parts.append(np.full(len(user), split))
    pairs = torch.from_numpy(np.stack([np.concatenate(users), np.concatenate(items)]))
    require(
        pairs.size(1) > 0,
        "at least one interaction",
        "The files are empty.",
        error=FileFormatError,
        folder=str(folder),
    )
    found = (int(pairs[0].max()) + 1, int(pairs[1].max()) + 1)
    sizes = found if sizes is None else sizes
    return make_interactions(
        pairs, *sizes, split=torch.from_numpy(np.concatenate(parts)), card={"name": folder.name}
    )


def _adjacency_lines(file: Path) -> tuple[np.ndarray, np.ndarray]:
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        numbers = np.array([word for line in lines for word in line], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise FileFormatError(
            f"whole numbers must hold, but got (path={str(file)!r}, reason={str(error)!r}). See"
            " LightGCN's format."
        ) from error
    lowest = int(numbers.min(initial=0))
    require(
        lowest >= 0,
        "ids of users and items ≥ 0",
        "Number them from 0.",
        error=FileFormatError,
        path=str(file),
        smallest=lowest,
    )
    lengths = np.array([len(line) for line in lines], dtype=np.int64)
    first = np.zeros(len(numbers), dtype=bool)
    first[np.cumsum(lengths) - lengths] = True
    return np.repeat(numbers[first], lengths - 1), numbers[~first]


def _columns(
    rows: Iterable[Sequence[str]], places: Mapping[str, int], path: str
) -> dict[str, list[str]]:
    """Take some columns out of rows; lists of text only, as a list per row would cost seconds of
    garbage collection.
    """
    columns: dict[str, list[str]] = {name: [] for name in places}
    into = [(column.append, places[name]) for name, column in columns.items()]
    for number, row in enumerate(rows):
        if row:
            try:
                for append, place in into:
                    append(row[place].strip())
            except IndexError:
                facts: dict[str, Any] = {"path": path, "row": number, "columns": len(row)}
                law = f"{max(places.values()) + 1} columns in every row"
                require(False, law, "Mend or drop the row.", error=FileFormatError, **facts)
    return columns


def _from_columns(columns: Mapping[str, list[str]], path: str) -> HeteroData:
    require(
        bool(columns["user"]),
        "at least one interaction",
        "The file is empty.",
        error=FileFormatError,
        path=path,
    )
    for kind in ("user", "item"):
        blank = columns[kind].count("")
        require(
            blank == 0,
            f"an id of the {kind} in every row",
            "Fill them in or drop the rows.",
            error=FileFormatError,
            path=path,
            blank=blank,
        )
    users, user_ids = _number(columns["user"])
    items, item_ids = _number(columns["item"])
    weight = split = None
    try:
        if "weight" in columns:
            weight = torch.tensor([float(cell) for cell in columns["weight"]])
            bad = (~weight.isfinite()).nonzero().flatten()[:1].tolist()
            require(
                not bad,
                "finite weights",
                "Mend or drop the row.",
                error=FileFormatError,
                path=path,
                interaction=bad,
            )
        if "split" in columns:
            split = torch.tensor([_PARTS[cell.lower()] for cell in columns["split"]])
    except (ValueError, KeyError) as error:
        law = "numbers as weights and train / valid / test as splits"
        raise FileFormatError(
            f"{law} must hold, but got (path={path!r}, found={str(error)!r}). Mend the row."
        ) from error
    card = {"name": Path(path).stem}
    data = make_interactions(
        torch.stack([users, items]), len(user_ids), len(item_ids), weight, split, card
    )
    for kind, ids in (("user", user_ids), ("item", item_ids)):
        if ids != list(range(len(ids))):
            data[kind].original_id = torch.tensor(ids) if isinstance(ids[0], int) else ids
    return data


def _number(ids: list[str]) -> tuple[Tensor, list[Any]]:
    """Number ids in sorted order; whole numbers sort as numbers."""
    distinct: list[Any] = list(set(ids))
    if all(
        word.isdigit() and (word == "0" or word[0] != "0") and len(word) < 19 for word in distinct
    ):
        ordered: list[Any] = sorted(map(int, distinct))
        place = {str(word): i for i, word in enumerate(ordered)}
    else:
        ordered = sorted(distinct)
        place = {word: i for i, word in enumerate(ordered)}
    return torch.tensor([place[word] for word in ids]), ordered


def write_inter(path: str | os.PathLike[str], data: HeteroData) -> list[Path]:
    """Write RecBole's atomic file; split data become ``name.train.inter``, ``name.valid.inter``,
    ``name.test.inter``.

    RecBole reads the parts with ``benchmark_filename: [train, valid, test]``.

    Args:
        path: ``name.inter``.
        data: Interactions; ``original_id`` is written where there is one.

    Returns:
        The files written.
    """
    path = Path(path)
    stem = path.name.removesuffix(".inter")
    parts = {"train": data[EDGE].edge_index, "valid": val_edges(data), "test": test_edges(data)}
    if not parts["valid"].size(1) and not parts["test"].size(1):
        return [_write_pairs(path.with_name(f"{stem}.inter"), parts["train"], data)]
    return [
        _write_pairs(path.with_name(f"{stem}.{part}.inter"), pairs, data)
        for part, pairs in parts.items()
    ]


def write_lightgcn(folder: str | os.PathLike[str], data: HeteroData) -> list[Path]:
    """Write LightGCN's ``train.txt`` and, where the data have them, ``valid.txt`` and ``test.txt``.

    Args:
        folder: The folder; made if missing.
        data: Interactions.

    Returns:
        The files written.
    """
    written = []
    for name, pairs in (
        ("train", data[EDGE].edge_index),
        ("valid", val_edges(data)),
        ("test", test_edges(data)),
    ):
        if name == "train" or pairs.size(1):
            order = torch.argsort(pairs[0] * num_items(data) + pairs[1])
            user, item = pairs[:, order].cpu()
            groups = torch.split(item, torch.bincount(user, minlength=num_users(data)).tolist())
            lines = (
                f"{i} {' '.join(map(str, group.tolist()))}"
                for i, group in enumerate(groups)
                if len(group)
            )
            written.append(_write_lines(Path(folder) / f"{name}.txt", lines))
    return written


def _write_pairs(path: Path, pairs: Tensor, data: HeteroData) -> Path:
    columns = []
    for kind, index in zip(("user", "item"), pairs.tolist()):
        ids = data[kind].get("original_id")
        known = ids.tolist() if isinstance(ids, Tensor) else ids
        columns.append(index if known is None else [known[i] for i in index])
    lines = (f"{user}\t{item}" for user, item in zip(*columns))
    return _write_lines(path, ["user_id:token\titem_id:token", *lines])


def _write_lines(path: Path, lines: Iterable[str]) -> Path:
    with (
        write_atomically(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.writelines(f"{line}\n" for line in lines)
    return path
