"""Figures 4 and 5 as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE

from benchmarks.paper.policy_gradient.setting import MF, data_of
from benchmarks.store import Store
from graphcond.condensers import PolicyGradient, RandomInteractions
from graphcond.data import (
    make_interactions,
    num_items,
    num_users,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.training import fit_recommender


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


def embeddings(name: str, method: PolicyGradient, path: Path, most: int = 800) -> None:
    """Draw user and item embeddings trained on Random, the condensed set and everything, side by
    side.

    Args:
        name: Data set.
        method: The condenser; a random set has its ratio.
        path: PNG to write.
        most: Most users and most items that are drawn.
    """
    data = data_of(name, method.seed)
    whole = make_interactions(train_edges(data), num_users(data), num_items(data))
    sets: dict[str, Any] = {
        "Random": RandomInteractions(ratio=method.ratio, seed=method.seed)(data),
        "Condensed": method(data),
        "Full": whole,
    }
    draw = np.random.default_rng(0)
    users = draw.permutation(num_users(data))[:most]
    items = draw.permutation(np.unique(train_edges(data)[1].numpy()))[:most]
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for axis, (title, small) in zip(axes, sets.items(), strict=True):
        model = fit_recommender(
            MF, without_test(small), val_edges(data), exclude=train_edges(data), seed=method.seed
        )
        rows = np.concatenate([model.users.numpy()[users], model.items.numpy()[items]])
        points = TSNE(n_components=2, init="pca", random_state=0).fit_transform(rows)
        for label, part in (("users", slice(0, len(users))), ("items", slice(len(users), None))):
            axis.scatter(points[part, 0], points[part, 1], s=4, alpha=0.6, label=label)
        axis.set(
            title=f"{title}: {train_edges(small).size(1):,} interactions", xticks=[], yticks=[]
        )
    axes[0].legend(markerscale=3)
    figure.suptitle(f"{name}, r = {method.ratio}: t-SNE of MF embeddings")
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(path, flush=True)
