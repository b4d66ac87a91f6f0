"""Changing the back end changes results by rounding only: drawn graphs, every back end here,
against fp64 dense algebra.
"""

import os

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.autograd import grad

from graphcond.sparse import CSR, sddmm, spmm
from graphcond.sparse.backends import available, use

BACKENDS = [
    pytest.param(name, marks=pytest.mark.triton if name == "triton" else ()) for name in available()
]
EXAMPLES = 8 if os.environ.get("TRITON_INTERPRET") == "1" else 25
BOUND = {torch.float32: 1e-5, torch.float64: 1e-12}


@st.composite
def programs(draw):
    """A graph with whatever repeats and gaps chance gives, features of an awkward width, two
    factors, index and number types.
    """
    rows, cols = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    edges = draw(
        st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, cols - 1)), max_size=30)
    )
    index = draw(st.sampled_from([torch.int32, torch.int64]))
    row, col = torch.tensor(edges, dtype=index).view(-1, 2).unbind(1)
    width = draw(st.sampled_from([1, 3, 7, 16, 33, 100, 130]))
    factors = draw(st.tuples(*[st.sampled_from([1.0, 2.0, -1.0, 1 / 3, 0.1])] * 2))
    return (
        row,
        col,
        (rows, cols),
        width,
        factors,
        draw(st.sampled_from(list(BOUND))),
        draw(st.integers(0, 99)),
    )


def close(got: Tensor, wanted: Tensor, bound: float, scale: float) -> bool:
    """Rounding relative to the largest number of the result (and to 1), since cancellation can make
    single ones small.
    """
    return bool(((got.double() - wanted).abs() <= bound * scale).all())


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(program=programs())
def test_values_gradients_and_curvature_round_only(backend, program):
    row, col, size, width, (alpha, beta), dtype, seed = program
    make = torch.Generator().manual_seed(seed)
    shapes = ((row.numel(),), (size[1], width), (size[0], width))
    exact = [
        torch.randn(*shape, generator=make).to(dtype).double().requires_grad_() for shape in shapes
    ]
    leaves = [part.detach().to(dtype).requires_grad_() for part in exact]
    along = [torch.randn(*shape, generator=make).to(dtype).double() for shape in shapes]
    csr = CSR.from_edges(row, col, size)

    def ours(weight: Tensor, x: Tensor, z: Tensor) -> Tensor:
        return spmm(csr, x, weight[csr.perm], alpha=alpha, beta=beta, z=z)

    def dense(weight: Tensor, x: Tensor, z: Tensor) -> Tensor:
        matrix = torch.zeros(size, dtype=torch.float64).index_put(
            (row.long(), col.long()), weight, accumulate=True
        )
        return alpha * matrix @ x + beta * z

    def everything(product, inputs, directions) -> list[Tensor]:
        out = product(*inputs)
        first = grad(0.5 * out.square().sum(), inputs, create_graph=True)
        second = grad(first, inputs, directions)
        tangent = torch.func.jvp(product, tuple(t.detach() for t in inputs), tuple(directions))[1]
        return [out, *first, *second, tangent]

    with use(backend):
        got = everything(ours, leaves, [part.to(dtype) for part in along])
    for one, other in zip(got, everything(dense, exact, along), strict=True):
        scale = max(1.0, float(other.detach().abs().max()) if other.numel() else 0.0)
        assert close(one, other, BOUND[dtype], scale)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(program=programs())
def test_inner_products_round_only(backend, program):
    row, col, size, width, _, dtype, seed = program
    make = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(count, width, generator=make).to(dtype) for count in size)
    csr = CSR.from_edges(row, col, size)
    with use(backend):
        products = sddmm(csr, a, b)
    wanted = (a.double() @ b.double().T)[row.long(), col.long()][csr.perm]
    assert close(products, wanted, BOUND[dtype], max(1.0, width**0.5))
