"""``load``: a data set by name or by path."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond import __version__
from graphcond.data import citation, embedded, planted
from graphcond.data.card import Card, find_card, verify_counts
from graphcond.data.checks import check_graph
from graphcond.data.interactions import EDGE, num_items, num_users
from graphcond.data.raw import cache_root, raw_folder
from graphcond.data.recommendation import read_interactions
from graphcond.data.store import read, save
from graphcond.data.tables import read_csv, read_inter, read_lightgcn
from graphcond.errors import FileFormatError, GraphcondError, InputError, UnknownNameError, require

_SUFFIXES = (".safetensors", ".csv", ".tsv", ".inter", ".npz", ".txt")


def load(
    name: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> Data | HeteroData:
    """Load a data set by name, or one's own from a file.

    Args:
        name: A name or alias of :func:`names`, for example ``"cora"``; or a path: ``.safetensors``
            (what :func:`save` wrote), ``.csv``, ``.tsv``, ``.inter`` (RecBole), ``.npz``, or a
            folder with LightGCN's ``train.txt`` and ``test.txt``.
        root: Where raw files lie; by default ``$GRAPHCOND_DATA``, else ``~/.cache/graphcond``. It
            may be read-only: what is downloaded then goes to the cache.

    Returns:
        ``Data`` for node classification, ``HeteroData`` for interactions; ``data.card`` tells where
        it comes from. Interactions come unsplit, with ``split`` where the publisher gives one: see
        :func:`split_interactions`.

    Raises:
        UnknownNameError: If there is no such data set or file.
        InputError: If its files are missing and cannot be downloaded, or the counts differ from the
            card.
        FileFormatError: If a file is damaged.

    Example:
        >>> data = load("karate")
        >>> data.num_nodes, data.num_edges, data.card["name"]
        (34, 156, 'karate')
    """
    text = os.fspath(name)
    if Path(text).suffix in _SUFFIXES or (os.sep in text and os.path.exists(text)):
        return _load_file(Path(text))
    try:
        card = find_card(text)
    except UnknownNameError:
        if not os.path.exists(text):
            raise
        return _load_file(Path(text))
    data = _read_named(card, root)
    data.card = {**data.get("card", {}), **card.record()}
    verify_counts(card, counts(data))
    return data


def counts(data: Data | HeteroData) -> dict[str, int]:
    """Return the counts that ``card.toml`` states, by the names used there."""
    if isinstance(data, HeteroData):
        found = {
            "users": num_users(data),
            "items": num_items(data),
            "interactions": data[EDGE].edge_index.size(1),
        }
        if "split" in data[EDGE]:
            found |= dict(
                zip(
                    ("train", "val", "test"),
                    torch.bincount(data[EDGE].split.long(), minlength=3).tolist(),
                )
            )
        return found
    found = {
        "nodes": int(data.num_nodes),
        "edges": int(data.num_edges),
        "features": int(data.num_features),
    }
    found["classes"] = int(data.y.max()) + 1
    return found | {
        part: int(data[f"{part}_mask"].sum())
        for part in ("train", "val", "test")
        if f"{part}_mask" in data
    }


def _read_named(card: Card, root: str | os.PathLike[str] | None) -> Data | HeteroData:
    made = {
        "digits": embedded.digits,
        "karate": embedded.karate,
        "southern-women": embedded.southern_women,
        "planted-graph": planted.planted_graph,
        "planted-interactions": planted.planted_interactions,
    }
    if card.reader in made:
        return made[card.reader]()
    folder = raw_folder(card, root)
    if card.reader == "planetoid":
        return citation.planetoid(folder, card.name)
    if card.reader == "shchur":
        return citation.shchur(folder / card.files[0][0])
    if card.reader == "heterophilous":
        return citation.heterophilous(folder / card.files[0][0])
    if card.reader == "reddit":
        return citation.reddit(folder)
    if card.reader == "arxiv-partial":
        return _cached(
            folder / card.files[0][0], lambda: citation.arxiv_partial(folder / card.files[0][0])
        )
    if card.reader == "arxiv":
        return _cached(folder / "raw" / "node-feat.csv.gz", lambda: citation.arxiv(folder))
    return read_interactions(folder, card.options, card.counts)


def _cached(source: Path, make: Callable[[], Data]) -> Data | HeteroData:
    """Make slowly what is made for the first time; later loads take the binary copy in the
    cache.
    """
    stamp = json.dumps(
        [__version__, str(source.resolve()), source.stat().st_size, source.stat().st_mtime_ns]
    )
    copy = (
        cache_root()
        / "processed"
        / f"{hashlib.sha256(stamp.encode()).hexdigest()[:24]}.safetensors"
    )
    with contextlib.suppress(FileFormatError):
        return read(copy)
    data = make()
    with contextlib.suppress(InputError):  # a cache that cannot be written costs time only
        save(copy, data)
    return data


def _load_file(path: Path) -> Data | HeteroData:
    there = path.exists() or path.suffix == ".inter"  # the parts of one have other names
    require(there, "an existing file", "Check the path.", error=FileFormatError, path=str(path))
    if path.suffix == ".safetensors":
        return read(path)
    try:
        if path.suffix in (".csv", ".tsv"):
            return read_csv(path)
        if path.suffix == ".inter":
            return read_inter(path)
        if path.suffix == ".npz":
            return _load_arrays(path)
        if path.is_dir() and (path / "interactions.npz").is_file():
            return _load_arrays(path / "interactions.npz")
        cure = (
            "Known are .safetensors, .npz, .csv, .tsv, .inter, and LightGCN's `train.txt` or its"
            " folder; see `load`."
        )
        known = path.is_dir() or path.suffix == ".txt"
        require(known, "a file of a known form", cure, error=FileFormatError, path=str(path))
        return read_lightgcn(path)
    except GraphcondError:
        raise
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        law, cure = (
            f"a readable {path.suffix or 'folder'}",
            "The file is damaged or of another form; see `load`.",
        )
        raise FileFormatError(
            f"{law} must hold, but got (path={str(path)!r}, reason={str(error)!r}). {cure}"
        ) from error


def _load_arrays(path: Path) -> Data | HeteroData:
    with np.load(path, allow_pickle=False) as raw:
        found = set(raw.files)
        if {"x", "edge_index"} <= found:
            known = ("x", "edge_index", "edge_weight", "y", "train_mask", "val_mask", "test_mask")
            return _graph(
                {name: torch.from_numpy(raw[name]) for name in known if name in found}, path.stem
            )
    data = (
        citation.shchur(path)
        if "adj_indptr" in found
        else read_interactions(path.parent, {"file": path.name}, {})
    )
    data.card["name"] = path.parent.name if path.stem == "interactions" else path.stem
    return data


def _graph(arrays: dict[str, Tensor], name: str) -> Data:
    """Return a graph from arrays as numpy makes them: counts as features, weights in float64 and
    narrow labels are converted.
    """
    x, y = arrays["x"], arrays.get("y")
    arrays["x"] = x if x.dtype in (torch.float32, torch.float64) else x.float()
    if "edge_weight" in arrays:
        arrays["edge_weight"] = arrays["edge_weight"].to(arrays["x"].dtype)
    arrays["y"] = (
        torch.full((x.size(0),), -1) if y is None else y if y.is_floating_point() else y.long()
    )
    data = Data(**arrays)
    check_graph(data)
    data.card = {"name": name}
    return data
