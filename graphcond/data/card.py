"""Cards: what is known of each data set (source, licence, checksums, counts, split rule), verified
when it is loaded.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphcond.errors import FileFormatError, InputError, UnknownNameError, require

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Card:
    """What is known of a data set.

    Args:
        name: Its name in ``load(name)``.
        kind: ``"nodes"`` or ``"interactions"``.
        reader: Which reader understands its files.
        source: Where it comes from.
        licence: Its licence, or that none is stated.
        split: How train, validation and test come about.
        note: What else one must know.
        aliases: Other names.
        folders: Where its raw files may lie under the root.
        files: Groups of raw files; one whole group must be there.
        options: What the reader needs to know.
        counts: What must come out of loading.
        sha256: Checksum of each raw file.
        download: Address of each raw file or archive.
    """

    name: str
    kind: str
    reader: str
    source: str
    licence: str
    split: str
    note: str = ""
    aliases: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    files: tuple[tuple[str, ...], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    download: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return what a loaded data set carries along in ``data.card``."""
        return {
            name: getattr(self, name)
            for name in ("name", "kind", "source", "licence", "split", "note")
        }


def cards_folder() -> Path:
    """Return the folder of all cards: in the installed package, else at the top of the
    source tree.
    """
    package = Path(__file__).resolve().parent.parent
    installed = package / "datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


@lru_cache(maxsize=1)
def cards() -> dict[str, Card]:
    """Return every card by name, sorted."""
    return {
        card.name: card
        for card in (read_card(path) for path in sorted(cards_folder().glob("*/card.toml")))
    }


def names() -> list[str]:
    """Return the names :func:`load` knows, sorted.

    Example:
        >>> "digits" in names()
        True
    """
    return sorted(cards())


def read_card(path: Path) -> Card:
    """Read one ``card.toml``.

    Args:
        path: The file.

    Raises:
        FileFormatError: If it is no TOML or lacks a field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for name in ("aliases", "folders"):
            content[name] = tuple(content.get(name, ()))
        content["files"] = tuple(tuple(group) for group in content.get("files", ()))
        return Card(**content)
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise FileFormatError(
            f"The card {str(path)!r} is not complete: {error}. See another card."
        ) from error


def find_card(name: str) -> Card:
    """Return the card of a data set by name or alias; case and ``_`` for ``-`` do not matter.

    Args:
        name: For example ``"cora"``.

    Raises:
        UnknownNameError: If there is none; the message lists the near ones.

    Example:
        >>> find_card("Southern_Women").name
        'southern-women'
    """
    wanted = name.lower().replace("_", "-")
    for card in cards().values():
        if wanted == card.name or wanted in card.aliases:
            return card
    near = get_close_matches(wanted, names(), n=3)
    similar = f"Similar are {', '.join(near)}; known" if near else "Known"
    raise UnknownNameError(
        f"There is no data set {name!r}. {similar} are"
        f" {', '.join(names())}. Or give the path of a .csv, .inter, .npz or .safetensors file or"
        " of a LightGCN folder."
    )


def verify_files(card: Card, folder: Path) -> None:
    """Raise unless every raw file the card names has its checksum.

    Args:
        card: The card.
        folder: The folder with the raw files.

    Raises:
        FileFormatError: If a file differs.
    """
    for name, expected in card.sha256.items():
        if (folder / name).is_file():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            require(
                found == expected,
                f"This needs the checksum of {name!r} as in the card of {card.name!r}, but found"
                f" path = {str(folder / name)!r}, sha256 = {found!r}, expected = {expected!r}. The"
                " file is damaged or of another version; delete it and get it again.",
                error=FileFormatError,
            )


def verify_counts(card: Card, found: Mapping[str, int]) -> None:
    """Raise unless the loaded data have the counts of the card.

    Args:
        card: The card.
        found: Counts by name.

    Raises:
        InputError: If one differs.
    """
    differing = {
        name: (found.get(name), expected)
        for name, expected in card.counts.items()
        if found.get(name) != expected
    }
    if differing:
        facts = ", ".join(
            f"{name}={value[0]} instead of {value[1]}" for name, value in differing.items()
        )
        raise InputError(
            f"The data must have the counts on the card of {card.name!r}, but found {facts}. The"
            " files are of another version; get them again."
        )
