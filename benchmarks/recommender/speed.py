"""What an outer step without inner training, a projection and a pool cost on Gowalla."""

from __future__ import annotations

import time
from statistics import median

import torch

from benchmarks.recommender.setting import MF, parse, parser, store_of
from benchmarks.recommender.timing import NoTraining, seconds_of_a_step
from benchmarks.store import Store
from graphcond import masks, pools
from graphcond.condensers import Schedule
from graphcond.condensers.dconrec.outer_loop import OuterLoop, State
from graphcond.data import load, num_items, num_users, split_interactions, train_edges, without_test
from graphcond.masks import CappedSimplex
from graphcond.measure import Measure
from graphcond.training import Fitted, Recommender


def speed(store: Store, name: str, repeats: int) -> None:
    """Measure what issue-sized data cost: the outer step alone, bytes per interaction, proxy top-k.

    Args:
        store: Where rows go.
        name: Data set.
        repeats: Repeats of each measurement.
    """
    data = without_test(split_interactions(load(name), seed=0))
    key = {"dataset": name, "seed": 0, "ratio": 0.25}
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
        row |= {"seconds": spent.seconds, "cpu_seconds": cpu, "mib_above_data": above}
        store.add({**key, **row}, code=(builder, load), settings=builder)
    edges = torch.cat([train_edges(data), pseudo], dim=1)
    pool = pools.make_pool(
        edges, torch.cat([torch.zeros_like(train_edges(data)[0]), torch.ones_like(pseudo[0])])
    )
    simplex = CappedSimplex(0.25 * train_edges(data).size(1))
    for estimator in (masks.Reinforce(samples=4), masks.LeaveOneOut(samples=4)):
        loop = OuterLoop(NoTraining(pool.edges), pool, True, simplex, estimator, Schedule(), 0)
        wall, cpu = seconds_of_a_step(loop, repeats)
        state = State(torch.zeros(len(pool)))
        held = (pool.edges, pool.origin, pool.kept, *state.state_dict().values())
        bytes_each = sum(part.numel() * part.element_size() for part in held) / len(pool)
        row = {
            "method": f"outer step, {type(estimator).__name__}",
            "setting": "K = 4, no inner training",
            "num_pool": len(pool),
        }
        row |= {"seconds": wall, "cpu_seconds": cpu, "bytes_per_interaction": bytes_each}
        store.add({**key, **row}, code=(OuterLoop, estimator, load), settings=estimator)
    values = 0.19 + 0.1 * torch.randn(len(pool), generator=draw)
    times = []
    for _ in range(repeats):
        cpu = time.process_time()
        simplex.project(values)
        times.append(time.process_time() - cpu)
    row = {
        "method": "projection",
        "setting": "one vector",
        "cpu_nanoseconds_per_edge": 1e9 * median(times) / len(pool),
    }
    store.add({**key, **row}, code=(simplex, load))


def main() -> None:
    """Measure; a quick run takes southern-women."""
    options = parse(parser(__doc__))
    name = "southern-women" if options.quick else "gowalla"
    speed(store_of(options, "speed"), name, repeats=2 if options.quick else 7)


if __name__ == "__main__":
    main()
