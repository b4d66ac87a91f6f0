"""How Table 3 and the speed page time one outer step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from graphcond.condensers.dconrec.outer_loop import OuterLoop, State


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


def seconds_of_a_step(loop: OuterLoop, steps: int) -> tuple[float, float]:
    """Return the median wall and CPU seconds of a step."""
    state, walls, cpus = (
        State(torch.full_like(loop.pool.edges[0], 0.2, dtype=torch.float32)),
        [],
        [],
    )
    for _ in range(steps + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        loop.step(state)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return median(walls[1:]), median(cpus[1:])
