"""The Triton programs: products with long rows split, and inner products by entry.

No program decides anything at import (autotuning needs a driver), none uses atomics, and sums run
in fixed order: results are the same bit for bit on every run. Inputs of 16 bits are widened on
load. ``mypy`` cannot type what Triton compiles.
"""

# mypy: disable-error-code="no-untyped-def,misc,untyped-decorator,attr-defined"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def epilogue(
    acc, z, out, row, column, inside, alpha, beta, width: tl.constexpr, HAS_Z: tl.constexpr
):
    """Write ``alpha * acc + beta * z`` to one row."""
    acc *= alpha
    if HAS_Z:
        acc += beta * tl.load(z + row * width + column, mask=inside, other=0.0).to(acc.dtype)
    tl.store(out + row * width + column, acc.to(out.dtype.element_ty), mask=inside)


@triton.jit
def spmm_pieces(
    indptr, indices, value, x, z, out, partial, piece_row, piece_part, piece_slot, alpha, beta,
    width: tl.constexpr, PIECE: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_F: tl.constexpr,
    HAS_VALUE: tl.constexpr, HAS_Z: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Sum one piece of at most PIECE entries of one row; whole rows end here, parts of long ones go
    to ``partial``.
    """
    piece = tl.program_id(0)
    column = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    inside = column < width
    row = tl.load(piece_row + piece).to(tl.int64)
    start = tl.load(indptr + row).to(tl.int64) + tl.load(piece_part + piece).to(tl.int64) * PIECE
    end = tl.minimum(start + PIECE, tl.load(indptr + row + 1).to(tl.int64))
    kind: tl.constexpr = tl.float64 if WIDE else tl.float32
    # Lanes add up entries of their own; crossing lanes once, at the end, is cheaper than each time.
    lanes = tl.zeros([BLOCK_E, BLOCK_F], dtype=kind)
    for first in range(start, end, BLOCK_E):
        entry = first + tl.arange(0, BLOCK_E)
        valid = entry < end
        source = tl.load(indices + entry, mask=valid, other=0).to(tl.int64)
        rows = tl.load(
            x + source[:, None] * width + column[None, :],
            mask=valid[:, None] & inside[None, :],
            other=0.0,
        ).to(kind)
        if HAS_VALUE:
            rows *= tl.load(value + entry, mask=valid, other=0.0).to(kind)[:, None]
        lanes += rows
    acc = tl.sum(lanes, axis=0)
    slot = tl.load(piece_slot + piece).to(tl.int64)
    if slot < 0:
        epilogue(acc, z, out, row, column, inside, alpha, beta, width, HAS_Z)
    else:
        tl.store(partial + slot * width + column, acc, mask=inside)


@triton.jit
def spmm_join(
    partial, z, out, long_row, long_slot, alpha, beta,
    width: tl.constexpr, BLOCK_F: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Add up the parts of one long row, in order."""
    number = tl.program_id(0)
    column = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    inside = column < width
    acc = tl.zeros([BLOCK_F], dtype=partial.dtype.element_ty)
    slot = tl.load(long_slot + number).to(tl.int64)
    for step in range(tl.load(long_slot + number + 1) - slot):
        acc += tl.load(partial + (slot + step) * width + column, mask=inside, other=0.0)
    row = tl.load(long_row + number).to(tl.int64)
    epilogue(acc, z, out, row, column, inside, alpha, beta, width, HAS_Z)


@triton.jit
def sddmm_entries(
    row, indices, a, b, out, alpha, nnz,
    width: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_F: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Write ``alpha <a[row], b[col]>`` for a block of entries."""
    entry = tl.program_id(0).to(tl.int64) * BLOCK_E + tl.arange(0, BLOCK_E)
    valid = entry < nnz
    left = tl.load(row + entry, mask=valid, other=0).to(tl.int64)
    right = tl.load(indices + entry, mask=valid, other=0).to(tl.int64)
    kind: tl.constexpr = tl.float64 if WIDE else tl.float32
    acc = tl.zeros([BLOCK_E], dtype=kind)
    for first in range(0, width, BLOCK_F):
        column = first + tl.arange(0, BLOCK_F)
        inside = valid[:, None] & (column < width)[None, :]
        one = tl.load(a + left[:, None] * width + column[None, :], mask=inside, other=0.0).to(kind)
        two = tl.load(b + right[:, None] * width + column[None, :], mask=inside, other=0.0).to(kind)
        acc += tl.sum(one * two, axis=1)
    tl.store(out + entry, (alpha * acc).to(out.dtype.element_ty), mask=valid)
