"""Figure 5: embeddings trained on Random, a condensed set and everything (t-SNE), side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE

from benchmarks.recommender.setting import MF, OURS, condenser, data_of, parse, parser, variants
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
        "RandomInteractions": RandomInteractions(ratio=method.ratio, seed=method.seed)(data),
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


def main() -> None:
    """Draw one picture per data set."""
    options = parse(parser(__doc__))
    quick = "_quick" if options.quick else ""
    for name in options.datasets:
        settings = variants(options.steps)[OURS]
        method = condenser(name, options.seeds[0], options.ratios[0], **settings)
        embeddings(name, method, options.out / f"recommender_figure5_{name}{quick}.png")


if __name__ == "__main__":
    main()
