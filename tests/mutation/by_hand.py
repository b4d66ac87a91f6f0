"""Mutants written by hand: the mistakes that a reader would fear in each file."""

from __future__ import annotations

BY_HAND: dict[str, tuple[tuple[str, str], ...]] = {}
"""file -> (text that stands in it once, what replaces it)."""
