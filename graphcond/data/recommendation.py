"""Readers of user-item data sets: arrays, LightGCN text, tables, RecBole's atomic files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import HeteroData

from graphcond.data.columns import Columns
from graphcond.data.frames import Table, frame_table
from graphcond.data.ids import as_given
from graphcond.data.interactions import EDGE, make_interactions
from graphcond.data.lightgcn import read_lightgcn
from graphcond.data.recbole import read_inter
from graphcond.errors import FileFormatError, require


def read_interactions(
    folder: Path, options: Mapping[str, Any], counts: Mapping[str, int]
) -> HeteroData:
    """Read a folder in whichever of the known forms it is.

    Args:
        folder: Holds ``interactions.npz`` (arrays ``user``, ``item``, perhaps ``split``,
            ``weight``, ``rating``); or ``train.txt`` and ``test.txt`` of LightGCN; or the files
            ``options["pairs"]`` names; or ``*.inter``.
        options: ``min_rating``: drop what is rated lower. ``drop_flag``: drop rows where this array
            is true. ``compact``: ``"user"`` or ``"item"`` whose unused ids are left out. ``value``:
            name under which the weights are kept.
        counts: Numbers of ``users`` and ``items`` where ids are not compacted.

    Returns:
        All interactions, with ``split`` where the publisher gives one.
    """
    if (folder / options.get("file", "interactions.npz")).is_file():
        arrays = _arrays(folder / options.get("file", "interactions.npz"))
    elif (folder / "train.txt").is_file():
        return read_lightgcn(folder, (counts["users"], counts["items"]))
    elif any(folder.glob("*.inter")):
        return read_inter(next(iter(sorted(folder.glob("*.inter")))))
    else:
        arrays = _pairs(folder, options)
    return _assemble(arrays, options, counts)


def read_arrays(path: Path, columns: Columns) -> HeteroData:
    """Read a user's own arrays of users, items and what else there is of each interaction.

    Args:
        path: An ``.npz`` file.
        columns: Names of the arrays; None looks for the usual ones.

    Returns:
        All interactions. Ids that are whole numbers stay what they are; texts are numbered and kept
        as ``original_id``.
    """
    table = arrays_table(own_arrays(path, columns), columns, str(path))
    return table.interactions(path.stem)


def own_arrays(path: Path, columns: Columns) -> dict[str, np.ndarray]:
    """Return the arrays of a file that have an entry for every interaction.

    Args:
        path: An ``.npz`` file.
        columns: Names of the arrays; None looks for the usual ones.
    """
    with np.load(path, allow_pickle=False) as raw:
        if "train_user" in raw.files:
            return _arrays(path)
        arrays = {name: raw[name] for name in raw.files if raw[name].ndim == 1}
    name = columns.user or ("user" if "user" in arrays else None)
    if name not in arrays:
        places = columns.find(list(arrays), str(path))
        require(
            "user" in places,
            f"{str(path)!r} has no array of users; it has {', '.join(map(repr, arrays))}. Call it"
            " `user`, or name it (--user).",
            error=FileFormatError,
        )
        name = list(arrays)[places["user"]]
    count = len(arrays[name])
    other = columns.item or "item"
    require(
        other not in arrays or len(arrays[other]) == count,
        f"The arrays {name!r} and {other!r} of {str(path)!r} must be of one length, but have"
        f" {count} and {len(arrays.get(other, ()))} entries. Give one of both per interaction.",
        error=FileFormatError,
    )
    return {key: array for key, array in arrays.items() if len(array) == count}


def arrays_table(arrays: Mapping[str, np.ndarray], columns: Columns, path: str) -> Table:
    """Return arrays as a table whose ids, if they are whole numbers, stay what they are.

    Args:
        arrays: One entry per interaction each.
        columns: Names of the arrays.
        path: The file, for messages.
    """
    table = frame_table(arrays, columns, path)
    return replace(table, user=as_given(table.user), item=as_given(table.item))


def _arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as raw:
        if "train_user" in raw.files:
            sizes = [len(raw["train_user"]), len(raw["test_user"])]
            joined = {
                name: np.concatenate([raw[f"train_{name}"], raw[f"test_{name}"]])
                for name in ("user", "item")
            }
            return joined | {"split": np.repeat([0, 2], sizes)}
        require(
            {"user", "item"} <= set(raw.files),
            f"This needs arrays `user` and `item`, but found path = {str(file)!r}, found ="
            f" {raw.files!r}. See `load`.",
            error=FileFormatError,
        )
        count = len(raw["user"])
        require(
            len(raw["item"]) == count,
            f"This needs `user` and `item` of one length, but found path = {str(file)!r}, user ="
            f" {count!r}, item = {len(raw['item'])!r}. Give an entry of both for every"
            " interaction.",
            error=FileFormatError,
        )
        return {name: raw[name] for name in raw.files if raw[name].shape[:1] == (count,)}


def _pairs(folder: Path, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Read tables of numbers: user, item and perhaps a weight or rating in this order; a second
    file is the test part.
    """
    tables = [_numbers(folder / name, options.get("delimiter", "\t")) for name in options["pairs"]]
    table = np.concatenate(tables)
    start = options.get("first_id", 0)
    arrays = {"user": table[:, 0] - start, "item": table[:, 1] - start}
    if table.shape[1] > 2 and "value" in options:
        arrays["weight"] = table[:, 2]
    if table.shape[1] > 3 and "value" in options:
        arrays["timestamp"] = table[:, 3]
    if len(tables) == 2:
        arrays["split"] = np.repeat([0, 2], [len(part) for part in tables])
    return arrays


def _numbers(file: Path, delimiter: str) -> np.ndarray:
    with open(file, encoding="utf-8") as lines:
        return np.loadtxt((line.replace(delimiter, " ") for line in lines), dtype=np.int64, ndmin=2)


def _assemble(
    arrays: Mapping[str, np.ndarray], options: Mapping[str, Any], counts: Mapping[str, int]
) -> HeteroData:
    kinds = {name: str(arrays[name].dtype) for name in ("user", "item")}
    whole = all(np.issubdtype(arrays[name].dtype, np.integer) for name in kinds)
    require(
        whole,
        f"`user` and `item` must be whole numbers, but found {kinds}. Number them from 0.",
        error=FileFormatError,
    )
    keep = np.ones(len(arrays["user"]), dtype=bool)
    if "min_rating" in options:
        keep &= arrays["rating"] >= options["min_rating"]
    if "drop_flag" in options:
        keep &= ~arrays[options["drop_flag"]]
    index: dict[str, np.ndarray] = {name: arrays[name][keep] for name in ("user", "item")}
    sizes = {name: counts.get(f"{name}s", 0) or int(index[name].max()) + 1 for name in index}
    original = {}
    for name in options.get("compact", ()):
        original[name], index[name] = np.unique(index[name], return_inverse=True)
        sizes[name] = len(original[name])
    pairs = torch.from_numpy(np.stack([index["user"], index["item"]]).astype(np.int64))
    weight, split, time = (
        torch.from_numpy(arrays[name][keep]) if name in arrays else None
        for name in ("weight", "split", "timestamp")
    )
    data = make_interactions(
        pairs,
        sizes["user"],
        sizes["item"],
        None if weight is None else weight.float(),
        split,
        timestamp=None if time is None else time.long(),
    )
    if weight is not None and "value" in options:
        # Under its own name: training would take `edge_weight` for how often to sample a pair.
        data[EDGE][options["value"]] = data[EDGE].edge_weight
        del data[EDGE]["edge_weight"]
    if not keep.all():
        data.card["rows_dropped"] = int((~keep).sum())
    for name, ids in original.items():
        data[name].original_id = torch.from_numpy(ids.astype(np.int64))
    return data
