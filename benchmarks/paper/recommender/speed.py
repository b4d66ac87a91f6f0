"""One BPR epoch and one full ranking of Gowalla: wall-clock and processor seconds, peak memory.

GRAPHCOND_DATA=... python -m benchmarks.paper.recommender.speed
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.paper.policy_gradient.store import Store
from graphcond.data import load, num_items, num_users, split_interactions, train_edges
from graphcond.measure import Measure
from graphcond.nn import MF
from graphcond.training import BPR, BPRProgram, Fitted, Recommender

RESULTS = Path(__file__).parents[2] / "results" / "recommender_speed.json"


def main() -> None:
    """Time three epochs after a first one, and one ranking."""
    data = split_interactions(load("gowalla"), source="published")
    store = Store(RESULTS, "python -m benchmarks.paper.recommender.speed " + " ".join(sys.argv[1:]))
    epochs: list[tuple[float, float]] = []
    with Measure() as cost:
        program = BPRProgram(MF(num_users(data), num_items(data)), train_edges(data), None, BPR(min_steps=1))
        program.step(0)
        for epoch in range(1, 4):
            start = time.perf_counter(), time.process_time()
            program.step(epoch)
            epochs.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        start = time.perf_counter(), time.process_time()
        Recommender(program.model.user.detach(), program.model.item.detach(), Fitted()).rank(10, train_edges(data))
        ranking = time.perf_counter() - start[0], time.process_time() - start[1]
    store.add(
        {
            "dataset": "gowalla",
            "method": "MF",
            "setting": f"{torch.get_num_threads()} threads",
            "num_edges": train_edges(data).size(1),
            "seconds_epoch": median(wall for wall, _ in epochs),
            "processor_seconds_epoch": median(used for _, used in epochs),
            "seconds_ranking": ranking[0],
            "processor_seconds_ranking": ranking[1],
            "peak_mib": cost.peak_mib,
        }
    )


if __name__ == "__main__":
    main()
