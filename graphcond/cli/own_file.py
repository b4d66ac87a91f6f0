"""A user's file on the command line: its columns, the file that is written back, and what it
saves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch_geometric.data import HeteroData

from graphcond.cli.options import Condense, OwnTable
from graphcond.data import Columns, num_items, train_edges, write_back, write_parquet
from graphcond.typing import Record


def columns_of(source: OwnTable) -> Columns:
    """Return the columns that the options name.

    Args:
        source: The options.
    """
    return Columns(
        user=source.user,
        item=source.item,
        rating=source.rating,
        time=source.time,
        weight=source.weight,
        min_rating=source.min_rating,
    )


def count_proposals(data: HeteroData, small: HeteroData) -> int:
    """Return how many interactions of a condensed set are not in the original.

    Args:
        data: The split original.
        small: The condensed set.
    """
    kept, original = (
        part[0] * num_items(data) + part[1] for part in map(train_edges, (small, data))
    )
    return int((~torch.isin(kept, original)).sum())


def proposals_line(proposals: int, count: int) -> str:
    """Return the sentence that says how to rank with a set that has proposals.

    Args:
        proposals: Interactions of the set that the original does not have.
        count: Interactions of the set.
    """
    if proposals:
        return (
            f"{proposals} of {count} are proposals: leave out the original's items when you rank."
        )
    return (
        f"All {count} are interactions of the original: a tool may leave out of a ranking just the"
        " items that it was given."
    )


def write_own_file(
    options: Condense, folder: Path, data: HeteroData, small: HeteroData, digest: str
) -> str:
    """Write the condensed set in the form of the user's file.

    Args:
        options: The options that name the file and its columns.
        folder: Where to write.
        data: The split original.
        small: The condensed set.
        digest: Checksum of the file when it was loaded.

    Returns:
        A sentence that says what was written.
    """
    columns = columns_of(options)
    done = write_back(options.data, folder, data, small, columns, digest)
    if options.parquet:
        write_parquet(done.files[0], columns)
    return f"{done.rows} of {done.rows_of} rows are in {done.files[0]}."


def payback(rows: Sequence[Record], seconds_condense: float) -> dict[str, Any]:
    """Return what training costs on both sets, and from how many trainings on condensing pays.

    Args:
        rows: The table of the report: the original first, then the condensed set.
        seconds_condense: CPU seconds of condensing.

    Returns:
        ``cpu_seconds_train_full``, ``cpu_seconds_train_condensed``, ``cpu_seconds_condense`` and
        ``pays_from_trainings``, which is None where condensing never pays; nothing without rows.
    """
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    if len(methods) < 2 or "cpu_seconds_train" not in rows[0]:
        return {}
    full, condensed = (
        fmean(float(row["cpu_seconds_train"] or 0) for row in rows if row["method"] == method)
        for method in methods[:2]
    )
    saved = full - condensed
    trainings = math.ceil(seconds_condense / saved) if saved > 0 else None
    return {
        "cpu_seconds_train_full": full,
        "cpu_seconds_train_condensed": condensed,
        "cpu_seconds_condense": seconds_condense,
        "pays_from_trainings": trainings,
    }


def payback_line(found: dict[str, Any]) -> str:
    """Return :func:`payback` as a sentence.

    Args:
        found: What it returned.
    """
    if not found:
        return ""
    count = found["pays_from_trainings"]
    when = f"condensing pays from {count} trainings on" if count else "condensing never pays"
    return (
        f"Training takes {found['cpu_seconds_train_full']:.2f} CPU seconds on everything and"
        f" {found['cpu_seconds_train_condensed']:.2f} on the condensed set; condensing took"
        f" {found['cpu_seconds_condense']:.2f}: {when}."
    )
