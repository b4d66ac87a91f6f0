"""``graphcond compare``: several condensers in one table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from graphcond.cli.folder import held
from graphcond.cli.judging import check, check_data, judge, show, write_rows
from graphcond.cli.methods import build
from graphcond.cli.options import Compare
from graphcond.cli.own_file import columns_of
from graphcond.cli.source import load_split
from graphcond.data import check_writable
from graphcond.evaluation import Entry


def run(options: Compare) -> None:
    """Condense with every method and seed, and print one table."""
    if options.out:
        with held(Path(options.out)):
            _compare(options)
    else:
        _compare(options)


def _compare(options: Compare) -> None:
    check(options)
    data = load_split(
        options.data,
        options.root,
        options.split,
        options.seed,
        None,
        columns_of(options),
        options.k_core,
    )
    check_data(data)
    if options.out is not None:
        check_writable(Path(options.out) / "rows.json")
    names = list(dict.fromkeys(name.strip() for name in ["random", *options.methods.split(",")]))
    makers = {
        name: [build(name, data, options, options.seed + repeat) for repeat in range(options.seeds)]
        for name in names
    }
    classes = Counter(type(same[0]).__name__ for same in makers.values())
    entries = []
    for name, same in makers.items():
        for condenser in same:
            result = condenser.condense(data)
            # Of presets of one class, only their names tell them apart.
            if classes[type(condenser).__name__] > 1:
                result.data.card = {**result.data.card, "method": name}
            entries.append(Entry(result.data, [condenser.seed], result.report["seconds_condense"]))
    rows = judge(data, entries, options)
    if options.out is not None:
        write_rows(Path(options.out), rows)
    show(rows, options.json)
