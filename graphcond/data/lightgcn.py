"""LightGCN's text files: per line a user and all its items."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import HeteroData

from graphcond.data.atomic import write_lines
from graphcond.data.frames import Table
from graphcond.data.ids import as_given, number_integers
from graphcond.data.interactions import make_interactions, num_users, train_edges, val_edges
from graphcond.data.records import check_text
from graphcond.data.split import test_edges
from graphcond.errors import FileFormatError, require

FILES = {"train.txt": 0, "valid.txt": 1, "test.txt": 2}
"""The files of a folder and the parts of the split they are."""


_ODD = re.compile(r"[^0-9\s+-]")


def read_lightgcn(
    folder: str | os.PathLike[str], sizes: tuple[int, int] | None = None
) -> HeteroData:
    """Read LightGCN's ``train.txt``, ``test.txt`` and, if there, ``valid.txt``.

    Args:
        folder: The folder, or one of its files.
        sizes: Numbers of users and items; by default the largest ids plus 1.

    Returns:
        All interactions with ``split``; ids are as in the files.

    Raises:
        FileFormatError: If there is no ``train.txt`` or a word is no id.
    """
    table = read_lightgcn_table(folder)
    sizes = (table.user.size, table.item.size) if sizes is None else sizes
    return make_interactions(
        torch.from_numpy(np.stack([table.user.codes, table.item.codes])),
        *sizes,
        split=torch.from_numpy(table.values["split"]),
        card={"name": folder_of(folder).name},
    )


def read_lightgcn_table(folder: str | os.PathLike[str]) -> Table:
    """Read the files as rows, in the order train, valid, test.

    Args:
        folder: The folder, or one of its files.
    """
    folder = folder_of(folder)
    require(
        (folder / "train.txt").is_file(),
        f"The folder {str(folder)!r} has no file `train.txt`. Check the folder.",
        error=FileFormatError,
    )
    users = []
    items = []
    parts = []
    for name, split in FILES.items():
        if (folder / name).is_file():
            user, item = read_lines(folder / name)
            users.append(user)
            items.append(item)
            parts.append(np.full(len(user), split, dtype=np.uint8))
    path = str(folder)
    user_ids = as_given(number_integers(np.concatenate(users), "user", path))
    item_ids = as_given(number_integers(np.concatenate(items), "item", path))
    require(
        user_ids.size > 0,
        f"The files in {path!r} hold no interaction. Check the path.",
        error=FileFormatError,
    )
    values = {"split": np.concatenate(parts)}
    return Table(path, user_ids, item_ids, values, np.ones(len(values["split"]), dtype=bool))


def folder_of(path: str | os.PathLike[str]) -> Path:
    """Return the folder of a data set of which the folder or one file is named.

    Args:
        path: The folder or a file in it.
    """
    path = Path(path)
    return path if path.is_dir() else path.parent


def read_lines(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return users and items, one of each per interaction, in the order of the file.

    Args:
        file: A text file; per line a user and its items.

    Returns:
        Users [E] and items [E], int64.

    Raises:
        FileFormatError: If a word is no whole number of 64 bits.
    """
    raw = file.read_bytes()
    check_text(str(file), raw)
    text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    lines = [line.split() for line in text.split("\n")]
    lengths = np.array([len(line) for line in lines], dtype=np.int64)
    try:
        # numpy takes 1_0 for 10, and digits of every script.
        if _ODD.search(text):
            raise ValueError("a letter that is no digit")
        numbers = np.array([word for line in lines for word in line], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        place, word = next(
            (i, word) for i, line in enumerate(lines) for word in line if not _is_id(word)
        )
        raise FileFormatError(
            f"Line {place + 1} of {str(file)!r} holds {word!r}, which is no whole number of 64"
            " bits. Each line is a user and its items, all numbers from 0 on."
        ) from error
    negative = np.flatnonzero(numbers < 0)
    if len(negative):
        place = int(np.searchsorted(lengths.cumsum(), negative[0], side="right"))
        raise FileFormatError(
            f"Line {place + 1} of {str(file)!r} holds {numbers[negative[0]]}. Ids are numbers from"
            " 0 on."
        )
    lengths = lengths[lengths > 0]
    first = np.zeros(len(numbers), dtype=bool)
    first[np.cumsum(lengths) - lengths] = True
    return np.repeat(numbers[first], lengths - 1), numbers[~first]


def _is_id(word: str) -> bool:
    return not _ODD.search(word) and word.lstrip("+-").isdigit() and abs(int(word)) < 2**63


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
        ("train", train_edges(data)),
        ("valid", val_edges(data)),
        ("test", test_edges(data)),
    ):
        if name == "train" or pairs.size(1):
            by_item = torch.argsort(pairs[1])
            order = by_item[torch.argsort(pairs[0][by_item], stable=True)]
            user, item = pairs[:, order].cpu()
            groups = torch.split(item, torch.bincount(user, minlength=num_users(data)).tolist())
            lines = (
                f"{i} {' '.join(map(str, group.tolist()))}"
                for i, group in enumerate(groups)
                if len(group)
            )
            written.append(write_lines(Path(folder) / f"{name}.txt", lines))
    return written
