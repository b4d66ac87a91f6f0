"""LightGCN trained by the softmax over all items, on the public split of Gowalla.

A trial trains on split 0 and is stopped by NDCG@10 on split 1, looked at every third round. Then
LightGCN trains on 0 and 1 for as many rounds as were best, and is judged once on split 2, K = 20.
A quarter of 0 and 1 trains the same model for as many rounds, which are as many steps::

    GRAPHCOND_DATA=... python -m benchmarks.recommender.full_softmax
    GRAPHCOND_DATA=... python -m benchmarks.recommender.full_softmax --methods Full --seeds 0
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch_geometric.data import HeteroData

from benchmarks.recommender.bars import data_of
from benchmarks.recommender.quarter import RATIO, Place, everything, set_of
from benchmarks.recommender.setting import store_of
from benchmarks.store import Store, add_usual
from graphcond import nn
from graphcond.condensers import TeacherChoice
from graphcond.data import val_edges
from graphcond.evaluation.recommender import rank_scores
from graphcond.training import FullSoftmax, Recommender, fit_full_softmax

MODEL: Any = partial(nn.LightGCN, dim=64, num_layers=3, init_std=0.05)
NAME = "LightGCN full softmax"
RECIPE = FullSoftmax()
METHODS = ("Full", "RandomInteractions", "TeacherChoice")


def trained(data: HeteroData, recipe: FullSoftmax, val: torch.Tensor, seed: int) -> Recommender:
    """Train LightGCN by a recipe."""
    return fit_full_softmax(MODEL, data, val, recipe=recipe, seed=seed)


def trial(store: Store, dataset: str, quick: bool) -> dict[str, Any]:
    """Return the row of the trial: how the recipe validates on split 1, and after which round."""
    recipe = RECIPE
    if quick:
        recipe = replace(recipe, rounds=2, stopping=replace(recipe.stopping, every=1))
    key: dict[str, Any] = {"dataset": dataset, "method": NAME, "seed": 0, "ratio": 1.0}
    key["setting"] = "trial 0"
    if not store.has(**key):
        data = data_of(dataset, "cpu")
        start = time.process_time()
        history = trained(data, recipe, val_edges(data), 0).history
        facts = {
            "val_ndcg@10": history.best_score,
            "best_round": history.best_epoch + 1,
            "rounds": len(history.losses),
            "cpu_seconds_train": time.process_time() - start,
        }
        store.add(key | facts, code=(trained, data_of), settings=recipe)
    return store.get(**key)


def judge(store: Store, method: str, place: Place, quick: bool) -> None:
    """Judge on split 2 what the recipe learns from a set."""
    rounds = int(trial(store, place.dataset, quick)["best_round"])
    key: dict[str, Any] = {"dataset": place.dataset, "method": NAME, "seed": place.seed}
    key |= {"ratio": 1.0 if method == "Full" else RATIO, "setting": f"{method} 0"}
    if store.has(**key):
        return
    small, facts = set_of(method, place)
    recipe = replace(RECIPE, rounds=rounds)
    start = time.process_time()
    found = trained(small, recipe, val_edges(small)[:, :0], place.seed)
    row = key | facts | {"rounds": rounds, "cpu_seconds_train": time.process_time() - start}
    row |= rank_scores(found, everything(place), (10, 20))
    full = key | {"ratio": 1.0, "setting": "Full 0"}
    if method != "Full" and store.has(**full):
        for column in ("recall@20", "ndcg@20"):
            row[f"percent_{column}"] = 100 * row[column] / float(store.get(**full)[column])
    code = (trained, set_of, everything, rank_scores, TeacherChoice)
    store.add(row, code=code, settings=recipe)


def main() -> None:
    """Train what is missing, everything first."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    command.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add_usual(command, quick="lastfm, two rounds")
    options = command.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    dataset = "lastfm" if options.quick else "gowalla"
    store = store_of(options, f"full_softmax_{dataset}")
    for method in options.methods:
        for seed in options.seeds:
            judge(store, method, Place(dataset, seed), options.quick)


if __name__ == "__main__":
    main()
