"""Masks compacted into a CSR: one mask or K, both orientations, gradients to kept or to all
edges.
"""

import pytest
import torch
from torch import Tensor
from torch.autograd import grad
from torch.testing import assert_close

from graphcond.errors import InputError
from graphcond.sparse import (
    CSR,
    block_diagonal,
    compact,
    gcn_norm,
    masked_spmm,
    sample_compact,
    sample_mask,
    spmm,
)
from graphcond.sparse.pattern import Pattern


def masks(graph, count: int) -> Tensor:
    probs = torch.full((graph.edges,), 0.5)
    return torch.stack([sample_mask(probs, 0, stream) for stream in range(count)])


def test_kept_matrix_is_the_masked_dense_one_in_both_orientations(graph, backend, tolerance, rand):
    mask, weight = masks(graph, 1)[0], rand(graph.edges)
    kept = compact(CSR.from_edges(graph.row, graph.col, graph.size, weight), mask)
    dense = graph.dense(weight * mask)
    left, right = rand(graph.size[0], 3), rand(graph.size[1], 3)
    assert kept.trim().nnz == int(mask.sum())
    assert_close(spmm(kept, right), dense @ right, **tolerance)
    assert_close(spmm(kept.T, left), dense.T @ left, **tolerance)
    assert_close(kept.value, weight[kept.perm], rtol=0, atol=0)
    assert_close(kept.T.value, weight[kept.T.perm], rtol=0, atol=0)


def test_transpose_by_compaction_is_the_sorted_transpose(graph):
    kept = compact(graph.csr, masks(graph, 3))
    again = CSR.from_edges(kept.row, kept.indices, kept.size)
    for ours, theirs in ((kept.T.indptr, again.T.indptr), (kept.T.indices, again.T.indices)):
        assert torch.equal(ours, theirs)
    assert torch.equal(kept.pattern.order, again.pattern.order)


def both_ways() -> tuple[CSR, Tensor]:
    """A symmetric pattern with repeated edges and loops, directions after one another, and the
    undirected id of each edge.
    """
    one, two = torch.tensor([0, 0, 3, 1, 1, 2, 5, 0]), torch.tensor([1, 1, 4, 2, 5, 2, 6, 6])
    return CSR.from_edges(torch.cat([one, two]), torch.cat([two, one]), (8, 8)), torch.arange(
        8
    ).repeat(2)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("loops", [False, True])
def test_masks_by_undirected_edge_are_compacted_once(rand, count, loops):
    csr, ids = both_ways()
    csr = gcn_norm(csr) if loops else csr
    named, mask = (
        csr.named(ids),
        torch.stack([sample_mask(torch.full((8,), 0.5), 4, k) for k in range(count)]),
    )
    kept = compact(named, mask)
    again = CSR(Pattern(kept.indptr, kept.indices, kept.size))
    shared = kept.pattern.T.indices.data_ptr() == kept.pattern.indices.data_ptr()
    assert shared != loops, (
        "one compaction serves both orientations, unless added loops at the ends of rows make their"
        " orders differ"
    )
    for ours, theirs in (
        (kept.T.indptr, again.T.indptr),
        (kept.T.indices, again.T.indices),
        (kept.pattern.order, again.pattern.order),
    ):
        assert torch.equal(ours, theirs)
    assert torch.equal(
        kept.T.pattern.cache["source"], compact(named.T, mask).pattern.cache["source"]
    )
    weight, x = rand(csr.nnz, grad=True), rand(kept.size[0], 3, grad=True)
    dense = torch.block_diag(
        *[(named.with_value(weight * (m[named.perm] | (named.perm < 0))).to_dense()) for m in mask]
    )
    ours = grad(spmm(compact(named.with_value(weight), mask), x).sin().sum(), (weight, x))
    assert_close(ours, grad((dense @ x).sin().sum(), (weight, x)), rtol=1e-12, atol=1e-12)


def test_masks_that_tell_directions_apart_are_compacted_twice():
    csr, ids = both_ways()
    mask = torch.arange(16) % 3 == 0
    for one in (
        csr,
        csr.named(torch.arange(16)),
        csr.named(ids),
        csr.named(torch.arange(16).flip(0)),
    ):
        kept = compact(one, mask)
        again = CSR(Pattern(kept.indptr, kept.indices, kept.size))
        assert torch.equal(kept.T.indices, again.T.indices)
        assert torch.equal(kept.pattern.order, again.pattern.order)


def test_blocks_are_the_single_masks(square, backend, tolerance, rand):
    mask, x, weight = masks(square, 3), rand(3, square.size[1], 4), rand(square.edges)
    csr = CSR.from_edges(square.row, square.col, square.size, weight)
    together = spmm(compact(csr, mask), x.flatten(0, 1)).view(3, square.size[0], 4)
    assert_close(
        together,
        torch.stack([spmm(compact(csr, m), f) for m, f in zip(mask, x, strict=True)]),
        **tolerance,
    )
    drawn = sample_compact(csr, torch.full((square.edges,), 0.5), 0, range(3))
    assert_close(spmm(drawn, x.flatten(0, 1)).view_as(together), together, **tolerance)


def test_gradients_reach_the_kept_entries(rectangular, backend, tolerance, rand):
    mask, weight, x = (
        masks(rectangular, 1)[0],
        rand(rectangular.edges, grad=True),
        rand(rectangular.size[1], 3, grad=True),
    )

    def ours() -> Tensor:
        return spmm(
            compact(
                CSR.from_edges(rectangular.row, rectangular.col, rectangular.size, weight), mask
            ),
            x,
        )

    def theirs() -> Tensor:
        return rectangular.dense(weight * mask) @ x

    assert_close(
        grad(ours().sin().sum(), (weight, x)), grad(theirs().sin().sum(), (weight, x)), **tolerance
    )


@pytest.mark.parametrize("count", [1, 3])
def test_gradients_to_dropped_edges_on_request(rectangular, backend, tolerance, rand, count):
    mask, weight = masks(rectangular, count), rand(rectangular.edges)
    gate, x = mask.double().requires_grad_(), rand(count * rectangular.size[1], 4, grad=True)
    along = (rand(*gate.shape), rand(*x.shape))
    csr = rectangular.csr
    kept = compact(csr, mask)

    def ours(g: Tensor, t: Tensor) -> Tensor:
        return masked_spmm(csr, kept, t, (g * weight)[:, csr.perm])

    def theirs(g: Tensor, t: Tensor) -> Tensor:
        return torch.cat(
            [
                rectangular.dense(w * weight) @ part
                for w, part in zip(g, t.chunk(count), strict=True)
            ]
        )

    results = []
    for product in (ours, theirs):
        first = grad(product(gate, x).sin().sum(), (gate, x), create_graph=True)
        second = grad(first, (gate, x), along)
        results.append(
            (*first, *second, *torch.func.jvp(product, (gate.detach(), x.detach()), along))
        )
        assert all(g.requires_grad for g in first)
    assert_close(results[0], results[1], **tolerance)
    assert float(results[0][0][~mask].detach().abs().min()) > 0, (
        "dropped edges have a gradient of their own"
    )


def test_masks_made_inside_a_transform(square, backend, tolerance, rand):
    csr, weight, x = square.csr, rand(square.edges), rand(square.size[1], 3)

    def energy(product, w: Tensor) -> Tensor:
        return product(w, sample_mask(w.sigmoid(), 0, 0) & (w > -1)).sin().sum()

    ours = torch.func.grad(
        lambda w: energy(lambda v, keep: spmm(compact(csr.with_value(v[csr.perm]), keep), x), w)
    )(weight)
    theirs = torch.func.grad(lambda w: energy(lambda v, keep: square.dense(v * keep) @ x, w))(
        weight
    )
    assert_close(ours, theirs, **tolerance)


def test_vmap_over_gates_of_one_mask(rectangular, rand):
    mask, csr = masks(rectangular, 1)[0], rectangular.csr
    kept = compact(csr, mask)
    gates, x = mask * rand(3, rectangular.edges), rand(rectangular.size[1], 4)
    ours = torch.vmap(lambda g: masked_spmm(csr, kept, x, g[csr.perm]))(gates)
    assert_close(ours, torch.stack([rectangular.dense(g) @ x for g in gates]))


def test_masked_degrees_are_those_of_the_kept_edges(square):
    mask = masks(square, 1)[0]
    kept = compact(square.csr, mask)
    dense = square.dense(mask.double())
    assert torch.equal(kept.indptr.diff().double(), dense.sum(1))
    both = gcn_norm(kept, self_loops=True)
    assert both.size == square.size


def test_added_self_loops_survive_every_mask(square):
    looped = gcn_norm(square.csr)
    nothing = compact(looped, torch.zeros(square.edges, dtype=torch.bool))
    assert torch.equal(nothing.row, nothing.indices)
    assert nothing.nnz == int((looped.perm < 0).sum())


def test_small_graphs_on_one_diagonal(backend, tolerance, rand):
    sizes = [(2, 3), (4, 1), (3, 3)]
    graphs = [
        CSR.from_edges(torch.tensor([0, r - 1]), torch.tensor([c - 1, 0]), (r, c), rand(2))
        for r, c in sizes
    ]
    dense = torch.block_diag(*[g.to_dense() for g in graphs])
    x = rand(dense.size(1), 5)
    assert_close(spmm(block_diagonal(graphs), x), dense @ x, **tolerance)


def test_bad_masks_are_named(square):
    with pytest.raises(InputError, match="bool"):
        compact(square.csr, torch.ones(square.edges))
    with pytest.raises(InputError, match="every input edge"):
        compact(square.csr, torch.ones(square.edges - 5, dtype=torch.bool))
    with pytest.raises(InputError, match="compact"):
        masked_spmm(square.csr, square.csr, torch.ones(square.size[1], 2), torch.ones(square.edges))
    with pytest.raises(InputError, match="at least one"):
        block_diagonal([])
