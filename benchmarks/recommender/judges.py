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

from benchmarks.recommender import table2
from benchmarks.recommender.setting import OURS, data_of, parse, parser, store_of
from benchmarks.store import Store
from graphcond import nn
from graphcond.condensers.interactions.teacher_choice import fit_teacher
from graphcond.data import (
    EDGE,
    digest,
    load,
    split_interactions,
    test_edges,
    train_edges,
    val_edges,
    with_interactions,
    without_test,
)
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
    held_out_ndcg,
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
    "LightGCN": (Contender(LIGHTGCN, softmax(0.2)),),
}
ON_FULL: dict[str, tuple[Contender, ...]] = {
    "graph filter": tuple(Contender(GraphFilter(rank)) for rank in (64, 128, 256, 512)),
    "popularity": (Contender(Popularity()),),
}
NAMES = (
    "RandomInteractions",
    "SVPEasiest",
    "TeacherChoice.observed",
    "TeacherChoice",
    "TeacherChoice: random control",
    OURS,
    "PolicyGradient: random control",
)
METHODS = {name: table2.METHODS[name] for name in NAMES}


@cache
def made_of(method: str, name: str, ratio: float, seed: int) -> tuple[HeteroData, dict[str, Any]]:
    """Condense."""
    if method == "Full":
        return data_of(name, seed), {}
    small, report = METHODS[method](name, ratio, seed)
    told = ("num_pseudo", "bonus", "evenness", "seconds_condense")
    return small, {key: report[key] for key in told if report.get(key) is not None}


def best_of(
    candidates: tuple[Contender, ...], small: HeteroData, data: HeteroData, seed: int
) -> tuple[Contender, Ranker, float]:
    """Train every candidate on a set; return the one that validates best on the original."""
    trained = [
        (each, each.fit(without_test(small), val_edges(data), exclude=train_edges(data), seed=seed))
        for each in candidates
    ]
    scores = [held_out_ndcg(model, val_edges(data), train_edges(data)) for _, model in trained]
    best = scores.index(max(scores))
    return *trained[best], scores[best]


def add(store: Store, judge: str, candidates: tuple[Contender, ...], key: dict[str, Any]) -> None:
    """Judge one set by one judge: with the original's items left out of the rankings, and, as a
    tool does that knows only the set, with the set's own.
    """
    data = data_of(key["dataset"], key["seed"])
    small, facts = made_of(key["method"], key["dataset"], key["ratio"], key["seed"])
    start = time.process_time()
    contender, model, score = best_of(candidates, small, data, key["seed"])
    seconds = time.process_time() - start
    own = with_interactions(data, train_edges(small))
    own[EDGE].test_edge_index = test_edges(data)
    row = {
        **key,
        **facts,
        "recipe": str(contender),
        "num_edges": train_edges(small).size(1),
        "cpu_seconds_choose": seconds,
        "val_ndcg@10": score,
        "val_ndcg@10_own": held_out_ndcg(model, val_edges(data), train_edges(small)),
        **rank_scores(model, data, (10, 20)),
        **{f"{name}_own": value for name, value in rank_scores(model, own, (10,)).items()},
        "data": digest(data),
    }
    full = {**key, "method": "Full", "ratio": 1.0}
    if key["method"] != "Full" and store.has(**full):
        reference = store.get(**full)
        for column in ("recall@10", "ndcg@10", "ndcg@10_own"):
            row[f"percent_{column}"] = 100 * row[column] / float(reference[column])
    code = (best_of, rank_scores, load, split_interactions, candidates)
    made = () if key["method"] == "Full" else (METHODS[key["method"]],)
    store.add(row, code=(*code, *made), settings=judge)


def add_teacher(store: Store, name: str, seed: int) -> None:
    """Judge the teacher itself, which was trained on everything."""
    key = {
        "dataset": name,
        "method": "Teacher of TeacherChoice",
        "seed": seed,
        "ratio": 1.0,
        "setting": "teacher",
    }
    if store.has(**key):
        return
    data = data_of(name, seed)
    teacher, seconds = table2.teacher_of(name, seed)
    scores = rank_scores(teacher, data, (10, 20))
    facts = {"num_edges": train_edges(data).size(1), "seconds_train": seconds}
    store.add({**key, **facts, **scores, "data": digest(data)}, code=(fit_teacher, rank_scores))


def one_set(store: Store, name: str, seed: int, options: argparse.Namespace) -> None:
    """Judge the full set, the teacher, and every method at every ratio, by every judge."""
    full = {"dataset": name, "method": "Full", "seed": seed, "ratio": 1.0}
    everything = {judge: JUDGES[judge] for judge in options.judges} | ON_FULL
    for judge, candidates in everything.items():
        if not store.has(**full, setting=judge):
            add(store, judge, candidates, {**full, "setting": judge})
    add_teacher(store, name, seed)
    for ratio in options.ratios:
        for method in options.methods:
            for judge in options.judges:
                key = {**full, "method": method, "ratio": ratio, "setting": judge}
                if not store.has(**key):
                    add(store, judge, JUDGES[judge], key)


def main() -> None:
    """Judge what is missing."""
    command = parser(__doc__)
    command.set_defaults(ratios=[0.25])
    command.add_argument("--judges", nargs="+", choices=list(JUDGES), default=list(JUDGES))
    command.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    options = parse(command)
    for seed in options.seeds:
        for name in options.datasets:
            one_set(store_of(options, f"judges_{name}"), name, seed, options)


if __name__ == "__main__":
    main()
