"""Sparse products, masks and filters on the device, every back end, against dense fp64 algebra on
the host.
"""

import pytest
import torch
from torch import Tensor
from torch.autograd import grad

from graphcond.sparse import (
    CSR,
    add_self_loops,
    bipartite_norm,
    block_diagonal,
    bpr_losses,
    chebyshev,
    compact,
    gcn_norm,
    masked_spmm,
    polynomial_filter,
    sample_compact,
    sample_mask,
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
    csr = graph.csr(device)
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
    csr = graph.csr(device)
    got = sddmm(csr, a.float().to(device), b.float().to(device))
    wanted = (a @ b.T)[graph.row, graph.col][csr.perm.cpu()]
    assert near(got, wanted, 2e-5)


def test_indices_of_64_bits(hubs, backend, device, rand):
    csr, value, x = hubs.csr(device, torch.int64), rand(hubs.row.numel()), rand(13, 18)
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
    got = spmm(hubs.csr(device), x.to(device)).cpu()
    assert got.dtype == dtype
    limit = 2 ** (-7 if dtype == torch.bfloat16 else -10)
    assert float((got.double() / exact - 1)[exact > 0].abs().max()) < limit


def test_features_that_are_not_contiguous(square, backend, device, rand):
    weight, wide = rand(square.row.numel()), rand(20, 11)
    csr = square.csr(device)
    got = spmm(csr, wide.float().to(device).T[:, ::2], weight.float().to(device)[csr.perm])
    assert near(got, square.dense(weight) @ wide.T[:, ::2], 2e-5)


def test_a_batch_under_vmap(square, backend, device, rand):
    csr, weight, x = square.csr(device), rand(square.row.numel()), rand(3, 11, 4)
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
    csr = square.csr(device)
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
    csr, x = hubs.csr(device), rand(13, 64).float().to(device)
    value = rand(hubs.row.numel()).float().to(device)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        if device.type == "cuda" and "triton" in available():
            assert choose(csr.pattern, x) == "triton"
        first = spmm(csr, x, value)
        assert all(torch.equal(spmm(csr, x, value), first) for _ in range(4))
    finally:
        torch.use_deterministic_algorithms(before)


def test_triton_repeats_bit_for_bit(hubs, device, rand):
    if "triton" not in available():
        pytest.skip("needs Triton")
    csr, x = hubs.csr(device), rand(13, 64).float().to(device)
    value = rand(hubs.row.numel()).float().to(device)
    with use("triton"):
        first, inner = spmm(csr, x, value), sddmm(csr, x[:5], x)
        for _ in range(4):
            assert torch.equal(spmm(csr, x, value), first)
            assert torch.equal(sddmm(csr, x[:5], x), inner)


@pytest.mark.parametrize("named", [False, True])
def test_masks_have_the_same_bits_everywhere(device, named):
    probs = torch.linspace(0, 1, 70_000)
    ids = torch.arange(probs.numel()).flip(0) * 7 if named else None
    for stream in (0, 5):
        wanted = sample_mask(probs, 3, stream, ids)
        got = sample_mask(probs.to(device), 3, stream, None if ids is None else ids.to(device))
        assert torch.equal(got.cpu(), wanted)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_compacted_masks_are_those_of_the_host(hubs, backend, device, named, count):
    edges = hubs.row.numel()
    probs = torch.linspace(0, 1, edges)
    ids = torch.arange(edges).flip(0) * 7 if named else None
    with use("torch"):
        wanted = sample_compact(hubs.csr(torch.device("cpu")), probs, 3, range(count), ids)
    placed = None if ids is None else ids.to(device)
    got = sample_compact(hubs.csr(device), probs.to(device), 3, range(count), placed)
    for one, other in ((got.trim(), wanted), (got.T.trim(), wanted.T)):
        for part in ("indptr", "indices", "perm"):
            assert torch.equal(getattr(one, part).cpu().long(), getattr(other, part).long()), part


def test_propagation_over_masks_and_its_gradients(hubs, backend, device, rand):
    """K masks side by side; entries and features learn, dropped entries get nothing."""
    weight, x = rand(hubs.row.numel()), rand(26, 6)
    mask = torch.stack([sample_mask(torch.full_like(weight, 0.4), 0, k) for k in range(2)])

    def dense(w: Tensor, h: Tensor) -> Tensor:
        return torch.block_diag(*[hubs.dense(w * keep) for keep in mask]) @ h

    csr = hubs.csr(device)

    def ours(w: Tensor, h: Tensor) -> Tensor:
        return spmm(compact(csr.with_value(w[csr.perm]), mask.to(device)), h)

    exact = [weight.clone().requires_grad_(), x.clone().requires_grad_()]
    placed = [part.detach().float().to(device).requires_grad_() for part in exact]
    wanted, got = dense(*exact), ours(*placed)
    assert near(got, wanted, 2e-5)
    for one, other in zip(
        grad(got.sin().sum(), placed), grad(wanted.sin().sum(), exact), strict=True
    ):
        assert near(one, other, 1e-4)


def test_gradients_reach_dropped_edges(square, backend, device, rand):
    weight, x = rand(square.row.numel()), rand(11, 6)
    mask = sample_mask(torch.full_like(weight, 0.5), 0, 0)
    exact = (weight * mask).requires_grad_()
    wanted = square.dense(exact) @ x
    csr = square.csr(device)
    gate = (weight * mask)[csr.perm.cpu()].float().to(device).requires_grad_()
    kept = compact(csr, mask.to(device))
    got = masked_spmm(csr, kept, x.float().to(device), gate)
    assert near(got, wanted, 2e-5)
    slope = grad(got.square().sum(), gate)[0]
    assert near(slope, grad(wanted.square().sum(), exact)[0][csr.perm.cpu()], 1e-4)
    assert bool((slope.cpu()[~mask[csr.perm.cpu()]] != 0).any())


def test_normalisations(square, device):
    """Values on the device are those of the host."""
    host, here = square.csr(torch.device("cpu")), square.csr(device)
    for normal in (gcn_norm, bipartite_norm, add_self_loops, lambda c: scaled_laplacian(c, 1.5)):
        assert near(normal(here).to_dense(), normal(host).to_dense(), 1e-6)
    assert near(to_torch(here).to_dense(), to_torch(host).to_dense(), 0.0)
    blocks = block_diagonal([here, here])
    assert near(blocks.to_dense(), torch.block_diag(*[host.to_dense()] * 2), 0.0)


@pytest.mark.parametrize("order", [3, 9])
def test_polynomial_filters(square, backend, device, rand, order):
    make = [square.csr(torch.device("cpu")), square.csr(device)]
    symmetric = [
        CSR.from_edges(torch.cat([c.row, c.indices]), torch.cat([c.indices, c.row]), (11, 11))
        for c in make
    ]
    host, here = (scaled_laplacian(csr) for csr in symmetric)
    x, lam = rand(11, 5), rand(4, order + 1)
    dense = host.to_dense().double()
    terms = [x, dense @ x]
    for _ in range(order - 1):
        terms.append(2 * dense @ terms[-1] - terms[-2])
    leaves = (x.clone().requires_grad_(), lam.clone().requires_grad_())
    stacked = [leaves[0], dense @ leaves[0]]
    for _ in range(order - 1):
        stacked.append(2 * dense @ stacked[-1] - stacked[-2])
    wanted = torch.einsum("knf,bk->nbf", torch.stack(stacked), leaves[1])
    placed = [part.detach().float().to(device).requires_grad_() for part in leaves]
    got = polynomial_filter(here, *placed)
    assert near(got, wanted, 1e-4)
    for one, other in zip(
        grad(got.square().sum(), placed), grad(wanted.square().sum(), leaves), strict=True
    ):
        assert near(one, other, 1e-3)
    for one, other in zip(chebyshev(here, placed[0].detach(), order), terms, strict=True):
        assert near(one, other, 1e-4)


def test_ranking_losses(backend, device, rand):
    users, items = rand(6, 9), rand(8, 9)
    make = torch.Generator().manual_seed(0)
    triples = [torch.randint(0, high, (40,), generator=make) for high in (6, 8, 8)]
    exact = (users.clone().requires_grad_(), items.clone().requires_grad_())
    gap = exact[1][triples[1]] - exact[1][triples[2]]
    wanted = torch.nn.functional.softplus(-(exact[0][triples[0]] * gap).sum(1))
    for fixed in (True, False):
        placed = [part.detach().float().to(device).requires_grad_() for part in exact]
        got = bpr_losses(*placed, tuple(part.to(device) for part in triples), fixed)
        assert near(got, wanted, 1e-4)
        for one, other in zip(
            grad(got.sum(), placed), grad(wanted.sum(), exact, retain_graph=True), strict=True
        ):
            assert near(one, other, 1e-4)


def test_best_items_without_the_known_ones(square, device, rand):
    users, items = rand(11, 5).float(), rand(11, 5).float()
    wanted = topk(users, items, 4, square.csr(torch.device("cpu")), block=4)
    got = topk(users.to(device), items.to(device), 4, square.csr(device), block=4)
    assert torch.equal(got[1].cpu(), wanted[1])
    assert near(got[0], wanted[0], 1e-5)
