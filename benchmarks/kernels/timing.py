"""Interleaved medians: methods take turns, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable

import torch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def _once(run: Callable[[], object], clock: Callable[[], float]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = clock()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1e3 * (clock() - start)


def medians(runs: dict[str, Callable[[], object]], seconds: float, clock: str = "wall") -> dict[str, tuple[float, int]]:
    """Return each run's median milliseconds and number of rounds, after one warm-up; slow sets get fewer rounds, at least 3.

    The cpu clock adds up all threads' processor time: with one thread it does not count the turns that other processes take.
    """
    warm = sum(_once(run, CLOCKS[clock]) for run in runs.values()) / 1e3
    rounds = max(3, min(25, int(seconds / max(warm, 1e-6))))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(_once(run, CLOCKS[clock]))
    return {name: (statistics.median(found), rounds) for name, found in times.items()}
