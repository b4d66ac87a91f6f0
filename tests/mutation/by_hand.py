"""Mutants written by hand: the mistakes that a reader would fear in each file."""

from __future__ import annotations

from pathlib import Path

WRITTEN = Path(__file__).with_name("by_hand.txt")


def by_hand() -> dict[str, list[tuple[str, str]]]:
    """Return for each file what stands in it once, and what replaces it."""
    found: dict[str, list[tuple[str, str]]] = {}
    file = ""
    for line in WRITTEN.read_text(encoding="utf-8").splitlines():
        if line.startswith("[graphcond/"):
            file = line[1:-1]
        elif line and not line.startswith("#"):
            old, new = line.split(" => ")
            found.setdefault(file, []).append((old, new))
    return found


BY_HAND = by_hand()
