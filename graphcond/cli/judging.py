"""The protocol of ``condense``, ``compare`` and ``evaluate``: which models judge, and how rows are
shown and written.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch_geometric.data import HeteroData

from graphcond import nn
from graphcond.cli.methods import control
from graphcond.cli.options import Budget, Protocol
from graphcond.data import EDGE
from graphcond.data.atomic import write_lines
from graphcond.errors import require, require_at_least
from graphcond.evaluation import Entry, format_report, judge_interactions, judge_nodes, summarise
from graphcond.evaluation.plot import plot_comparison
from graphcond.typing import Record


def check(options: Protocol) -> None:
    """Raise, before any work, unless the protocol can be followed."""
    require_at_least(1, "It is the number of repeats per row; 3 is usual.", seeds=options.seeds)
    enough = options.candidates == 0 or options.candidates >= 5
    require(
        getattr(options, "out", None) != "",
        "This needs a folder as --out. Leave --out away to write nothing.",
    )
    require(
        enough,
        f"`candidates` must be 0 or at least 5, but it is {options.candidates!r}. Fewer cannot be"
        " ranked; 0 skips the ranking.",
    )


def check_data(data: Any) -> None:
    """Raise, before any work, unless the data have a part to judge on."""
    graph = not isinstance(data, HeteroData)
    held = "test_mask" in data if graph else "test_edge_index" in data[EDGE]
    require(
        held,
        "This needs a test split. Give the data a test part (`test_mask`, `test_edge_index`), or"
        " pass --judge false to condense alone.",
    )


def judge(data: Any, entries: Sequence[Entry], options: Protocol) -> list[Record]:
    """Return the rows of the original and of every entry, judged by MF (interactions) or GCN and
    filters (graphs).
    """
    seeds = range(options.seed, options.seed + options.seeds)
    if isinstance(data, HeteroData):
        return judge_interactions(data, entries, partial(nn.MF, dim=64), seeds=seeds)
    return judge_nodes(data, entries, seeds=seeds, candidates=options.candidates)


def judge_beside_random(data: Any, entry: Entry, budget: Budget, options: Protocol) -> list[Record]:
    """Return the rows of the original, of a set and, unless it is random itself, of a random one of
    its size.
    """
    entries = [entry]
    if not entry.data.card["method"].startswith("Random"):
        random = control(data, entry.data, budget, options.seed).condense(data)
        entries.append(Entry(random.data, entry.seeds, random.report["seconds_condense"]))
    return judge(data, entries, options)


def describe(rows: Sequence[Record]) -> str:
    """Return the table and a sentence that says how to read it."""
    lines = [format_report(rows), ""]
    full = [row for row in rows if row["method"] == "Full"]
    percent = [entry["percent_of_full"] for entry in summarise(full) if "percent_of_full" in entry]
    if percent and len({row["seed"] for row in full}) > 1:
        spread = percent[0][1]  # type: ignore[index]
        lines.append(f"Noise: seeds of the original alone spread by ± {spread:.1f} % of its mean.")
    lines.append(
        "Mean ± std over seeds. Judged once, on the test split of the original, which condensing"
        " never saw."
    )
    return "\n".join(lines)


def show(rows: Sequence[Record], json: bool) -> None:
    """Print the table, or the rows alone as JSON.

    Args:
        rows: The table.
        json: Whether a program reads it.
    """
    if json:
        print(as_json(rows))
    else:
        print(describe(rows))


def as_json(content: Any) -> str:
    """Return content as JSON, which has no NaN: null stands for it."""
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_rows(folder: Path, rows: Sequence[Record], card: dict[str, Any] | None = None) -> None:
    """Write ``report.json`` (with a card) or ``rows.json`` and, where matplotlib is installed,
    ``comparison.png`` into ``folder``.

    Args:
        folder: Output folder; made if missing.
        rows: The table.
        card: The condensation's report, or None.
    """
    name = "rows.json"
    content: Any = list(rows)
    if card is not None:
        name = "report.json"
        content = {"card": card, "rows": content}
    (folder / "comparison.png").unlink(missing_ok=True)  # it shows the rows before these
    write_lines(folder / name, [as_json(content)])
    if not rows:
        return
    if importlib.util.find_spec("matplotlib") is None:
        print("\nno comparison.png: after pip install matplotlib there is one")
    else:
        plot_comparison(rows, folder / "comparison.png")
