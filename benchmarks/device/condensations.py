"""Condensations end to end, on the device and on the host, from one process."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data, HeteroData

from benchmarks.device.rows import Row, Rows
from graphcond import masks, nn, pools
from graphcond.condensers import (
    Condenser,
    HypergradientMatching,
    KernelInducingPoints,
    Partition,
    PolicyGradient,
    Pool,
    Schedule,
    TeacherChoice,
    TrainedTeacher,
    ValidationInteractions,
)
from graphcond.data import load, planted_graph, planted_interactions, split_interactions
from graphcond.training import BPR, EarlyStopping, FilterTraining

MF = partial(nn.MF, dim=64)
RECIPE = BPR(rounds=12, stopping=EarlyStopping(patience=12))


def there(folder: str) -> bool:
    """Return whether a data set's files are at hand."""
    root = os.environ.get("GRAPHCOND_DATA")
    return root is not None and (Path(root) / folder).is_dir()


def graph(quick: bool) -> Data:
    """Return Cora, or a planted graph of its size."""
    if quick:
        return planted_graph(num_nodes=300, num_classes=3, num_features=16, seed=0)
    if there("planetoid/Cora"):
        return load("cora")
    return planted_graph(num_nodes=2708, num_classes=7, num_features=512, degree=4.0, seed=0)


def interactions(quick: bool) -> HeteroData:
    """Return Last.fm, or planted interactions of its size."""
    if quick:
        return split_interactions(planted_interactions(60, 80, 900, seed=0), seed=0)
    if there("lastfm-lightgcn"):
        return split_interactions(load("lastfm"), seed=0)
    return split_interactions(planted_interactions(1892, 4489, 52_000, seed=0), seed=0)


def condensations(quick: bool) -> dict[str, tuple[str, Condenser]]:
    """Return what is run, and on which kind of data."""
    size = 9 if quick else 70
    pool = Pool(size=10, batch=6, steps=6) if quick else Pool(size=64, batch=32, steps=60)
    epochs = FilterTraining(epochs=8 if quick else 100)
    few: dict[str, Any] = {"num_nodes": size, "num_val": size}
    recipe = BPR(rounds=2) if quick else RECIPE
    model = partial(nn.MF, dim=8) if quick else MF
    steps = Schedule(steps=3 if quick else 10)
    both = pools.Union(pools.Observed(), pools.ProxyTopK(model, ratio=0.3, recipe=recipe))
    return {
        "HypergradientMatching": (
            "graph",
            HypergradientMatching(**few, over=pool, recipe=epochs),
        ),
        "HypergradientMatching, trained teacher": (
            "graph",
            HypergradientMatching(**few, over=pool, recipe=epochs, teacher=TrainedTeacher()),
        ),
        "KernelInducingPoints": (
            "graph",
            KernelInducingPoints(**few, rounds=2, steps=3 if quick else 30),
        ),
        "Partition": ("graph", Partition(**few)),
        "PolicyGradient, OneStep": (
            "interactions",
            PolicyGradient(model, both, ratio=0.25, schedule=steps, control=0),
        ),
        "PolicyGradient, LeaveOneOut": (
            "interactions",
            PolicyGradient(
                model,
                both,
                ratio=0.25,
                schedule=steps,
                control=0,
                estimator=masks.LeaveOneOut(samples=4),
                inner=BPR(min_steps=1, rounds=1),
                outer=ValidationInteractions(),
            ),
        ),
        "TeacherChoice": (
            "interactions",
            TeacherChoice(ratio=0.25, recommender=model, ensemble=1, recipe=recipe),
        ),
    }


def timed(condense: Condenser, data: Data | HeteroData) -> tuple[float, Row]:
    """Return the seconds of a condensation and what its card says of its worth."""
    start = time.perf_counter()
    found = condense.condense(data)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    keys = ("linear_accuracy", "linear_accuracy_random", "num_edges", "num_pseudo", "share_pseudo")
    facts: Row = {key: found.report[key] for key in keys if key in found.report}
    watched = [record for record in found.history if "watched_spearman_loss" in record]
    if watched:
        facts["watched_spearman_loss"] = watched[-1]["watched_spearman_loss"]
    return seconds, facts


def run(device: torch.device, quick: bool, rows: Rows) -> None:
    """Condense on the device and on the host.

    Args:
        device: Where to compute besides the host.
        quick: Small data.
        rows: Where results go.
    """
    warnings.simplefilter("ignore")
    makers: dict[str, Callable[[bool], Data | HeteroData]] = {
        "graph": graph,
        "interactions": interactions,
    }
    data = {kind: make(quick) for kind, make in makers.items()}
    small = {kind: make(True) for kind, make in makers.items()}
    where = ["cpu"] if device.type == "cpu" else ["cuda", "cpu"]
    chosen, quickly = condensations(quick), condensations(True)
    if device.type == "cuda":
        # The first call of every kernel loads or compiles it, which is no part of a condensation.
        for name, (kind, condense) in quickly.items():
            with rows.guarded(section="condensers", row="warm up", method=name) as row:
                row["seconds"], _ = timed(condense, small[kind].clone().to(device))
    for name, (kind, condense) in chosen.items():
        for place in where:
            facts: Row = {
                "section": "condensers",
                "method": name,
                "data": (getattr(data[kind], "card", None) or {}).get("name", kind),
                "device": place,
            }
            with rows.guarded(**facts) as row:
                here = data[kind].clone().to(place)
                row["seconds"], found = timed(replace(condense, seed=0), here)
                row |= found
