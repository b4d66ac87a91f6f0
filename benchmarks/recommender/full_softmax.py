"""LightGCN trained by the softmax over all items, on the public split of Gowalla.

A trial trains on split 0, or on a quarter of it, and is stopped by NDCG@10 on split 1, looked at
every third round. Then LightGCN trains on 0 and 1, or on a quarter of them, for as many rounds as
were best, and is judged once on split 2, K = 20. The items of the original are left out::

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
from benchmarks.recommender.quarter import PROPOSING, RATIO, Place, everything, set_of
from benchmarks.recommender.setting import store_of
from benchmarks.store import Store, add_usual
from graphcond import nn
from graphcond.condensers import RandomInteractions, TeacherChoice
from graphcond.condensers.interactions.teacher_choice import fit_teacher
from graphcond.data import num_items, train_edges, val_edges, without_test
from graphcond.evaluation.recommender import rank_scores
from graphcond.training import FullSoftmax, Recommender, fit_full_softmax

MODEL: Any = partial(nn.LightGCN, dim=64, num_layers=3, init_std=0.05)
NAME = "LightGCN full softmax"
RECIPE = FullSoftmax(val_users=30_000)
METHODS = ("Full", "RandomInteractions", "TeacherChoice")


def trained(
    data: HeteroData,
    recipe: FullSoftmax,
    val: torch.Tensor,
    seed: int,
    exclude: torch.Tensor | None = None,
) -> Recommender:
    """Train LightGCN by a recipe."""
    return fit_full_softmax(MODEL, data, val, recipe=recipe, seed=seed, exclude=exclude)


def trial_set(method: str, data: HeteroData) -> HeteroData:
    """Return what a trial trains on: split 0, or a quarter of it."""
    if method == "Full":
        return data
    if method == "RandomInteractions":
        return RandomInteractions(ratio=RATIO)(data)
    sizes: dict[str, Any] = {"ensemble": 0, "factors": 0, "rank": min(512, num_items(data))}
    teacher = fit_teacher(without_test(data), nn.MF, **sizes)
    return TeacherChoice(ratio=RATIO, teacher=teacher, mixtures=PROPOSING)(data)


def trial(store: Store, dataset: str, method: str, quick: bool) -> dict[str, Any]:
    """Return the row of a trial: how a set validates on split 1, and after which round."""
    recipe = RECIPE
    if quick:
        recipe = replace(recipe, rounds=2, stopping=replace(recipe.stopping, every=1))
    key: dict[str, Any] = {"dataset": dataset, "method": NAME, "seed": 0}
    key |= {"ratio": ratio_of(method), "setting": f"trial of {method}"}
    if not store.has(**key):
        data = data_of(dataset, "cpu")
        small = trial_set(method, data)
        start = time.process_time()
        history = trained(small, recipe, val_edges(data), 0, train_edges(data)).history
        facts = {
            "val_ndcg@10": history.best_score,
            "best_round": history.best_epoch + 1,
            "rounds": len(history.losses),
            "cpu_seconds_train": time.process_time() - start,
        }
        store.add(key | facts, code=(trained, trial_set, data_of), settings=recipe)
    return store.get(**key)


def ratio_of(method: str) -> float:
    """Return the share of the interactions that a method keeps."""
    return 1.0 if method == "Full" else RATIO


def judge(store: Store, method: str, place: Place, quick: bool) -> None:
    """Judge on split 2 what the recipe learns from a set."""
    rounds = int(trial(store, place.dataset, method, quick)["best_round"])
    key: dict[str, Any] = {"dataset": place.dataset, "method": NAME, "seed": place.seed}
    key |= {"ratio": ratio_of(method), "setting": f"{method} 0"}
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
