"""The Triton programs: products with long rows split, inner products by edge, masks drawn and
compacted on the device.

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
    acc, out, z, total, lam, filters, row, column, inside, alpha, beta,
    width: tl.constexpr, HAS_Z: tl.constexpr, HAS_TOTAL: tl.constexpr,
):  # fmt: skip
    """Write ``y = alpha * acc + beta * z`` to one row, and add ``lam[b] * y`` to that row of every
    filter b.
    """
    acc *= alpha
    if HAS_Z:
        acc += beta * tl.load(z + row * width + column, mask=inside, other=0.0).to(acc.dtype)
    tl.store(out + row * width + column, acc.to(out.dtype.element_ty), mask=inside)
    if HAS_TOTAL:
        for b in range(filters):
            place = total + (row * filters + b) * width + column
            before = tl.load(place, mask=inside, other=0.0).to(acc.dtype)
            tl.store(
                place,
                (before + tl.load(lam + b).to(acc.dtype) * acc).to(total.dtype.element_ty),
                mask=inside,
            )


@triton.jit
def spmm_pieces(
    indptr, indices, value, x, z, out, total, lam, filters,
    partial, piece_row, piece_part, piece_slot, alpha, beta,
    width: tl.constexpr, PIECE: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_F: tl.constexpr,
    HAS_VALUE: tl.constexpr, HAS_Z: tl.constexpr, HAS_TOTAL: tl.constexpr, WIDE: tl.constexpr,
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
    acc = tl.zeros([BLOCK_F], dtype=kind)
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
        acc += tl.sum(rows, axis=0)
    slot = tl.load(piece_slot + piece).to(tl.int64)
    if slot < 0:
        epilogue(
            acc,
            out,
            z,
            total,
            lam,
            filters,
            row,
            column,
            inside,
            alpha,
            beta,
            width,
            HAS_Z,
            HAS_TOTAL,
        )
    else:
        tl.store(partial + slot * width + column, acc, mask=inside)


@triton.jit
def spmm_join(
    partial, z, out, total, lam, filters, long_row, long_slot, alpha, beta,
    width: tl.constexpr, BLOCK_F: tl.constexpr, HAS_Z: tl.constexpr, HAS_TOTAL: tl.constexpr,
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
    epilogue(
        acc, out, z, total, lam, filters, row, column, inside, alpha, beta, width, HAS_Z, HAS_TOTAL
    )


@triton.jit
def sddmm_entries(
    row, indices, used, a, b, out, alpha,
    width: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_F: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Write ``alpha <a[row], b[col]>`` for a block of entries; those past the last used one
    get 0.
    """
    entry = tl.program_id(0).to(tl.int64) * BLOCK_E + tl.arange(0, BLOCK_E)
    stored = tl.load(used + 1)
    valid = entry < tl.load(used)
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
    tl.store(out + entry, (alpha * acc).to(out.dtype.element_ty), mask=entry < stored)


@triton.jit
def hash_bits(key, ids):
    """Return the top 24 bits of the splitmix64 hash of (key, id); the same bits as in torch."""
    golden: tl.constexpr = 0x9E3779B97F4A7C15
    one: tl.constexpr = 0xBF58476D1CE4E5B9
    two: tl.constexpr = 0x94D049BB133111EB
    bits = key + (ids.to(tl.uint64) + 1) * golden
    bits = (bits ^ (bits >> 30)) * one
    bits = (bits ^ (bits >> 27)) * two
    return ((bits ^ (bits >> 31)) >> 40).to(tl.int32)


@triton.jit
def draw_and_count(
    keys, probs, perm, edge_id, keep, counts, nnz, blocks, HAS_ID: tl.constexpr, BLOCK: tl.constexpr
):
    """Draw the fate of a block of entries under one stream, and count the kept; entries without an
    input edge stay.
    """
    block, stream = tl.program_id(0), tl.program_id(1)
    entry = block * BLOCK + tl.arange(0, BLOCK)
    valid = entry < nnz
    edge = tl.load(perm + entry, mask=valid, other=0)
    known = valid & (edge >= 0)
    ids = tl.load(edge_id + edge, mask=known, other=0).to(tl.int64) if HAS_ID else edge.to(tl.int64)
    bits = hash_bits(tl.load(keys + stream).to(tl.uint64), ids)
    chance = tl.load(probs + edge, mask=known, other=1.0).to(tl.float32)
    kept = valid & ((edge < 0) | (bits.to(tl.float32) < chance * 16777216.0))
    tl.store(keep + stream.to(tl.int64) * nnz + entry, kept.to(tl.int8), mask=valid)
    tl.store(counts + stream * blocks + block, tl.sum(kept.to(tl.int32), axis=0))


@triton.jit
def count(keep, counts, nnz, blocks, BLOCK: tl.constexpr):
    """Count the kept entries of a block."""
    block, stream = tl.program_id(0), tl.program_id(1)
    entry = block * BLOCK + tl.arange(0, BLOCK)
    kept = tl.load(keep + stream.to(tl.int64) * nnz + entry, mask=entry < nnz, other=0)
    tl.store(counts + stream * blocks + block, tl.sum(kept.to(tl.int32), axis=0))


@triton.jit
def write_kept(
    keep, offsets, row, indices, before, out_row, out_indices, out_source,
    nnz, blocks, rows, columns,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the kept entries of a block to their places, and for every entry how many are kept
    before it.
    """
    block, stream = tl.program_id(0), tl.program_id(1)
    entry = block * BLOCK + tl.arange(0, BLOCK)
    valid = entry < nnz
    kept = tl.load(keep + stream.to(tl.int64) * nnz + entry, mask=valid, other=0).to(tl.int32)
    place = tl.load(offsets + stream * blocks + block) + tl.cumsum(kept, axis=0) - kept
    tl.store(before + stream.to(tl.int64) * nnz + entry, place, mask=valid)
    chosen = valid & (kept > 0)
    tl.store(
        out_row + place, tl.load(row + entry, mask=chosen, other=0) + stream * rows, mask=chosen
    )
    tl.store(
        out_indices + place,
        tl.load(indices + entry, mask=chosen, other=0) + stream * columns,
        mask=chosen,
    )
    tl.store(out_source + place, entry, mask=chosen)
