"""Files: safetensors with sorted JSON and a digest in the metadata; never pickle.

Two writes of equal data are equal byte for byte. Integers that fit are stored as int32 and come
back as int64; sparse tensors are stored as indices and values and come back as COO; complex ones as
pairs of real numbers. The digest covers every byte of content: a damaged file is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.errors import FileFormatError, InputError, StorageError, require

_KEY = "graphcond"
_PAIRS = "graphcond-pairs"
# 2 = with a digest. Files of version 1 have none; their number is two bits away, so that no flipped
# bit makes a file of today pass as one of them.
_VERSION = 2
# In the names of temporary files, so that only this machine's dead processes are cleared up after.
_HOST = hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()
_OURS = set[str]()
"""Temporary files that this process is writing."""


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place at the end; after an error
    nothing is left.

    Args:
        path: The file to write; missing folders are made.

    Yields:
        A path in the same folder with the same suffix.

    Raises:
        StorageError: If the folder cannot be written, or writing fails, for example because the
            disk is full.
    """
    target = Path(path)
    temporary = _reserve(Path(path))
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{str(target)!r} could not be written to its end: {error}. Free some space or choose"
            " another output path; what stood there before still does."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
        _OURS.discard(temporary.name)


def _sync_folder(folder: Path) -> None:
    """Write a folder's list of names to disk; where a folder cannot be opened there is no need."""
    with contextlib.suppress(OSError):
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def write_lines(path: str | os.PathLike[str], lines: Iterable[str]) -> Path:
    """Write lines of text, all or none.

    Args:
        path: The file to write.
        lines: The lines, without their ends.

    Returns:
        The path.

    Raises:
        StorageError: If the file cannot be written.
    """
    with (
        write_atomically(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.writelines(f"{line}\n" for line in lines)
    return Path(path)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise :class:`StorageError` unless a file can be written to ``path``; missing folders are
    made.
    """
    temporary = _reserve(Path(path))
    temporary.unlink()
    _OURS.discard(temporary.name)


def _reserve(target: Path) -> Path:
    """Make and return an empty file beside ``target``."""
    named = bool(target.name) and not target.is_dir()
    require(
        named,
        f"This needs a path of a file, but found path = {str(target)!r}. It is a folder; name a"
        " file in it.",
        error=StorageError,
    )
    name = f".{target.stem}-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}{target.suffix}"
    temporary = target.with_name(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        temporary.open("xb").close()
        _OURS.add(temporary.name)
    except OSError as error:
        raise StorageError(
            f"{str(target.parent)!r} must be a writable folder, but it is not: {error.strerror}."
            " Choose another output path or change the folder's permissions."
        ) from error
    return temporary


def _sweep(target: Path) -> None:
    """Remove what processes of this machine that are dead left behind while they wrote a file."""
    known = re.compile(rf"\.{re.escape(target.stem)}-{_HOST}-(\d+)-[0-9a-f]{{8}}")
    for entry in os.scandir(target.parent):
        stem = entry.name.removesuffix(target.suffix)
        found = known.fullmatch(stem)
        if found and entry.name not in _OURS and not _lives(int(found[1])):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


def _lives(process: int) -> bool:
    """Whether another process has this number. Our own files are known by name."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's, or this system cannot say
        return True
    return True


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
                plain[key] = _encoded(value)
        stores.append({"type": kind, "plain": plain})
    name = "HeteroData"
    if isinstance(data, Data):
        name = "Data"
    _write(path, name, tensors, {"stores": stores})


def read(path: str | os.PathLike[str]) -> Data | HeteroData:
    """Read what :func:`save` wrote.

    Args:
        path: The file.

    Returns:
        The data set with its card.

    Raises:
        FileFormatError: If the file is truncated, foreign or of a newer format.
    """
    tensors, header = _read(path, ("Data", "HeteroData"))
    if header["kind"] == "Data":
        data = Data()
    else:
        data = HeteroData()
    stores = []
    for entry in header["stores"]:
        kind = entry["type"]
        if not kind:
            store = data
        else:
            store = data[kind[0] if len(kind) == 1 else tuple(kind)]
        for key, value in entry["plain"].items():
            store[key] = _decoded(value)
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
        pieces = _pieces(name, tensors[name])
        if len(pieces) > 1:
            sparse[name] = list(tensors[name].shape)
        for key, piece in pieces.items():
            if piece.dtype == torch.int64 and _fits(piece):
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
    _check_keys(content, "")
    try:
        text = json.dumps(header, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Only values that JSON knows can be saved: {error}. Store tensors, numbers, texts,"
            " lists and dictionaries."
        ) from error
    # One key of metadata: safetensors writes several in any order.
    text = json.dumps({**header, "digest": _digest(text, packed)}, sort_keys=True)
    try:
        written = serialised(packed, metadata={_KEY: text})
    except (SafetensorError, TypeError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"The file format takes no such tensor ({error}). Convert it to a usual type."
        ) from error
    with write_atomically(path) as temporary:
        temporary.write_bytes(written)


def _pieces(name: str, value: Tensor) -> dict[str, Tensor]:
    """Return the dense tensors that a tensor is stored as, by name."""
    usual = value.device.type != "meta" and not value.is_quantized and not value.is_nested
    require(
        usual,
        f"The tensor {name.partition('.')[2] or name!r} is quantised, nested or without content,"
        " which cannot be stored. Convert it to a usual tensor.",
    )
    value = value.detach()
    if value.layout != torch.strided:
        value = value.to_sparse_coo().coalesce()
        return {f"{name}#indices": value.indices(), f"{name}#values": value.values()}
    return {name: value.as_subclass(Tensor).resolve_conj().resolve_neg()}


def _encoded(value: Any) -> Any:
    """Return a value whose dictionaries have texts as keys; others are stored as pairs."""
    if isinstance(value, Mapping):
        content = {key: _encoded(entry) for key, entry in value.items()}
        if all(isinstance(key, str) for key in content) and _PAIRS not in content:
            return content
        simple = all(key is None or isinstance(key, (str, int, float)) for key in content)
        require(
            simple,
            f"Keys of dictionaries must be texts or numbers, but here are {list(content)[:5]!r}."
            " Store a list of pairs.",
        )
        return {_PAIRS: [[key, entry] for key, entry in content.items()]}
    if isinstance(value, (list, tuple)):
        return [_encoded(entry) for entry in value]
    return value


def _decoded(value: Any) -> Any:
    """Undo :func:`_encoded`."""
    if isinstance(value, Mapping):
        if _PAIRS in value:
            return {key: _decoded(entry) for key, entry in value[_PAIRS]}
        return {key: _decoded(entry) for key, entry in value.items()}
    return [_decoded(entry) for entry in value] if isinstance(value, list) else value


def _check_keys(value: Any, place: str) -> None:
    """Raise unless all keys are texts: JSON would turn others into texts without a word."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            require(
                isinstance(key, str),
                f"The dictionary {place.strip('.') or 'given'} has the key {key!r}, which is no"
                f" text and would come back as one. Write {str(key)!r}, or store a list of pairs.",
            )
            _check_keys(entry, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _check_keys(entry, place)


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of a file's content: its JSON, and every tensor as it is stored."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode("utf-8", "replace"))
        # viewed as bytes, since numpy knows no bfloat16
        found.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _fits(value: Tensor) -> bool:
    if value.numel() == 0:
        return True
    low, high = torch.aminmax(value)
    return int(low) >= -(2**31) and int(high) < 2**31


def _read(
    path: str | os.PathLike[str], kinds: tuple[str, ...]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    cure = "Write it again with graphcond; a file that was cut short cannot be mended."
    require(
        Path(path).is_file(),
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
        found = _digest(json.dumps(header, sort_keys=True), tensors)
        require(
            header["version"] == 1 or digest == found,
            f"The file {str(path)!r} is damaged: its content does not have the digest that was"
            " written with it. Write it again with graphcond, or get another copy.",
            error=FileFormatError,
        )
        return _widen(tensors, header), header
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


def _widen(tensors: dict[str, Tensor], header: Mapping[str, Any]) -> dict[str, Tensor]:
    """Undo how :func:`_write` stores integers and sparse tensors."""
    for name in header.get("complex", ()):
        tensors[name] = torch.view_as_complex(tensors[name])
    for name in header["int64"]:
        tensors[name] = tensors[name].long()
    for name, shape in header["sparse"].items():
        pieces = tensors.pop(f"{name}#indices"), tensors.pop(f"{name}#values")
        tensors[name] = torch.sparse_coo_tensor(
            *pieces, shape, is_coalesced=True, check_invariants=False
        )
    return tensors
