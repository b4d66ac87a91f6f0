"""The matrix of the edges that a mask keeps, built once a sample and used for every layer and both
passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.backends.dispatch import choose, kernels
from graphcond.sparse.csr import CSR
from graphcond.sparse.pattern import Pattern, index_dtype, on_host
from graphcond.sparse.sample import sample_mask, stream_key


class _Kept(NamedTuple):
    """Kept entries of one orientation: the row pointer, and where they lie in the full pattern."""

    indptr: Tensor
    source: Tensor


def compact(csr: CSR, mask: Tensor) -> CSR:
    """Return the matrix of the kept edges; K masks make one block-diagonal matrix.

    Args:
        csr: A ``[R, C]``. Gradients reach its kept entries; see :func:`masked_spmm` for the dropped
            ones.
        mask: ``[m]`` bool in input order (``csr.perm`` leads to it; entries with ``perm`` -1 stay),
            or ``[K, m]``.

    Returns:
        ``[R, C]``, or ``[K * R, K * C]`` with block k for mask k. ``perm`` still names input edges;
        degrees are ``indptr.diff()``. The transpose is compacted from that of A on first use, not
        sorted anew; if A is symmetric and both directions of an edge have one name
        (:meth:`CSR.named`), it is the matrix itself.

    Raises:
        InputError: If ``mask`` is not boolean, or shorter than the input edges.

    Example:
        >>> csr = CSR.from_edges(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]), size=(2, 2))
        >>> compact(csr, torch.tensor([True, False, True])).to_dense()
        tensor([[0., 1.],
                [0., 1.]])
    """
    require(
        mask.dtype == torch.bool and mask.dim() in (1, 2),
        f"`mask` must be bool [m] or [K, m], but its dtype is {mask.dtype}. Use `sample_mask`.",
    )
    needed = _input_edges(csr)
    require(
        mask.size(-1) >= needed,
        f"This needs a mask entry for every input edge, but found mask = {tuple(mask.shape)!r},"
        f" edges = {needed!r}. Give `mask` in input order.",
    )
    csr = csr.trim()
    rows = list(mask) if mask.dim() == 2 else [mask]
    if _on_device(csr):
        return _assemble_padded(
            csr, torch.stack([_in_csr_order(csr, row) for row in rows]).to(torch.int8), None
        )
    return _assemble(csr, [_in_csr_order(csr, row) for row in rows])


def sample_compact(
    csr: CSR, probs: Tensor, seed: int, streams: Sequence[int], edge_id: Tensor | None = None
) -> CSR:
    """Draw a mask for each stream and return the kept edges as one block-diagonal matrix.

    Args:
        csr: A ``[R, C]``.
        probs: ``[m]`` in input order.
        seed: As in :func:`~graphcond.sparse.sample_mask`.
        streams: K streams.
        edge_id: ``[m]`` ids that enter the hash, or None.

    Returns:
        ``[K * R, K * C]``. Under Triton everything stays on the device and the host never waits:
        the matrix has room for all K * m entries, of which ``indptr[-1]`` are used;
        :meth:`CSR.trim` drops the room.
    """
    csr = csr.trim()
    if _on_device(csr):
        keys = torch.tensor([stream_key(seed, stream) for stream in streams], device=csr.device)
        return _assemble_padded(
            csr, *kernels("triton").draw(csr.pattern, csr.perm, probs, keys, edge_id)
        )
    return _assemble(
        csr, [_in_csr_order(csr, sample_mask(probs, seed, stream, edge_id)) for stream in streams]
    )


def block_diagonal(blocks: Sequence[CSR]) -> CSR:
    """Return one matrix with the given ones on its diagonal: many small graphs in one product.

    Args:
        blocks: At least one matrix; entries all given or all None.

    Returns:
        Sizes added up; ``perm`` counts through the blocks' stored entries in turn.
    """
    require(
        len(blocks) > 0, "This needs at least one block. Give the matrices to put on the diagonal."
    )
    blocks = [block.trim() for block in blocks]
    rows, cols = sum(b.size[0] for b in blocks), sum(b.size[1] for b in blocks)
    dtype = index_dtype(sum(b.nnz for b in blocks), (rows, cols))
    pattern = _stack([(b.indptr, b.indices, b.size) for b in blocks], dtype)
    values = [b.value for b in blocks if b.value is not None]
    require(
        len(values) in (0, len(blocks)),
        f"This needs entries in all blocks or in none, but found given = {len(values)!r}. Use"
        " `with_value` to give them.",
    )
    return CSR(pattern, torch.cat(values) if values else None)


def _stack(blocks: Sequence[tuple[Tensor, Tensor, tuple[int, int]]], dtype: torch.dtype) -> Pattern:
    pointers, indices, rows, cols, entries = [], [], 0, 0, 0
    for number, (indptr, columns, size) in enumerate(blocks):
        pointers.append((indptr if number == 0 else indptr[1:] + entries).to(dtype))
        indices.append((columns if cols == 0 else columns + cols).to(dtype))
        rows, cols, entries = rows + size[0], cols + size[1], entries + columns.numel()
    if len(pointers) == 1:
        return Pattern(pointers[0], indices[0], (rows, cols))
    return Pattern(torch.cat(pointers), torch.cat(indices), (rows, cols))


@torch.no_grad()
def _in_csr_order(csr: CSR, mask: Tensor) -> Tensor:
    keep = (
        mask.index_select(0, csr.perm.clamp(min=0))
        if csr.has_added
        else mask.index_select(0, csr.perm)
    )
    return keep.logical_or_(csr.perm < 0) if csr.has_added else keep


def _select(indptr: Tensor, keep: Tensor) -> _Kept:
    before = torch.empty(keep.numel() + 1, dtype=indptr.dtype, device=keep.device)
    before[:1] = 0
    torch.cumsum(keep, 0, dtype=indptr.dtype, out=before[1:])
    return _Kept(before.index_select(0, indptr), _places(keep))


def _places(keep: Tensor) -> Tensor:
    """Return where a mask holds, int64; NumPy's search has no branches, of which torch's
    mispredicts every third (7 times slower).
    """
    return (
        torch.from_numpy(keep.numpy().nonzero()[0]) if on_host(keep) else keep.nonzero().squeeze(1)
    )


def _assemble(csr: CSR, keeps: Sequence[Tensor]) -> CSR:
    """Make the block-diagonal matrix of masks given in CSR order."""
    full = csr.pattern
    kept = [_select(full.indptr, keep) for keep in keeps]
    dtype = index_dtype(
        sum(k.source.numel() for k in kept), (len(keeps) * csr.size[0], len(keeps) * csr.size[1])
    )
    pattern = _stack(
        [(k.indptr, full.indices.index_select(0, k.source), full.size) for k in kept], dtype
    )
    source = kept[0].source if len(kept) == 1 else torch.cat([k.source for k in kept])
    indptr, indices, perm = pattern.indptr, pattern.indices, csr.perm

    def transposer() -> tuple[Pattern, Callable[[], Tensor]]:
        if not _mirrored(full, perm):
            return _transposed(full, keeps, dtype)
        twin = Pattern(indptr, indices, (len(keeps) * full.size[1], len(keeps) * full.size[0]))
        twin.cache["source"] = source
        return twin, _positions(full.order, keeps, [k.source for k in kept], dtype)

    pattern.transpose_by(transposer)
    pattern.cache["source"] = source
    pattern.cache["blocks"] = len(keeps)
    value = None if csr.value is None else csr.value.index_select(0, source)
    return CSR(pattern, value).renamed_by(source, csr.perm)


@torch.no_grad()
def _transposed(
    full: Pattern, keeps: Sequence[Tensor], dtype: torch.dtype
) -> tuple[Pattern, Callable[[], Tensor]]:
    """Return the transposed kept pattern and what finds, for each of its entries, the position in
    the kept one.
    """
    flipped, order = full.T, full.order
    blocks, sources = [], []
    for keep in keeps:
        chosen = _select(flipped.indptr, keep.index_select(0, order))
        blocks.append((chosen.indptr, flipped.indices.index_select(0, chosen.source), flipped.size))
        sources.append(chosen.source)
    pattern = _stack(blocks, dtype)
    pattern.cache["source"] = sources[0] if len(sources) == 1 else torch.cat(sources)
    return pattern, _positions(order, keeps, sources, dtype)


def _positions(
    order: Tensor, keeps: Sequence[Tensor], sources: Sequence[Tensor], dtype: torch.dtype
) -> Callable[[], Tensor]:
    """Return what finds, for entries of the transpose that lie at ``sources`` of the full one,
    their positions among the kept.
    """

    @torch.no_grad()
    def positions() -> Tensor:
        found, offset = [], 0
        for keep, source in zip(keeps, sources, strict=True):
            rank = torch.cumsum(keep, 0, dtype=dtype).add_(offset - 1)
            found.append(rank.index_select(0, order.index_select(0, source)))
            offset += source.numel()
        return torch.cat(found)

    return positions


@torch.no_grad()
def _mirrored(full: Pattern, perm: Tensor) -> bool:
    """Whether a pattern is its own transpose with both directions of an edge under one name, so
    that no mask tells them apart.
    """
    if "symmetric" not in full.cache:
        twin = full.size[0] == full.size[1] and torch.equal(full.indptr, full.T.indptr)
        full.cache["symmetric"] = twin and torch.equal(full.indices, full.T.indices)
    if not full.cache["symmetric"]:
        return False
    named, mirrored = full.cache.get("mirrored", (None, False))
    if named is not perm:
        mirrored = torch.equal(perm, perm.index_select(0, full.order))
        full.cache["mirrored"] = (perm, mirrored)
    return bool(mirrored)


def _on_device(csr: CSR) -> bool:
    """Whether masks are compacted by Triton: on CUDA where it runs, or where forced; it cannot look
    into ``torch.func``'s wrappers.
    """
    if (
        torch._C._are_functorch_transforms_active()
        or max(csr.nnz, *csr.size) > 2**31 - 1
        or csr.nnz == 0
    ):
        return False
    return choose(csr.pattern, torch.empty(0, device=csr.device), epilogue=True) == "triton"


def _assemble_padded(csr: CSR, keep: Tensor, counts: Tensor | None) -> CSR:
    """Make the block-diagonal matrix of fates ``[K, nnz]`` in CSR order without the host learning
    its size.
    """
    full, backend = csr.pattern, kernels("triton")
    with torch.no_grad():
        pattern, before = backend.gather_kept(full, keep, counts)

    @torch.no_grad()
    def transposer() -> tuple[Pattern, Callable[[], Tensor]]:
        order, nnz = full.order.long(), full.nnz
        flipped, _ = backend.gather_kept(full.T, keep.index_select(1, order))

        @torch.no_grad()
        def positions() -> Tensor:
            places = torch.arange(flipped.nnz, device=csr.device)
            # An entry's stream shows in its row, so its place among the kept is found without a
            # count.
            shift = flipped.row.long() // full.size[1] * nnz
            found = before.index_select(
                0, order.index_select(0, flipped.cache["source"].long()) + shift
            )
            return torch.where(places < flipped.indptr[-1], found, places).to(torch.int32)

        return flipped, positions

    pattern.transpose_by(transposer)
    source = pattern.cache["source"]
    value = None if csr.value is None else csr.value.index_select(0, source)
    return CSR(pattern, value, csr.perm.index_select(0, source))


def _input_edges(csr: CSR) -> int:
    if csr.edges is None:
        csr.edges = int(csr.perm.max()) + 1 if csr.nnz else 0
    return csr.edges
