"""``graphcond condense``: condense, judge, write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graphcond.cli.judging import check, check_data, describe, judge, write_rows
from graphcond.cli.methods import build, control
from graphcond.cli.options import Condense
from graphcond.cli.source import load_split
from graphcond.data import save, write_atomically
from graphcond.errors import require
from graphcond.evaluation import Entry

JUDGING = ("root", "seeds", "candidates", "judge")
"""Options that may change when an interrupted run is taken up again."""


def run(options: Condense) -> None:
    """Condense one data set; print and write what came out."""
    check(options)
    data = load_split(options.data, options.root, options.split, options.seed)
    if options.judge:
        check_data(data)
    condenser = build(options.method, data, options, options.seed)
    folder = None if options.out is None else Path(options.out)
    if folder is not None:
        _claim(folder, options)
    result = condenser.condense(
        data, checkpoint=None if folder is None else folder / "checkpoint.safetensors"
    )
    if folder is not None:
        save(folder / "condensed.safetensors", result.data)
        with write_atomically(folder / "history.jsonl") as beside:
            beside.write_text(
                "".join(json.dumps(dict(record)) + "\n" for record in result.history),
                encoding="utf-8",
            )
    for name, value in result.report.items():
        print(f"{name:18} {_shown(value)}")
    rows = []
    if options.judge:
        seeds = range(options.seed, options.seed + options.seeds)
        entries = [Entry(result.data, seeds, result.report["seconds_condense"])]
        if not result.report["method"].startswith("Random"):
            random = control(data, result.data, options, options.seed).condense(data)
            entries.append(Entry(random.data, seeds, random.report["seconds_condense"]))
        rows = judge(data, entries, options)
        print("\n" + describe(rows))
    if folder is not None:
        write_rows(folder, rows, result.report)
        for part in folder.glob("checkpoint*.safetensors*"):
            part.unlink()
        print(f"\nwritten: {folder}")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):  # the split; its digests are for programs
        told = {key: each for key, each in value.items() if key != "digests"}
        return ", ".join(f"{key} {each}" for key, each in told.items() if each is not None)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _claim(folder: Path, options: Condense) -> None:
    """Write ``config.yaml`` before the work, which shows that the folder is writable; never into
    another run's unfinished folder.
    """
    wanted, config = asdict(options), folder / "config.yaml"
    if any(folder.glob("checkpoint*.safetensors*")):
        try:
            found = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        other = {
            name: found.get(name)
            for name, value in wanted.items()
            if name not in JUDGING and found.get(name) != value
        }
        cure = (
            "Finish that run (--config config.yaml), delete its checkpoint files, or choose another"
            " --out."
        )
        require(
            not other,
            "a folder without another run's checkpoint",
            cure,
            folder=str(folder),
            interrupted=other,
        )
    with write_atomically(config) as beside:
        beside.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
