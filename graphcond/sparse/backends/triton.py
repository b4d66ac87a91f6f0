"""Raw kernels in Triton: CUDA, or any machine under its interpreter (``TRITON_INTERPRET=1`` before
the first import).
"""

from __future__ import annotations

import struct

import torch
from torch import Tensor

from graphcond.sparse.backends import triton_kernels as programs
from graphcond.sparse.pattern import Pattern, RowPieces

PIECE = 256
"""Entries of a row that one program adds up; a hub alone would outlast all other rows."""


def next_power(number: int) -> int:
    """Return the least power of two that is not smaller."""
    return 1 << max(0, number - 1).bit_length()


def cut(indptr: Tensor) -> RowPieces:
    """Cut rows into pieces of at most ``PIECE`` entries.

    Args:
        indptr: ``[R + 1]``; one synchronisation of the host, once a pattern.
    """
    counts = indptr.diff().long()
    pieces = ((counts + PIECE - 1) // PIECE).clamp_(min=1)
    first = pieces.cumsum(0) - pieces
    row = torch.repeat_interleave(torch.arange(counts.numel(), device=indptr.device), pieces)
    part = torch.arange(row.numel(), device=indptr.device) - first[row]
    long_row = (pieces > 1).nonzero().squeeze(1)
    is_part = pieces[row] > 1
    slot = torch.where(is_part, is_part.cumsum(0) - 1, -1)
    long_slot = torch.zeros(long_row.numel() + 1, dtype=torch.int64, device=indptr.device)
    torch.cumsum(pieces[long_row], 0, out=long_slot[1:])
    slots = int(long_slot[-1])
    return RowPieces(row.int(), part.int(), slot.int(), long_row.int(), long_slot.int(), slots)


def shape(width: int) -> dict[str, int]:
    """Return block sizes by width: one warp with about 16 gathered numbers a lane in flight."""
    # 512 numbers over the 32 lanes of a warp are the 16.
    block_f = min(next_power(width), 128)
    return {"BLOCK_F": block_f, "BLOCK_E": max(4, 512 // block_f), "num_warps": 1}


def spmm(
    pattern: Pattern, value: Tensor | None, x: Tensor, alpha: float, beta: float, z: Tensor | None
) -> Tensor:
    """Return ``alpha * A @ x + beta * z``; see :func:`graphcond.sparse.backends.torch.spmm`."""
    # Factors reach a program in fp32; one that would be rounded is applied outside of it.
    if not (_fits_single(alpha) and _fits_single(beta)):
        out = spmm(pattern, value, x, 1.0, 0.0, None).mul_(alpha)
        return out if z is None else out.add_(z.detach(), alpha=beta)
    rows = pattern.size[0]
    width = x.size(1)
    x, out = x.detach().contiguous(), x.new_empty(rows, width)
    if rows == 0 or width == 0:
        return out
    if pattern.size[1] == 0:  # an empty tensor has no address that a program could be given
        x = x.new_zeros(1, width)
    # Programs without a `z` or a `value` never read what stands in their places.
    base = out if z is None else z.detach().contiguous()
    entries = x if value is None else value.detach().contiguous()
    pieces = pattern.pieces(cut)
    blocks = shape(width)
    wide = x.dtype == torch.float64
    # Parts of a row are added up in 32 bits at least, whatever the input.
    total = torch.promote_types(x.dtype, torch.float32)
    partial = torch.empty(max(pieces.slots, 1), width, dtype=total, device=x.device)
    columns = -(-width // blocks["BLOCK_F"])
    programs.spmm_pieces[(pieces.row.numel(), columns)](
        pattern.indptr, pattern.indices, entries, x, base, out, partial,
        pieces.row, pieces.part, pieces.slot, alpha, beta,
        width=width, PIECE=PIECE, HAS_VALUE=value is not None, HAS_Z=z is not None, WIDE=wide,
        **blocks,
    )  # fmt: skip
    if pieces.slots:
        programs.spmm_join[(pieces.long_row.numel(), columns)](
            partial, base, out, pieces.long_row, pieces.long_slot, alpha, beta,
            width=width, BLOCK_F=blocks["BLOCK_F"], HAS_Z=z is not None,
            num_warps=blocks["num_warps"],
        )  # fmt: skip
    return out


def _fits_single(factor: float) -> bool:
    """Whether a factor survives as the fp32 number that a program gets."""
    return bool(struct.unpack("f", struct.pack("f", factor))[0] == factor)


def sddmm(pattern: Pattern, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Return ``alpha * <a[row], b[col]>``; see :func:`graphcond.sparse.backends.torch.sddmm`."""
    if not _fits_single(alpha):
        return sddmm(pattern, a, b, 1.0).mul_(alpha)
    a, b, out = a.detach().contiguous(), b.detach().contiguous(), a.new_empty(pattern.nnz)
    if pattern.nnz == 0:
        return out
    block_f = min(next_power(max(a.size(1), 1)), 64)
    block_e = max(16, 2048 // block_f)
    programs.sddmm_entries[(-(-pattern.nnz // block_e),)](
        pattern.row, pattern.indices, a, b, out, alpha, pattern.nnz,
        width=a.size(1), BLOCK_E=block_e, BLOCK_F=block_f, WIDE=a.dtype == torch.float64,
        num_warps=4,
    )  # fmt: skip
    return out
