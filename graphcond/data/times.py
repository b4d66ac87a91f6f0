"""Time stamps as people write them, as whole seconds since 1970."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphcond.errors import FileFormatError, require

_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))
"""Numbers below 10^11 are seconds (until the year 5138), below 10^14 milliseconds, then micro- and
nanoseconds."""


def seconds(values: Any, path: str, where: Callable[[int], str]) -> np.ndarray:
    """Return time stamps as seconds since 1970.

    Whole numbers are seconds, milliseconds, microseconds or nanoseconds, told apart by their size,
    or dates written as 20240131. Texts are ISO 8601; without a zone they are taken as UTC.

    Args:
        values: Numbers, texts or NumPy's dates [R].
        path: The table, for messages.
        where: Names a row in messages, given its index.

    Returns:
        Whole seconds [R], int64; parts of a second are cut off.

    Raises:
        FileFormatError: If a value is no time, or two units are mixed.

    Example:
        >>> seconds(np.array(["2001-01-01", "2001-01-01T00:00:01Z"]), "a.csv", str).tolist()
        [978307200, 978307201]
    """
    array = np.asarray(values)
    if np.issubdtype(array.dtype, np.datetime64):
        missing = np.flatnonzero(np.isnat(array))
        _refuse(missing, array, path, where, "is missing")
        return array.astype("datetime64[s]").astype(np.int64)
    if not np.issubdtype(array.dtype, np.number):
        numbers = None if array.dtype == bool else _numbers(array)
        if numbers is None:
            return _texts(array, path, where)
        array = numbers
    return _from_numbers(array, path, where)


def _numbers(array: np.ndarray) -> np.ndarray | None:
    """Return texts as numbers if all are, else None."""
    try:
        return array.astype(np.int64)
    except (ValueError, TypeError, OverflowError):
        try:
            return array.astype(np.float64)
        except (ValueError, TypeError):
            return None


def _from_numbers(array: np.ndarray, path: str, where: Callable[[int], str]) -> np.ndarray:
    if np.issubdtype(array.dtype, np.floating):
        _refuse(np.flatnonzero(~np.isfinite(array)), array, path, where, "is no time")
    if not len(array):
        return array.astype(np.int64)
    size = np.abs(array.astype(np.float64))
    limits = np.array([limit for limit, _ in _UNITS])
    unit = np.searchsorted(limits, size, side="right")
    given = size > 0
    other = np.flatnonzero(given & (unit != unit.max()))
    _refuse(
        other, array, path, where, "is of another unit (seconds, milliseconds, …) than the rest"
    )
    if np.all((size >= 19_000_101) & (size <= 21_001_231)) and np.all(array == np.floor(array)):
        dates = np.array([str(int(value)) for value in np.unique(array)])
        known = [_date(text) for text in dates]
        if all(value is not None for value in known):
            return np.array(known, dtype=np.int64)[np.searchsorted(np.unique(array), array)]
    divisor = _UNITS[int(unit.max())][1]
    if np.issubdtype(array.dtype, np.integer):
        return array.astype(np.int64) // divisor
    return np.floor(array / divisor).astype(np.int64)


def _date(text: str) -> int | None:
    try:
        day = np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}", "s")
    except ValueError:
        return None
    return int(day.astype(np.int64))


def _texts(array: np.ndarray, path: str, where: Callable[[int], str]) -> np.ndarray:
    import pandas

    texts = pandas.Series(array.astype(object)).astype(str).str.strip()
    codes, distinct = pandas.factorize(texts, use_na_sentinel=False)  # NaN is no time, too
    read = pandas.to_datetime(
        pandas.Series(distinct, dtype=object), utc=True, format="ISO8601", errors="coerce"
    )
    bad = np.flatnonzero(read.isna().to_numpy()[codes])
    _refuse(bad, array, path, where, "is no time. Write 2024-01-31T12:00:00 or seconds since 1970")
    naive = read.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    return np.asarray(naive.astype(np.int64)[codes])


def _refuse(
    rows: np.ndarray, array: np.ndarray, path: str, where: Callable[[int], str], what: str
) -> None:
    if len(rows):
        value = array[int(rows[0])]
        shown = value.item() if hasattr(value, "item") else value
        require(
            False,
            f"The time {shown!r} in {where(int(rows[0]))} of {path!r} {what}. Mend it, name another"
            " column (--time), or take none (--time '').",
            error=FileFormatError,
        )
