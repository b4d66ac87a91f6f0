"""What all tables and figures share: data, pools that are built once, one way to judge a set."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from benchmarks.store import RECOMMENDER, Store, add_usual
from graphcond import masks, nn, pools
from graphcond.condensers import (
    HeldOutInteractions,
    PolicyGradient,
    Schedule,
    Tail,
    TeacherFavourites,
    ValidationInteractions,
)
from graphcond.condensers.dconrec.objective import ONE_EPOCH
from graphcond.data import (
    digest,
    load,
    make_interactions,
    num_items,
    num_users,
    split_interactions,
    statistics,
    train_edges,
    without_test,
)
from graphcond.data.provenance import new_interactions, split_record
from graphcond.evaluation import evaluate_recommender
from graphcond.evaluation.table import make_row
from graphcond.pools import DataPool, PoolBuilder

MF = partial(nn.MF, dim=64)
OURS = "PolicyGradient, OneStep (ours)"
"""The library's default: one differentiable step, and the proxy's favourites as outer loss."""
PRINTED = "DConRec (as printed)"
TAIL = {"lastfm": 20, "ciao": 10, "dianping": 20, "gowalla": 15}
"""ε, the smallest of 10, 15, 20, … whose tail holds 4 % of the interactions.

The paper's 10 is empty where every user has ten.
"""
JUDGE = (evaluate_recommender, load, split_interactions)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all scripts of this half have."""
    command = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--datasets", nargs="+", default=["lastfm"])
    command.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    command.add_argument("--ratios", nargs="+", type=float, default=[0.25, 0.5])
    command.add_argument(
        "--steps",
        type=int,
        default=100,
        help="outer steps of the score-function estimators; OneStep takes 2/5 of them",
    )
    add_usual(command, quick="southern-women, one seed, few steps: a smoke test")
    return command


def parse(command: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse; a quick run takes one small data set, seed and ratio."""
    options = command.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if options.quick:
        options.datasets = ["southern-women"]
        options.seeds = [0]
        options.ratios = [0.5]
        options.steps = 5
    return options


def store_of(options: argparse.Namespace, name: str) -> Store:
    """Return the rows of a table or figure; those of a quick run stand apart."""
    quick = "_quick" if options.quick else ""
    path = options.out / f"recommender_{name}{quick}.json"
    return Store(path, RECOMMENDER, force=options.force, stale=options.stale)


@cache
def data_of(name: str, seed: int) -> HeteroData:
    """Return a data set with the seeded 80/10/10 split."""
    return split_interactions(load(name), seed=seed)


@cache
def _built(name: str, seed: int, builder: PoolBuilder) -> DataPool:
    return builder(without_test(data_of(name, seed)), seed=seed)


@cache
def _proxies(name: str, seed: int) -> tuple[Any, ...]:
    return pools.fit_proxies(MF, without_test(data_of(name, seed)), 1, seed=seed)


@dataclass(frozen=True)
class Built(PoolBuilder):
    """D, or D and the favourites of a proxy that is trained once per data set and split.

    Args:
        name: Data set.
        split: Seed of split and proxy.
        ratio: r_pseudo; 0 for D alone.
    """

    name: str
    split: int
    ratio: float

    def __call__(self, data: HeteroData, *, seed: int) -> DataPool:
        """Return the pool."""
        observed, proxies = pools.Observed()(data, seed=seed), _proxies(self.name, self.split)
        if not self.ratio:
            return replace(observed, proxies=proxies)
        pseudo = pools.ProxyTopK(MF, ratio=self.ratio).select(proxies, data)
        origin = torch.cat(
            [observed.origin, torch.full_like(pseudo[0], pools.PSEUDO, dtype=torch.int8)]
        )
        return pools.make_pool(torch.cat([observed.edges, pseudo], dim=1), origin, proxies)


def variants(steps: int) -> dict[str, dict[str, Any]]:
    """Return the estimators that are compared, each with its inner training."""
    slow, fast = Schedule(steps=steps, every=100), Schedule(steps=max(steps * 2 // 5, 1))
    one_step = {"schedule": fast}
    items: dict[str, Any] = {"schedule": slow, "outer": ValidationInteractions()}
    epoch: dict[str, Any] = {
        "schedule": slow,
        "inner": ONE_EPOCH,
        "outer": ValidationInteractions(),
    }
    return {
        OURS: {**one_step, "outer": TeacherFavourites()},
        "Reinforce, Adam on S": {
            **epoch,
            "estimator": masks.Reinforce(samples=1),
            "schedule": replace(slow, centred=False),
        },
        "OneStep, proxy items": {**one_step, "outer": ValidationInteractions()},
        "PerUser, proxy items": {**items, "estimator": masks.PerUser(samples=8)},
        "LeaveOneOut, proxy items": {**items, "estimator": masks.LeaveOneOut(samples=8)},
        "LeaveOneOut, one epoch": {**epoch, "estimator": masks.LeaveOneOut(samples=4)},
        "PerUser, one epoch": {**epoch, "estimator": masks.PerUser(samples=4)},
        "OneStep, proxy items, held-out": {**one_step, "outer": HeldOutInteractions()},
    }


def control(data: HeteroData, size: int, pool: DataPool, method: PolicyGradient) -> HeteroData:
    """Return a random set of so many interactions with the method's tail, from its pool."""
    limit = method.budget(data) // 2 if method.honest else None
    pool, _ = pools.keep_tail(
        pool, num_users(data), threshold=method.tail.threshold, of=method.tail.of, limit=limit
    )
    free = (~pool.kept).float()
    left = size - int(pool.kept.sum())
    share = free * left / free.sum().clamp(min=1)
    chosen: Tensor = masks.systematic(share, left, seed=method.seed) | pool.kept
    return noted(make_interactions(pool.edges[:, chosen], num_users(data), num_items(data)), data)


def noted(drawn: HeteroData, data: HeteroData) -> HeteroData:
    """Return a drawn set with the card of one that saw no test interaction.

    Pairs that a proxy proposes may be among those held out; no one knew.
    """
    kept = train_edges(drawn).size(1) / train_edges(data).size(1)
    drawn.card = {
        "dataset": data.card["name"],
        "method": "control",
        "condenser": "a random draw",
        "ratio": kept,
        "split": split_record(data),
        "num_new": new_interactions(drawn, data),
    }
    return drawn


def judge(
    store: Store,
    row: dict[str, Any],
    small: HeteroData,
    data: HeteroData,
    full: float | None,
    *,
    code: tuple[object, ...] = (),
    settings: object = None,
) -> dict[str, Any]:
    """Train on a set, rank all items for all users, add the row."""
    report = evaluate_recommender(MF, small, data, ks=(5, 10), seeds=(row["seed"],))
    made = {name: value for name, value in report.rows[0].items() if value is not None}
    percent = 100 * float(made["ndcg@10"]) / full if full else None
    counts = {
        "num_edges": train_edges(small).size(1),
        "bytes": statistics(without_test(small))["bytes"],
    }
    base = make_row(**{k: v for k, v in row.items() if k in ("dataset", "method", "seed", "ratio")})
    done = {**base, **made, **counts, **row, "percent_of_full": percent, "data": digest(data)}
    done["ratio_actual"] = counts["num_edges"] / train_edges(data).size(1)
    if done.get("control"):
        done["percent_of_control"] = 100 * float(made["ndcg@10"]) / done.pop("control")
    store.add(done, code=(*JUDGE, MF, *code), settings=settings)
    return done


def full_score(store: Store, name: str, seed: int) -> float:
    """Return NDCG@10 of the model trained on everything, measured once per data set and split."""
    key = {"dataset": name, "method": "Full", "seed": seed, "ratio": 1.0, "setting": "full"}
    if not store.has(**key):
        data = data_of(name, seed)
        whole = make_interactions(train_edges(data), num_users(data), num_items(data))
        judge(store, key, whole, data, None)
    return float(store.get(**key)["ndcg@10"])


def compare(
    store: Store, name: str, method: PolicyGradient, label: str, setting: str, *, control_of: str
) -> None:
    """Condense and judge, and judge the random set of the same size, tail and pool.

    Args:
        store: Where rows go.
        name: Data set.
        method: The condenser.
        label: The row's method.
        setting: The row's setting.
        control_of: Rows with the same size, tail and pool share one random control under this name.
    """
    key = {
        "dataset": name,
        "method": label,
        "seed": method.seed,
        "ratio": method.ratio,
        "setting": setting,
    }
    twin = {**key, "method": "random control", "setting": control_of}
    if store.has(**key) and store.has(**twin):
        return
    data, full = data_of(name, method.seed), full_score(store, name, method.seed)
    result = method.condense(data)
    if not store.has(**twin):
        pool = method.pool(without_test(data), seed=method.seed)
        chance = control(data, train_edges(result.data).size(1), pool, method)
        judge(store, twin, chance, data, full, code=(control, method.pool), settings=method.tail)
    if store.has(**key):
        return
    cosines = [record["cosine"] for record in result.history if record["cosine"] is not None]
    facts = {
        "seconds_condense": result.report["seconds_condense"],
        "cosine": sum(cosines) / len(cosines) if cosines else None,  # type: ignore[arg-type]
    }
    if result.history:
        facts |= {
            "noise_level": result.history[-1]["noise_level"],
            "outer_steps": len(result.history),
        }
    for fact in (
        "num_tail",
        "tail_threshold",
        "share_pseudo",
        "mean_prob_observed",
        "mean_prob_pseudo",
        "outer_loss_untrained",
        "outer_loss_first",
        "outer_loss_last",
    ):
        facts[fact] = result.report.get(fact)
    row = {**key, **facts, "control": store.get(**twin)["ndcg@10"]}
    settings = result.report["condenser"]
    judge(store, row, result.data, data, full, code=(method, control), settings=settings)


def printed(
    name: str,
    seed: int,
    ratio: float,
    *,
    steps: int,
    pseudo: float = 0.3,
    threshold: int | None = None,
) -> PolicyGradient:
    """Return DConRec as printed, on a pool that is built once.

    Args:
        name: Data set.
        seed: Seed of split, proxy, condensation and judging.
        ratio: r.
        steps: Outer steps.
        pseudo: r_pseudo.
        threshold: ε; None for that of :data:`TAIL`.
    """
    epsilon = TAIL.get(name, 10) if threshold is None else threshold
    pool = Built(name, seed, pseudo)
    method = PolicyGradient.published(
        MF, pool, ratio=ratio, threshold=epsilon, steps=steps, seed=seed
    )
    return replace(method, control=0)


def condenser(name: str, seed: int, ratio: float, **settings: Any) -> PolicyGradient:
    """Return a policy-gradient condenser on a pool that is built once.

    Args:
        name: Data set.
        seed: Seed of split, proxy, condensation and judging.
        ratio: r.
        **settings: ``pseudo`` (r_pseudo, 0.3), ``threshold`` (ε, 10), and fields of
        :class:`PolicyGradient`.
    """
    pool = Built(name, seed, settings.pop("pseudo", 0.3))
    tail = Tail(threshold=settings.pop("threshold", 10))
    return PolicyGradient(MF, pool, ratio=ratio, seed=seed, control=0, **{"tail": tail, **settings})
