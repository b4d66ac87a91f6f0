"""What the scores of NAS-Bench-Graph's networks are worth: a table and a figure.

``python -m benchmarks.node.nas_page`` trains nothing: it reads the scores that
:mod:`benchmarks.node.nas_bench_graph` recorded, and the published table.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from torch import Tensor

from benchmarks.node.nas_bench_graph import BLOCK, KEY, ROUTES, SETS
from benchmarks.node.nas_features import smoothed, tree_features
from benchmarks.node.nas_full import KEY as FULL_KEY
from benchmarks.node.nas_ranking import Ranking, random_curve, random_row
from benchmarks.node.nas_table import OTHERS, SPACE, Table, read_table
from benchmarks.node.nas_zero_cost import ZERO_COST
from benchmarks.store import RESULTS, Store
from graphcond.errors import require
from graphcond.metrics import spearman

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HIDDEN = ("gradient norm", "SynFlow")
"""Rankings of the table that the figure leaves out: they are worse than random search."""
FREE = ("random readout", "prior order")
"""Rankings that train nothing and that the condensed graph's is mixed with, in equal parts: one
of them, or all.
"""
_RIDGE = np.logspace(0, 5, 12)


def recorded(store: Store, table: Table, dataset: str, seed: int) -> list[Ranking]:
    """Return the rankings whose scores were recorded, over the networks that all blocks hold."""
    found = []
    for route in ROUTES:
        blocks = _blocks(store, dataset, route, seed)
        if not blocks:
            continue
        measured = store.get(dataset=dataset, route="full training", seed=None, block=None)
        places = table.rows(SPACE.decode(SPACE.sample(BLOCK * len(blocks), seed=seed)))
        condensing = blocks[0].get("cpu_condense") or 0.0
        searching = sum(block["cpu_search"] for block in blocks)
        for name, score, share in _scores(route, blocks):
            found.append(
                Ranking(
                    dataset,
                    name,
                    seed,
                    score.double(),
                    table.valid[dataset][places],
                    table.test[dataset][places],
                    condensing + share * searching,
                    measured["cpu_full"],
                )
            )
    return found


def _scores(route: str, blocks: Sequence[dict[str, Any]]) -> list[tuple[str, Tensor, float]]:
    """Return a route's names, scores [n], and shares of its trainings that they need."""
    if route == "zero-cost":
        return [
            (key, torch.tensor(sum((each[key] for each in blocks), [])), 1.0) for key in ZERO_COST
        ]
    looks = torch.cat([torch.tensor(each["looks"]) for each in blocks], 1)
    found = [(route, best_half(looks), 1.0)]
    if route == "early stopping":
        found.append(("successive halving", *halving(looks)))
    return found


def best_half(looks: Tensor) -> Tensor:
    """Return the mean of the better half of the accuracies [looks, n] of each network [n].

    The published figure is the best epoch's; one look alone is noisy, and half of them are not.
    """
    return looks.sort(0).values[len(looks) // 2 :].mean(0)


def halving(looks: Tensor) -> tuple[Tensor, float]:
    """Return the order that successive halving gives, and the share of the epochs it trains.

    Between two looks the worse half ends. What ended later is better; what ended together is
    ordered by its last accuracy.

    Args:
        looks: Accuracies of all networks at evenly spread epochs [looks, n].
    """
    count = looks.size(1)
    left = torch.arange(count)
    score = torch.zeros(count)
    trained = 0
    for rung, accuracy in enumerate(looks):
        score[left] = rung + accuracy[left]
        trained += len(left)
        order = accuracy[left].argsort(descending=True, stable=True)
        left = left[order[: max(1, len(left) // 2)]]
    return score, trained / (count * len(looks))


def _blocks(store: Store, dataset: str, route: str, seed: int) -> list[dict[str, Any]]:
    """Return the blocks that are there, from the first on without a gap."""
    found: list[dict[str, Any]] = []
    while True:
        key = {"dataset": dataset, "route": route, "seed": seed, "block": len(found)}
        if tuple(key.values()) not in store.rows:
            return found
        found.append(store.get(**key))


def combined(trained: Ranking, free: Sequence[Ranking]) -> list[Ranking]:
    """Return the condensed graph's ranking smoothed over networks that look alike, and its mean
    rank with each of others, and with all of them, plain and smoothed.
    """
    features = tree_features(SPACE.decode(SPACE.sample(len(trained.score), seed=trained.seed)))
    found = list[Ranking]()
    for size in sorted({0, 1, len(free)}):
        for others in combinations(free, size):
            each = (trained, *others)
            ranks = np.sum([rankdata(one.score) for one in each], 0)
            mixed = trained
            if others:
                mixed = replace(
                    trained,
                    name=" and ".join(one.name for one in each),
                    score=torch.from_numpy(ranks),
                    seconds=sum(one.seconds for one in each),
                )
                found.append(mixed)
            score = torch.from_numpy(smoothed(features, rankdata(ranks)))
            found.append(replace(mixed, name=f"{mixed.name}, smoothed", score=score))
    return found


def ceiling_row(store: Store, table: Table, dataset: str, full: float) -> dict[str, Any] | None:
    """Return the row of networks trained in full once, or None if fewer than ten were.

    They are the first of a sample, too few for a regret. Nothing cheaper should rank much better.

    Args:
        store: Their best validation accuracies.
        table: The published table.
        dataset: The data set.
        full: CPU seconds of one full training.
    """
    rows = [row for key, row in sorted(store.rows.items()) if key[0] == dataset]
    if len(rows) < 10:
        return None
    every = SPACE.decode(SPACE.sample(1 + rows[-1]["network"], seed=rows[0]["sample"]))
    places = table.rows([every[row["network"]] for row in rows])
    truth, test = table.valid[dataset][places], table.test[dataset][places]
    score = torch.tensor([row["valid"] for row in rows]).double()
    name = f"full training, one seed ({len(rows)} networks)"
    ours = Ranking(dataset, name, rows[0]["sample"], score, truth, test, len(rows) * full, full)
    kept = ("dataset", "ranking", "seed", "networks", "spearman", "low", "high", "cpu_full")
    own = sum(row["cpu_train"] for row in rows) / len(rows)
    return {name: ours.row()[name] for name in kept} | {"cpu_own": own}


def mixtures(found: Sequence[Ranking]) -> list[Ranking]:
    """Return what the condensed graph's ranking gives together with those that train nothing."""
    named = {each.name: each for each in found}
    trained = named.get("condensed")
    if trained is None:
        return []
    free = [named[name] for name in FREE if name in named]
    return combined(trained, [each for each in free if len(each.score) == len(trained.score)])


def looked_up(like: Ranking, table: Table) -> list[Ranking]:
    """Return the rankings that cost nothing here: other data sets, their mean rank, a ridge.

    The ridge learns from 200 full trainings of other networks; their cost counts. Boosted trees
    learn from all others: what they reach is within reach, whatever the noise of the table.
    """
    places = table.rows(SPACE.decode(SPACE.sample(len(like.score), seed=like.seed)))
    sets = [name for name in OTHERS if name != like.dataset]
    ranks = {name: torch.from_numpy(rankdata(table.valid[name].numpy())) for name in sets}
    best = max(sets, key=lambda name: spearman(like.truth, table.valid[name][places]))
    prior = torch.stack(list(ranks.values())).mean(0)
    orders = {
        f"best other data set ({best})": (table.valid[best][places], 0.0),
        "prior order": (prior[places], 0.0),
    }
    for trainings in (20, 50, 200):
        score = _ridge(table.valid[like.dataset], places, trainings, like.seed)
        orders[f"ridge after {trainings} trainings"] = (score, trainings * like.full)
    others = len(table.place) - len(places)
    score = _boosted(table.valid[like.dataset], places)
    orders[f"boosted trees after {others:,} trainings"] = (score, others * like.full)
    return [
        Ranking(like.dataset, name, like.seed, score, like.truth, like.test, seconds, like.full)
        for name, (score, seconds) in orders.items()
    ]


def _ridge(valid: Tensor, places: Tensor, trainings: int, seed: int) -> Tensor:
    """Return the predictions of a ridge on features of the networks, learned elsewhere."""
    elsewhere = np.setdiff1d(np.arange(len(valid)), places.numpy())
    learned = np.random.default_rng(seed).choice(elsewhere, trainings, replace=False)
    every = SPACE.all()
    both = np.concatenate([learned, places.numpy()])
    features = tree_features(SPACE.decode(every[torch.from_numpy(both)]))
    target = rankdata(valid.numpy()[learned])
    model = RidgeCV(_RIDGE).fit(features[:trainings], target)
    return torch.from_numpy(model.predict(features[trainings:])).double()


@cache
def _every_feature() -> np.ndarray:
    return tree_features(SPACE.decode(SPACE.all()))


def _boosted(valid: Tensor, places: Tensor) -> Tensor:
    """Return the predictions of boosted trees that learned from all networks but these."""
    features = _every_feature()
    elsewhere = np.setdiff1d(np.arange(len(valid)), places.numpy())
    target = rankdata(valid.numpy()[elsewhere])
    model = HistGradientBoostingRegressor(max_iter=200, early_stopping=False)
    found = model.fit(features[elsewhere], target).predict(features[places.numpy()])
    return torch.from_numpy(found).double()


def _crowds(ranking: str) -> bool:
    """Whether a figure has no room for a ranking. The best other data set is another one for other
    networks.
    """
    crowding = ("trainings", "smoothed", "other data set")
    return ranking in HIDDEN or any(each in ranking for each in crowding)


def draw(rankings: Sequence[Ranking], path: Path, most: int = 20) -> None:
    """Draw test regret against CPU seconds, mean over seeds, one panel a data set."""
    names = [name for name in SETS if any(each.dataset == name for each in rankings)]
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    paper = (4.2 * columns, 3.4 * lines + 0.9)
    figure, grid = plt.subplots(lines, columns, figsize=paper, squeeze=False, layout="constrained")
    sizes = range(1, most + 1)
    # A ranking has one colour in all panels.
    shown = dict.fromkeys(each.name for each in rankings if not _crowds(each.name))
    colours = {ranking: f"C{place}" for place, ranking in enumerate(shown)}
    labelled = dict[str, Any]()
    for panel, name in zip(grid.flat, names):
        mine = [each for each in rankings if each.dataset == name]
        seeds = {each.seed for each in mine}
        for ranking, colour in colours.items():
            same = [each for each in mine if each.name == ranking]
            if len(same) < len(seeds):
                continue
            seconds = [same[0].seconds + size * same[0].full for size in sizes]
            curve = np.mean([[each.regret(size) for size in sizes] for each in same], 0)
            labelled[ranking] = panel.plot(seconds, curve, colour)[0]
        ones = [next(each for each in mine if each.seed == seed) for seed in seeds]
        curve = np.mean([random_curve(each, most) for each in ones], 0)
        seconds = [size * mine[0].full for size in sizes]
        labelled["random search"] = panel.plot(seconds, curve, "k--")[0]
        title = f"{name}, {len(mine[0].score)} networks, mean of {len(seeds)} seeds"
        panel.set(title=title, xlabel="CPU seconds")
    for panel in grid.flat[len(names) :]:
        panel.remove()
    for line in grid:
        line[0].set_ylabel("test regret, points")
    figure.legend(labelled.values(), labelled, loc="outside lower center", ncols=columns)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print the table and write it and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--quick", action="store_true", help="of a quick run's scores")
    options = parser.parse_args()
    quick = "_quick" if options.quick else ""
    table = read_table(options.root)
    store = Store(options.out / f"nas_bench_graph{quick}.json", KEY)
    require(
        len(store.rows) > 0,
        f"{store.path} has no scores. Run python -m benchmarks.node.nas_bench_graph before.",
    )
    seeds = sorted({row["seed"] for row in store.rows.values() if row["seed"] is not None})
    rankings = list[Ranking]()
    rows = list[dict[str, Any]]()
    for dataset in SETS:
        for seed in seeds:
            found = recorded(store, table, dataset, seed)
            if found:
                longest = max(found, key=lambda each: len(each.score))
                found += looked_up(longest, table)
                rankings += found + mixtures(found)
                rows.append(random_row(longest))
    in_full = Store(options.out / f"nas_full{quick}.json", FULL_KEY)
    for name in dict.fromkeys(each.dataset for each in rankings):
        full = next(each.full for each in rankings if each.dataset == name)
        row = ceiling_row(in_full, table, name, full)
        rows += [] if row is None else [row]
    summary = Store(
        options.out / f"nas_bench_graph{quick}_rankings.json",
        ("dataset", "ranking", "seed"),
        force=True,
    )
    for row in [ranking.row() for ranking in rankings] + rows:
        summary.add(row, code=(Ranking, recorded, mixtures, looked_up, random_row, ceiling_row))
    draw(rankings, options.out / f"nas_bench_graph{quick}.png")


if __name__ == "__main__":
    main()
