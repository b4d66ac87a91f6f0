"""What a search did, as a table and as a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcond.data import write_atomically
from graphcond.errors import InputError
from graphcond.search.study import fault

if TYPE_CHECKING:
    from optuna import Study

FIELDS = ("number", "state", "value", "best", "seconds", "fault")
"""Columns before the parameters."""


def history_rows(study: Study) -> list[dict[str, Any]]:
    """Return one row a trial, in the order of their numbers.

    Args:
        study: A study with one objective.

    Returns:
        Dicts with ``number``, ``state``, ``value`` (None for a trial that failed or did not
        finish), ``best`` (the best value up to here), ``seconds``, ``fault`` and the parameters.
    """
    better = min if study.direction.name == "MINIMIZE" else max
    best: float | None = None
    rows = []
    for trial in study.get_trials(deepcopy=False):
        reason = fault(trial)
        value = trial.value if not reason else None
        if value is not None and trial.state.name == "COMPLETE":
            best = value if best is None else better(best, value)
        lasted = trial.duration
        row = {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "value": value,
            "best": best,
            "seconds": None if lasted is None else round(lasted.total_seconds(), 3),
            "fault": reason,
        }
        rows.append(row | trial.params)
    return rows


def write_history(study: Study, path: Path) -> None:
    """Write :func:`history_rows` as CSV; a parameter that a trial does not have is left empty.

    Args:
        study: A study with one objective.
        path: The file.

    Raises:
        StorageError: If it cannot be written.
    """
    rows = history_rows(study)
    names = sorted({name for row in rows for name in row} - set(FIELDS))
    with write_atomically(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*FIELDS, *names], restval="")
        table.writeheader()
        table.writerows(rows)


def draw_history(study: Study, path: Path) -> None:
    """Draw the values of the trials and the best so far.

    Args:
        study: A study with one objective.
        path: A PNG file.

    Raises:
        InputError: If matplotlib is not installed.
        StorageError: If the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "Drawing needs matplotlib, which is not installed. Run `pip install matplotlib`."
        ) from error
    rows = history_rows(study)
    numbers = [row["number"] for row in rows]
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    values = [math.nan if row["value"] is None else row["value"] for row in rows]
    best = [math.nan if row["best"] is None else row["best"] for row in rows]
    axes.scatter(numbers, values, s=14, color="0.55", label="trial")
    axes.step(numbers, best, where="post", color="tab:blue", label="best so far")
    failed = [row["number"] for row in rows if row["fault"]]
    if failed:
        bottom = min((value for value in values if not math.isnan(value)), default=0.0)
        axes.scatter(failed, [bottom] * len(failed), marker="x", color="tab:red", label="failed")
    axes.set_xlabel("trial")
    axes.set_ylabel("value on the searched graph")
    axes.legend(frameon=False)
    with write_atomically(path) as beside:
        # Without the software's name and date two drawings of one study are equal.
        figure.savefig(beside, dpi=150, format="png", metadata={"Software": None})
