"""Normalisations against PyG and against dense algebra, gradients to the weights included."""

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close
from torch_geometric.nn.conv.gcn_conv import gcn_norm as pyg_gcn_norm

from graphcond.errors import InputError
from graphcond.sparse import CSR, bipartite_norm, degree, gcn_norm, scaled_laplacian


def plain(square) -> torch.Tensor:
    """Edges without self-loops and repeats, where all libraries agree on the meaning."""
    edges = torch.stack([square.row, square.col])
    return torch.unique(edges[:, square.row != square.col], dim=1)


@pytest.mark.parametrize("self_loops", [True, False])
def test_gcn_norm_is_pygs(square, self_loops):
    edge_index = plain(square)
    weight = torch.linspace(0.5, 2, edge_index.size(1), dtype=torch.float64)
    ours = gcn_norm(CSR.from_edge_index(edge_index, 11, weight), self_loops)
    index, value = pyg_gcn_norm(edge_index, weight, 11, add_self_loops=self_loops)
    assert_close(ours.to_dense(), CSR.from_edge_index(index, 11, value).to_dense())


def test_existing_self_loops_keep_their_weight():
    edge_index, weight = torch.tensor([[0, 0], [0, 1]]), torch.tensor([3.0, 1.0])
    ours = gcn_norm(CSR.from_edge_index(edge_index, 2, weight))
    index, value = pyg_gcn_norm(edge_index, weight, 2)
    assert_close(ours.to_dense(), CSR.from_edge_index(index, 2, value).to_dense())


def test_gradients_to_weights_go_through_the_degrees(square, rand):
    edge_index = plain(square)
    weight = torch.linspace(0.5, 2, edge_index.size(1), dtype=torch.float64).requires_grad_()
    mix, along = rand(11, 11), torch.linspace(-1, 1, weight.numel(), dtype=torch.float64)

    def dense() -> torch.Tensor:
        full = torch.zeros(11, 11, dtype=torch.float64).index_put(
            (edge_index[1], edge_index[0]), weight
        ) + torch.eye(11, dtype=torch.float64)
        root = full.sum(1).rsqrt()
        return (root[:, None] * full * root[None] * mix).sin().sum()

    def ours() -> torch.Tensor:
        return (gcn_norm(CSR.from_edge_index(edge_index, 11, weight)).to_dense() * mix).sin().sum()

    first = [grad(f(), weight, create_graph=True)[0] for f in (ours, dense)]
    assert_close(first[0], first[1])
    assert_close(*[grad(g, weight, along)[0] for g in first])


@pytest.mark.parametrize("lambda_max", [2.0, 1.5])
def test_scaled_laplacian_is_the_dense_one(square, lambda_max):
    edge_index = plain(square)
    edge_index = torch.unique(torch.cat([edge_index, edge_index.flip(0)], 1), dim=1)
    csr = CSR.from_edge_index(edge_index, 11)
    adjacency = csr.to_dense()
    root = adjacency.sum(1).clamp(min=1e-30).rsqrt() * (adjacency.sum(1) > 0)
    laplacian = torch.eye(11) - root[:, None] * adjacency * root[None]
    ours = scaled_laplacian(csr, lambda_max).to_dense()
    assert_close(ours, 2 * laplacian / lambda_max - torch.eye(11))
    if lambda_max == 2.0:
        assert scaled_laplacian(csr).nnz == csr.nnz
        assert float(torch.linalg.eigvalsh(ours).abs().max()) <= 1 + 1e-5


def test_bipartite_norm_and_degrees(rectangular, rand):
    weight = rand(rectangular.edges).abs()
    csr = CSR.from_edges(rectangular.row, rectangular.col, rectangular.size, weight)
    dense = csr.to_dense()
    left, right = (d.clamp(min=1e-300).rsqrt() * (d > 0) for d in (dense.sum(1), dense.sum(0)))
    assert_close(degree(csr), dense.sum(1))
    assert_close(
        degree(rectangular.csr, torch.float64), rectangular.dense(torch.ones_like(weight)).sum(1)
    )
    assert_close(bipartite_norm(csr).to_dense(), left[:, None] * dense * right[None])


def test_rectangular_matrices_are_refused_where_they_make_no_sense(rectangular):
    with pytest.raises(InputError, match="bipartite_norm"):
        gcn_norm(rectangular.csr)
    with pytest.raises(InputError, match="lambda_max"):
        scaled_laplacian(rectangular.csr, -1.0)
