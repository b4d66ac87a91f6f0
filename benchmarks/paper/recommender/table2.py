"""Table 2: every method at r = .25 and .5, judged by a model trained from scratch on what it kept.

A seed is a split, a condensation and an initialisation. Rows are merged by key, so that a stopped
run goes on where it was::

    python -m benchmarks.paper.recommender.table2 --datasets lastfm ciao --seeds 0 1 2
    python -m benchmarks.paper.recommender.table2 --quick
    python -m benchmarks.paper.recommender.table2 --transfer --datasets lastfm
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import HeteroData

from benchmarks.paper.policy_gradient.setting import condenser, control, data_of
from benchmarks.store import RECOMMENDER, RESULTS, Store
from graphcond import masks, nn
from graphcond.condensers import (
    DosCondInteractions,
    Majority,
    RandomInteractions,
    Schedule,
    SVPEasiest,
    SVPHardest,
    TeacherChoice,
)
from graphcond.condensers.dconrec.condenser import ONE_EPOCH
from graphcond.condensers.interactions.item_prices import candidates
from graphcond.condensers.interactions.teacher_choice import fit_teacher
from graphcond.data import num_items, train_edges, with_interactions, without_test
from graphcond.evaluation import evaluate_recommender
from graphcond.seeding import generator
from graphcond.training import Recommender

MODELS = {"MF": partial(nn.MF, dim=64), "LightGCN": partial(nn.LightGCN, dim=64)}
Made = tuple[HeteroData, dict[str, Any]]


def plain(kind: Callable[..., Any], name: str, ratio: float, seed: int, **options: Any) -> Made:
    """Condense with one of the one-shot methods."""
    result = kind(ratio=ratio, seed=seed, **options).condense(data_of(name, seed))
    return result.data, result.report


@cache
def _teacher(name: str, seed: int) -> tuple[Recommender, float]:
    """Return one teacher for all ratios, and its seconds, which count in each of them."""
    start = time.perf_counter()
    teacher = fit_teacher(
        without_test(data_of(name, seed)),
        MODELS["MF"],
        ensemble=TeacherChoice.ensemble,
        factors=TeacherChoice.factors,
        rank=TeacherChoice.rank,
        seed=seed,
    )
    return teacher, time.perf_counter() - start


def taught(name: str, ratio: float, seed: int) -> Made:
    """Condense by TeacherChoice."""
    teacher, seconds = _teacher(name, seed)
    result = TeacherChoice(ratio=ratio, seed=seed, teacher=teacher).condense(data_of(name, seed))
    return result.data, {
        **result.report,
        "seconds_condense": seconds + float(result.report["seconds_condense"]),
    }


def taught_control(name: str, ratio: float, seed: int) -> Made:
    """Draw TeacherChoice's control: its budget at random from D and as many favourites of the
    teacher's for every user.
    """
    (teacher, _), data = _teacher(name, seed), without_test(data_of(name, seed))
    budget = TeacherChoice(ratio=ratio).budget(data)
    per_user = -(-budget // int(train_edges(data)[0].unique().numel()))
    pool = candidates(teacher, train_edges(data), min(per_user, num_items(data))).pairs
    chosen = torch.randperm(pool.size(1), generator=generator(seed, "control"))[:budget]
    return with_interactions(data, pool[:, chosen]), {}


def learned(settings: dict[str, Any], name: str, ratio: float, seed: int) -> Made:
    """Condense by policy gradient."""
    result = condenser(name, seed, ratio, **settings).condense(data_of(name, seed))
    return result.data, result.report


def learned_control(name: str, ratio: float, seed: int) -> Made:
    """Draw the control of both policy gradients: their tail, and random interactions from their
    pool up to the budget.
    """
    method, data = condenser(name, seed, ratio), data_of(name, seed)
    pool = method.pool(without_test(data), seed=seed)
    return control(data, method.budget(data), pool, method), {}


PAPER = {
    "estimator": masks.Reinforce(samples=1),
    "schedule": Schedule(steps=100, every=100, centred=False),
    "inner": ONE_EPOCH,
}
METHODS: dict[str, Callable[[str, float, int], Made]] = {
    "Random": partial(plain, RandomInteractions),
    "TeacherChoice": taught,
    "TeacherChoice: random control": taught_control,
    "SVP easiest": partial(plain, SVPEasiest),
    "DConRec (OneStep)": partial(learned, {}),
    "DConRec: random control": learned_control,
    "Majority": partial(plain, Majority),
    "SVP hardest": partial(plain, SVPHardest),
    "DosCond": partial(plain, DosCondInteractions),
    "DConRec (Reinforce)": partial(learned, PAPER),
}
"""Reinforce is the paper's estimator with 100 outer steps and an honest budget."""
TRANSFER: dict[str, Callable[[str, float, int], Made]] = {
    "Random": partial(plain, RandomInteractions),
    "TeacherChoice": partial(plain, TeacherChoice),
    "TeacherChoice (LightGCN)": partial(
        plain, partial(TeacherChoice, recommender=MODELS["LightGCN"], ensemble=1)
    ),
}


def judge(
    store: Store, model: str, name: str, seed: int, row: dict[str, Any], made: Made
) -> dict[str, Any]:
    """Train ``model`` on a set and add its row."""
    small, report = made
    rows = evaluate_recommender(
        MODELS[model], small, data_of(name, seed), ks=(5, 10), seeds=(seed,)
    ).rows
    facts = {
        key: report[key]
        for key in ("seconds_condense", "num_pseudo", "num_tail", "bonus", "evenness")
        if key in report
    }
    full = store.rows.get((name, "Full", seed, 1.0, model), {})
    done = {**rows[0], **facts, **row}
    for metric in ("recall", "ndcg"):
        if full:
            done[f"percent_{metric}@10"] = (
                100 * float(done[f"{metric}@10"]) / float(full[f"{metric}@10"])
            )
    done["percent_of_full"] = done.get("percent_ndcg@10")
    store.add(done)
    return done


def one_set(store: Store, name: str, seed: int, options: argparse.Namespace) -> None:
    """Judge the full set and every method at every ratio."""
    models, methods = (("MF", "LightGCN"), TRANSFER) if options.transfer else (("MF",), METHODS)
    for model in models:
        key = {"dataset": name, "method": "Full", "seed": seed, "ratio": 1.0, "setting": model}
        if not store.has(**key):
            judge(store, model, name, seed, key, (data_of(name, seed), {}))
    for ratio in options.ratios:
        for label, make in methods.items():
            if options.methods and label not in options.methods:
                continue
            keys = [
                {"dataset": name, "method": label, "seed": seed, "ratio": ratio, "setting": model}
                for model in models
            ]
            if all(store.has(**key) for key in keys):
                continue
            made = make(name, ratio, seed)
            for model, key in zip(models, keys):
                judge(store, model, name, seed, key, made)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["lastfm", "ciao", "dianping", "gowalla"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.25, 0.5])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS | TRANSFER))
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="train MF and LightGCN on sets condensed with either",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="southern-women, one seed: a minute, to see that all of it runs",
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="folder of the JSON files, one per data set"
    )
    options = parser.parse_args()
    if options.quick:
        options.datasets, options.seeds, options.ratios = ["southern-women"], [0], [0.5]
    table = "transfer" if options.transfer else "quick" if options.quick else "table2"
    for seed in options.seeds:
        for name in options.datasets:
            one_set(
                Store(options.out / f"recommender_{table}_{name}.json", RECOMMENDER),
                name,
                seed,
                options,
            )


if __name__ == "__main__":
    main()
