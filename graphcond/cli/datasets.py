"""``graphcond datasets``: what can be loaded by name."""

from __future__ import annotations

import json

from graphcond.cli.options import Datasets
from graphcond.data import find_card, names


def run(options: Datasets) -> None:
    """Print one line per data set, or all cards as JSON."""
    cards = [find_card(name) for name in names()]
    if options.json:
        print(
            json.dumps([{**card.record(), "counts": dict(card.counts)} for card in cards], indent=2)
        )
        return
    for card in cards:
        counts = ", ".join(f"{value:,} {name}" for name, value in list(card.counts.items())[:4])
        print(f"{card.name:22} {card.kind:13} {counts or 'sizes are chosen by the caller'}")
        print(f"{'':22} {card.source}; licence: {card.licence}")
