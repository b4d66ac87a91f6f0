"""Layer 0: errors that name law, facts and cure; named random streams; process sums; measuring."""

from __future__ import annotations

import math
import mmap
import os
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from graphcond import distributed
from graphcond.errors import (
    BudgetError,
    GraphcondError,
    InputError,
    require,
    require_at_least,
    require_one_of,
    require_positive,
    require_range,
    require_share,
)
from graphcond.measure import Measure
from graphcond.seeding import derive, generator


def test_an_error_names_law_facts_and_cure() -> None:
    with pytest.raises(BudgetError, match=r"`ratio` is 1.4\. Lower it\.") as caught:
        require(False, "`ratio` is 1.4. Lower it.", error=BudgetError)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, GraphcondError)
    require(True, "nothing")


@pytest.mark.parametrize(
    ("law", "good", "bad", "said"),
    [
        (
            partial(require_at_least, 2),
            (2, 3.5),
            (1, math.nan),
            "`k` must be at least 2, but it is",
        ),
        (require_positive, (0.1,), (0, -1, math.nan), "`k` must be positive, but it is"),
        (require_share, (0, 0.9), (1, -0.1, math.nan), r"`k` must be in \[0, 1\), but it is"),
        (partial(require_range, 1, 3), (1, 3), (0, 4), "`k` must be from 1 to 3, but it is"),
        (
            partial(require_one_of, ("a", "b")),
            ("a", "b"),
            ("c", "ab"),
            "`k` must be 'a' or 'b', but",
        ),
    ],
)
def test_laws_of_one_value_hold_at_their_ends(law, good, bad, said) -> None:
    for value in good:
        law("2 is usual.", k=value, other=good[0])
    for value in bad:
        with pytest.raises(InputError, match=said) as caught:
            law("2 is usual.", other=good[0], k=value)
        assert str(caught.value).endswith(f"{value!r}. 2 is usual.")


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
