"""``graphcond info``: what a data set or a condensed file holds."""

from __future__ import annotations

import json

from graphcond.cli.options import Info
from graphcond.cli.own_file import columns_of
from graphcond.data import k_core, load, statistics


def run(options: Info) -> None:
    """Print the card and the counts; draw a small graph with ``--plot``."""
    data = load(options.data, options.root, columns_of(options))
    if options.k_core is not None:
        data = k_core(data, options.k_core)
    if options.plot is not None:
        from graphcond.evaluation.plot import draw_graph

        draw_graph(data, options.plot)
    card = dict(data.card)
    counts = statistics(data)
    if options.json:
        print(json.dumps({"card": card, "statistics": counts}, indent=2))
    else:
        for name, value in {**card, **counts}.items():
            print(f"{name:22} {_shown(value)}")
        if options.plot is not None:
            print(f"{'drawing':22} {options.plot}")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
