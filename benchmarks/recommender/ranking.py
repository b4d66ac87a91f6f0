"""Whether configurations of a recommender rank on a condensed set as on everything.

Every configuration is trained on Full and on each condensed set, early stopping included, and
judged by validation NDCG@10: of the original, for the users and items of which the set holds
interactions. The rows of configurations hold both; the rows of methods compare them: Spearman,
Kendall, and what is lost on Full, in percent of the best, by taking a set's pick. Three rivals cost
about what the condensed set costs: random interactions, all interactions of random users, and Full
stopped after as many interactions. Full trained from another seed is the noise ceiling. Gowalla and
Dianping are k-cores of 50,000 training interactions, so that 40 trainings take minutes::

    GRAPHCOND_DATA=... python -m benchmarks.recommender.ranking --datasets lastfm --seeds 0 1
    GRAPHCOND_DATA=... python -m benchmarks.recommender.ranking --datasets gowalla dianping
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch_geometric.data import HeteroData

from benchmarks.recommender.setting import parse, parser, store_of
from benchmarks.store import Store
from graphcond.condensers import PopularCore, RandomInteractions, TeacherChoice
from graphcond.data import (
    k_core,
    kept_interactions,
    load,
    num_users,
    split_interactions,
    train_edges,
    without_test,
)
from graphcond.search import RankerObjective, rank_report
from graphcond.spaces import RecommenderChoice, Recommenders
from graphcond.training import BPR, EarlyStopping

RECIPE = BPR(min_steps=1, rounds=60, stopping=EarlyStopping(patience=8))
"""A round is one pass: a quarter's costs a quarter. Three rounds of patience rank Full itself by
who leaves the plateau of popularity in time.
"""
CORE = {"gowalla": 30, "dianping": 40}
EARLY = "Full, stopped early"
USERS = "RandomUsers"
CEILING = "Full, another seed"
SPACES = {
    "MF": Recommenders(models=("MF",)),
    "both": Recommenders(),
}


@cache
def configurations(space: str, count: int) -> tuple[RecommenderChoice, ...]:
    """Return distinct configurations, the same for every set."""
    drawn = SPACES[space].sample(4 * count, seed=0)
    return tuple(dict.fromkeys(SPACES[space].decode(drawn)))[:count]


@cache
def data_of(name: str, seed: int) -> HeteroData:
    """Return a data set or its k-core, split, without the test part."""
    data = load(name)
    if name in CORE:
        data = k_core(data, CORE[name])
    return without_test(split_interactions(data, seed=seed))


def of_some_users(data: HeteroData, ratio: float, seed: int) -> HeteroData:
    """Return the interactions of a random share of the users."""
    draw = torch.Generator().manual_seed(seed)
    users = torch.randperm(num_users(data), generator=draw)[: int(ratio * num_users(data))]
    return kept_interactions(data, torch.isin(train_edges(data)[0], users).nonzero()[:, 0])


METHODS: dict[str, Callable[..., Any]] = {
    "PopularCore": PopularCore,
    "RandomInteractions": RandomInteractions,
    "TeacherChoice": TeacherChoice,
    "TeacherChoice.observed": partial(TeacherChoice, mixtures=TeacherChoice.OBSERVED_ONLY),
}


@cache
def set_of(method: str, name: str, ratio: float, seed: int) -> tuple[HeteroData, float]:
    """Return a set and the CPU seconds of making it."""
    data = data_of(name, seed)
    start = time.process_time()
    small = data
    if method == USERS:
        small = of_some_users(data, ratio, seed)
    elif method in METHODS:
        small = METHODS[method](ratio=ratio, seed=seed)(data)
    return small, time.process_time() - start


def trained(
    choice: RecommenderChoice, small: HeteroData, data: HeteroData, recipe: BPR, seed: int
) -> dict[str, Any]:
    """Train one configuration on a set; return its score, rounds and CPU seconds."""
    objective = RankerObjective(small, recipe=recipe, seed=seed, validation=data)
    start = time.process_time()
    rounds, score = objective.trained(choice)
    return {
        "val_ndcg@10": score,
        "rounds": rounds,
        "seconds_train": time.process_time() - start,
    }


def one_configuration(
    store: Store, method: str, place: int, key: dict[str, Any], options: argparse.Namespace
) -> None:
    """Train configuration ``place`` on one set and keep its row."""
    name, seed, ratio = key["dataset"], key["seed"], key["ratio"]
    row = {**key, "method": method, "setting": f"{options.space} {place}"}
    if store.has(**row):
        return
    choice = configurations(options.space, options.configurations)[place]
    small, recipe = set_of(method, name, ratio, seed)[0], RECIPE
    if method == EARLY:
        # As many interactions as the condensed set's training saw.
        as_long = store.get(**{**row, "method": options.methods[0]})["rounds"]
        recipe = BPR(min_steps=1, rounds=max(1, round(ratio * as_long)), stopping=RECIPE.stopping)
    found = trained(choice, small, data_of(name, seed), recipe, seed + (method == CEILING))
    facts = {**row, **found, "configuration": str(choice), "num_edges": train_edges(small).size(1)}
    store.add(facts, code=(trained, data_of, *_made_by(method)), settings=recipe)


def _made_by(method: str) -> tuple[object, ...]:
    """Return the code that makes a set."""
    if method == USERS:
        return (of_some_users,)
    return (METHODS[method],) if method in METHODS else ()


def compare(store: Store, method: str, key: dict[str, Any], options: argparse.Namespace) -> None:
    """Add the row that compares a set's ranking with Full's."""
    row = {**key, "method": method, "setting": f"{options.space}, ranking"}

    def column(of: str, what: str) -> list[float]:
        ratio = 1.0 if of == "Full" else key["ratio"]
        places = range(options.configurations)
        return [
            float(
                store.get(
                    **{**key, "ratio": ratio, "method": of, "setting": f"{options.space} {place}"}
                )[what]
            )
            for place in places
        ]

    small, full = column(method, "val_ndcg@10"), column("Full", "val_ndcg@10")
    report = rank_report(small, full, top=min(5, len(full) - 1))
    cost, whole = sum(column(method, "seconds_train")), sum(column("Full", "seconds_train"))
    facts = {
        "configurations": len(full),
        "spearman": report.spearman.value,
        "spearman_low": report.spearman.low,
        "spearman_high": report.spearman.high,
        "kendall": report.kendall.value,
        "percent_regret": 100 * report.regret.value / max(full),
        "percent_regret_top": 100 * report.regret_top.value / max(full),
        "seconds_train": cost,
        "seconds_condense": set_of(method, key["dataset"], key["ratio"], key["seed"])[1],
        "times_cheaper": whole / cost,
    }
    # What 60 configurations cost on Full, over what condensing and 60 on the set cost.
    per_set = 60 * cost / len(full) + facts["seconds_condense"]
    facts["times_cheaper_60"] = 60 * whole / len(full) / per_set
    store.add({**row, **facts}, code=(trained, rank_report, data_of, *_made_by(method)))


def one_set(store: Store, name: str, seed: int, options: argparse.Namespace) -> None:
    """Train all configurations on all sets, then compare."""
    places = range(options.configurations)
    for ratio in options.ratios:
        key = {"dataset": name, "seed": seed, "ratio": ratio}
        for place in places:
            one_configuration(store, "Full", place, {**key, "ratio": 1.0}, options)
            for method in options.methods:
                one_configuration(store, method, place, key, options)
        for method in options.methods:
            compare(store, method, key, options)


def main() -> None:
    """Rank what is missing."""
    command = parser(__doc__)
    command.set_defaults(ratios=[0.25])
    command.add_argument("--space", choices=list(SPACES), default="both")
    command.add_argument("--configurations", type=int, default=40)
    command.add_argument(
        "--methods",
        nargs="+",
        choices=[*METHODS, EARLY, USERS, CEILING],
        default=["PopularCore", EARLY, USERS, "RandomInteractions", CEILING],
        help="the first one says how long Full is trained where it is stopped early",
    )
    options = parse(command)
    if options.quick:
        options.configurations = 4
    for seed in options.seeds:
        for name in options.datasets:
            one_set(store_of(options, f"ranking_{name}"), name, seed, options)


if __name__ == "__main__":
    main()
