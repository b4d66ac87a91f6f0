"""The committed records as Markdown: short tables that set methods beside each other, and long ones
with every column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from benchmarks.store import RESULTS
from graphcond.evaluation import format_table

SEEDS = 3
"""Seeds of a row where a table does not say another number."""
Row = dict[str, Any]
_FIRST = ("Full", "Whole", "Linear surrogate", "Early stopping", "Random")


def record(name: str) -> dict[str, Any]:
    """Return one committed JSON record."""
    content: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return content


def source(*names: str) -> str:
    """Return the line that says which command wrote the records, and when."""
    content = [record(name) for name in names]
    files = ", ".join(
        f"`benchmarks/results/{name}` ({each['date']})"
        for name, each in zip(names, content, strict=True)
    )
    return f"`{content[0]['command'].split(' --')[0]}` → {files}"


def place(method: str) -> tuple[int, str]:
    """Order of methods: the original, rivals that condense nothing, the random control, then by
    name.
    """
    return (_FIRST.index(method) if method in _FIRST else len(_FIRST)), method


def shown_as(method: str) -> str:
    """Name of a method in tables and pictures: HCDC's usual teacher is linear; the records name the
    variants.
    """
    names = {
        "HCDC-linear": "HCDC",
        "HCDC-random": "HCDC, random-features teacher",
        "HCDC": "HCDC, trained teacher",
    }
    return names.get(method, method)


def long_table(
    name: str,
    columns: Sequence[str],
    by: Sequence[str] = ("dataset", "method", "ratio"),
    rows: Sequence[Row] | None = None,
) -> str:
    """Return the rows of a record, mean ± std over seeds, under the command that wrote it; ``rows``
    are some of them, or all.
    """

    def order(row: Row) -> tuple[Any, ...]:
        return (
            str(row.get("dataset")),
            *place(str(row.get("method"))),
            row.get("ratio") or 0,
            row.get("num_train") or row.get("count") or 0,
        )

    chosen = record(name)["rows"] if rows is None else rows
    return f"{source(name)}\n\n{format_table(sorted(chosen, key=order), columns, by)}"


def grid(corner: str, cells: dict[tuple[str, str], str], columns: Sequence[str]) -> str:
    """Return cells by (line, column) as a Markdown table; lines in the order in which they first
    came.
    """
    lines = [f"| {corner} | {' | '.join(columns)} |", "| --- " * (1 + len(columns)) + "|"]
    for line in dict.fromkeys(line for line, _ in cells):
        lines.append(
            f"| {line} | {' | '.join(cells.get((line, column), '') for column in columns)} |"
        )
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return mean ± standard deviation over seeds, without the zero before the point."""
    parts = [mean(values), *([stdev(values)] if len(values) > 1 else [])]
    return " ± ".join(
        f"{part:.{digits}f}".replace("0.", ".", 1) if abs(part) < 1 else f"{part:.{digits}f}"
        for part in parts
    )


def several(
    rows: Sequence[Row], names: Sequence[str], digits: Sequence[int], usual: int = SEEDS
) -> str:
    """Return columns of one method's rows, parted by slashes, and the number of seeds in brackets
    unless it is the usual one.
    """
    found = [[float(row[name]) for row in rows if row.get(name) is not None] for name in names]
    text = " / ".join(
        spread(values, digit) for values, digit in zip(found, digits, strict=True) if values
    )
    return text if len(rows) == usual else f"{text} ({len(rows)})"
