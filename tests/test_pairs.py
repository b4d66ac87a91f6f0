"""Pair keys are exact for every integer type and every size that 64 bits hold."""

from __future__ import annotations

import pytest
import torch

from graphcond.errors import InputError
from graphcond.metrics import hits
from graphcond.pairs import pair_keys
from graphcond.pools.pool import make_pool
from graphcond.training.negatives import UniformNegatives

NARROW = (torch.uint8, torch.int8, torch.int16, torch.int32)


@pytest.mark.parametrize("dtype", NARROW)
def test_keys_of_narrow_ids_are_those_of_wide_ones(dtype: torch.dtype) -> None:
    top = min(torch.iinfo(dtype).max, 60_000)
    ids = torch.tensor([0, 1, top])
    size = (top + 1, 70_000)
    found = pair_keys(ids.to(dtype)[:, None], ids.to(dtype), size)
    assert found.tolist() == [[a * 70_000 + b for b in ids.tolist()] for a in ids.tolist()]


def test_pairs_beyond_64_bits_are_refused() -> None:
    one = torch.tensor([0])
    assert pair_keys(one, one, (2**31, 2**31)).tolist() == [0]
    with pytest.raises(InputError, match="64 bits"):
        pair_keys(one, one, (2**62, 4))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
def test_readers_of_pairs_take_narrow_ids(dtype: torch.dtype) -> None:
    pairs = torch.tensor([[90, 90, 3], [100, 7, 100]])
    count = hits(torch.full((91, 1), 100), pairs.to(dtype), 101)[0].flatten().nonzero().flatten()
    assert count.tolist() == [3, 90]
    assert make_pool(pairs.to(dtype), 0).edges.tolist() == [[3, 90, 90], [100, 7, 100]]
    draw = UniformNegatives(pairs.to(dtype), 91, 101)
    users = torch.full((2000,), 90, dtype=dtype)
    negatives = draw(users, torch.Generator().manual_seed(0))
    assert not set(negatives.tolist()) & {100, 7}
