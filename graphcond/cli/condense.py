"""``graphcond condense``: condense, judge, write."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graphcond.cli import folder as output
from graphcond.cli.judging import check, check_data, describe, judge, write_rows
from graphcond.cli.methods import build, control
from graphcond.cli.options import Condense
from graphcond.cli.source import load_split
from graphcond.condensers import Condensation
from graphcond.data import save
from graphcond.errors import GraphcondError
from graphcond.evaluation import Entry
from graphcond.typing import Record

FREE = ("root", "seeds", "candidates", "judge", "out")
"""Options that may change when an interrupted run is taken up again. The folder is where it is,
however it is spelled.
"""


def run(options: Condense) -> None:
    """Condense one data set; write and print what came out."""
    check(options)
    data = load_split(options.data, options.root, options.split, options.seed)
    if options.judge:
        check_data(data)
    condenser = build(options.method, data, options, options.seed)
    folder = None if options.out is None else Path(options.out)
    with contextlib.nullcontext() if folder is None else output.held(folder):
        if folder is not None:
            output.begin(folder, asdict(options), FREE)
        try:
            result = condenser.condense(
                data, checkpoint=None if folder is None else folder / "checkpoint.safetensors"
            )
        except GraphcondError:
            if folder is not None:
                output.give_up(folder)
            raise
        if folder is not None:
            save(folder / "condensed.safetensors", result.data)
            output.forget_last_result(folder)
            output.describe_result(folder, asdict(options), result.history)
        rows = _judged(data, result, options) if options.judge else []
        if folder is not None:
            write_rows(folder, rows, result.report)
            output.finish(folder)
    # Printed last: a reader who has seen enough (`| head`) ends the process.
    for name, value in result.report.items():
        print(f"{name:18} {_shown(value)}")
    if rows:
        print("\n" + describe(rows))
    if folder is not None:
        print(f"\nwritten: {folder}")


def _judged(data: Any, result: Condensation, options: Condense) -> list[Record]:
    seeds = range(options.seed, options.seed + options.seeds)
    entries = [Entry(result.data, seeds, result.report["seconds_condense"])]
    if not result.report["method"].startswith("Random"):
        random = control(data, result.data, options, options.seed).condense(data)
        entries.append(Entry(random.data, seeds, random.report["seconds_condense"]))
    return judge(data, entries, options)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):  # the split; its digests are for programs
        told = {key: each for key, each in value.items() if key != "digests"}
        return ", ".join(f"{key} {each}" for key, each in told.items() if each is not None)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
