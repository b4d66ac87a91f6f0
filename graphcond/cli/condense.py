"""``graphcond condense``: condense, judge, write."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from graphcond.cli.judging import check, describe, judge, write_rows
from graphcond.cli.methods import build, control
from graphcond.cli.options import Condense
from graphcond.cli.source import load_split
from graphcond.data import save, write_atomically
from graphcond.evaluation import Entry


def run(options: Condense) -> None:
    """Condense one data set; print and write what came out."""
    check(options)
    data = load_split(options.data, options.root, options.split, options.seed)
    condenser = build(options.method, data, options, options.seed)
    folder = None if options.out is None else Path(options.out)
    if folder is not None:
        with write_atomically(folder / "config.yaml") as beside:  # before the work, not after: is the folder writable?
            beside.write_text(json.dumps(asdict(options), indent=2) + "\n", encoding="utf-8")
    result = condenser.condense(data, checkpoint=None if folder is None else folder / "checkpoint.safetensors")
    if folder is not None:
        save(folder / "condensed.safetensors", result.data)
        with write_atomically(folder / "history.jsonl") as beside:
            beside.write_text("".join(json.dumps(dict(record)) + "\n" for record in result.history), encoding="utf-8")
    for name, value in result.report.items():
        print(f"{name:18} {f'{value:.4g}' if isinstance(value, float) else value}")
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
