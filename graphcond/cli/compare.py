"""``graphcond compare``: several condensers in one table."""

from __future__ import annotations

import json
from pathlib import Path

from graphcond.cli.judging import check, describe, judge, write_rows
from graphcond.cli.methods import build
from graphcond.cli.options import Compare
from graphcond.cli.source import load_split
from graphcond.evaluation import Entry


def run(options: Compare) -> None:
    """Condense with every method and seed, and print one table."""
    check(options)
    data = load_split(options.data, options.root, options.split, options.seed)
    names = list(dict.fromkeys(["random", *options.methods.split(",")]))
    seeds = range(options.seed, options.seed + options.seeds)
    condensers = [build(name.strip(), data, options, seed) for name in names for seed in seeds]
    entries = []
    for condenser in condensers:
        result = condenser.condense(data)
        entries.append(Entry(result.data, [condenser.seed], result.report["seconds_condense"]))
    rows = judge(data, entries, options)
    print(json.dumps(rows, indent=2) if options.json else describe(rows))
    if options.out is not None:
        write_rows(Path(options.out), rows)
