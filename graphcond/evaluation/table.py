"""One vocabulary of result rows for reports, benchmarks and the README, and their mean ± std over
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcond.errors import UnknownNameError
from graphcond.typing import Record

COLUMNS: dict[str, str] = {
    "dataset": "data set",
    "method": "condenser, or Full for the original",
    "seed": "seed of condensation and training",
    "ratio": "ratio asked for",
    "ratio_actual": "ratio reached, counted on the result",
    "num_train": "condensed training nodes, or users",
    "num_val": "condensed validation nodes",
    "num_edges": "directed edges, or interactions",
    "bytes": "bytes of all tensors of the set",
    "recall@10": "Recall@10 on test, in [0, 1]",
    "ndcg@10": "NDCG@10 on test, in [0, 1]",
    "percent_of_full": "NDCG@10 (or accuracy) in percent of the model trained on everything",
    "accuracy": "test accuracy on the original, in percent",
    "spearman_loss": "Spearman correlation of validation losses, original against condensed",
    "spearman_accuracy": "the same by validation accuracy",
    "kendall_loss": "Kendall's tau-b by loss",
    "top_quarter_spearman": "Spearman by loss among the original's best quarter",
    "regret": "points of test accuracy lost by taking the condensed set's pick",
    "ceiling_loss": "Spearman by loss of two seeds of the original",
    "ceiling_accuracy": "the same by accuracy",
    "seconds_condense": "wall-clock seconds of condensing",
    "recipe": "how the judge of interactions was trained",
    "seconds_choose": "wall-clock seconds of choosing the recipe on validation",
    "seconds_train": "wall-clock seconds of training and judging",
    "cpu_seconds_train": "CPU seconds of training alone",
    "peak_mib": "peak resident memory in MiB",
}
"""Column name -> meaning, in print order."""

_KEYS = ("dataset", "method", "ratio")
_SIGNIFICANT = {
    "ratio": 3,
    "ratio_actual": 3,
    "seconds_condense": 3,
    "seconds_train": 3,
    "cpu_seconds_train": 3,
}


@dataclass(frozen=True)
class Report:
    """Rows of one set, one per seed.

    Attributes:
        rows: Rows in the shared vocabulary (:data:`COLUMNS`).
    """

    rows: tuple[Record, ...]

    def mean(self, column: str) -> float:
        """Return the mean of a column over seeds."""
        return float(np.mean(self._values(column)))

    def std(self, column: str) -> float:
        """Return the sample standard deviation of a column over seeds, 0 for one seed."""
        return float(np.std(self._values(column), ddof=1)) if len(self.rows) > 1 else 0.0

    def __str__(self) -> str:
        """Return the table, mean ± std over seeds."""
        return format_table(self.rows)

    def _values(self, column: str) -> list[float]:
        return [float(row[column]) for row in self.rows]  # type: ignore[arg-type]


def make_row(**values: str | int | float | None) -> Record:
    """Return a row in the shared vocabulary, in column order, absent values left out.

    Args:
        **values: Entries of :data:`COLUMNS`, also under the Python name ``recall_at_10`` for
        ``recall@10``.

    Returns:
        A new dict.

    Raises:
        UnknownNameError: If a name is not a column.

    Example:
        >>> make_row(method="Random", dataset="cora", recall_at_10=0.5)
        {'dataset': 'cora', 'method': 'Random', 'recall@10': 0.5}
    """
    named = {name.replace("_at_", "@"): value for name, value in values.items()}
    unknown = sorted(set(named) - set(COLUMNS))
    if unknown:
        raise UnknownNameError(
            f"A row must have known columns, but it has {unknown}. Known are {', '.join(COLUMNS)}."
        )
    return {name: named[name] for name in COLUMNS if named.get(name) is not None}


def summarise(
    rows: Iterable[Record], by: Sequence[str] = _KEYS, columns: Iterable[str] = tuple(COLUMNS)
) -> list[dict[str, object]]:
    """Return one entry per group of rows: mean and standard deviation over seeds.

    Args:
        rows: Rows as :func:`make_row` makes them.
        by: Columns that name a group.
        columns: Columns that are averaged.

    Returns:
        A list of dicts: the group's columns, ``seeds`` (how many rows), and ``(mean, std)`` for
        each numeric column; std is the sample standard deviation, 0 for one row.
    """
    groups: dict[tuple[object, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in by), []).append(row)
    summary = []
    for key, members in groups.items():
        entry: dict[str, object] = {
            name: value for name, value in zip(by, key) if value is not None
        }
        entry["seeds"] = len(members)
        for name in columns:
            entries = [row.get(name) for row in members]
            values = [float(value) for value in entries if isinstance(value, (int, float))]
            if values and name not in (*by, "seed"):
                spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                entry[name] = (float(np.mean(values)), spread)
        summary.append(entry)
    return summary


def format_table(
    rows: Iterable[Record], columns: Sequence[str] | None = None, by: Sequence[str] = _KEYS
) -> str:
    """Return rows as an aligned text table, one line per group (data set, method and ratio), mean ±
    std over seeds.

    Args:
        rows: Rows as :func:`make_row` makes them.
        columns: Columns to show; None shows every column that some row has.
        by: Columns that name a group.

    Returns:
        A Markdown table, also readable as plain text.
    """
    entries = summarise(rows, by, columns or tuple(COLUMNS))
    shown = [
        name
        for name in columns or [*_KEYS, "seeds", *COLUMNS]
        if any(name in entry for entry in entries)
    ]
    shown = list(dict.fromkeys(shown))
    cells = [shown, *([_cell(name, entry) for name in shown] for entry in entries)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(shown))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def name_of_original(card: Mapping[str, Any]) -> str:
    """Return the name of the data set that a card speaks of; a condensed set bears its original's.

    Args:
        card: The card of a data set or of a condensed one; may be empty.
    """
    name = card.get("name", "unnamed")
    if "condenser" in card:
        name = card.get("dataset", "unnamed")
    return str(name)


def format_report(rows: Iterable[Record]) -> str:
    """Return rows as a text table with a line per column of the vocabulary and a column per method,
    mean ± std over seeds.

    Args:
        rows: Rows of one data set, as :func:`make_row` makes them.

    Returns:
        An aligned table that fits a terminal for a handful of methods, under the data set's name.
    """
    entries = summarise(rows)
    shown = [
        name
        for name in ("seeds", *COLUMNS)
        if name not in ("dataset", "method") and any(name in entry for entry in entries)
    ]
    names = [str(entry.get("dataset", "")) for entry in entries[:1]] or [""]
    head = [*names, *(str(entry.get("method", "")) for entry in entries)]
    lines = [head, *([name, *(_cell(name, entry) for entry in entries)] for name in shown)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:])),
            ]
        )
        for line in lines
    ]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:]])


def _cell(name: str, entry: Mapping[str, object]) -> str:
    value = entry.get(name)
    if isinstance(value, tuple):
        mean, std = value
        if math.isnan(mean):
            return "nan"
        # A spread that rounding made, or that no shown digit tells, is left out.
        same = std <= 1e-12 * abs(mean) or (
            name in _SIGNIFICANT and _number(name, mean + std) == _number(name, mean)
        )
        if same:
            return _number(name, mean)
        return f"{_number(name, mean)} ± {_number(name, std)}"
    if isinstance(value, float):
        return _number(name, value)
    if value is None:
        return ""
    return str(value)


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return "nan"
    if name in _SIGNIFICANT:
        return f"{value:.{_SIGNIFICANT[name]}g}"
    if name.startswith("num_") or name in ("bytes", "peak_mib"):
        return f"{value:,.0f}"
    if name.startswith(("accuracy", "percent", "regret")):
        return f"{value:.1f}"
    return f"{value:.4f}"
