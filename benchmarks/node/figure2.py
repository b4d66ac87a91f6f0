"""Figure 2: how condensed graphs order the candidates, from Table 2's record."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from benchmarks.node.pictures import Rows, draw, save
from graphcond.metrics import ranks, spearman


def slices(rows: Rows, title: str, path: Path) -> None:
    """Figure 2: one strip a method, candidates in the method's order, coloured by their rank on the
    original (light = best).
    """
    truth = ranks(torch.tensor(rows["Full"]["losses"]).double())
    figure, axes = plt.subplots(len(rows), 1, figsize=(8, 0.45 * len(rows) + 0.9), squeeze=False)
    for axis, (method, row) in zip(axes[:, 0], rows.items()):
        loss = torch.tensor(row["losses"]).double()
        axis.imshow(-truth[loss.argsort()][None].numpy(), aspect="auto", cmap="viridis")
        axis.set_yticks([])
        axis.set_xticks([])
        axis.set_ylabel(method, rotation=0, ha="right", va="center", fontsize=8)
        rho = spearman(torch.tensor(rows["Full"]["losses"]).double(), loss)
        axis.text(1.01, 0.5, f"ρ = {rho:.2f}", transform=axis.transAxes, va="center", fontsize=8)
    axes[-1, 0].set_xlabel(
        "candidates, best to worst by the method's validation loss; light: best on the original",
        fontsize=8,
    )
    figure.suptitle(title, fontsize=9)
    figure.tight_layout(rect=(0, 0, 0.94, 1))
    save(figure, path)


if __name__ == "__main__":
    draw(__doc__, "fig2", slices)
