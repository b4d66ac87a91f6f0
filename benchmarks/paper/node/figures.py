"""Figure 2 (how condensed graphs order the candidates) and Figure 11 (original against condensed
accuracy), from table2's JSON.
"""

from __future__ import annotations

import argparse
import json

import matplotlib
import torch

from benchmarks.paper.node.common import BUDGETS, METHODS
from benchmarks.store import RESULTS
from benchmarks.tables import shown_as
from graphcond.data import write_atomically
from graphcond.metrics import ranks, spearman

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def newest(rows: list[dict], name: str, count: int) -> dict[str, dict]:
    """Seed 0 of every method at one budget with as many validation nodes, in the table's order, the
    original first.
    """
    fits = [
        row
        for row in rows
        if row["dataset"] == name and row.get("count") in (None, count) and not row.get("count_val")
    ]
    found = {row["method"]: row for row in fits if row.get("losses")}
    order = ["Whole", "Linear surrogate", *METHODS]
    return {method: found[method] for method in order if method in found}


def slices(rows: dict[str, dict], title: str, path) -> None:
    """Figure 2: one strip a method, candidates in the method's order, coloured by their rank on the
    original (light = best).
    """
    truth = ranks(torch.tensor(rows["Whole"]["losses"]).double())
    figure, axes = plt.subplots(len(rows), 1, figsize=(8, 0.45 * len(rows) + 0.9), squeeze=False)
    for axis, (method, row) in zip(axes[:, 0], rows.items()):
        loss = torch.tensor(row["losses"]).double()
        axis.imshow(-truth[loss.argsort()][None].numpy(), aspect="auto", cmap="viridis")
        axis.set_yticks([])
        axis.set_xticks([])
        axis.set_ylabel(shown_as(method), rotation=0, ha="right", va="center", fontsize=8)
        rho = spearman(torch.tensor(rows["Whole"]["losses"]).double(), loss)
        axis.text(1.01, 0.5, f"ρ = {rho:.2f}", transform=axis.transAxes, va="center", fontsize=8)
    axes[-1, 0].set_xlabel(
        "candidates, best to worst by the method's validation loss; light: best on the original",
        fontsize=8,
    )
    figure.suptitle(title, fontsize=9)
    figure.tight_layout(rect=(0, 0, 0.94, 1))
    save(figure, path)


def scatter(rows: dict[str, dict], title: str, path) -> None:
    """Figure 11: every candidate's validation accuracy, condensed against original."""
    shown = {
        method: row for method, row in rows.items() if method not in ("Whole", "Linear surrogate")
    }
    columns = min(4, max(1, len(shown)))
    lines = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(2.6 * columns, 2.5 * lines), squeeze=False, sharey=True
    )
    original = torch.tensor(rows["Whole"]["accuracies"]).double()
    for axis, (method, row) in zip(axes.flat, shown.items()):
        small = torch.tensor(row["accuracies"]).double()
        axis.scatter(100 * small, 100 * original, s=10, alpha=0.7)
        axis.set_title(f"{shown_as(method)}: ρ = {spearman(original, small):.2f}", fontsize=8)
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    figure.supxlabel("validation accuracy on the condensed graph, %", fontsize=8)
    figure.supylabel("on the original, %", fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    save(figure, path)


def save(figure, path) -> None:
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=130)
    plt.close(figure)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["cora", "citeseer"])
    parser.add_argument(
        "--counts",
        nargs="+",
        type=int,
        help="condensed training nodes instead of each data set's middle size",
    )
    options = parser.parse_args()
    rows = json.loads((RESULTS / "node_table2.json").read_text())["rows"]
    for name in options.datasets:
        for count in options.counts or BUDGETS[name][1:2]:
            shown = newest(rows, name, count)
            if len(shown) > 2:
                title = (
                    f"{name}, {count} training and {count} validation nodes, 80 held-out filters"
                )
                slices(shown, title, RESULTS / f"node_fig2_{name}.png")
                scatter(shown, title, RESULTS / f"node_fig11_{name}.png")


if __name__ == "__main__":
    main()
