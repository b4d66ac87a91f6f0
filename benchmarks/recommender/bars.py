r"""What each recommender reaches on everything, on the published split of the BARS leaderboard.

Each kind of recommender gets the same small seeded search. A candidate trains on split 0 and is
judged by NDCG@10 on split 1. The best then trains on 0 and 1, for as many rounds as it had needed,
and is judged once on split 2, with K = 20. A second run in the same folder goes on from the trials
that are there. Candidates from number 100 on come from ranges that the first ones' validation
narrowed::

    GRAPHCOND_DATA=... python -m benchmarks.recommender.bars --device cuda --workers 6 --seconds 230
    GRAPHCOND_DATA=... python -m benchmarks.recommender.bars --device cuda --workers 6 \
        --seconds 165 --first 100 --kinds "MF softmax" "LightGCN softmax" "MF BPR"
    GRAPHCOND_DATA=... python -m benchmarks.recommender.bars --quick
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import HeteroData

from graphcond import nn
from graphcond.data import (
    EDGE,
    load,
    make_interactions,
    num_items,
    num_users,
    split_interactions,
    test_edges,
    train_edges,
    val_edges,
)
from graphcond.evaluation.recommender import rank_scores
from graphcond.metrics.ranking import hits, mean_over_users, ndcg
from graphcond.training import (
    BPR,
    EarlyStopping,
    Ranker,
    fit_ease,
    fit_graph_filter,
    fit_least_squares,
    fit_recommender,
)

MOST = {"EASE": 3, "graph filter": 3, "iALS": 6, "LightGCN BPR": 5, "MF BPR": 3}
"""Most candidates of a kind, where they are slow or few."""
KINDS = ("MF softmax", "LightGCN softmax", "EASE", "iALS", "graph filter", "LightGCN BPR", "MF BPR")
NARROW = 100
"""Number from which candidates come from narrowed ranges."""
SETTINGS = (
    "ridge",
    "dim",
    "unobserved",
    "rank",
    "init_std",
    "num_layers",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "negatives",
    "temperature",
    "cosine",
)
STRATEGY: dict[str, Any] = {"gowalla": "published", "lastfm": "per-user"}


@dataclass(frozen=True)
class Hurried(EarlyStopping):
    """Early stopping that also stops at a time of day.

    Args:
        until: Seconds since the epoch.
    """

    until: float = math.inf

    def stop(self, scores: list[float]) -> bool:
        """Whether training ends after these looks."""
        return time.time() > self.until or super().stop(scores)


@dataclass(frozen=True)
class Job:
    """One training.

    Args:
        kind: Of :data:`KINDS`.
        place: Number of the candidate.
        dataset: Name of the data.
        device: Where to train.
        until: When to stop, in seconds since the epoch.
        rounds: How long to train on splits 0 and 1; 0 is a trial on split 0.
        seed: Seed of the training.
        quick: Whether to train for two rounds only.
    """

    kind: str
    place: int
    dataset: str
    device: str
    until: float
    rounds: int = 0
    seed: int = 0
    quick: bool = False
    choice: dict[str, Any] = field(default_factory=dict)


def log_uniform(draw: random.Random, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform, to two digits."""
    return float(f"{math.exp(draw.uniform(math.log(low), math.log(high))):.2g}")


def candidate(kind: str, place: int) -> dict[str, Any]:
    """Return the hyperparameters of candidate ``place``, the same on every machine."""
    draw = random.Random(f"{kind} {place}")
    if kind == "EASE":
        return {"ridge": (100.0, 200.0, 50.0, 400.0, 800.0)[place % 5]}
    if kind == "iALS":
        return {
            "dim": 64,
            "unobserved": log_uniform(draw, 0.003, 0.5),
            "ridge": log_uniform(draw, 0.0005, 0.02),
        }
    if kind == "graph filter":
        return {"rank": (128, 256, 512)[place % 3]}
    made: dict[str, Any] = {"init_std": draw.choice([0.01, 0.05, 0.1])}
    if place >= NARROW:
        return made | narrowed(kind, place, draw)
    if kind.startswith("LightGCN"):
        made["num_layers"] = draw.choice([1, 2, 3] if "softmax" in kind else [2, 3])
    if "softmax" in kind:
        made |= {
            "learning_rate": log_uniform(draw, 0.002, 0.02),
            "weight_decay": draw.choice([0.0, 0.001, 0.01]),
            "batch_size": draw.choice([2048, 4096, 8192]),
            "negatives": draw.choice([512, 1024, 2048, 4096]),
            "temperature": draw.choice([0.08, 0.1, 0.125, 0.15, 0.2]),
        }
        return made
    decay = (1e-5, 1e-3) if kind.startswith("LightGCN") else (3e-3, 5e-2)
    return made | {
        "learning_rate": log_uniform(draw, 0.0007, 0.006),
        "weight_decay": log_uniform(draw, *decay),
        "batch_size": draw.choice([4096, 8192]),
    }


def softmax_of(choice: dict[str, Any]) -> nn.SampledSoftmax:
    """Return the loss of a candidate."""
    return nn.SampledSoftmax(
        choice["negatives"],
        cosine=choice.get("cosine", True),
        temperature=choice["temperature"],
    )


def narrowed(kind: str, place: int, draw: random.Random) -> dict[str, Any]:
    """Return hyperparameters from the ranges that the first candidates' validation points to.

    Colder softmaxes had validated better throughout, and BPR with small steps. Every third softmax
    scores by inner products.
    """
    graph = kind.startswith("LightGCN")
    made: dict[str, Any] = {"num_layers": draw.choice([2, 3])} if graph else {}
    if "softmax" in kind and place % 3 == 2:
        return made | {
            "cosine": False,
            "learning_rate": log_uniform(draw, 0.001, 0.004),
            "weight_decay": log_uniform(draw, 1e-4, 1e-2)
            if graph
            else log_uniform(draw, 0.03, 0.2),
            "batch_size": 8192 if graph else 4096,
            "negatives": 1024,
            "temperature": 1.0,
        }
    if "softmax" in kind:
        return made | {
            "learning_rate": log_uniform(draw, 0.002, 0.01),
            "weight_decay": draw.choice([0.0, 0.01]),
            "batch_size": draw.choice([4096, 8192] if graph else [2048, 4096]),
            "negatives": draw.choice([1024, 2048]),
            "temperature": draw.choice([0.04, 0.05, 0.06, 0.07, 0.08]),
        }
    return made | {
        "learning_rate": log_uniform(draw, 0.003, 0.006)
        if graph
        else log_uniform(draw, 0.0002, 0.0008),
        "weight_decay": log_uniform(draw, 1e-5, 1e-4) if graph else log_uniform(draw, 0.005, 0.05),
        "batch_size": 8192 if graph else 4096,
    }


@cache
def data_of(name: str, device: str) -> HeteroData:
    """Return the data with its split, on a device."""
    data: HeteroData = split_interactions(load(name), seed=0, strategy=STRATEGY[name]).to(device)
    return data


@cache
def both(name: str, device: str) -> HeteroData:
    """Return the data with splits 0 and 1 as the training part."""
    data = data_of(name, device)
    pairs = torch.cat([train_edges(data), val_edges(data)], dim=1)
    out = make_interactions(pairs, num_users(data), num_items(data))
    out[EDGE].test_edge_index = test_edges(data)
    return out


def fitted(job: Job, train: HeteroData, val: torch.Tensor) -> Ranker:
    """Train one candidate."""
    choice = job.choice
    closed: dict[str, Callable[..., Ranker]] = {
        "EASE": fit_ease,
        "iALS": partial(fit_least_squares, seed=job.seed),
        "graph filter": partial(fit_graph_filter, seed=job.seed),
    }
    if job.kind in closed:
        return closed[job.kind](train, **choice)
    shape = {name: choice[name] for name in ("init_std", "num_layers") if name in choice}
    factory: Any = partial(nn.LightGCN if "LightGCN" in job.kind else nn.MF, dim=64, **shape)
    softmax = "softmax" in job.kind
    patience, every = (4, 1) if softmax else (8, 3)
    recipe = BPR(
        loss=softmax_of(choice) if softmax else None,
        learning_rate=choice["learning_rate"],
        weight_decay=choice["weight_decay"],
        batch_size=choice["batch_size"],
        min_steps=1 if job.quick else 64,
        rounds=2 if job.quick else (job.rounds or 400),
        stopping=Hurried(patience, every, until=job.until),
    )
    return fit_recommender(factory, train, val, recipe=recipe, seed=job.seed)


def validation(model: Ranker, data: HeteroData) -> float:
    """Return NDCG@10 on the validation interactions."""
    found = model.rank(10, train_edges(data))[1]
    hit, count = hits(found, val_edges(data), num_items(data))
    return mean_over_users(ndcg(hit, count, 10), count)


def work(job: Job) -> dict[str, Any]:
    """Run one training and return its row."""
    start, data = time.time(), data_of(job.dataset, job.device)
    row: dict[str, Any] = {
        "dataset": job.dataset,
        "method": job.kind,
        "stage": "test" if job.rounds else "trial",
        "place": job.place,
        "seed": job.seed,
        **job.choice,
    }
    try:
        if job.rounds:
            whole = both(job.dataset, job.device)
            nothing = val_edges(data)[:, :0]
            model = fitted(job, whole, nothing)
            row |= {"rounds": job.rounds, **rank_scores(model, whole, (10, 20))}
        else:
            model = fitted(job, data, val_edges(data))
            row |= {
                "val_ndcg@10": validation(model, data),
                "best_round": model.history.best_epoch + 1,
                "rounds": len(model.history.losses),
            }
    except Exception as error:  # one failed candidate must not end the table
        row["error"] = f"{type(error).__name__}: {error}"[:300]
    row["seconds"] = time.time() - start
    return row


def jobs(options: argparse.Namespace, until: float) -> Iterator[Job]:
    """Yield the trials, the kinds in turn."""
    for place in range(options.first, options.first + options.trials):
        for kind in options.kinds:
            if place - options.first < MOST.get(kind, options.trials):
                yield Job(
                    kind,
                    place,
                    options.dataset,
                    options.device,
                    until,
                    quick=options.quick,
                    choice=candidate(kind, place),
                )


def collect(futures: list[Future[dict[str, Any]]], keep: Callable[[dict[str, Any]], None]) -> None:
    """Keep every row as it comes; what was cancelled is left out."""
    for future in as_completed(futures):
        if not future.cancelled():
            keep(future.result())


def main() -> None:
    """Search, then train the best of each kind on splits 0 and 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="gowalla", choices=list(STRATEGY))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--trials", type=int, default=40, help="most candidates of a kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first candidate")
    parser.add_argument(
        "--search", type=float, default=0.55, help="share of the seconds that goes to the search"
    )
    parser.add_argument("--seconds", type=float, default=3600, help="wall-clock seconds in all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="lastfm, two rounds, one trial each")
    parser.add_argument(
        "--out", type=Path, default=Path(os.environ.get("OUT", ".")), help="folder of bars.jsonl"
    )
    options = parser.parse_args()
    if options.quick:
        options.dataset, options.trials, options.seeds = "lastfm", 1, [0]
    rows: list[dict[str, Any]] = []
    start = time.time()
    chip = torch.cuda.get_device_name() if "cuda" in options.device else "CPU"
    print(f"torch {torch.__version__} on {chip}", flush=True)
    path = options.out / f"bars_{options.dataset}.jsonl"
    if path.exists():
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with (
        path.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool,
    ):

        def keep(row: dict[str, Any]) -> None:
            if "skipped" in row:
                return
            rows.append(row)
            text = json.dumps(
                {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
            )
            print(f"{time.time() - start:5.0f} s {text}", flush=True)
            file.write(text + "\n")
            file.flush()

        search_until = start + options.search * options.seconds
        trials = list(jobs(options, search_until))
        waiting = [pool.submit(timely, job) for job in trials]
        collect(waiting, keep)
        finals = [
            replace(best(rows, kind, options), seed=seed, until=start + options.seconds)
            for seed in options.seeds
            for kind in options.kinds
            if any(row["method"] == kind and "val_ndcg@10" in row for row in rows)
            and (seed == options.seeds[0] or kind != "EASE")
        ]
        collect([pool.submit(timely, job) for job in finals], keep)


def timely(job: Job) -> dict[str, Any]:
    """Run a job unless its time is over."""
    if time.time() < job.until - 5:
        return work(job)
    return {"method": job.kind, "place": job.place, "seed": job.seed, "skipped": True}


def best(rows: list[dict[str, Any]], kind: str, options: argparse.Namespace) -> Job:
    """Return the training on both splits of the candidate that validated best."""
    scored = [row for row in rows if row["method"] == kind and "val_ndcg@10" in row]
    row = max(scored, key=lambda each: each["val_ndcg@10"])
    return Job(
        kind,
        row["place"],
        options.dataset,
        options.device,
        math.inf,
        rounds=max(1, row["best_round"]),
        quick=options.quick,
        choice={name: row[name] for name in SETTINGS if name in row},
    )


if __name__ == "__main__":
    main()
