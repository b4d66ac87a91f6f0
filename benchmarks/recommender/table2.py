"""Table 2: every method at r = .25 and .5, judged by a model trained from scratch on what it kept.

A seed is a split, a condensation and an initialisation. Rows are merged by key, so that a stopped
run goes on where it was::

    GRAPHCOND_DATA=... python -m benchmarks.recommender.table2 --datasets lastfm ciao
    python -m benchmarks.recommender.table2 --quick
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch_geometric.data import HeteroData

from benchmarks.recommender.setting import (
    JUDGE,
    OURS,
    PRINTED,
    condenser,
    control,
    data_of,
    noted,
    parse,
    parser,
    printed,
    store_of,
)
from benchmarks.store import Store
from graphcond import masks, nn
from graphcond.condensers import (
    DosCondInteractions,
    Majority,
    Mixture,
    RandomInteractions,
    Schedule,
    SVPEasiest,
    SVPHardest,
    TeacherChoice,
    TeacherFavourites,
)
from graphcond.condensers.dconrec.objective import ONE_EPOCH
from graphcond.condensers.interactions.item_prices import candidates
from graphcond.condensers.interactions.teacher_choice import fit_teacher
from graphcond.data import (
    digest,
    load,
    num_items,
    num_users,
    split_interactions,
    train_edges,
    with_interactions,
    without_test,
)
from graphcond.evaluation import evaluate_recommender
from graphcond.evaluation.recommender import rank_scores
from graphcond.pools import keep_tail
from graphcond.seeding import generator
from graphcond.training import (
    EASE,
    Ranker,
    Recommender,
    fit_graph_filter,
    fit_least_squares,
)

MODELS: dict[str, nn.RecommenderFactory] = {
    "MF": partial(nn.MF, dim=64),
    "LightGCN": partial(nn.LightGCN, dim=64),
}
Made = tuple[HeteroData, dict[str, Any]]


def plain(kind: Callable[..., Any], name: str, ratio: float, seed: int, **options: Any) -> Made:
    """Condense with one of the one-shot methods."""
    result = kind(ratio=ratio, seed=seed, **options).condense(data_of(name, seed))
    return result.data, result.report


@cache
def teacher_of(name: str, seed: int) -> tuple[Recommender, float]:
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


def observed(name: str, ratio: float, seed: int) -> Made:
    """Condense by TeacherChoice without proposals."""
    return taught(name, ratio, seed, TeacherChoice.OBSERVED_ONLY)


def taught(
    name: str, ratio: float, seed: int, mixtures: tuple[Mixture, ...] = TeacherChoice.mixtures
) -> Made:
    """Condense by TeacherChoice."""
    teacher, seconds = teacher_of(name, seed)
    method = TeacherChoice(ratio=ratio, seed=seed, teacher=teacher, mixtures=mixtures)
    result = method.condense(data_of(name, seed))
    return result.data, {
        **result.report,
        "seconds_condense": seconds + float(result.report["seconds_condense"]),
    }


def taught_control(name: str, ratio: float, seed: int) -> Made:
    """Draw TeacherChoice's control: its budget at random from D and as many favourites of the
    teacher's for every user.
    """
    (teacher, _), data = teacher_of(name, seed), without_test(data_of(name, seed))
    budget = TeacherChoice(ratio=ratio).budget(data)
    per_user = -(-budget // int(train_edges(data)[0].unique().numel()))
    pool = candidates(teacher, train_edges(data), min(per_user, num_items(data))).pairs
    chosen = torch.randperm(pool.size(1), generator=generator(seed, "control"))[:budget]
    return noted(with_interactions(data, pool[:, chosen]), data), {}


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


def printed_set(name: str, ratio: float, seed: int, steps: int = 1000) -> Made:
    """Condense with DConRec as printed."""
    result = printed(name, seed, ratio, steps=steps).condense(data_of(name, seed))
    return result.data, result.report


def printed_control(name: str, ratio: float, seed: int) -> Made:
    """Draw the control of DConRec as printed: its tail, and r |D| at random from its pool."""
    method, data = printed(name, seed, ratio, steps=0), data_of(name, seed)
    pool = method.pool(without_test(data), seed=seed)
    threshold = method.tail.threshold
    marked, _ = keep_tail(pool, num_users(data), threshold=threshold, of="pool")
    tail = int(marked.kept.sum())
    # The draw falls on the tail, too: what is left of it outside is the free part's share.
    size = tail + round(method.budget(data) * (1 - tail / len(pool)))
    return control(data, size, pool, method), {"num_tail": tail}


AGAINST_TEACHER = {
    "estimator": masks.Reinforce(samples=1),
    "schedule": Schedule(steps=100, every=100, centred=False),
    "inner": ONE_EPOCH,
    "outer": TeacherFavourites(),
}
METHODS: dict[str, Callable[[str, float, int], Made]] = {
    "RandomInteractions": partial(plain, RandomInteractions),
    "TeacherChoice": taught,
    "TeacherChoice.observed": observed,
    "TeacherChoice: random control": taught_control,
    "SVPEasiest": partial(plain, SVPEasiest),
    OURS: partial(learned, {}),
    "PolicyGradient: random control": learned_control,
    PRINTED: printed_set,
    f"{PRINTED}: random control": printed_control,
    "Majority": partial(plain, Majority),
    "SVPHardest": partial(plain, SVPHardest),
    "DosCondInteractions (ours)": partial(plain, DosCondInteractions),
    "PolicyGradient, Reinforce (ours)": partial(learned, AGAINST_TEACHER),
}

ALONE = " (condenses nothing)"
TEACHER = f"Teacher of TeacherChoice{ALONE}"
RIVALS: dict[str, Callable[[HeteroData, int], Ranker]] = {
    TEACHER: lambda data, seed: teacher_of(data.card["name"], seed)[0],
    f"EASE{ALONE}": lambda data, seed: EASE().fit(data, seed),
    f"Graph filter{ALONE}": lambda data, seed: fit_graph_filter(data, seed=seed),
    f"Least squares{ALONE}": lambda data, seed: fit_least_squares(data, seed=seed),
}
"""What ranks without condensing: trained on everything, and cheaper than condensing well."""


def judge_rivals(store: Store, name: str, seed: int) -> None:
    """Rank with every rival, trained on everything."""
    data = data_of(name, seed)
    for label, fit in RIVALS.items():
        key = {"dataset": name, "method": label, "seed": seed, "ratio": 1.0, "setting": "MF"}
        if store.has(**key):
            continue
        start = time.process_time()
        model = fit(without_test(data), seed)
        row = {**key, "seconds_train": time.process_time() - start}
        if label == TEACHER:  # it was trained before, for the condenser
            row["seconds_train"] = teacher_of(name, seed)[1]
        row |= rank_scores(model, data, (5, 10)) | {"data": digest(data)}
        add_shares(store, row)
        code = (rank_scores, load, split_interactions, fit_graph_filter, fit_least_squares)
        store.add(row, code=(*code, EASE, teacher_of), settings=label)


def add_shares(store: Store, row: dict[str, Any]) -> None:
    """Add a row's percent of Full, where Full is known."""
    full = store.rows.get((row["dataset"], "Full", row["seed"], 1.0, row["setting"]), {})
    for metric in ("recall@10", "ndcg@10"):
        if full and row["method"] != "Full":
            row[f"percent_{metric}"] = 100 * float(row[metric]) / float(full[metric])
    row["percent_of_full"] = row.get("percent_ndcg@10")


def judge(
    store: Store, model: str, row: dict[str, Any], made: Made, code: tuple[object, ...] = ()
) -> dict[str, Any]:
    """Train ``model`` on a set and add its row."""
    small, report = made
    name, seed = row["dataset"], row["seed"]
    found = evaluate_recommender(
        MODELS[model], small, data_of(name, seed), ks=(5, 10), seeds=(seed,)
    )
    kept = ("seconds_condense", "num_pseudo", "num_tail", "tail_threshold", "bonus", "evenness")
    facts = {key: report[key] for key in kept if key in report}
    done = {**found.rows[0], **facts, **row, "data": digest(data_of(name, seed))}
    add_shares(store, done)
    store.add(done, code=(*JUDGE, MODELS[model], *code), settings=report.get("condenser"))
    return done


def one_set(
    store: Store,
    name: str,
    seed: int,
    options: argparse.Namespace,
    methods: dict[str, Callable[[str, float, int], Made]] = METHODS,
    models: tuple[str, ...] = ("MF",),
) -> None:
    """Judge the full set and every method at every ratio."""
    for model in models:
        key = {"dataset": name, "method": "Full", "seed": seed, "ratio": 1.0, "setting": model}
        if not store.has(**key):
            judge(store, model, key, (data_of(name, seed), {}))
    for ratio in options.ratios:
        for label, make in methods.items():
            if options.methods and label not in options.methods:
                continue
            keys = [
                {"dataset": name, "method": label, "seed": seed, "ratio": ratio, "setting": model}
                for model in models
            ]
            there = [store.has(**key) for key in keys]
            if all(there):
                continue
            made = make(name, ratio, seed)
            for model, key in zip(models, keys, strict=True):
                judge(store, model, key, made, code=(make,))


def main() -> None:
    """Judge what is missing, the small data sets first."""
    command = parser(__doc__)
    command.set_defaults(datasets=["lastfm", "ciao", "dianping", "gowalla"])
    command.add_argument("--methods", nargs="+", choices=list(METHODS))
    options = parse(command)
    steps = 5 if options.quick else 1000
    methods = METHODS | {PRINTED: partial(printed_set, steps=steps)}
    for name in options.datasets:
        for seed in options.seeds:
            store = store_of(options, f"table2_{name}")
            one_set(store, name, seed, options, methods)
            if options.methods is None or "TeacherChoice" in options.methods:
                judge_rivals(store, name, seed)


if __name__ == "__main__":
    main()
