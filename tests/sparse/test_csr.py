"""Building a CSR: order, index types, permutation, views, bad input."""

import pytest
import torch

from graphcond.errors import InputError
from graphcond.sparse import CSR, spmm


def test_entries_lie_by_row_then_column_then_input_order():
    csr = CSR.from_edges(torch.tensor([2, 0, 2, 2]), torch.tensor([1, 1, 0, 1]), (3, 2))
    assert csr.indptr.tolist() == [0, 1, 1, 4]
    assert csr.indices.tolist() == [1, 0, 1, 1]
    assert csr.perm.tolist() == [1, 2, 0, 3]
    assert csr.row.tolist() == [0, 2, 2, 2]
    assert csr.T.perm.tolist() == [2, 1, 0, 3]


def test_sorted_edges_need_no_sorting_and_are_copied(square):
    """The same matrix from sorted edges as from shuffled ones; the caller keeps its tensors."""
    order = torch.argsort(square.row * 11 + square.col, stable=True)
    row, col = square.row[order].int(), square.col[order].int()
    weight = torch.arange(row.numel()).double().requires_grad_()
    csr, shuffled = CSR.from_edges(row, col, (11, 11), weight), square.csr
    assert torch.equal(csr.indptr, shuffled.indptr)
    assert torch.equal(csr.indices, shuffled.indices)
    assert torch.equal(csr.perm, torch.arange(row.numel()))
    assert torch.equal(order[csr.T.perm], shuffled.T.perm)
    known, entries = csr.indices.clone(), csr.value.clone()
    col.zero_()
    with torch.no_grad():
        weight.zero_()
    assert torch.equal(csr.indices, known)
    assert torch.equal(csr.value, entries)
    assert csr.value.requires_grad


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_indices_are_int32_and_perm_int64(dtype):
    csr = CSR.from_edges(
        torch.tensor([0, 1], dtype=dtype), torch.tensor([1, 0], dtype=dtype), (2, 2)
    )
    assert (csr.indptr.dtype, csr.indices.dtype, csr.perm.dtype) == (
        torch.int32,
        torch.int32,
        torch.int64,
    )


def test_int64_patterns_multiply_too(square, rand):
    from graphcond.sparse.pattern import Pattern

    csr = square.csr
    wide = CSR(Pattern(csr.indptr.long(), csr.indices.long(), csr.size))
    x = rand(square.size[1], 3, grad=True)
    assert torch.equal(spmm(wide, x), spmm(csr, x))
    assert wide.T.indices.dtype == torch.int64


def test_edge_index_rows_are_targets():
    csr = CSR.from_edge_index(torch.tensor([[0, 0], [1, 2]]), 3, torch.tensor([2.0, 3.0]))
    assert spmm(csr, torch.tensor([1.0, 0.0, 0.0])).tolist() == [0.0, 2.0, 3.0]


def test_transpose_and_permutation_are_built_once(square):
    csr = square.csr
    assert csr.T is csr.T
    assert csr.T.indices.data_ptr() == csr.with_value(torch.ones(csr.nnz)).T.indices.data_ptr()
    assert csr.T.T.indices.data_ptr() == csr.indices.data_ptr()
    assert csr.row.data_ptr() == csr.row.data_ptr()


def test_memory_of_a_dropped_matrix_goes_at_once(square):
    import gc
    import weakref

    gc.disable()
    try:
        csr = square.csr
        gone = weakref.ref(csr.T.pattern.indices)
        del csr
        assert gone() is None, "a reference cycle would keep masks alive until the collector runs"
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("row", "col", "size", "law"),
    [
        (torch.tensor([0.0]), torch.tensor([0]), (1, 1), "integer"),
        (torch.tensor([0, 1]), torch.tensor([0]), (2, 2), "one shape"),
        (torch.tensor([2]), torch.tensor([0]), (2, 2), "row < 2"),
        (torch.tensor([0]), torch.tensor([-1]), (2, 2), "0 <= col"),
    ],
)
def test_bad_coordinates_are_named(row, col, size, law):
    with pytest.raises(InputError, match=law):
        CSR.from_edges(row, col, size)


def test_bad_shapes_are_named(rectangular):
    csr = rectangular.csr
    with pytest.raises(InputError, match="nnz"):
        csr.with_value(torch.ones(3))
    with pytest.raises(InputError, match="csr.T"):
        spmm(csr, torch.ones(rectangular.size[0], 2))
    with pytest.raises(InputError, match="floating point"):
        spmm(csr, torch.ones(rectangular.size[1], 2, dtype=torch.long))
    with pytest.raises(InputError, match="result"):
        spmm(csr, torch.ones(rectangular.size[1], 2), beta=1.0, z=torch.ones(2))
    with pytest.raises(InputError, match="edge_index"):
        CSR.from_edge_index(torch.ones(3, 2, dtype=torch.long), 4)


def test_repr_says_what_it_is(square):
    assert repr(square.csr) == f"CSR(size=(11, 11), nnz={square.edges}, value=pattern, device=cpu)"
