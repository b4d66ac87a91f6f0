"""Table 3: seconds of 100 outer steps, whole and without the inner training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch_geometric.data import HeteroData

from benchmarks.recommender.setting import MF, condenser, parse, parser, store_of
from benchmarks.recommender.timing import NoTraining, seconds_of_a_step
from benchmarks.store import Store
from graphcond import masks, pools
from graphcond.condensers import DosCondInteractions, ValidationInteractions
from graphcond.condensers.dconrec.objective import ONE_EPOCH
from graphcond.condensers.dconrec.outer_loop import OuterLoop
from graphcond.data import (
    describe,
    load,
    num_items,
    num_users,
    split_interactions,
    train_edges,
    without_test,
)


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
                ("PolicyGradient, Reinforce", masks.Reinforce(samples=1)),
                ("PolicyGradient, LeaveOneOut, K = 4", masks.LeaveOneOut(samples=4)),
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
                    label: seconds_of_a_step(loop, steps),
                    f"{label}-Optim": seconds_of_a_step(
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
                        },
                        code=(method, OuterLoop),
                        settings=describe(method),
                    )
            _rival(store, data, name, ratio, steps)


def _rival(store: Store, data: HeteroData, name: str, ratio: float, steps: int) -> None:
    """Time DosCond's step, less what is done once."""
    taken = []
    for count in (1, 1 + steps):
        wall, cpu = time.perf_counter(), time.process_time()
        rival = DosCondInteractions(recommender=MF, ratio=ratio, steps=count)
        rival.condense(data)
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = ((taken[1][n] - taken[0][n]) / steps for n in range(2))
    key = {
        "dataset": name,
        "method": "DosCondInteractions (ours)",
        "seed": 0,
        "ratio": ratio,
        "setting": "100 outer steps",
    }
    row = {**key, "seconds": 100 * wall, "cpu_seconds": 100 * cpu, "steps_timed": steps}
    store.add(row, code=(DosCondInteractions, MF, load), settings=describe(rival))


def main() -> None:
    """Time what is asked for; a timing is measured anew in every run."""
    options = parse(parser(__doc__))
    steps = 2 if options.quick else 5
    table3(store_of(options, "table3"), options.datasets, options.ratios, steps)


if __name__ == "__main__":
    main()
