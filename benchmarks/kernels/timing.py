"""Interleaved medians: methods take turns, so that a busy machine slows all of them alike."""

import math
import statistics
import time
from collections.abc import Callable

import torch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
MOST = 25
SAMPLE = 2.0
"""Milliseconds: shorter calls are repeated until a sample takes as long, as ``timeit`` does, so
that a small graph's caches are warm.
"""


def once(run: Callable[[], object], clock: str, number: int = 1) -> float:
    """Return the milliseconds of one of ``number`` runs; the cpu clock adds up all threads' time
    and leaves out other processes' turns.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = CLOCKS[clock]()
    for _ in range(number):
        run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1e3 * (CLOCKS[clock]() - start) / number


def medians(
    runs: dict[str, Callable[[], object]], first: dict[str, float], seconds: float, clock: str
) -> dict[str, tuple[float, int]]:
    """Return each method's median milliseconds and number of samples.

    A method gets the rounds that fit into ``seconds``, from 3 to 25; one whose first run alone took
    longer gets 1 more round, and its first run counts.
    """
    again = {
        name: min(first[name], once(run, clock)) if first[name] < SAMPLE else first[name]
        for name, run in runs.items()
    }
    numbers = {name: max(1, math.ceil(SAMPLE / max(ms, 1e-3))) for name, ms in again.items()}
    times = {name: [first[name]] if first[name] > 1e3 * seconds else [] for name in runs}
    rounds = {
        name: 1 if times[name] else max(3, min(MOST, int(1e3 * seconds / max(first[name], 1e-3))))
        for name in runs
    }
    for turn in range(MOST):
        for name, run in runs.items():
            if turn < rounds[name]:
                times[name].append(once(run, clock, numbers[name]))
    return {name: (statistics.median(found), len(found)) for name, found in times.items()}
