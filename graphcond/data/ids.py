"""Ids as users know them, and the dense numbers that models need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from graphcond.errors import FileFormatError, require

_MISSING = {"nan", "null", "none", "na", "n/a", "<na>", "nat"}


@final
@dataclass(frozen=True)
class Ids:
    """The ids of one column.

    Attributes:
        codes: The number of each row's id [R], int64, in [0, len(known)).
        known: The distinct ids in sorted order: whole numbers as an array, others as texts. None
            where the numbers are the ids.
        size: One more than the largest number.
    """

    codes: np.ndarray
    known: Any
    size: int

    @property
    def original(self) -> Tensor | list[str] | None:
        """What ``original_id`` holds; None where the numbers are the ids."""
        if self.known is None:
            return None
        if isinstance(self.known, np.ndarray):
            dense = len(self.known) > 0 and self.known[0] == 0 and self.known[-1] + 1 == self.size
            return None if dense else torch.from_numpy(self.known)
        return list(self.known)


def number_texts(
    codes: np.ndarray, texts: Sequence[str], kind: str, path: str, where: Callable[[int], str]
) -> Ids:
    """Number ids that were read as text, in sorted order; whole numbers sort as numbers.

    Args:
        codes: Which of ``texts`` each row has [R].
        texts: Distinct texts; blanks around them do not count.
        kind: ``"user"`` or ``"item"``, for messages.
        path: The table, for messages.
        where: Names a row in messages.

    Returns:
        The ids.

    Raises:
        FileFormatError: If an id is missing.
    """
    bare = [text.strip() for text in texts]
    used = {bare[code] for code in np.unique(codes)} if len(codes) else set()
    whole = {word for word in used if _is_whole(word)}
    odd = used - whole
    blank = {word for word in odd if not word}
    if whole and all(word.lower() in _MISSING or not word for word in odd):
        blank = odd  # among numbers, `nan` is no name
    if blank:
        missing = {i for i, word in enumerate(bare) if word in blank}
        row = int(np.flatnonzero(np.isin(codes, list(missing)))[0])
        found = bare[int(codes[row])]
        raise FileFormatError(
            f"The {kind} in {where(row)} of {path!r} is missing{f' ({found})' if found else ''}."
            " Fill it in or drop the row."
        )
    twice = next((word for word in sorted(odd) if word.removesuffix(".0") in whole), None)
    require(
        twice is None,
        f"The {kind}s of {path!r} are called both {twice!r} and {str(twice)[:-2]!r}, which a"
        " program that reads numbers takes for one. Write all of them as whole numbers.",
        error=FileFormatError,
    )
    ordered: list[Any] = sorted(used) if odd else sorted(map(int, whole))
    place = {str(word): i for i, word in enumerate(ordered)}
    table = np.array([place.get(word, -1) for word in bare], dtype=np.int64)
    known = ordered if odd else np.array(ordered, dtype=np.int64)
    return Ids(table[codes] if len(codes) else np.empty(0, dtype=np.int64), known, len(known))


def _is_whole(word: str) -> bool:
    """Whether a text is a whole number that comes back the same: no sign, no leading zero."""
    ascii_digits = word.isascii() and word.isdigit()
    return ascii_digits and (word == "0" or word[0] != "0") and len(word) < 19


def number_integers(values: np.ndarray, kind: str, path: str) -> Ids:
    """Number ids that are whole numbers of any size.

    Args:
        values: Ids [R], integers.
        kind: ``"user"`` or ``"item"``, for messages.
        path: The table, for messages.

    Returns:
        The ids.

    Raises:
        FileFormatError: If an id is negative or does not fit into 64 bits.
    """
    require(
        np.issubdtype(values.dtype, np.integer),
        f"The {kind}s of {path!r} must be whole numbers, but they are {values.dtype}. Number them"
        " from 0, or bring them as texts in a CSV file.",
        error=FileFormatError,
    )
    if len(values):
        low = int(values.min())
        high = int(values.max())
        require(
            low >= 0,
            f"The {kind}s of {path!r} must be numbers from 0 on, but one is {low}. Shift them.",
            error=FileFormatError,
        )
        require(
            high < 2**63,
            f"The {kind} {high} of {path!r} does not fit into 64 bits. Bring it as a text in a CSV"
            " file.",
            error=FileFormatError,
        )
    known, codes = np.unique(values.astype(np.int64), return_inverse=True)
    return Ids(codes.reshape(-1), known, len(known))


def as_given(ids: Ids) -> Ids:
    """Return ids that stay the numbers that they are in the file.

    Args:
        ids: Ids that are whole numbers.

    Returns:
        The same ids, with ``known`` None; others are returned as they are.
    """
    if not isinstance(ids.known, np.ndarray) or not ids.size:
        return ids
    return Ids(ids.known[ids.codes], None, int(ids.known[-1]) + 1)
