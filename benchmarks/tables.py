"""The committed records as Markdown: grids that set methods beside each other, and long tables.

A row whose code has changed since, or is not known, is marked † on the long page. README.md quotes
fresh rows only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import mean, stdev
from typing import Any

from benchmarks.store import RESULTS, Record, is_stale, read_record
from graphcond.evaluation import format_table

SEEDS = 3
"""Seeds of a row where a table does not say another number."""
MARK = " †"
"""Behind the method of a row whose code has changed."""
NOTHING = "No row of this table was made by today's code."
Row = dict[str, Any]
_FIRST = ("Full", "Linear surrogate", "Early stopping", "RandomNodes", "RandomInteractions")


@cache
def record(name: str) -> Record:
    """Return one committed JSON record; each row says in ``stale`` whether its code has changed."""
    path = RESULTS / name
    content: Record = {"command": "", "codes": {}, "rows": []}
    if path.exists():
        content = read_record(path)
    for row in content["rows"]:
        row["stale"] = is_stale(row, content.get("codes", {}))
    return content


def rows_of(*names: str, fresh: bool = False) -> list[Row]:
    """Return the rows of records, old ones marked or, for README.md, left out."""
    found = [row for name in names for row in record(name)["rows"]]
    if fresh:
        return [row for row in found if not row["stale"]]
    return [{**row, "method": f"{row.get('method')}{MARK * row['stale']}"} for row in found]


def printed(table: str) -> list[Row]:
    """Return the figures that a paper prints."""
    return [row for row in read_record(RESULTS / "published.json")["rows"] if row["table"] == table]


class NoRowsError(LookupError):
    """A section's records have no rows."""


def source(*names: str, fresh: bool = False) -> str:
    """Return the line that says which command wrote the records, when, and with which code.

    Raises:
        NoRowsError: If none of them has rows.
    """
    names = tuple(name for name in names if record(name)["rows"])
    if not names:
        raise NoRowsError
    files = ", ".join(f"`benchmarks/results/{name}` ({_dates(name)})" for name in names)
    command = record(names[0])["command"].split(" --")[0]
    rows = [row for name in names for row in record(name)["rows"]]
    old = sum(row["stale"] for row in rows)
    line = f"`{command}` → {files}."
    if old and not fresh:
        line += f" {old} of {len(rows)} rows were made by code that has changed since (†)."
    return line


def _dates(name: str) -> str:
    content = record(name)
    dates = {row["date"] for row in content["rows"] if "date" in row}
    if any("date" not in row for row in content["rows"]):
        dates.add(content.get("earlier", {}).get("date", "unknown"))
    return " to ".join(dict.fromkeys((min(dates), max(dates))))


def place(method: str) -> tuple[int, str]:
    """Order of methods: the original, rivals that condense nothing, the random control, names."""
    plain = method.removesuffix(MARK)
    return (_FIRST.index(plain) if plain in _FIRST else len(_FIRST)), method


def long_table(
    name: str,
    columns: Sequence[str],
    by: Sequence[str] = ("dataset", "method", "ratio"),
    rows: Sequence[Row] | None = None,
) -> str:
    """Return the rows of a record, mean ± std over seeds, under the command that wrote it.

    Args:
        name: The record.
        columns: What is shown.
        by: Columns that name a line.
        rows: Some of the rows, marked already; None for all.
    """

    def order(row: Row) -> tuple[Any, ...]:
        size = row.get("num_train") or row.get("count") or 0
        return (str(row.get("dataset")), *place(str(row["method"])), row.get("ratio") or 0, size)

    chosen: list[Row] = sorted(rows_of(name) if rows is None else rows, key=order)
    return f"{source(name)}\n\n{format_table(chosen, columns, by)}"


def grid(corner: str, cells: dict[tuple[str, str], str], columns: Sequence[str]) -> str:
    """Return cells by (line, column) as a Markdown table, lines as they first came."""
    lines = [f"| {corner} | {' | '.join(columns)} |", "| --- " * (1 + len(columns)) + "|"]
    for line in dict.fromkeys(line for line, _ in cells):
        found = " | ".join(cells.get((line, column), "") for column in columns)
        lines.append(f"| {line} | {found} |")
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return mean ± standard deviation over seeds, without the zero before the point."""
    parts = [mean(values), *([stdev(values)] if len(values) > 1 else [])]
    return " ± ".join(_short(part, digits) for part in parts)


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def several(
    rows: Sequence[Row], names: Sequence[str], digits: Sequence[int], usual: int = SEEDS
) -> str:
    """Return columns of one method's rows, parted by slashes.

    The number of seeds follows in brackets unless it is the usual one.
    """
    found = [[float(row[name]) for row in rows if row.get(name) is not None] for name in names]
    text = " / ".join(
        spread(values, digit) for values, digit in zip(found, digits, strict=True) if values
    )
    return text if len(rows) == usual else f"{text} ({len(rows)})"


def methods_of(rows: Sequence[Row]) -> list[str]:
    """Return the methods of rows in the order of tables."""
    return sorted({str(row["method"]) for row in rows}, key=place)


def winners(
    rows: Sequence[Row], column: str, where: str, digits: int = 1, best: Callable[..., Any] = max
) -> str:
    """Return a sentence that says which method is first in a column, and which is second.

    Args:
        rows: Rows of one place, say a data set.
        column: What is compared, by its mean over seeds.
        where: How the sentence calls the place.
        digits: Digits behind the point.
        best: ``max`` or ``min``.
    """
    means = {
        method: mean(float(row[column]) for row in rows if row["method"] == method)
        for method in methods_of(rows)
        if all(row.get(column) is not None for row in rows if row["method"] == method)
    }
    order = sorted(means, key=lambda method: means[method], reverse=best is max)
    if not order or math.isnan(means[order[0]]):
        return f"{where}: nothing is measured."
    text = f"{where}: {order[0]} wins ({means[order[0]]:.{digits}f})"
    if len(order) > 1:
        text += f", {order[1]} is second ({means[order[1]]:.{digits}f})"
    return f"{text}."
