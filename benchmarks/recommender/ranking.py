"""Whether configurations of a recommender rank on a condensed set as on everything.

Every configuration is trained on Full and on each condensed set, early stopping included, and
judged by validation NDCG@10 of the original. The rows of configurations hold both; the rows of
methods compare them: Spearman, Kendall, and what is lost on Full, in percent of the best, by
taking a set's pick. Three rivals cost what the condensed set costs: random interactions, all
interactions of random users, judged by those users' validation alone, and Full stopped after as
many steps. Full trained from another seed is the noise ceiling::

    GRAPHCOND_DATA=... python -m benchmarks.recommender.ranking --datasets lastfm --seeds 0
"""

from __future__ import annotations

import argparse
import math
import time
from functools import cache
from typing import Any

import torch
from torch_geometric.data import HeteroData

from benchmarks.recommender.judges import METHODS, made_of
from benchmarks.recommender.setting import data_of, parse, parser, store_of
from benchmarks.store import Store
from graphcond.data import EDGE, kept_interactions, num_users, train_edges, val_edges
from graphcond.search import rank_report
from graphcond.spaces import RecommenderChoice, Recommenders
from graphcond.training import BPR, EarlyStopping, fit_recommender, held_out_ndcg

RECIPE = BPR(min_steps=1, rounds=60, stopping=EarlyStopping(patience=3))
"""A round is one pass, so that a set of a quarter costs a quarter."""
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


def trained(
    choice: RecommenderChoice, train: HeteroData, full: HeteroData, recipe: BPR, seed: int
) -> dict[str, Any]:
    """Train one configuration on a set; return its score, rounds and CPU seconds."""
    contender = choice.contender(recipe)
    start = time.process_time()
    model: Any = fit_recommender(
        contender.recommender,  # type: ignore[arg-type]
        train,
        val_edges(full),
        exclude=train_edges(full),
        recipe=contender.recipe,
        seed=seed,
    )
    seconds = time.process_time() - start
    return {
        "val_ndcg@10": held_out_ndcg(model, val_edges(full), train_edges(full)),
        "rounds": len(model.history.losses),
        "seconds_train": seconds,
    }


@cache
def of_some_users(name: str, ratio: float, seed: int) -> HeteroData:
    """Return the interactions of a random share of the users, validation included."""
    full = data_of(name, seed)
    draw = torch.Generator().manual_seed(seed)
    users = torch.randperm(num_users(full), generator=draw)[: int(ratio * num_users(full))]
    train, val = train_edges(full), val_edges(full)
    kept = torch.isin(train[0], users).nonzero()[:, 0]
    small = kept_interactions(full, kept)
    small[EDGE].val_edge_index = val[:, torch.isin(val[0], users)]
    return small


def one_configuration(
    store: Store, method: str, place: int, key: dict[str, Any], options: argparse.Namespace
) -> None:
    """Train configuration ``place`` on one set and keep its row."""
    name, seed, ratio = key["dataset"], key["seed"], key["ratio"]
    row = {**key, "method": method, "setting": f"{options.space} {place}"}
    if store.has(**row):
        return
    choice = configurations(options.space, options.configurations)[place]
    full = data_of(name, seed)
    train, recipe = full, RECIPE
    if method == EARLY:
        recipe = early(store, place, key, options)
    elif method == USERS:
        train = full = of_some_users(name, ratio, seed)
    elif method not in ("Full", CEILING):
        train = made_of(method, name, ratio, seed)[0]
    found = trained(choice, train, full, recipe, seed + (method == CEILING))
    store.add({**row, **found, "configuration": str(choice)}, code=(trained,), settings=recipe)


def early(store: Store, place: int, key: dict[str, Any], options: argparse.Namespace) -> BPR:
    """Return the recipe on Full that takes as many steps as the condensed set's training did."""
    name, seed = key["dataset"], key["seed"]
    setting = f"{options.space} {place}"
    small = store.get(**{**key, "method": options.methods[0], "setting": setting})
    edges = train_edges(data_of(name, seed)).size(1)
    kept = int(key["ratio"] * edges)
    a_round = math.ceil(edges / RECIPE.batch(edges))
    steps = small["rounds"] * math.ceil(kept / RECIPE.batch(kept))
    rounds = max(1, round(steps / a_round))
    return BPR(min_steps=1, rounds=rounds, stopping=RECIPE.stopping)


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
        "times_cheaper": whole / cost,
    }
    if method in METHODS:
        _, made = made_of(method, key["dataset"], key["ratio"], key["seed"])
        facts["seconds_condense"] = float(made.get("seconds_condense", 0.0))
    store.add({**row, **facts}, code=(trained, rank_report))


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
        default=["RandomInteractions", "TeacherChoice", "TeacherChoice.observed", EARLY]
        + [USERS, CEILING],
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
