"""Seconds and bytes: Table 3, and the promises about the outer step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from benchmarks.paper.policy_gradient.setting import MF, condenser
from benchmarks.store import Store
from graphcond import masks, pools
from graphcond.condensers import DosCondInteractions, Schedule, ValidationInteractions
from graphcond.condensers.dconrec.condenser import ONE_EPOCH
from graphcond.condensers.dconrec.outer_loop import OuterLoop, State
from graphcond.data import load, num_items, num_users, split_interactions, train_edges, without_test
from graphcond.masks import CappedSimplex
from graphcond.measure import Measure
from graphcond.training import Fitted, Recommender


class NoTraining:
    """An objective that draws every mask and trains nothing."""

    def __init__(self, edges: Tensor) -> None:
        self.group = edges[0]

    def at(self, step: int) -> NoTraining:
        """Return itself."""
        return self

    def __call__(self, drawn: Sequence[Tensor]) -> Tensor:
        """Return losses that differ from mask to mask."""
        return torch.tensor([[0.69 + 1e-9 * float(mask.sum())] for mask in drawn])


def table3(store: Store, names: Sequence[str], ratios: Sequence[float], steps: int) -> None:
    """Time a few outer steps, scale to 100.

    Args:
        store: Where rows go.
        names: Data sets.
        ratios: r.
        steps: Steps timed, after one that is not.
    """
    for name in names:
        data = without_test(split_interactions(load(name), seed=0))
        pseudo, draw = round(0.3 * train_edges(data).size(1)), torch.Generator().manual_seed(0)
        extra = torch.stack(
            [
                torch.randint(0, size, (pseudo,), generator=draw)
                for size in (num_users(data), num_items(data))
            ]
        )
        edges = torch.cat([train_edges(data), extra], dim=1)
        pool = pools.make_pool(
            edges, torch.cat([torch.zeros_like(train_edges(data)[0]), torch.ones_like(extra[0])])
        )
        for ratio in ratios:
            for label, estimator in (
                ("DConRec", masks.Reinforce(samples=1)),
                ("DConRec, K = 4", masks.LeaveOneOut(samples=4)),
            ):
                method = condenser(
                    name,
                    0,
                    ratio,
                    estimator=estimator,
                    inner=ONE_EPOCH,
                    outer=ValidationInteractions(),
                )
                loop = method.loop(data, pool)
                seconds = {
                    label: _seconds(loop, steps),
                    f"{label}-Optim": _seconds(
                        replace(loop, objective=NoTraining(pool.edges)), steps
                    ),
                }
                for method_name, (wall, cpu) in seconds.items():
                    key = {
                        "dataset": name,
                        "method": method_name,
                        "seed": 0,
                        "ratio": ratio,
                        "setting": "100 outer steps",
                    }
                    store.add(
                        {
                            **key,
                            "seconds": 100 * wall,
                            "cpu_seconds": 100 * cpu,
                            "steps_timed": steps,
                            "num_pool": len(pool),
                        }
                    )
            _rival(store, data, name, ratio, steps)


def _rival(store: Store, data: HeteroData, name: str, ratio: float, steps: int) -> None:
    """Time DosCond's step, less what is done once."""
    taken = []
    for count in (1, 1 + steps):
        wall, cpu = time.perf_counter(), time.process_time()
        DosCondInteractions(recommender=MF, ratio=ratio, steps=count).condense(data)
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = ((taken[1][n] - taken[0][n]) / steps for n in range(2))
    key = {
        "dataset": name,
        "method": "DosCond",
        "seed": 0,
        "ratio": ratio,
        "setting": "100 outer steps",
    }
    store.add({**key, "seconds": 100 * wall, "cpu_seconds": 100 * cpu, "steps_timed": steps})


def _seconds(loop: OuterLoop, steps: int) -> tuple[float, float]:
    """Return the median wall and CPU seconds of a step."""
    state, walls, cpus = (
        State.start(torch.full_like(loop.pool.edges[0], 0.2, dtype=torch.float32)),
        [],
        [],
    )
    for _ in range(steps + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        loop.step(state)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return median(walls[1:]), median(cpus[1:])


def speed(store: Store, repeats: int) -> None:
    """Measure what issue-sized data cost: the outer step alone, bytes per interaction, proxy top-k.

    Args:
        store: Where rows go.
        repeats: Repeats of each measurement.
    """
    data = without_test(split_interactions(load("gowalla"), seed=0))
    key = {"dataset": "gowalla", "seed": 0, "ratio": 0.25}
    draw, size = torch.Generator().manual_seed(0), (num_users(data), num_items(data))
    model = Recommender(
        torch.randn(size[0], 64, generator=draw), torch.randn(size[1], 64, generator=draw), Fitted()
    )
    for quota in ("degree", "global"):
        builder = pools.ProxyTopK(MF, ratio=0.3, quota=quota)
        with Measure() as idle:
            time.sleep(0.01)
        cpu = time.process_time()
        with Measure() as spent:
            pseudo = builder.select((model,), data)
        cpu = time.process_time() - cpu
        row = {
            "method": f"proxy top-k, quota {quota}",
            "setting": "all users",
            "num_pseudo": pseudo.size(1),
        }
        above = spent.peak_mib - idle.peak_mib
        store.add(
            {**key, **row, "seconds": spent.seconds, "cpu_seconds": cpu, "mib_above_data": above}
        )
    edges = torch.cat([train_edges(data), pseudo], dim=1)
    pool = pools.make_pool(
        edges, torch.cat([torch.zeros_like(train_edges(data)[0]), torch.ones_like(pseudo[0])])
    )
    simplex = CappedSimplex(0.25 * train_edges(data).size(1))
    for estimator in (masks.Reinforce(samples=4), masks.LeaveOneOut(samples=4)):
        loop = OuterLoop(NoTraining(pool.edges), pool, True, simplex, estimator, Schedule(), 0)  # type: ignore[arg-type]
        wall, cpu = _seconds(loop, repeats)
        state = State.start(torch.zeros(len(pool)))
        held = (pool.edges, pool.origin, pool.kept, state.probs, state.moment, state.square)
        bytes_each = sum(part.numel() * part.element_size() for part in held) / len(pool)
        row = {
            "method": f"outer step, {type(estimator).__name__}",
            "setting": "K = 4, no inner training",
            "num_pool": len(pool),
        }
        store.add(
            {**key, **row, "seconds": wall, "cpu_seconds": cpu, "bytes_per_interaction": bytes_each}
        )
    values = 0.19 + 0.1 * torch.randn(len(pool), generator=draw)
    times = []
    for _ in range(repeats):
        cpu = time.process_time()
        simplex.project(values)
        times.append(time.process_time() - cpu)
    store.add(
        {
            **key,
            "method": "projection",
            "setting": "one vector",
            "cpu_nanoseconds_per_edge": 1e9 * median(times) / len(pool),
        }
    )
