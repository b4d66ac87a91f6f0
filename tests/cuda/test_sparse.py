"""Sparse products and filters on the device, every back end, against dense fp64 algebra on
the host.
"""

import pytest
import torch
from torch import Tensor
from torch.autograd import grad

from graphcond.nn import polynomial
from graphcond.sparse import (
    CSR,
    add_self_loops,
    bipartite_norm,
    chebyshev,
    gcn_norm,
    powers,
    scaled_laplacian,
    sddmm,
    spmm,
    to_torch,
    topk,
)
from graphcond.sparse.backends import available, choose, use

pytestmark = pytest.mark.cuda

CASES = [(width, torch.float32) for width in (1, 7, 16, 100, 130)]
CASES += [(width, torch.float64) for width in (7, 16)]
BOUND = {torch.float32: 2e-5, torch.float64: 1e-11}


def near(got: Tensor, wanted: Tensor, bound: float) -> bool:
    """Rounding relative to the largest number of the result, since cancellation can make single
    ones small.
    """
    got, wanted = got.detach().cpu().double(), wanted.detach().double()
    scale = max(1.0, float(wanted.abs().max()) if wanted.numel() else 0.0)
    return got.shape == wanted.shape and bool(((got - wanted).abs() <= bound * scale).all())


def derivatives(product, inputs, directions) -> list[Tensor]:
    """Return the value, the first gradients, the joint Hessian-vector product and the tangent."""
    out = product(*inputs)
    first = grad(0.5 * out.square().sum(), inputs, create_graph=True)
    assert all(part.requires_grad for part in first)
    second = grad(first, inputs, directions)
    tangent = torch.func.jvp(product, tuple(t.detach() for t in inputs), tuple(directions))[1]
    return [out, *first, *second, tangent]


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_products_and_all_derivatives(graph, backend, device, rand, width, dtype):
    shapes = ((graph.row.numel(),), (graph.size[1], width), (graph.size[0], width))
    exact = [rand(*shape).to(dtype).double().requires_grad_() for shape in shapes]
    along = [rand(*shape).to(dtype).double() for shape in shapes]
    csr = graph.on(device)
    assert csr.indptr.dtype == torch.int32

    def ours(weight: Tensor, x: Tensor, z: Tensor) -> Tensor:
        return spmm(csr, x, weight[csr.perm], alpha=2.0, beta=-0.5, z=z)

    def dense(weight: Tensor, x: Tensor, z: Tensor) -> Tensor:
        return 2.0 * graph.dense(weight) @ x - 0.5 * z

    placed = [part.detach().to(device, dtype).requires_grad_() for part in exact]
    got = derivatives(ours, placed, [part.to(device, dtype) for part in along])
    wanted = derivatives(dense, exact, along)
    names = ("value", "dw", "dx", "dz", "hvp w", "hvp x", "hvp z", "tangent")
    wrong = [
        name
        for name, one, other in zip(names, got, wanted, strict=True)
        if not near(one, other, BOUND[dtype])
    ]
    assert not wrong
    assert all(part.device.type == device.type and part.dtype == dtype for part in got)


@pytest.mark.parametrize("width", [1, 16, 100])
def test_inner_products(graph, backend, device, rand, width):
    a, b = rand(graph.size[0], width), rand(graph.size[1], width)
    csr = graph.on(device)
    got = sddmm(csr, a.float().to(device), b.float().to(device))
    wanted = (a @ b.T)[graph.row, graph.col][csr.perm.cpu()]
    assert near(got, wanted, 2e-5)


def test_indices_of_64_bits(hubs, backend, device, rand):
    csr, value, x = hubs.on(device, torch.int64), rand(hubs.row.numel()), rand(13, 18)
    got = spmm(csr, x.float().to(device), value.float().to(device)[csr.perm])
    assert csr.indices.dtype == torch.int64
    assert near(got, hubs.dense(value) @ x, 2e-5)
    assert near(
        sddmm(csr, x[:5].float().to(device), x.float().to(device)),
        (x[:5] @ x.T)[hubs.row, hubs.col][csr.perm.cpu()],
        2e-5,
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", [7, 64])
def test_inputs_of_16_bits_are_added_up_in_32(hubs, backend, device, rand, dtype, width):
    """700 terms near 1: an accumulator of 16 bits would be off by tens of percents."""
    x = (1 + 0.01 * rand(13, width)).to(dtype)
    exact = hubs.dense(torch.ones(hubs.row.numel()).double()) @ x.double()
    got = spmm(hubs.on(device), x.to(device)).cpu()
    assert got.dtype == dtype
    limit = 2 ** (-7 if dtype == torch.bfloat16 else -10)
    assert float((got.double() / exact - 1)[exact > 0].abs().max()) < limit


def test_features_that_are_not_contiguous(square, backend, device, rand):
    weight, wide = rand(square.row.numel()), rand(20, 11)
    csr = square.on(device)
    got = spmm(csr, wide.float().to(device).T[:, ::2], weight.float().to(device)[csr.perm])
    assert near(got, square.dense(weight) @ wide.T[:, ::2], 2e-5)


def test_a_batch_under_vmap(square, backend, device, rand):
    csr, weight, x = square.on(device), rand(square.row.numel()), rand(3, 11, 4)
    value = weight.float().to(device)[csr.perm]
    got = torch.func.vmap(lambda part: spmm(csr, part, value))(x.float().to(device))
    assert near(got, square.dense(weight) @ x, 2e-5)


def test_a_bilevel_program(square, backend, device, rand):
    """The outer gradient to the weights of an inner gradient step."""

    def outer(product, weight: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        (slope,) = grad(0.5 * product(weight, x).square().sum(), x, create_graph=True)
        value = (x - 0.1 * slope).square().sum()
        return value, grad(value, weight)[0]

    weight, x = rand(square.row.numel()), rand(11, 5)
    csr = square.on(device)
    wanted = outer(
        lambda w, h: square.dense(w) @ h,
        weight.clone().requires_grad_(),
        x.clone().requires_grad_(),
    )
    got = outer(
        lambda w, h: spmm(csr, h, w[csr.perm]),
        weight.float().to(device).requires_grad_(),
        x.float().to(device).requires_grad_(),
    )
    assert all(near(one, other, 1e-4) for one, other in zip(got, wanted, strict=True))


def test_a_forced_choice_of_deterministic_algorithms(hubs, device, rand):
    """Triton where it runs; twice the same bits either way."""
    csr, x = hubs.on(device), rand(13, 64).float().to(device)
    value = rand(hubs.row.numel()).float().to(device)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        if device.type == "cuda" and "triton" in available():
            assert choose("spmm", x) == "triton"
        first = spmm(csr, x, value)
        assert all(torch.equal(spmm(csr, x, value), first) for _ in range(4))
    finally:
        torch.use_deterministic_algorithms(before)


def test_triton_repeats_bit_for_bit(hubs, device, rand):
    if "triton" not in available():
        pytest.skip("needs Triton")
    csr, x = hubs.on(device), rand(13, 64).float().to(device)
    value = rand(hubs.row.numel()).float().to(device)
    with use("triton"):
        first, inner = spmm(csr, x, value), sddmm(csr, x[:5], x)
        for _ in range(4):
            assert torch.equal(spmm(csr, x, value), first)
            assert torch.equal(sddmm(csr, x[:5], x), inner)


def test_normalisations(square, device):
    """Values on the device are those of the host."""
    host, here = square.on(torch.device("cpu")), square.on(device)
    for normal in (gcn_norm, bipartite_norm, add_self_loops, lambda c: scaled_laplacian(c, 1.5)):
        assert near(normal(here).to_dense(), normal(host).to_dense(), 1e-6)
    assert near(to_torch(here).to_dense(), to_torch(host).to_dense(), 0.0)


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
def test_polynomial_filters(square, backend, device, rand, basis):
    """Clenshaw's recurrence against the sum of the terms, densely on the host."""
    symmetric = (torch.cat([square.row, square.col]), torch.cat([square.col, square.row]), (11, 11))
    with use("torch"):
        host = scaled_laplacian(CSR.from_edges(*symmetric))
    here = host.to(device)
    x, dense = rand(11, 5), host.to_dense().double()
    coefficients = rand(5, 5)
    terms = [x, dense @ x]
    for _ in range(3):
        last = dense @ terms[-1]
        terms.append(2 * last - terms[-2] if basis == "chebyshev" else last)
    wanted = sum(row * term for row, term in zip(coefficients, terms, strict=True))
    placed = x.float().to(device)
    assert near(
        polynomial(here, placed, coefficients.float().to(device), basis=basis), wanted, 1e-4
    )
    recurrence = chebyshev if basis == "chebyshev" else powers
    for one, other in zip(recurrence(here, placed, 4), terms, strict=True):
        assert near(one, other, 1e-4)


def test_best_items_without_the_known_ones(square, device, rand):
    users, items = rand(11, 5).float(), rand(11, 5).float()
    wanted = topk(users, items, 4, square.on(torch.device("cpu")), block=4)
    got = topk(users.to(device), items.to(device), 4, square.on(device), block=4)
    assert torch.equal(got[1].cpu(), wanted[1])
    assert near(got[0], wanted[0], 1e-5)
