"""Where raw files lie: found under the root, in the cache, or downloaded there."""

from __future__ import annotations

import logging
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import IO

from graphcond.data.atomic import write_atomically
from graphcond.data.card import Card, verify_files
from graphcond.errors import InputError

_LOG = logging.getLogger(__name__)
_TIMEOUT = 20.0


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder raw files are looked for in: ``root``, else ``$GRAPHCOND_DATA``, else the
    cache.
    """
    return Path(root or os.environ.get("GRAPHCOND_DATA") or cache_root()).expanduser()


def cache_root() -> Path:
    """Return the folder for what is downloaded or made: ``$XDG_CACHE_HOME/graphcond``, else
    ``~/.cache/graphcond``.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphcond"


def raw_folder(card: Card, root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder with the raw files of a data set, checked against the card's checksums.

    Args:
        card: The card; each entry of ``folders`` is tried under the root, then under the cache.
        root: See :func:`data_root`.

    Returns:
        The first folder that holds one complete set of the files named in ``card.files``.

    Raises:
        InputError: If there is none and none can be downloaded.
        FileFormatError: If a file has another checksum.
    """
    places = list(dict.fromkeys([data_root(root), cache_root()]))
    tried = [place / folder for place in places for folder in card.folders]
    found = next((folder for folder in tried if _complete(card, folder)), None)
    if found is None:
        found = _download(card, places, tried)
    verify_files(card, found)
    return found


def _complete(card: Card, folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in group) for group in card.files)


def _download(card: Card, places: list[Path], tried: list[Path]) -> Path:
    facts = f"tried={[str(folder) for folder in tried]}"
    files = " or ".join(", ".join(group) for group in card.files)
    cure = (
        f"Put {files} from {card.source} into one of these folders, or give `root` (or set"
        " GRAPHCOND_DATA)."
    )
    if not card.download:
        raise InputError(
            f"Raw files of {card.name!r} are missing: {facts}. They cannot be downloaded: {cure}"
        )
    place = next((place for place in places if _writable(place)), places[-1])
    target = place / card.folders[0]
    try:
        for name, url in card.download.items():
            _LOG.info("downloading %s", url)
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as stream:
                _copy(stream, target / name)
            if name.endswith(".zip"):
                _unpack(target / name)
    except (urllib.error.URLError, OSError, zipfile.BadZipFile) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"Raw files of {card.name!r} are missing: {facts}. The download failed: {reason}."
            f" {cure}"
        ) from error
    if not _complete(card, target):
        raise InputError(
            f"The download holds no raw files of {card.name!r}; it is in {str(target)!r}. {cure}"
        )
    return target


def _unpack(archive: Path) -> None:
    """Take the files out of an archive, less the one folder they are packed in, and remove it."""
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if len(Path(member.filename).parts) > 1:
                parts = Path(member.filename).parts[1:]
            else:
                parts = Path(member.filename).parts
            if member.is_dir() or ".." in parts:
                continue
            with packed.open(member) as stream:
                _copy(stream, archive.parent.joinpath(*parts))
    archive.unlink()


def _copy(stream: IO[bytes], path: Path) -> None:
    with write_atomically(path) as temporary, open(temporary, "wb") as out:
        shutil.copyfileobj(stream, out)


def _writable(folder: Path) -> bool:
    existing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return os.access(existing, os.W_OK)
