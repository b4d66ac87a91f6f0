"""Figure 4: how much pseudo data (a), and up to which degree a user counts as tail (b)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

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

PARTS = {"a": "r_pseudo", "b": "threshold"}
"""What each part of the figure sweeps. The paper's thresholds end at 14."""
VALUES: dict[str, tuple[float, ...]] = {
    "r_pseudo": (0.1, 0.3, 0.5, 0.7, 0.9),
    "threshold": (2, 6, 10, 14, 20, 25, 30),
}
KEYWORD = {"r_pseudo": "pseudo", "threshold": "threshold"}


def run(options: argparse.Namespace, part: str) -> None:
    """Judge what is missing of a part, and draw it."""
    store, swept = store_of(options, f"figure4{part}"), PARTS[part]
    values = VALUES[swept][: 2 if options.quick else None]
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                for value in values:
                    settings: dict[str, Any] = {KEYWORD[swept]: value}
                    settings |= variants(options.steps)[OURS]
                    method = condenser(name, seed, ratio, **settings)
                    setting = f"{swept}={value}"
                    compare(store, name, method, OURS, setting, control_of=setting)
    sweep(store, options.out / f"{store.path.stem}.png", swept)


def sweep(store: Store, path: Path, name: str) -> None:
    """Draw NDCG@10 in percent of Full against the swept setting, with the random controls.

    Args:
        store: Rows whose setting is ``name=value``.
        path: PNG to write.
        name: What was swept.
    """
    rows = [row for row in store.rows.values() if str(row["setting"]).startswith(f"{name}=")]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for dataset, method, ratio in sorted(
        {(row["dataset"], row["method"], row["ratio"]) for row in rows}
    ):
        own = [
            row
            for row in rows
            if (row["dataset"], row["method"], row["ratio"]) == (dataset, method, ratio)
        ]
        values = sorted({float(row["setting"].split("=")[1]) for row in own})
        scores = [
            [row["percent_of_full"] for row in own if float(row["setting"].split("=")[1]) == value]
            for value in values
        ]
        style = "--" if "control" in method else "-"
        line = axes.plot(
            values,
            [np.mean(s) for s in scores],
            style,
            marker="o",
            label=f"{dataset}, r = {ratio}: {method}",
        )[0]
        low, high = ([function(s) for s in scores] for function in (np.min, np.max))
        axes.fill_between(values, low, high, alpha=0.15, color=line.get_color())
    axes.set(
        xlabel={"r_pseudo": "pseudo data ratio", "threshold": "tail threshold"}[name],
        ylabel="NDCG@10, % of Full",
    )
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Run the parts that are asked for."""
    command = parser(__doc__)
    command.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parse(command)
    for part in options.parts:
        run(options, part)


if __name__ == "__main__":
    main()
