"""How tensors and values are laid down in a file, and the digest of a file's content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from graphcond.errors import require

_PAIRS = "graphcond-pairs"


def pieces_of(name: str, value: Tensor) -> dict[str, Tensor]:
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


def encoded(value: Any) -> Any:
    """Return a value whose dictionaries have texts as keys; others are stored as pairs."""
    if isinstance(value, Mapping):
        content = {key: encoded(entry) for key, entry in value.items()}
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
        return [encoded(entry) for entry in value]
    return value


def decoded(value: Any) -> Any:
    """Undo :func:`encoded`."""
    if isinstance(value, Mapping):
        if _PAIRS in value:
            return {key: decoded(entry) for key, entry in value[_PAIRS]}
        return {key: decoded(entry) for key, entry in value.items()}
    return [decoded(entry) for entry in value] if isinstance(value, list) else value


def check_keys(value: Any, place: str) -> None:
    """Raise unless all keys are texts: JSON would turn others into texts without a word."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            require(
                isinstance(key, str),
                f"The dictionary {place.strip('.') or 'given'} has the key {key!r}, which is no"
                f" text and would come back as one. Write {str(key)!r}, or store a list of pairs.",
            )
            check_keys(entry, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for entry in value:
            check_keys(entry, place)


def content_digest_of(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of a file's content: its JSON, and every tensor as it is stored."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode("utf-8", "replace"))
        # viewed as bytes, since numpy knows no bfloat16
        found.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def fits(value: Tensor) -> bool:
    """Return whether all integers of a tensor fit into 32 bits."""
    if value.numel() == 0:
        return True
    low, high = torch.aminmax(value)
    return int(low) >= -(2**31) and int(high) < 2**31


def unpacked(tensors: dict[str, Tensor], header: Mapping[str, Any]) -> dict[str, Tensor]:
    """Undo in place how integers, complex and sparse tensors are stored."""
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
