"""Awkward graphs and interactions for every condenser: only documented errors, input untouched."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from benchmarks.faults.outcome import Tally, attempt
from graphcond import condensers, pools
from graphcond.condensers import Condenser
from graphcond.data import (
    EDGE,
    digest,
    planted_graph,
    planted_interactions,
    split_interactions,
)
from graphcond.nn import MF
from graphcond.training import BPR, FilterTraining

_QUICK = BPR(rounds=1, min_steps=1)


def node_condensers() -> dict[str, Condenser]:
    """Return every condenser of graphs, as quick as it can be."""
    few: dict[str, Any] = {"num_nodes": 3, "num_val": 3}
    learned = {"rounds": 1, "steps": 2, **few}
    made: dict[str, Condenser] = {
        "RandomNodes": condensers.RandomNodes(**few),
        "Herding": condensers.Herding(**few),
        "KCenter": condensers.KCenter(**few),
        "Partition": condensers.Partition(**few),
        "GCond": condensers.GCond(num_seeds=1, steps=2, **few),
        "GCondX": condensers.GCondX(num_seeds=1, steps=2, **few),
        "DosCond": condensers.DosCond(num_seeds=2, **few),
        "DistributionMatching": condensers.DistributionMatching(**learned),
        "KernelInducingPoints": condensers.KernelInducingPoints(**learned),
        "TrajectoryMatching": condensers.TrajectoryMatching(**learned),
        "HypergradientMatching": condensers.HypergradientMatching(
            over=condensers.Pool(size=10, batch=6, steps=4, copies=1),
            recipe=FilterTraining(epochs=4),
            **few,
        ),
    }
    return made


def interaction_condensers() -> dict[str, Condenser]:
    """Return every condenser of interactions, as quick as it can be."""
    return {
        "RandomInteractions": condensers.RandomInteractions(ratio=0.5),
        "Majority": condensers.Majority(ratio=0.5),
        "SVPEasiest": condensers.SVPEasiest(ratio=0.5, recipe=_QUICK, repeats=1),
        "DosCondInteractions": condensers.DosCondInteractions(ratio=0.5, steps=2),
        "TeacherChoice": condensers.TeacherChoice(
            ratio=0.5, recipe=_QUICK, ensemble=1, factors=4, rank=4
        ),
        "PolicyGradient": condensers.PolicyGradient(
            MF, pools.Observed(), ratio=0.5, schedule=condensers.Schedule(steps=1)
        ),
    }


def _put(name: str, value: Callable[[Any], Any]) -> Callable[[Data], None]:
    def change(data: Data) -> None:
        data[name] = value(data)

    return change


def _drop(name: str) -> Callable[[Data], None]:
    def change(data: Data) -> None:
        del data[name]

    return change


def _some(like: Tensor, value: float) -> Tensor:
    out = like.clone()
    out[..., ::3] = value
    return out


CHANGES: dict[str, Callable[[Data], None]] = {
    "all features zero": _put("x", lambda g: torch.zeros_like(g.x)),
    "all features equal": _put("x", lambda g: torch.ones_like(g.x)),
    "huge features": _put("x", lambda g: g.x * 1e25),
    "tiny features": _put("x", lambda g: g.x * 1e-30),
    "a feature of NaN": _put("x", lambda g: _some(g.x, torch.nan)),
    "features of float64": _put("x", lambda g: g.x.double()),
    "features of float16": _put("x", lambda g: g.x.half()),
    "sparse features": _put("x", lambda g: g.x.to_sparse()),
    "features with a gradient": _put("x", lambda g: g.x.clone().requires_grad_()),
    "one feature": _put("x", lambda g: g.x[:, :1]),
    "flat features": _put("x", lambda g: g.x[:, 0]),
    "no edges": _put("edge_index", lambda g: g.edge_index[:, :0]),
    "one direction": _put(
        "edge_index", lambda g: g.edge_index[:, g.edge_index[0] < g.edge_index[1]]
    ),
    "self-loops alone": _put("edge_index", lambda g: g.edge_index[:1].expand(2, -1)),
    "edges twice": _put("edge_index", lambda g: g.edge_index.repeat(1, 2)),
    "edges of int32": _put("edge_index", lambda g: g.edge_index.int()),
    "edges of floats": _put("edge_index", lambda g: g.edge_index.float()),
    "an id out of range": _put("edge_index", lambda g: g.edge_index + 1),
    "weights of 0": _put("edge_weight", lambda g: torch.zeros(g.edge_index.size(1))),
    "huge weights": _put("edge_weight", lambda g: torch.full((g.edge_index.size(1),), 1e30)),
    "negative weights": _put("edge_weight", lambda g: -torch.ones(g.edge_index.size(1))),
    "integer weights": _put("edge_weight", lambda g: torch.ones(g.edge_index.size(1)).long()),
    "one class": _put("y", lambda g: g.y * 0),
    "a gap between classes": _put("y", lambda g: g.y * 5),
    "huge labels": _put("y", lambda g: g.y * 40_000),
    "labels of uint8": _put("y", lambda g: g.y.to(torch.uint8)),
    "labels of floats": _put("y", lambda g: g.y.float()),
    "labels of [n, 1]": _put("y", lambda g: g.y.reshape(-1, 1)),
    "a class that is never trained": _put("y", lambda g: torch.where(g.train_mask, 0, g.y)),
    "labels missing everywhere else": _put(
        "y", lambda g: torch.where(g.train_mask | g.val_mask, g.y, -1)
    ),
    "labels missing in training": _put("y", lambda g: torch.where(g.train_mask, -1, g.y)),
    "a mask of ids": _put("train_mask", lambda g: g.train_mask.nonzero().flatten()),
    "a mask of 0 and 1": _put("val_mask", lambda g: g.val_mask.long()),
    "one training node": _put("train_mask", lambda g: torch.arange(g.num_nodes) == 0),
    "parts that overlap": _put("val_mask", lambda g: g.train_mask.clone()),
    "everything is training": _put("train_mask", lambda g: torch.ones_like(g.train_mask)),
    "no test part": _drop("test_mask"),
    "no validation part": _drop("val_mask"),
    "no labels": _drop("y"),
    "no features": _drop("x"),
    "features of edges": _put("edge_attr", lambda g: torch.rand(g.edge_index.size(1), 2)),
    "foreign attributes": _put("note", lambda g: {"a": [1, 2]}),
}


def awkward_graph(stream: random.Random) -> tuple[str, Data]:
    """Return a small graph with up to two accidents, and their names."""
    data = planted_graph(
        num_nodes=stream.choice((40, 60, 140)),
        num_classes=stream.choice((2, 3)),
        num_features=stream.choice((1, 4, 30)),
        seed=stream.randrange(100),
    )
    done = []
    for name in stream.sample(sorted(CHANGES), stream.choice((0, 1, 1, 1, 2))):
        try:
            CHANGES[name](data)
        except (TypeError, ValueError, RuntimeError, IndexError, KeyError, AttributeError):
            continue  # the second accident needs what the first one broke
        done.append(name)
    return " and ".join(done) or "none", data


def _set(name: str, value: Callable[[Any], Any]) -> Callable[[HeteroData], None]:
    def change(data: HeteroData) -> None:
        data[EDGE][name] = value(data[EDGE])

    return change


def _lose(kind: Any, name: str) -> Callable[[HeteroData], None]:
    def change(data: HeteroData) -> None:
        del data[kind][name]

    return change


PAIRS: dict[str, Callable[[HeteroData], None]] = {
    "pairs of int32": _set("edge_index", lambda s: s.edge_index.int()),
    "pairs of uint8": _set("edge_index", lambda s: s.edge_index.to(torch.uint8)),
    "pairs of floats": _set("edge_index", lambda s: s.edge_index.float()),
    "pairs the other way round": _set("edge_index", lambda s: s.edge_index.flip(0)),
    "a negative id": _set("edge_index", lambda s: s.edge_index - 1),
    "a pair twice": _set("edge_index", lambda s: s.edge_index.repeat(1, 2)),
    "one pair": _set("edge_index", lambda s: s.edge_index[:, :1]),
    "no pairs": _set("edge_index", lambda s: s.edge_index[:, :0]),
    "pairs of three rows": _set("edge_index", lambda s: s.edge_index[[0, 1, 1]]),
    "validation in training": _set("val_edge_index", lambda s: s.edge_index[:, :4]),
    "no validation pairs": _set("val_edge_index", lambda s: s.val_edge_index[:, :0]),
    "no validation part": _lose(EDGE, "val_edge_index"),
    "no test part": _lose(EDGE, "test_edge_index"),
    "weights": _set("edge_weight", lambda s: torch.rand(s.edge_index.size(1))),
    "weights of NaN": _set(
        "edge_weight", lambda s: _some(torch.rand(s.edge_index.size(1)), torch.nan)
    ),
    "weights of int64": _set("edge_weight", lambda s: torch.ones(s.edge_index.size(1)).long()),
    "no number of users": _lose("user", "num_nodes"),
    "no number of items": _lose("item", "num_nodes"),
    "one user": _set("edge_index", lambda s: s.edge_index[:, s.edge_index[0] == 0]),
}


def awkward_pairs(stream: random.Random) -> tuple[str, HeteroData]:
    """Return a few interactions with up to two accidents, and their names."""
    users, items = stream.choice(((8, 9), (30, 40), (60, 12)))
    whole = planted_interactions(users, items, users * items // 5, seed=stream.randrange(100))
    data, done = split_interactions(whole, seed=stream.randrange(100)), []
    for name in stream.sample(sorted(PAIRS), stream.choice((0, 1, 1, 1, 2))):
        try:
            PAIRS[name](data)
        except (TypeError, ValueError, RuntimeError, IndexError, KeyError, AttributeError):
            continue
        done.append(name)
    return " and ".join(done) or "none", data


def _condense(condenser: Condenser, data: Data | HeteroData) -> None:
    """Condense, and look at the input before and after; the budget is checked by the condenser."""
    before, kept = digest(data), copy.copy(data)
    small = condenser(data)
    assert digest(data) == before == digest(kept), "the input was changed"
    for store in small.stores:
        for name, value in store.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                assert bool(value.isfinite().all()), f"{name} is not finite"


def try_condensers(name: str, numbers: range, seed: int = 0) -> Tally:
    """Give a condenser awkward inputs.

    Args:
        name: A key of :func:`node_condensers` or :func:`interaction_condensers`.
        numbers: Which inputs; each number is a seeded choice of accidents.
        seed: Seed of the choices.

    Returns:
        How they ended.
    """
    nodes = node_condensers()
    make: Callable[[random.Random], tuple[str, Any]] = awkward_pairs
    if name in nodes:
        make = awkward_graph
    condenser = {**nodes, **interaction_condensers()}[name]
    tally = Tally()
    for number in numbers:
        what, data = make(random.Random(f"{seed} {number}"))
        attempt(tally, f"{name} {number} ({what})", lambda d=data: _condense(condenser, d))  # type: ignore[misc]
    return tally
