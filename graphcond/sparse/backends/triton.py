"""Raw kernels in Triton: CUDA, or any machine under its interpreter (``TRITON_INTERPRET=1`` before
the first import).
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphcond.sparse.backends import triton_kernels as programs
from graphcond.sparse.pattern import Pattern

PIECE = 256
DRAW_BLOCK = 1024


class Plan(NamedTuple):
    """How rows are split: for each piece its row, its number in the row, and its slot among partial
    sums (-1 = whole row).
    """

    row: Tensor
    part: Tensor
    slot: Tensor
    long_row: Tensor
    long_slot: Tensor
    slots: int


class Filters(NamedTuple):
    """Where a recurrence step adds its weighted result: ``total`` [R, B, f] and this degree's
    ``lam`` [B].
    """

    total: Tensor
    lam: Tensor


def next_power(number: int) -> int:
    """Return the least power of two that is not smaller."""
    return 1 << max(0, number - 1).bit_length()


def make_plan(indptr: Tensor) -> Plan:
    """Cut rows into pieces of at most ``PIECE`` entries.

    Args:
        indptr: ``[R + 1]``; one synchronisation of the host, once a pattern.

    Returns:
        The plan. It also serves every matrix whose rows are no longer than these, as those of a
        mask.
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
    return Plan(row.int(), part.int(), slot.int(), long_row.int(), long_slot.int(), slots)


def plan_of(pattern: Pattern) -> Plan:
    """Return the cached plan of a pattern; masks use that of the pattern they were drawn from."""
    plan: Plan | None = pattern.cache.get("plan")
    if plan is None:
        plan = make_plan(pattern.indptr)
        pattern.cache["plan"] = plan
    return plan


def _shape(width: int) -> dict[str, int]:
    """Block sizes by width: about a thousand gathered numbers in flight a program."""
    block_f = min(next_power(width), 128)
    return {
        "BLOCK_F": block_f,
        "BLOCK_E": max(4, 1024 // block_f),
        "num_warps": 4 if block_f >= 64 else 2,
    }


def spmm(
    pattern: Pattern, value: Tensor | None, x: Tensor, alpha: float, beta: float, z: Tensor | None
) -> Tensor:
    """Return ``alpha * A @ x + beta * z``; see :func:`graphcond.sparse.backends.torch.spmm`."""
    return spmm_filters(pattern, value, x, (alpha, beta), z, None)


def spmm_filters(
    pattern: Pattern,
    value: Tensor | None,
    x: Tensor,
    factors: tuple[float, float],
    z: Tensor | None,
    filters: Filters | None,
) -> Tensor:
    """Return ``y = alpha * A @ x + beta * z``, and add ``lam[b] * y`` to ``total[:, b]`` in the
    same pass.

    Args:
        pattern: Places of the entries ``[R, C]``.
        value: ``[nnz]`` or None.
        x: ``[C, f]``.
        factors: ``(alpha, beta)``.
        z: ``[R, f]`` or None.
        filters: Where to add, or None.

    Returns:
        ``[R, f]``.
    """
    if not all(_fits_single(factor) for factor in factors):
        return _scaled_outside(pattern, value, x, factors, z, filters)
    rows, width = pattern.size[0], x.size(1)
    x, out = x.detach().contiguous(), x.new_empty(rows, width)
    if rows == 0 or width == 0:
        return out
    if pattern.size[1] == 0:
        x = x.new_zeros(1, width)
    base = out if z is None else z.detach().contiguous()
    entries = x if value is None else value.detach().contiguous()
    total, lam = (out, out) if filters is None else filters
    count = 0 if filters is None else lam.numel()
    plan, shape = plan_of(pattern), _shape(width)
    partial = torch.empty(
        max(plan.slots, 1),
        width,
        dtype=torch.float64 if x.dtype == torch.float64 else torch.float32,
        device=x.device,
    )
    columns = -(-width // shape["BLOCK_F"])
    flags = {"HAS_Z": z is not None, "HAS_TOTAL": filters is not None}
    tail: tuple[Any, ...] = (base, out, total, lam, count)
    programs.spmm_pieces[(plan.row.numel(), columns)](
        pattern.indptr, pattern.indices, entries, x,
        *tail, partial, plan.row, plan.part, plan.slot, *factors,
        width=width, PIECE=PIECE, HAS_VALUE=value is not None, WIDE=x.dtype == torch.float64,
        **flags, **shape,
    )  # fmt: skip
    if plan.slots:
        programs.spmm_join[(plan.long_row.numel(), columns)](
            partial, *tail, plan.long_row, plan.long_slot, *factors,
            width=width, BLOCK_F=shape["BLOCK_F"], num_warps=shape["num_warps"], **flags,
        )  # fmt: skip
    return out


def _fits_single(factor: float) -> bool:
    """Whether a factor survives as the fp32 number that a program gets."""
    return bool(struct.unpack("f", struct.pack("f", factor))[0] == factor)


def _scaled_outside(
    pattern: Pattern,
    value: Tensor | None,
    x: Tensor,
    factors: tuple[float, float],
    z: Tensor | None,
    filters: Filters | None,
) -> Tensor:
    out = spmm_filters(pattern, value, x, (1.0, 0.0), None, None).mul_(factors[0])
    if z is not None:
        out.add_(z.detach(), alpha=factors[1])
    if filters is not None:
        filters.total.addcmul_(out.unsqueeze(1), filters.lam.view(1, -1, 1))
    return out


def sddmm(pattern: Pattern, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Return ``alpha * <a[row], b[col]>``; see :func:`graphcond.sparse.backends.torch.sddmm`."""
    if not _fits_single(alpha):
        return sddmm(pattern, a, b, 1.0).mul_(alpha)
    a, b, out = a.detach().contiguous(), b.detach().contiguous(), a.new_empty(pattern.nnz)
    if pattern.nnz == 0:
        return out
    block_f = min(next_power(max(a.size(1), 1)), 64)
    block_e = max(16, 2048 // block_f)
    if "used" not in pattern.cache:
        pattern.cache["used"] = torch.stack(
            [pattern.indptr[-1], pattern.indptr.new_tensor(pattern.nnz)]
        )
    programs.sddmm_entries[(-(-pattern.nnz // block_e),)](
        pattern.row, pattern.indices, pattern.cache["used"], a, b, out, alpha,
        width=a.size(1), BLOCK_E=block_e, BLOCK_F=block_f, WIDE=a.dtype == torch.float64,
        num_warps=4,
    )  # fmt: skip
    return out


def draw(
    full: Pattern, perm: Tensor, probs: Tensor, keys: Tensor, edge_id: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Draw the fate of every entry under K streams.

    Args:
        full: The pattern ``[R, C]``.
        perm: Input edge of each entry ``[nnz]``, -1 for none.
        probs: ``[m]`` in input order.
        keys: Stream keys ``[K]`` int64.
        edge_id: ``[m]`` or None.

    Returns:
        Fates ``[K, nnz]`` int8, and the kept a block ``[K, blocks]`` int32.
    """
    nnz, streams = full.nnz, keys.numel()
    blocks = max(1, -(-nnz // DRAW_BLOCK))
    keep = torch.empty(streams, nnz, dtype=torch.int8, device=full.device)
    counts = torch.zeros(streams, blocks, dtype=torch.int32, device=full.device)
    programs.draw_and_count[(blocks, streams)](
        keys, probs.detach().contiguous(), perm,
        perm if edge_id is None else edge_id.contiguous(), keep, counts, nnz, blocks,
        HAS_ID=edge_id is not None, BLOCK=DRAW_BLOCK,
    )  # fmt: skip
    return keep, counts


def gather_kept(
    full: Pattern, keep: Tensor, counts: Tensor | None = None
) -> tuple[Pattern, Tensor]:
    """Compact the kept entries of K masks into one block-diagonal pattern, without the host
    learning how many there are.

    Args:
        full: The pattern ``[R, C]``.
        keep: ``[K, nnz]`` int8.
        counts: The kept a block, if known.

    Returns:
        The pattern ``[K * R, K * C]`` with room for K * nnz entries, of which the first
        ``indptr[-1]`` are used (its cache says ``padded``), and for every place the number of
        entries kept before it ``[K * nnz]``.
    """
    streams, nnz = keep.shape
    blocks = max(1, -(-nnz // DRAW_BLOCK))
    if counts is None:
        counts = torch.zeros(streams, blocks, dtype=torch.int32, device=keep.device)
        programs.count[(blocks, streams)](keep, counts, nnz, blocks, BLOCK=DRAW_BLOCK)
    flat = counts.view(-1)
    ends = torch.cumsum(flat, 0, dtype=torch.int32)
    row, indices, source = (
        torch.zeros(streams * nnz, dtype=torch.int32, device=keep.device) for _ in range(3)
    )
    before = torch.empty(streams * nnz + 1, dtype=torch.int32, device=keep.device)
    before[-1:] = ends[-1:]
    rows, columns = full.size
    programs.write_kept[(blocks, streams)](
        keep,
        ends - flat,
        full.row,
        full.indices,
        before,
        row,
        indices,
        source,
        nnz,
        blocks,
        rows,
        columns,
        BLOCK=DRAW_BLOCK,
    )
    shift = torch.arange(streams, device=keep.device).unsqueeze(1) * nnz
    starts = before.index_select(0, (full.indptr[:-1].long() + shift).view(-1))
    pattern = Pattern(torch.cat([starts, ends[-1:]]), indices, (streams * rows, streams * columns))
    pattern.cache.update(
        row=row,
        source=source,
        padded=True,
        blocks=streams,
        plan=_repeat(plan_of(full), streams, rows),
    )
    return pattern, before


def _repeat(plan: Plan, streams: int, rows: int) -> Plan:
    """Return the plan of K copies on the diagonal."""
    if streams == 1:
        return plan

    def copies(part: Tensor, step: int) -> Tensor:
        shift = torch.arange(streams, dtype=torch.int32, device=part.device).unsqueeze(1) * step
        return (part.unsqueeze(0) + shift).view(-1)

    slot = torch.where(plan.slot.repeat(streams) < 0, -1, copies(plan.slot, plan.slots))
    ends = copies(plan.long_slot[1:], plan.slots)
    long_slot = torch.cat([plan.long_slot[:1], ends])
    return Plan(
        copies(plan.row, rows),
        plan.part.repeat(streams),
        slot,
        copies(plan.long_row, rows),
        long_slot,
        streams * plan.slots,
    )
