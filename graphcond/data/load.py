"""``load``: a data set by name or by path."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data, HeteroData

from graphcond.data import citation, embedded
from graphcond.data.card import Card, find_card, verify_counts, verify_files
from graphcond.data.interactions import EDGE, make_interactions, num_items, num_users
from graphcond.errors import InputError


def load(name: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Data | HeteroData:
    """Load a data set.

    Args:
        name: A name or alias of :func:`names`, for example ``"cora"``.
        root: Where raw files lie; by default ``$GRAPHCOND_DATA``, else ``~/.cache/graphcond``.

    Returns:
        ``Data`` for node classification, ``HeteroData`` for interactions; ``data.card`` tells where it comes from.

    Raises:
        UnknownNameError: If there is no such data set.
        InputError: If its files are missing and cannot be downloaded, or the counts differ from the card.
        FileFormatError: If a file is damaged.

    Example:
        >>> data = load("karate")
        >>> data.num_nodes, data.num_edges, data.card["name"]
        (34, 156, 'karate')
    """
    card = find_card(os.fspath(name))
    data = _read(card, root)
    data.card = {**data.get("card", {}), **card.record()}
    verify_counts(card, counts(data))
    return data


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder raw files are looked for in."""
    return Path(root or os.environ.get("GRAPHCOND_DATA") or Path.home() / ".cache" / "graphcond").expanduser()


def counts(data: Data | HeteroData) -> dict[str, int]:
    """Return the counts that cards state."""
    if isinstance(data, HeteroData):
        found = {"users": num_users(data), "items": num_items(data), "interactions": data[EDGE].edge_index.size(1)}
        if "split" in data[EDGE]:
            found |= dict(zip(("train", "val", "test"), torch.bincount(data[EDGE].split.long(), minlength=3).tolist()))
        return found
    found = {"nodes": int(data.num_nodes), "edges": int(data.num_edges), "features": int(data.num_features)}
    found["classes"] = int(data.y.max()) + 1
    return found | {part: int(data[f"{part}_mask"].sum()) for part in ("train", "val", "test") if f"{part}_mask" in data}


def _read(card: Card, root: str | os.PathLike[str] | None) -> Data | HeteroData:
    if card.reader == "digits":
        return embedded.digits()
    if card.reader == "karate":
        return embedded.karate()
    if card.reader == "southern-women":
        return embedded.southern_women()
    folder = _find(card, data_root(root))
    verify_files(card, folder)
    if card.reader == "planetoid":
        return citation.planetoid(folder, card.name)
    if card.reader == "shchur":
        return citation.shchur(folder, card.options["file"])
    if card.reader == "heterophilous":
        return citation.heterophilous(folder, card.options["file"])
    return _interactions(folder, card)


def _find(card: Card, root: Path) -> Path:
    tried = [root / folder for folder in card.folders]
    for folder in tried:
        if any((folder / name).is_file() for name in card.sha256):
            return folder
    raise InputError(
        f"raw files of {card.name!r} must hold, but got (tried={[str(folder) for folder in tried]}). "
        f"Get {', '.join(card.sha256)} from {card.source} and put them into one of these folders."
    )


def _interactions(folder: Path, card: Card) -> HeteroData:
    with np.load(folder / "interactions.npz") as raw:
        arrays = {name: raw[name] for name in raw.files if name in ("user", "item", "split", "weight", "rating", "valid_item_unlinked")}
    keep = np.ones(len(arrays["user"]), dtype=bool)
    if "min_rating" in card.options:
        keep &= arrays["rating"] >= card.options["min_rating"]
    if "drop_flag" in card.options:
        keep &= ~arrays[card.options["drop_flag"]]
    index, original = {}, {}
    for name in ("user", "item"):
        original[name], index[name] = np.unique(arrays[name][keep], return_inverse=True)
        if name not in card.options.get("compact", ()):
            original[name], index[name] = np.arange(card.counts[f"{name}s"]), arrays[name][keep]
    pairs = torch.from_numpy(np.stack([index["user"], index["item"]]).astype(np.int64))
    weight, split = (torch.from_numpy(arrays[name][keep]) if name in arrays else None for name in ("weight", "split"))
    data = make_interactions(pairs, len(original["user"]), len(original["item"]), None if weight is None else weight.float(), split)
    data.card["rows_dropped"] = int((~keep).sum())
    for name in card.options.get("compact", ()):
        data[name].original_id = torch.from_numpy(original[name].astype(np.int64))
    return data
