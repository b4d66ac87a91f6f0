"""Condensed sets judged by recommenders that the condenser does not know.

Every judge gets the same few candidates for every set, the full one among them, and takes the one
that validates best. A percentage is of the same judge on everything; absolute figures stand beside
it. The teacher that TeacherChoice distils has a row of its own, as have closed forms on Full::

    GRAPHCOND_DATA=... python -m benchmarks.recommender.judges --datasets lastfm --ratios 0.25
"""

from __future__ import annotations

import argparse
import time
from functools import cache, partial
from typing import Any

from torch_geometric.data import HeteroData

from benchmarks.recommender.setting import JUDGE, data_of, parse, parser, store_of
from benchmarks.store import Store
from graphcond import nn
from graphcond.condensers import (
    Mixture,
    RandomInteractions,
    SVPEasiest,
    TeacherChoice,
)
from graphcond.condensers.interactions.teacher_choice import fit_teacher
from graphcond.data import train_edges, without_test
from graphcond.evaluation import evaluate_recommender
from graphcond.evaluation.recommender import rank_scores
from graphcond.training import (
    BPR,
    EASE,
    Contender,
    EarlyStopping,
    GraphFilter,
    LeastSquares,
    Popularity,
    Ranker,
)

BRIEF = EarlyStopping(patience=5)


def softmax(temperature: float) -> BPR:
    """Return training against shared negatives."""
    loss = nn.SampledSoftmax(512, temperature=temperature)
    return BPR(loss=loss, learning_rate=0.01, weight_decay=0.0, stopping=BRIEF)


MF: Any = partial(nn.MF, dim=64)
LIGHTGCN: Any = partial(nn.LightGCN, dim=64)
JUDGES: dict[str, tuple[Contender, ...]] = {
    "MF": (Contender(MF), Contender(MF, softmax(0.2))),
    "EASE": tuple(Contender(EASE(ridge)) for ridge in (10.0, 50.0, 200.0, 1000.0)),
    "iALS": tuple(Contender(LeastSquares(unobserved=weight)) for weight in (0.01, 0.1, 0.3)),
    "LightGCN": (Contender(LIGHTGCN), Contender(LIGHTGCN, softmax(0.2))),
}
ON_FULL: dict[str, tuple[Contender, ...]] = {
    "graph filter": tuple(Contender(GraphFilter(rank)) for rank in (64, 128, 256, 512)),
    "popularity": (Contender(Popularity()),),
}
OBSERVED_FIRST = (Mixture(1e3, 0.0), Mixture(1e3, 0.75))
"""A bonus that no score outweighs: proposals go only to users whose own items do not fill their
share.
"""
METHODS: dict[str, Any] = {
    "RandomInteractions": RandomInteractions,
    "SVPEasiest": SVPEasiest,
    "TeacherChoice": TeacherChoice,
    "TeacherChoice, observed first": TeacherChoice,
}


@cache
def teacher_of(name: str, seed: int) -> tuple[Any, float]:
    """Return TeacherChoice's teacher and its seconds."""
    start = time.perf_counter()
    made = fit_teacher(
        without_test(data_of(name, seed)),
        MF,
        ensemble=TeacherChoice.ensemble,
        factors=TeacherChoice.factors,
        rank=TeacherChoice.rank,
        seed=seed,
    )
    return made, time.perf_counter() - start


@cache
def made_of(method: str, name: str, ratio: float, seed: int) -> tuple[HeteroData, dict[str, Any]]:
    """Condense."""
    if method == "Full":
        return data_of(name, seed), {}
    options: dict[str, Any] = {"ratio": ratio, "seed": seed}
    if method.startswith("TeacherChoice"):
        options["teacher"] = teacher_of(name, seed)[0]
    if method == "TeacherChoice, observed first":
        options["mixtures"] = OBSERVED_FIRST
    result = METHODS[method](**options).condense(data_of(name, seed))
    return result.data, {
        key: result.report[key]
        for key in ("num_pseudo", "seconds_condense")
        if key in result.report
    }


def add(store: Store, judge: str, candidates: tuple[Contender, ...], key: dict[str, Any]) -> None:
    """Judge one set by one judge."""
    name, seed = key["dataset"], key["seed"]
    small, facts = made_of(key["method"], name, key["ratio"], seed)
    found = evaluate_recommender(candidates, small, data_of(name, seed), ks=(10, 20), seeds=(seed,))
    row = {**found.rows[0], **facts, **key}
    full = {**key, "method": "Full", "ratio": 1.0}
    if store.has(**full):
        share = float(row["ndcg@10"]) / float(store.get(**full)["ndcg@10"])
        row["percent_of_full"] = 100 * share
    store.add(row, code=(*JUDGE, candidates), settings=judge)


def add_teacher(store: Store, name: str, seed: int) -> None:
    """Judge the teacher itself, which was trained on everything."""
    key = {
        "dataset": name,
        "method": "TeacherChoice's teacher",
        "seed": seed,
        "ratio": 1.0,
        "setting": "teacher",
    }
    if store.has(**key):
        return
    teacher, seconds = teacher_of(name, seed)
    model: Ranker = teacher
    scores = rank_scores(model, data_of(name, seed), (10, 20))
    count = train_edges(data_of(name, seed)).size(1)
    store.add({**key, "num_edges": count, "seconds_train": seconds, **scores}, code=(fit_teacher,))


def one_set(store: Store, name: str, seed: int, options: argparse.Namespace) -> None:
    """Judge the full set, the teacher, and every method at every ratio, by every judge."""
    full = {"dataset": name, "method": "Full", "seed": seed, "ratio": 1.0}
    everything = {judge: JUDGES[judge] for judge in options.judges} | ON_FULL
    for judge, candidates in everything.items():
        if not store.has(**full, setting=judge):
            add(store, judge, candidates, {**full, "setting": judge})
    add_teacher(store, name, seed)
    for ratio in options.ratios:
        for judge in options.judges:
            for method in METHODS:
                key = {**full, "method": method, "ratio": ratio, "setting": judge}
                if not store.has(**key):
                    add(store, judge, JUDGES[judge], key)


def main() -> None:
    """Judge what is missing."""
    command = parser(__doc__)
    command.set_defaults(ratios=[0.25])
    command.add_argument("--judges", nargs="+", choices=list(JUDGES), default=list(JUDGES))
    options = parse(command)
    for seed in options.seeds:
        for name in options.datasets:
            one_set(store_of(options, f"judges_{name}"), name, seed, options)


if __name__ == "__main__":
    main()
