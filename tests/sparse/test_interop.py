"""Every foreign format in and out gives the same matrix back."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch
from scipy import sparse as scipy_sparse
from torch.testing import assert_close
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from graphcond.errors import InputError
from graphcond.sparse import (
    CSR,
    as_csr,
    spmm,
    to_data,
    to_edge_index,
    to_pyg_edge_index,
    to_scipy,
    to_sparse_tensor,
    to_torch,
)


class SparseTensorDouble:
    """The part of torch-sparse's SparseTensor that is used, for machines without it."""

    def __init__(self, row, col, value, sparse_sizes, is_sorted):
        self.parts, self.sizes = (row, col, value), sparse_sizes

    def coo(self):
        return self.parts

    def sparse_sizes(self):
        return self.sizes


@pytest.fixture
def csr(graph, rand):
    return CSR.from_edges(graph.row, graph.col, graph.size, rand(graph.edges))


@pytest.mark.parametrize(
    "out",
    [to_torch, lambda c: to_torch(c, torch.sparse_coo), to_scipy],
    ids=["csr", "coo", "scipy"],
)
def test_matrices_there_and_back(csr, rand, out):
    back = as_csr(out(csr))
    x = rand(csr.size[1], 3)
    assert back.size == csr.size
    assert_close(back.to_dense(), csr.to_dense())
    assert_close(spmm(back, x), spmm(csr, x))
    assert_close(spmm(back.T, rand(csr.size[0], 2)).shape, (csr.size[1], 2))


def test_scipy_formats_and_integer_entries():
    for kind in (scipy_sparse.coo_matrix, scipy_sparse.csc_array, scipy_sparse.csr_matrix):
        back = as_csr(kind([[0, 2, 0], [1, 0, 3]]))
        assert back.to_dense().tolist() == [[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]


def test_sparse_tensor_there_and_back(csr, monkeypatch):
    if importlib.util.find_spec("torch_sparse") is None:
        monkeypatch.setitem(
            sys.modules,
            "torch_sparse",
            SimpleNamespace(SparseTensor=SparseTensorDouble, __spec__=object()),
        )
    assert_close(as_csr(to_sparse_tensor(csr)).to_dense(), csr.to_dense())


def test_absent_torch_sparse_is_named(csr, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_sparse", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="torch-sparse"):
        to_sparse_tensor(csr)


def test_edge_lists_there_and_back(square, rand):
    edge_index, weight = torch.stack([square.col, square.row]), rand(square.edges)
    csr = CSR.from_edge_index(edge_index, 11, weight)
    assert_close(csr.to_dense(), square.dense(weight))
    again, entries = to_edge_index(csr)
    assert_close(CSR.from_edge_index(again, 11, entries).to_dense(), csr.to_dense())
    for source in (
        edge_index,
        EdgeIndex(edge_index, sparse_size=(11, 11)),
        Data(edge_index=edge_index, num_nodes=11),
    ):
        assert_close(as_csr(source, 11).to_dense(), square.dense(torch.ones(square.edges)))
    assert as_csr(EdgeIndex(edge_index, sparse_size=(11, 11))).size == (11, 11)
    assert_close(as_csr(to_data(csr)).to_dense(), csr.to_dense())


def test_pyg_edge_index_is_valid_and_sums_alike(square, rand):
    csr, x = square.csr, rand(11, 3, dtype=torch.float32)
    out = to_pyg_edge_index(csr)
    assert out.validate() is out
    assert_close(out.matmul(x, transpose=True), spmm(csr, x))


def test_unknown_things_are_named(rectangular):
    with pytest.raises(InputError, match="found str"):
        as_csr("graph")
    with pytest.raises(InputError, match="num_nodes"):
        as_csr(torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(InputError, match="layout"):
        to_torch(rectangular.csr, torch.strided)
    with pytest.raises(InputError, match="square"):
        to_data(rectangular.csr)
