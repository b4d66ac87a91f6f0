"""``graphcond compare``: several condensers in one table."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from graphcond.cli import folder as output
from graphcond.cli.judging import check, check_data, judge, show, write_rows
from graphcond.cli.methods import build
from graphcond.cli.options import Compare
from graphcond.cli.source import load_original
from graphcond.evaluation import Entry
from graphcond.typing import Record

FREE = ("root", "seeds", "candidates", "out", "json")
"""Options that may change when an interrupted comparison is taken up again: each method and seed
has a checkpoint of its own.
"""


def run(options: Compare) -> None:
    """Condense with every method and seed, and print one table."""
    check(options)
    with output.run_into(options.out, asdict(options), FREE) as folder:
        rows = _judged(options, folder)
        if folder is not None:
            write_rows(folder, rows)
    # Printed last: a reader who has seen enough (`| head`) ends the process.
    show(rows, options.json)


def _judged(options: Compare, folder: Path | None) -> list[Record]:
    data = load_original(options)
    check_data(data)
    names = list(dict.fromkeys(name.strip() for name in ["random", *options.methods.split(",")]))
    makers = {
        name: [build(name, data, options, options.seed + repeat) for repeat in range(options.seeds)]
        for name in names
    }
    classes = Counter(type(same[0]).__name__ for same in makers.values())
    entries = []
    for name, same in makers.items():
        for condenser in same:
            kept = None
            if folder is not None:
                kept = folder / f"checkpoint.{name}-{condenser.seed}.safetensors"
            result = condenser.condense(data, checkpoint=kept)
            # Of presets of one class, only their names tell them apart.
            if classes[type(condenser).__name__] > 1:
                result.data.card = {**result.data.card, "method": name}
            entries.append(Entry(result.data, [condenser.seed], result.report["seconds_condense"]))
    return judge(data, entries, options)
