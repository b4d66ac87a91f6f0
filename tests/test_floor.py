"""Layer 0: errors that name law, facts and cure; named random streams; process sums; measuring."""

from __future__ import annotations

import mmap
import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from graphcond import distributed
from graphcond.errors import BudgetError, GraphcondError, require
from graphcond.measure import Measure
from graphcond.seeding import derive, generator


def test_an_error_names_law_facts_and_cure() -> None:
    with pytest.raises(BudgetError, match=r"`ratio` is 1.4\. Lower it\.") as caught:
        require(False, "`ratio` is 1.4. Lower it.", error=BudgetError)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, GraphcondError)
    require(True, "nothing")


def test_streams_are_independent_and_stable() -> None:
    assert derive(0, "split") == 8002339936503433115  # the same on every machine and Python version
    assert len({derive(seed, name) for seed in range(100) for name in ("a", "b", "ab")}) == 300
    assert derive(1, "a", 2) != derive(1, "a", 3)
    state = torch.random.get_rng_state()
    first = torch.rand(5, generator=generator(3, "x"))
    assert torch.equal(first, torch.rand(5, generator=generator(3, "x")))
    assert torch.equal(state, torch.random.get_rng_state())


def test_measure_sees_time_and_memory() -> None:
    with Measure() as small:
        pass
    # Pages of its own: what the heap has free already may be resident, and taking it raises no
    # peak.
    with Measure() as large, mmap.mmap(-1, 64 * 2**20) as block:
        block.write(bytes(64 * 2**20))
    assert large.seconds > 0
    assert large.peak_mib > small.peak_mib + 32


def test_one_process_is_the_identity() -> None:
    assert distributed.world_size() == 1
    value = torch.arange(3)
    assert distributed.all_sum(value) is value


def _worker(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    value = torch.tensor([1.0, rank])
    total = distributed.all_sum(value)
    torch.save(
        (total.tolist(), value.tolist()),
        os.path.join(folder, f"{rank}.pt"),
    )
    dist.destroy_process_group()


def test_two_processes_share_sums(tmp_path: os.PathLike[str]) -> None:
    mp.spawn(_worker, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(os.path.join(tmp_path, f"{rank}.pt")) for rank in range(2))
    assert first[0] == second[0] == [2.0, 1.0]
    assert second[1] == [1.0, 1.0]
