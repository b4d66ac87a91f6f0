"""Theorem 3.1: the norm of the gradient mapping along a run, as printed and with our default.

The theorem bounds the mean of |(S_t - S_{t+1}) / η|² over plain projected steps. Adam's steps are
others: for them the same quantity is shown beside the norm of the plain mapping.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

from benchmarks.recommender.setting import (
    OURS,
    PRINTED,
    condenser,
    data_of,
    parse,
    parser,
    printed,
    store_of,
    variants,
)
from benchmarks.store import Store
from graphcond.data import digest

QUANTITIES = {"step_norm": "of the step that the run takes", "mapping_norm": "of a plain step"}


def follow(store: Store, name: str, seed: int, ratio: float, steps: int) -> None:
    """Record the norms of a run of each method, unless they are there."""
    methods = {
        PRINTED: printed(name, seed, ratio, steps=steps),
        OURS: condenser(name, seed, ratio, **variants(steps)[OURS]),
    }
    for label, method in methods.items():
        key = {
            "dataset": name,
            "method": label,
            "seed": seed,
            "ratio": ratio,
            "setting": f"{method.schedule.steps} steps",
        }
        if store.has(**key):
            continue
        data = data_of(name, seed)
        result = method.condense(data)
        row: dict[str, Any] = {**key, "data": digest(data)}
        row |= {what: [entry[what] for entry in result.history] for what in QUANTITIES}
        row["mean_square_step"] = sum(value**2 for value in row["step_norm"]) / len(result.history)
        store.add(row, code=(method, data_of), settings=result.report["condenser"])


def draw(store: Store, path: Path) -> None:
    """Draw both norms by step, a panel a method."""
    rows = list(store.rows.values())
    figure, axes = plt.subplots(
        1, len(rows), figsize=(5 * len(rows), 3.6), layout="constrained", squeeze=False
    )
    for axis, row in zip(axes[0], rows, strict=True):
        for what, words in QUANTITIES.items():
            values = torch.tensor(row[what])
            axis.plot(range(1, len(values) + 1), values, label=words, alpha=0.8)
        axis.set(title=f"{row['dataset']}: {row['method']}", xlabel="outer step", yscale="log")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("norm of the gradient mapping")
    axes[0][0].legend(fontsize=7)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(path, flush=True)


def main() -> None:
    """Record and draw."""
    command = parser(__doc__)
    command.set_defaults(seeds=[0], ratios=[0.25], steps=300)
    options = parse(command)
    store = store_of(options, "theorem")
    for name in options.datasets:
        for seed in options.seeds:
            for ratio in options.ratios:
                follow(store, name, seed, ratio, options.steps)
    draw(store, options.out / f"{store.path.stem}.png")


if __name__ == "__main__":
    main()
