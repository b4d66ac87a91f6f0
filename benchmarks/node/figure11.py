"""Figure 11: validation accuracy on the original against that on the condensed graph."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from benchmarks.node.pictures import Rows, draw, save
from graphcond.metrics import spearman


def scatter(rows: Rows, title: str, path: Path) -> None:
    """Figure 11: every candidate's validation accuracy, condensed against original."""
    shown = {
        method: row for method, row in rows.items() if method not in ("Full", "Linear surrogate")
    }
    columns = min(4, max(1, len(shown)))
    lines = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(2.6 * columns, 2.5 * lines), squeeze=False, sharey=True
    )
    original = torch.tensor(rows["Full"]["accuracies"]).double()
    for axis, (method, row) in zip(axes.flat, shown.items()):
        small = torch.tensor(row["accuracies"]).double()
        axis.scatter(100 * small, 100 * original, s=10, alpha=0.7)
        axis.set_title(f"{method}: ρ = {spearman(original, small):.2f}", fontsize=8)
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    figure.supxlabel("validation accuracy on the condensed graph, %", fontsize=8)
    figure.supylabel("on the original, %", fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    save(figure, path)


if __name__ == "__main__":
    draw(__doc__, "fig11", scatter)
