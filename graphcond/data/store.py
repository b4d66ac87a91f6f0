"""Files: safetensors with sorted JSON and a digest in the metadata; never pickle.

Two writes of equal data are equal byte for byte. Integers that fit are stored as int32 and come
back as int64; sparse tensors are stored as indices and values and come back as COO; complex ones as
pairs of real numbers. The digest covers every byte of content: a damaged file is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.atomic import path_of, write_atomically
from graphcond.data.packed import (
    check_keys,
    content_digest_of,
    decoded,
    encoded,
    fits,
    pieces_of,
    unpacked,
)
from graphcond.errors import FileFormatError, InputError, require

_KEY = "graphcond"
CONDENSED = "condensed.safetensors"
"""Name of the set in the folder of ``graphcond condense --out``."""


# 2 = with a digest. Files of version 1 have none; their number is two bits away, so that no flipped
# bit makes a file of today pass as one of them.
_VERSION = 2


def save_state(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], record: Mapping[str, Any]
) -> None:
    """Write named tensors and a JSON-ready record, for example a checkpoint.

    Args:
        path: The file to write.
        tensors: Named tensors of any shape.
        record: Anything JSON can hold.

    Raises:
        InputError: If the record is not JSON-ready.
        StorageError: If the file cannot be written.
    """
    _write(path, "state", dict(tensors), {"record": record})


def load_state(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_state` wrote.

    Args:
        path: The file.

    Returns:
        ``(tensors, record)``.

    Raises:
        FileFormatError: If the file is truncated, foreign or of a newer format.
    """
    tensors, header = _read(path, ("state",))
    return tensors, dict(header["record"])


def save(path: str | os.PathLike[str], data: Data | HeteroData) -> None:
    """Write a data set with its card.

    Args:
        path: The file to write; by custom it ends in ``.safetensors``.
        data: ``Data`` or ``HeteroData`` whose attributes are tensors or JSON-ready. Of a subclass,
            a batch for example, the attributes are kept, and :func:`read` returns the plain class.
            Tuples come back as lists.

    Raises:
        InputError: If an attribute is neither, or a key of a dictionary is no text and no number.
        StorageError: If the file cannot be written.
    """
    require(
        isinstance(data, (Data, HeteroData)),
        f"This needs a PyG `Data` or `HeteroData`, but found type = {type(data).__name__!r}. Other"
        " objects are not saved.",
    )
    tensors: dict[str, Tensor] = {}
    stores = []
    for place, (kind, store) in enumerate(_stores(data)):
        plain = {}
        for key, value in store.items():
            if isinstance(value, Tensor):
                tensors[f"{place}.{key}"] = value
            else:
                plain[key] = encoded(value)
        stores.append({"type": kind, "plain": plain})
    name = "Data" if isinstance(data, Data) else "HeteroData"
    _write(path, name, tensors, {"stores": stores})


def file_of(path: str | os.PathLike[str]) -> Path:
    """Return the file of a set: the path itself, or, of a folder that ``graphcond condense --out``
    wrote, what lies in it.
    """
    path = path_of(path)
    inside = path / CONDENSED
    return inside if inside.is_file() else path


def read(path: str | os.PathLike[str]) -> Data | HeteroData:
    """Read what :func:`save` wrote.

    Args:
        path: The file, or the folder that ``graphcond condense --out`` wrote.

    Returns:
        The data set with its card.

    Raises:
        FileFormatError: If the file is truncated, foreign or of a newer format.
    """
    tensors, header = _read(file_of(path), ("Data", "HeteroData"))
    data = Data() if header["kind"] == "Data" else HeteroData()
    stores = []
    for entry in header["stores"]:
        kind = entry["type"]
        if not kind:
            store = data
        else:
            store = data[kind[0] if len(kind) == 1 else tuple(kind)]
        for key, value in entry["plain"].items():
            store[key] = decoded(value)
        stores.append(store)
    for name in sorted(tensors):
        place, key = name.split(".", 1)
        stores[int(place)][key] = tensors[name]
    return data


def _stores(data: Data | HeteroData) -> list[tuple[list[str], Any]]:
    if isinstance(data, Data):
        return [([], data._store)]
    nodes = [([kind], store) for kind, store in zip(data.node_types, data.node_stores)]
    edges = [(list(kind), store) for kind, store in zip(data.edge_types, data.edge_stores)]
    return [([], data._global_store), *nodes, *edges]


def _write(
    path: str | os.PathLike[str],
    kind: str,
    tensors: Mapping[str, Tensor],
    content: Mapping[str, Any],
) -> None:
    packed: dict[str, Tensor] = {}
    narrowed: list[str] = []
    twofold: list[str] = []
    sparse: dict[str, list[int]] = {}
    for name in sorted(tensors):
        pieces = pieces_of(name, tensors[name])
        if len(pieces) > 1:
            sparse[name] = list(tensors[name].shape)
        for key, piece in pieces.items():
            if piece.dtype == torch.int64 and fits(piece):
                piece = piece.int()
                narrowed.append(key)
            if piece.is_complex():
                piece = torch.view_as_real(piece)
                twofold.append(key)
            require(key not in packed, f"Two tensors would be stored as {key!r}. Rename one.")
            packed[key] = piece.cpu().clone(memory_format=torch.contiguous_format)
    header = {
        "kind": kind,
        "version": _VERSION,
        "int64": narrowed,
        "complex": twofold,
        "sparse": sparse,
        **content,
    }
    check_keys(content, "")
    try:
        text = json.dumps(header, sort_keys=True)
    except (TypeError, ValueError) as error:
        plain = [item for entry in content.get("stores", ()) for item in entry["plain"].items()]
        odd = ", ".join(f"`{name}`" for name, value in plain if not _is_json(value))
        raise InputError(
            f"Only values that JSON knows can be saved, but {odd or 'the record'} holds others"
            f" ({error}). Store tensors, numbers, texts, lists and dictionaries."
        ) from error
    # One key of metadata: safetensors writes several in any order.
    text = json.dumps({**header, "digest": content_digest_of(text, packed)}, sort_keys=True)
    try:
        written = serialised(packed, metadata={_KEY: text})
    except (SafetensorError, TypeError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"The file format takes no such tensor ({error}). Convert it to a usual type."
        ) from error
    with write_atomically(path) as temporary:
        temporary.write_bytes(written)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _read(
    path: str | os.PathLike[str], kinds: tuple[str, ...]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    cure = "Write it again with graphcond; a file that was cut short cannot be mended."
    path = path_of(path)
    if path.suffix in (".csv", ".tsv", ".inter", ".parquet", ".npz"):
        cure = "`load` reads other forms; `condense` writes this one as condensed.safetensors."
    require(
        path.is_file(),
        f"This needs an existing file, but found path = {str(path)!r}. Check the path.",
        error=FileFormatError,
    )
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            # Copies, not views of the mapped file: it may be replaced while they live.
            names = list(stream.keys())
            tensors = {name: stream.get_tensor(name).clone() for name in names}
        require(
            _KEY in metadata,
            f"This needs a complete graphcond file, but found path = {str(path)!r}, keys ="
            f" {sorted(metadata)!r}. The file is of another program.",
            error=FileFormatError,
        )
        header = json.loads(metadata[_KEY])
        _check_header(header, kinds, str(path))
        digest = header.pop("digest", None)
        found = content_digest_of(json.dumps(header, sort_keys=True), tensors)
        require(
            header["version"] == 1 or digest == found,
            f"The file {str(path)!r} is damaged: its content does not have the digest that was"
            " written with it. Write it again with graphcond, or get another copy.",
            error=FileFormatError,
        )
        return unpacked(tensors, header), header
    except FileFormatError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            f"{str(path)!r} is not a complete graphcond file: {error}. {cure}"
        ) from error


def _check_header(header: Mapping[str, Any], kinds: tuple[str, ...], path: str) -> None:
    version = int(header["version"])
    kind = header["kind"]
    require(
        1 <= version <= _VERSION,
        f"This needs format version from 1 to {_VERSION}, but found path = {path!r}, version ="
        f" {version!r}. Upgrade graphcond.",
        error=FileFormatError,
    )
    require(
        kind in kinds,
        f"This needs a file of {' or '.join(kinds)}, but found path = {path!r}, kind = {kind!r}."
        " Read it with `read` if it is a data set, with `load_state` if it is a checkpoint.",
        error=FileFormatError,
    )
    require(
        ("record" if kind == "state" else "stores") in header,
        f"This needs a complete graphcond file, but found path = {path!r}. Write it again.",
        error=FileFormatError,
    )
