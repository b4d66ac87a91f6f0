"""A user's own files: which they are, whether they changed, and what is written beside them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from graphcond.data.lightgcn import FILES, folder_of
from graphcond.data.recbole import inter_parts, inter_stem

ORIGIN = "origin"
OBSERVED = "observed"
"""The column that tells interactions of the input from proposals, and its word for the former."""
LEAVE_OUT = "leave_out.csv"
"""The file with the original's training interactions, beside a set that holds proposals."""

_MARKS = {"kept": "", "valid": ".valid", "test": ".test"}


def is_own_file(name: str) -> bool:
    """Return whether ``name`` is a file of interactions that :func:`write_back` can write.

    Args:
        name: As given to :func:`load`.
    """
    path = Path(name)
    if path.suffix in (".csv", ".tsv", ".inter", ".parquet", ".npz"):
        return True
    return (path.is_dir() or path.suffix == ".txt") and (folder_of(path) / "train.txt").is_file()


def content_digest(source: str | os.PathLike[str]) -> str:
    """Return a checksum of the files of a data set, by which a change between two reads is seen.

    Args:
        source: A file, one of RecBole's parts, or LightGCN's folder.
    """
    path = Path(source)
    if path.suffix == ".inter":
        files = list(inter_parts(path).values()) or [path]
    elif path.is_dir() or path.suffix == ".txt":
        files = [folder_of(path) / name for name in FILES if (folder_of(path) / name).is_file()]
    else:
        files = [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()


def names_written(source: Path) -> list[str]:
    """Return the names of all files that may be written beside a user's file.

    Args:
        source: The user's file.
    """
    if source.is_dir() or source.suffix == ".txt":
        return [*FILES, LEAVE_OUT, "proposals.txt"]
    stem = inter_stem(source) if source.suffix == ".inter" else source.stem
    suffixes = (source.suffix, ".parquet")
    names = [f"{stem}{mark}{suffix}" for mark in _MARKS.values() for suffix in suffixes]
    names += [f"{stem}.train.inter"] if source.suffix == ".inter" else []
    return [*names, LEAVE_OUT]


def paths_of(folder: Path, stem: str, suffix: str) -> dict[str, Path]:
    """Return the file of each part: ``"kept"``, ``"valid"`` and ``"test"``.

    Args:
        folder: Where they are written.
        stem: Name of the user's file, without its suffix.
        suffix: Its suffix.
    """
    return {part: folder / f"{stem}{mark}{suffix}" for part, mark in _MARKS.items()}
