"""What only the Triton back end has: split rows, 16-bit inputs, programs compiled ahead of time.

Run as a job of its own: ``TRITON_INTERPRET=1 python -m pytest -m triton``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from graphcond.sparse import CSR, spmm
from graphcond.sparse.backends import available, use

pytestmark = pytest.mark.triton


@pytest.fixture
def triton():
    if "triton" not in available() or os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1 and install triton")
    with use("triton"):
        yield


@pytest.fixture
def hubs() -> CSR:
    """Rows of 700, 0, 256, 257 and 3 entries: three pieces, none, one, two, one."""
    counts = torch.tensor([700, 0, 256, 257, 3])
    row = torch.repeat_interleave(torch.arange(5), counts)
    return CSR.from_edges(row, torch.arange(row.numel()) % 13, (5, 13))


def test_long_rows_are_split_and_joined(triton, hubs, rand):
    from graphcond.sparse.backends.triton import cut

    plan = hubs.pattern.pieces(cut)
    assert plan.row.tolist() == [0, 0, 0, 1, 2, 3, 3, 4]
    assert plan.part.tolist() == [0, 1, 2, 0, 0, 0, 1, 0]
    assert plan.slot.tolist() == [0, 1, 2, -1, -1, 3, 4, -1]
    assert (plan.long_row.tolist(), plan.long_slot.tolist(), plan.slots) == ([0, 3], [0, 3, 5], 5)
    value, x, z = rand(hubs.nnz), rand(13, 18), rand(5, 18)
    with use("torch"):
        wanted = spmm(hubs, x, value, alpha=2.0, beta=-1.0, z=z)
    assert_close(spmm(hubs, x, value, alpha=2.0, beta=-1.0, z=z), wanted, rtol=1e-12, atol=1e-12)


def test_split_rows_repeat_bit_for_bit(triton, hubs, rand):
    value, x = rand(hubs.nnz, dtype=torch.float32), rand(13, 18, dtype=torch.float32)
    first = spmm(hubs, x, value)
    assert all(torch.equal(spmm(hubs, x, value), first) for _ in range(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_inputs_are_added_up_in_fp32(triton, hubs, rand, dtype):
    """700 terms near 1: a 16-bit accumulator would be off by tens of percents. The interpreter cuts
    bf16 off, a GPU rounds it.
    """
    x = (1 + 0.01 * rand(13, 16)).to(dtype)
    exact = hubs.to_dense().double() @ x.double()
    assert float((spmm(hubs, x).double() / exact - 1)[exact > 0].abs().max()) < 2 ** (
        -7 if dtype == torch.bfloat16 else -11
    )


def test_programs_compile_for_hopper_without_spills():
    """On any machine: no spilled registers, no stack, and 16-byte loads of features in all product
    programs.
    """
    pytest.importorskip("triton")
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "TRITON_DEFAULT_FP_FUSION": "1", "PYTHONPATH": root}
    environment.pop("TRITON_INTERPRET", None)
    script = Path(__file__).with_name("ahead_of_time.py")
    out = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, check=True
    )
    rows = json.loads(out.stdout)
    assert {row["program"] for row in rows} == {
        "spmm_pieces",
        "spmm_join",
        "sddmm_entries",
    }
    assert all(row["spills"] == row["stack"] == 0 for row in rows)
    assert all(
        row["load_bytes"] == 16
        for row in rows
        if row["program"] in ("spmm_pieces", "sddmm_entries")
    )
    assert all(row["registers"] <= 64 for row in rows), "enough programs fit on a multiprocessor"
