"""Files are written whole or not at all; what a dead process left is cleared away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from graphcond.errors import StorageError, require

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
    target = path_of(path)
    temporary = _reserve(target)
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


def path_of(path: object) -> Path:
    """Return a path, or raise a plain error for what is none.

    Args:
        path: What a user gave.

    Raises:
        StorageError: If it is no text and no path.
    """
    if isinstance(path, (str, os.PathLike)):
        return Path(path)
    raise StorageError(f"A path of a file is needed, but this is {path!r}. Name a file.")


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
    temporary = _reserve(path_of(path))
    temporary.unlink()
    _OURS.discard(temporary.name)


def _reserve(target: Path) -> Path:
    """Make and return an empty file beside ``target``."""
    require(
        "\0" not in str(target),
        f"{str(target)!r} is no name of a file. Take the zero byte out.",
        error=StorageError,
    )
    named = bool(target.name) and not os.path.isdir(target)
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
