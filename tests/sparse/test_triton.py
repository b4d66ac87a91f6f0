"""What only the Triton back end has: split rows, masks on the device, 16-bit inputs, programs
compiled ahead of time.

Run as a job of its own: ``TRITON_INTERPRET=1 python -m pytest -m triton``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close

from graphcond.sparse import (
    CSR,
    block_diagonal,
    compact,
    gcn_norm,
    sample_compact,
    sddmm,
    spmm,
    to_edge_index,
    to_torch,
)
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
    from graphcond.sparse.backends.triton import plan_of

    plan = plan_of(hubs.pattern)
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


def test_filters_accumulate_over_split_rows(triton, hubs, rand):
    from graphcond.sparse.backends.triton import Filters, spmm_filters

    value, x, lam, before = rand(hubs.nnz), rand(13, 6), rand(3), rand(5, 3, 6)
    total = before.clone()
    out = spmm_filters(hubs.pattern, value, x, (2.0, 0.0), None, Filters(total, lam))
    assert_close(out, 2 * hubs.with_value(value).to_dense() @ x)
    assert_close(total, before + lam.view(1, 3, 1) * out.unsqueeze(1))


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


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_same_masks_as_torch_bit_for_bit(triton, square, named, count):
    probs = torch.linspace(0, 1, square.edges)
    ids = torch.arange(square.edges).flip(0) * 7 if named else None
    csr = square.csr
    with use("torch"):
        wanted = sample_compact(csr, probs, 3, range(count), ids)
    drawn = sample_compact(csr, probs, 3, range(count), ids)
    assert drawn.nnz == count * square.edges, "room for all, so that the host need not wait"
    for got in (drawn.trim(), drawn.to("cpu").trim()):
        for part in ("indptr", "indices", "perm"):
            assert torch.equal(getattr(got, part), getattr(wanted, part)), part
    flipped, theirs = drawn.T.trim(), wanted.T
    assert torch.equal(flipped.perm, theirs.perm)
    assert torch.equal(flipped.indices, theirs.indices)


def test_added_self_loops_stay(triton, square):
    looped = gcn_norm(square.csr)
    kept = sample_compact(looped, torch.zeros(square.edges), 0, [0]).trim()
    assert torch.equal(kept.row, kept.indices)
    assert kept.nnz == int((looped.perm < 0).sum())


def test_compaction_across_blocks_and_long_rows(triton, rand):
    """More entries than one program compacts, and rows that are split before and after."""
    row = torch.repeat_interleave(torch.arange(6), torch.tensor([1500, 0, 900, 5, 40, 0]))
    value = rand(row.numel())
    csr = CSR.from_edges(row, torch.arange(row.numel()) % 9, (6, 9), value)
    probs, x = torch.full((row.numel(),), 0.6), rand(18, 3, grad=True)
    results = []
    for backend in ("torch", "triton"):
        with use(backend):
            out = spmm(sample_compact(csr, probs, 0, [4, 5]), x)
            results.append((out, *grad(out.sin().sum(), x)))
    assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


def test_gradients_to_entries_of_padded_masks(triton, rectangular, rand):
    """Unused room takes no part: gradients, curvature and the transpose's order are those of the
    trimmed matrix.
    """
    weight, x = rand(rectangular.edges, grad=True), rand(2 * rectangular.size[1], 3, grad=True)
    along = (rand(rectangular.edges), rand(2 * rectangular.size[1], 3))
    results = []
    for backend in ("torch", "triton"):
        with use(backend):
            csr = CSR.from_edges(rectangular.row, rectangular.col, rectangular.size, weight)
            kept = sample_compact(csr, torch.full((rectangular.edges,), 0.5), 1, [0, 1])
            out = spmm(kept, x) + spmm(kept.T.T, x)
            first = grad(out.sin().sum(), (weight, x), create_graph=True)
            results.append((out, *first, *grad(first, (weight, x), along)))
    assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


def test_unused_room_never_leaves(triton, square):
    kept = compact(square.csr, torch.arange(square.edges) % 2 == 0)
    half = (square.edges + 1) // 2
    assert kept.nnz == square.edges
    assert (kept.trim().nnz, to_torch(kept).values().numel(), to_edge_index(kept)[0].size(1)) == (
        half,
        half,
        half,
    )
    assert_close(kept.to_dense(), square.dense((torch.arange(square.edges) % 2 == 0).float()))
    assert bool((sddmm(kept, torch.ones(11, 2), torch.ones(11, 2))[half:] == 0).all())


def test_what_needs_exact_sizes_trims(triton, square):
    """Self-loops, masks of masks and diagonals of padded matrices."""
    results = []
    for backend in ("torch", "triton"):
        with use(backend):
            kept = sample_compact(square.csr, torch.full((square.edges,), 0.5), 0, [0])
            again = sample_compact(kept, torch.full((square.edges,), 0.5), 0, [1])
            results.append(
                [part.to_dense() for part in (gcn_norm(kept), again, block_diagonal([kept, again]))]
            )
    assert_close(results[0], results[1])


def test_many_small_graphs_in_one_product(triton, rand):
    graphs = [
        CSR.from_edges(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]), (2, 2), rand(3))
        for _ in range(10)
    ]
    x = rand(20, 4)
    assert_close(
        spmm(block_diagonal(graphs), x), torch.block_diag(*[g.to_dense() for g in graphs]) @ x
    )


def test_programs_compile_for_hopper_without_spills():
    """On any machine: no spilled registers, no stack, and 16-byte loads of features in all product
    programs.
    """
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_DEFAULT_FP_FUSION": "1"}
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
        "draw_and_count",
        "count",
        "write_kept",
    }
    assert all(row["spills"] == row["stack"] == 0 for row in rows)
    assert all(
        row["load_bytes"] == 16
        for row in rows
        if row["program"] in ("spmm_pieces", "sddmm_entries")
    )
    assert all(row["registers"] <= 64 for row in rows), "enough programs fit on a multiprocessor"
