"""The command: runs what is asked for and merges the rows into the JSON of each table or figure."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.paper.policy_gradient import cost, pictures
from benchmarks.paper.policy_gradient.setting import compare, condenser, variants
from benchmarks.store import RECOMMENDER, Store
from graphcond.condensers import PolicyGradient

DEFAULT = "OneStep, proxy items, teacher"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper.policy_gradient", description=__doc__
    )
    parser.add_argument("what", nargs="+", choices=list(JOBS))
    parser.add_argument("--datasets", nargs="+", default=["lastfm"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.25, 0.5])
    parser.add_argument(
        "--variants", type=int, default=None, help="only the first so many estimators"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=100,
        help="outer steps of the score-function estimators; OneStep takes 2/5 of them",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one seed, r = .25, five steps: shows that everything runs",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.ratios, options.steps = options.seeds[:1], [0.25], 5
    return options


def _store(options: argparse.Namespace, name: str) -> Store:
    """Return the rows of a table."""
    quick = "_quick" if options.quick else ""
    command = f"python -m benchmarks.paper.policy_gradient {name}"
    return Store(options.out / f"policy_gradient_{name}{quick}.json", RECOMMENDER, command)


def estimators(options: argparse.Namespace) -> None:
    """Does the learned mask beat a random one of its size from its pool? One row per estimator and
    its control.
    """
    store = _store(options, "estimators")
    for seed in options.seeds:
        for name in options.datasets:
            for label, settings in list(variants(options.steps).items())[: options.variants]:
                compare(
                    store,
                    name,
                    condenser(name, seed, options.ratios[0], **settings),
                    label,
                    "pool 1.3 |D|, tail 10",
                    control_of="pool 1.3 |D|, tail 10",
                )


def table4(options: argparse.Namespace) -> None:
    """The ablation: policy gradient alone, without pseudo data, without compensation, all; and the
    released code's accounting.
    """
    store = _store(options, "table4")
    parts = {"OS-PGE": (0.0, 0), "w/o PD": (0.0, 10), "w/o Com": (0.3, 0), "DConRec": (0.3, 10)}
    paper, ours = (
        variants(options.steps)["Reinforce, one epoch (paper)"],
        variants(options.steps)[DEFAULT],
    )
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                for label, (pseudo, threshold) in parts.items():
                    for how, settings in (("paper's estimator", paper), (DEFAULT, ours)):
                        method = condenser(
                            name, seed, ratio, pseudo=pseudo, threshold=threshold, **settings
                        )
                        compare(store, name, method, label, how, control_of=label)
                pool = condenser(name, seed, ratio).pool
                released = PolicyGradient.published(
                    condenser(name, seed, ratio).recommender,
                    pool,
                    ratio=ratio,
                    steps=options.steps,
                    seed=seed,
                )
                compare(
                    store,
                    name,
                    released,
                    "DConRec",
                    "released code's accounting",
                    control_of="released code's accounting",
                )


def figure4a(options: argparse.Namespace) -> None:
    """Sweep of the pseudo data's ratio."""
    store = _store(options, "figure4a")
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                for pseudo in (0.1, 0.3, 0.5, 0.7, 0.9):
                    method = condenser(
                        name, seed, ratio, pseudo=pseudo, **variants(options.steps)[DEFAULT]
                    )
                    compare(
                        store,
                        name,
                        method,
                        "DConRec",
                        f"r_pseudo={pseudo}",
                        control_of=f"r_pseudo={pseudo}",
                    )
    pictures.sweep(store, options.out / f"{store.path.stem}.png", "r_pseudo")


def figure4b(options: argparse.Namespace) -> None:
    """Sweep of the tail's threshold."""
    store = _store(options, "figure4b")
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                for threshold in (2, 4, 6, 8, 10, 12, 14):
                    method = condenser(
                        name, seed, ratio, threshold=threshold, **variants(options.steps)[DEFAULT]
                    )
                    compare(
                        store,
                        name,
                        method,
                        "DConRec",
                        f"threshold={threshold}",
                        control_of=f"threshold={threshold}",
                    )
    pictures.sweep(store, options.out / f"{store.path.stem}.png", "threshold")


def figure5(options: argparse.Namespace) -> None:
    """Pictures of embeddings trained on Random, condensed and Full (t-SNE)."""
    for name in options.datasets:
        method = condenser(name, options.seeds[0], 0.25, **variants(options.steps)[DEFAULT])
        quick = "_quick" if options.quick else ""
        pictures.embeddings(
            name, method, options.out / f"policy_gradient_figure5_{name}{quick}.png"
        )


def table3(options: argparse.Namespace) -> None:
    """Seconds of 100 outer steps, whole and without the inner training."""
    cost.table3(
        _store(options, "table3"), options.datasets, options.ratios, 2 if options.quick else 5
    )


def speed(options: argparse.Namespace) -> None:
    """Cost of one outer step without inner training, bytes per interaction, and the proxy's top-k
    of all users, on Gowalla.
    """
    cost.speed(_store(options, "speed"), repeats=2 if options.quick else 7)


JOBS: dict[str, Callable[[argparse.Namespace], None]] = {
    job.__name__: job for job in (estimators, table3, table4, figure4a, figure4b, figure5, speed)
}

if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    chosen = _options()
    for what in chosen.what:
        JOBS[what](chosen)
