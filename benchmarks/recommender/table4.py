"""Table 4, the ablation: policy gradient alone, without pseudo data, without compensation, all."""

from __future__ import annotations

import argparse

from benchmarks.recommender.setting import (
    MF,
    OURS,
    TAIL,
    Built,
    compare,
    condenser,
    parse,
    parser,
    printed,
    store_of,
    variants,
)
from benchmarks.store import Store
from graphcond.condensers import PolicyGradient

PARTS = {
    "neither": (0.0, False),
    "no pseudo data": (0.0, True),
    "no compensation": (0.3, False),
    "both parts": (0.3, True),
}
"""Ratio of pseudo data, and whether the tail is compensated.

The paper calls the rows OS-PGE, w/o PD, w/o Com and DConRec.
"""
RELEASED = "released code's accounting"


def one_set(store: Store, name: str, seed: int, ratio: float, options: argparse.Namespace) -> None:
    """Judge all rows of a data set, seed and ratio."""
    ours = variants(5 if options.quick else 100)[OURS]
    for label, (pseudo, compensated) in PARTS.items():
        threshold = TAIL.get(name, 10) if compensated else 0
        method = printed(name, seed, ratio, steps=options.steps, pseudo=pseudo, threshold=threshold)
        compare(store, name, method, label, "as printed", control_of=f"{label}, as printed")
        method = condenser(name, seed, ratio, pseudo=pseudo, threshold=threshold, **ours)
        compare(store, name, method, label, OURS, control_of=label)
    released = PolicyGradient.released(
        MF,
        Built(name, seed, 0.3),
        ratio=ratio,
        threshold=TAIL.get(name, 10),
        steps=options.steps,
        seed=seed,
    )
    compare(store, name, released, "both parts", RELEASED, control_of=RELEASED)


def main() -> None:
    """Judge what is missing."""
    command = parser(__doc__)
    command.set_defaults(steps=1000)
    options = parse(command)
    store = store_of(options, "table4")
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                one_set(store, name, seed, ratio, options)


if __name__ == "__main__":
    main()
