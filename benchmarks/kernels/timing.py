"""Interleaved medians: methods take turns, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable

import torch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
MOST = 25


def once(run: Callable[[], object], clock: str) -> float:
    """Return the milliseconds of one run; the cpu clock adds up all threads' time and leaves out other processes' turns."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = CLOCKS[clock]()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1e3 * (CLOCKS[clock]() - start)


def medians(runs: dict[str, Callable[[], object]], first: dict[str, float], seconds: float, clock: str) -> dict[str, tuple[float, int]]:
    """Return each method's median milliseconds and number of samples.

    A method gets the rounds that fit into ``seconds``, from 3 to 25; one whose first run alone took longer gets 1 more round, and
    its first run counts.
    """
    times = {name: [first[name]] if first[name] > 1e3 * seconds else [] for name in runs}
    rounds = {name: 1 if times[name] else max(3, min(MOST, int(1e3 * seconds / max(first[name], 1e-3)))) for name in runs}
    for turn in range(MOST):
        for name, run in runs.items():
            if turn < rounds[name]:
                times[name].append(once(run, clock))
    return {name: (statistics.median(found), len(found)) for name, found in times.items()}
