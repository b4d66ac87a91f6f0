"""``load``: a data set by name or by path."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond import __version__
from graphcond.ambient import steady
from graphcond.data import citation, embedded, planted
from graphcond.data.card import Card, find_card, verify_counts
from graphcond.data.checks import check_graph
from graphcond.data.columns import Columns
from graphcond.data.interactions import EDGE, num_items, num_users
from graphcond.data.lightgcn import FILES, read_lightgcn
from graphcond.data.raw import cache_root, raw_folder
from graphcond.data.recbole import read_inter
from graphcond.data.recommendation import read_arrays, read_interactions
from graphcond.data.store import file_of, read, save
from graphcond.data.tables import read_csv, read_parquet
from graphcond.errors import FileFormatError, GraphcondError, InputError, UnknownNameError, require
from graphcond.pairs import widened

# What numpy, zipfile and their like raise on files of another form or with a broken part.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_SUFFIXES = (".safetensors", ".csv", ".tsv", ".inter", ".parquet", ".npz", ".txt")
_PANDAS = {
    ".feather": "read_feather(path)",
    ".json": "read_json(path)",
    ".jsonl": "read_json(path, lines=True)",
    ".pkl": "read_pickle(path)",
    ".xlsx": "read_excel(path)",
    ".gz": "read_csv(path)",
    ".zip": "read_csv(path)",
    ".dat": "read_csv(path, sep='::', header=None, engine='python')",
}
"""How pandas reads files that graphcond does not, for the messages."""


@steady()
def load(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    columns: Columns | None = None,
) -> Data | HeteroData:
    """Load a data set by name, or one's own from a file.

    Args:
        name: A name or alias of :func:`names`, for example ``"cora"``; or a path: ``.safetensors``
            (what :func:`save` wrote), ``.csv``, ``.tsv``, ``.inter`` (RecBole), ``.parquet``,
            ``.npz``, or a folder with LightGCN's ``train.txt`` and ``test.txt``.
        root: Where raw files lie; by default ``$GRAPHCOND_DATA``, else ``~/.cache/graphcond``. It
            may be read-only: what is downloaded then goes to the cache.
        columns: Names of the columns of a file of one's own, and what to do with ratings.

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
    named = isinstance(name, (str, os.PathLike))
    require(
        named,
        f"This needs a name or a path, but found {name!r}. Names are in `graphcond datasets`.",
        error=UnknownNameError,
    )
    text = os.fspath(name)
    if _is_path(text):
        return _load_file(Path(text), columns or Columns())
    card = find_card(text)
    require(
        columns is None or columns == Columns(),
        f"{card.name!r} is a data set with a card, whose columns are known. Names of columns and"
        " `min_rating` are for a file of one's own.",
    )
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


def _is_path(text: str) -> bool:
    """Whether a text is a path, not the name of a data set."""
    if Path(text).suffix in (*_SUFFIXES, *_PANDAS) or os.sep in text:
        return True
    try:
        find_card(text)
    except UnknownNameError:
        return os.path.exists(text)
    return False


def _load_file(path: Path, columns: Columns) -> Data | HeteroData:
    there = path.exists() or path.suffix == ".inter"  # the parts of one have other names
    require(there, f"There is no file {str(path)!r}. Check the path.", error=FileFormatError)
    if file_of(path).suffix == ".safetensors":
        _refuse_columns(path, columns)
        return read(path)
    try:
        return _read_file(path, columns)
    except GraphcondError:
        raise
    except MemoryError as error:
        raise FileFormatError(
            f"{str(path)!r} asks for more memory than there is. The file is damaged, or its ids are"
            " numbered with large gaps."
        ) from error
    except _UNREADABLE as error:
        raise FileFormatError(
            f"{str(path)!r} is no readable {path.suffix or 'folder'}: {error}. The file is damaged"
            " or of another form; see `load`."
        ) from error


def _read_file(path: Path, columns: Columns) -> Data | HeteroData:
    if path.suffix in (".csv", ".tsv"):
        return read_csv(path, columns)
    if path.suffix == ".inter":
        return read_inter(path, columns)
    if path.suffix == ".parquet":
        return read_parquet(path, columns)
    if path.suffix == ".npz":
        return _load_arrays(path, columns)
    if path.is_dir() and (path / "interactions.npz").is_file():
        return _load_arrays(path / "interactions.npz", columns)
    reader = _PANDAS.get(path.suffix)
    cure = (
        f"pandas reads it: `from_frame(pandas.{reader})` takes the frame."
        if reader
        else "Known are .safetensors, .npz, .csv, .tsv, .inter, .parquet, and LightGCN's"
        " `train.txt` or its folder."
    )
    if path.suffix == ".txt":
        cure = (
            "LightGCN's files are called `train.txt`, `valid.txt` and `test.txt`; call a table .csv"
            " or .tsv."
        )
    elif path.suffix.lower() in _SUFFIXES:
        cure = f"Its ending must be written in small letters: {path.suffix.lower()}."
    require(
        path.is_dir() or path.name in FILES,
        f"{str(path)!r} is of a form that graphcond does not read. {cure}",
        error=FileFormatError,
    )
    _refuse_columns(path, columns)
    return read_lightgcn(path)


def _refuse_columns(path: Path, columns: Columns) -> None:
    require(
        columns == Columns(),
        f"{str(path)!r} is no table with columns to choose from. Leave their names and"
        " `min_rating` away.",
    )


def _load_arrays(path: Path, columns: Columns) -> Data | HeteroData:
    with np.load(path, allow_pickle=False) as raw:
        found = set(raw.files)
        if {"x", "edge_index"} <= found:
            _refuse_columns(path, columns)
            known = ("x", "edge_index", "edge_weight", "y", "train_mask", "val_mask", "test_mask")
            if found - set(known):
                warnings.warn(
                    f"{str(path)!r} also holds {', '.join(sorted(found - set(known)))}, which"
                    f" graphs here do not have. Known are {', '.join(known)}.",
                    stacklevel=4,
                )
            return _graph(
                {name: _tensor(raw[name], name, path) for name in known if name in found},
                path.stem,
            )
    if "adj_indptr" in found:
        data: Data | HeteroData = citation.shchur(path)
    else:
        data = read_arrays(path, columns)
    data.card["name"] = path.parent.name if path.stem == "interactions" else path.stem
    return data


def _tensor(array: np.ndarray, name: str, path: Path) -> Tensor:
    """Return an array of any byte order and width as a tensor."""
    cure = f"Write numbers, for example `{name}.astype('float32')`."
    if name == "y":
        cure = "Number the classes: `numpy.unique(y, return_inverse=True)[1]`."
    require(
        isinstance(array, np.ndarray),  # else the archive's member is no array of numpy
        f"The array {name!r} of {str(path)!r} is damaged: it does not begin as one of numpy's."
        " Write it again with `numpy.savez`.",
        error=FileFormatError,
    )
    require(
        array.dtype.kind in "biufc",
        f"The array {name!r} of {str(path)!r} must hold numbers, but it is of {array.dtype}."
        f" {cure}",
    )
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def _graph(arrays: dict[str, Tensor], name: str) -> Data:
    """Return a graph from arrays as numpy makes them: counts as features, weights in float64 and
    narrow labels are converted.
    """
    unreal = [key for key, value in arrays.items() if value.is_complex()]
    require(
        not unreal,
        f"{' and '.join(unreal)} of {name!r} must be real numbers, but are complex. Write real and"
        " imaginary parts side by side.",
    )
    x, y = arrays["x"], arrays.get("y")
    arrays["x"] = x if x.dtype in (torch.float32, torch.float64) else x.float()
    arrays["edge_index"] = widened(arrays["edge_index"])
    if "edge_weight" in arrays:
        arrays["edge_weight"] = arrays["edge_weight"].to(arrays["x"].dtype)
    arrays["y"] = (
        torch.full((x.size(0),), -1) if y is None else y if y.is_floating_point() else y.long()
    )
    data = Data(**arrays)
    check_graph(data)
    data.card = {"name": name}
    return data
