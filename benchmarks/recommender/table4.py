"""Table 4, the ablation: policy gradient alone, without pseudo data, without compensation, all."""

from __future__ import annotations

import argparse

from benchmarks.recommender.setting import (
    OURS,
    compare,
    condenser,
    parse,
    parser,
    store_of,
    variants,
)
from benchmarks.store import Store
from graphcond.condensers import PolicyGradient

PARTS = {"OS-PGE": (0.0, 0), "w/o PD": (0.0, 10), "w/o Com": (0.3, 0), "DConRec": (0.3, 10)}
"""The paper's rows: ratio of pseudo data and threshold of the tail."""
RELEASED = "released code's accounting"


def one_set(store: Store, name: str, seed: int, ratio: float, options: argparse.Namespace) -> None:
    """Judge all rows of a data set, seed and ratio."""
    estimators = variants(options.steps)
    for label, (pseudo, threshold) in PARTS.items():
        for how in ("Reinforce, one epoch", OURS):
            method = condenser(
                name, seed, ratio, pseudo=pseudo, threshold=threshold, **estimators[how]
            )
            compare(store, name, method, label, how, control_of=label)
    base = condenser(name, seed, ratio)
    released = PolicyGradient.published(
        base.recommender, base.pool, ratio=ratio, steps=options.steps, seed=seed
    )
    compare(store, name, released, "DConRec", RELEASED, control_of=RELEASED)


def main() -> None:
    """Judge what is missing."""
    options = parse(parser(__doc__))
    store = store_of(options, "table4")
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                one_set(store, name, seed, ratio, options)


if __name__ == "__main__":
    main()
