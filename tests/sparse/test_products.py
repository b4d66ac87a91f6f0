"""spmm and sddmm against the dense product: every back end, every oddity, every order of
derivative.
"""

import pytest
import torch
from torch import Tensor
from torch.autograd import grad
from torch.testing import assert_close

from graphcond.sparse import CSR, sddmm, spmm


def sparse_energy(graph, weight: Tensor, x: Tensor) -> Tensor:
    csr = graph.csr
    return spmm(csr, x, weight[csr.perm], alpha=1.5).sin().sum()


def dense_energy(graph, weight: Tensor, x: Tensor) -> Tensor:
    return (1.5 * graph.dense(weight) @ x).sin().sum()


@pytest.mark.parametrize("width", [1, 7, 16, 100, 130])
def test_forward_has_the_dense_value_at_every_width(graph, backend, tolerance, rand, width):
    weight, x, z = rand(graph.edges), rand(graph.size[1], width), rand(graph.size[0], width)
    csr = graph.csr
    assert_close(
        spmm(csr, x, weight[csr.perm], alpha=1 / 3, beta=-0.1, z=z),
        graph.dense(weight) @ x / 3 - 0.1 * z,
        **tolerance,
    )


@pytest.mark.parametrize("width", [1, 7, 16, 100, 130, 1030])
def test_single_precision_rounds_only(graph, backend, rand, width):
    weight, x, z = (
        rand(*shape, dtype=torch.float32)
        for shape in ((graph.edges,), (graph.size[1], width), (graph.size[0], width))
    )
    csr = graph.csr
    exact = 0.5 * graph.dense(weight.double()) @ x.double() - 2 * z
    for out in (
        spmm(csr, x, weight[csr.perm], alpha=0.5, beta=-2.0, z=z),
        spmm(csr, x, 0.5 * weight[csr.perm], beta=-2.0, z=z),
        spmm(csr, x, weight[csr.perm], alpha=0.5) - 2 * z,
    ):
        assert_close(out.double(), exact, rtol=1e-5, atol=1e-5 * max(1.0, float(exact.abs().max())))


def test_pattern_without_entries_counts_as_ones(graph, backend, tolerance, rand):
    x = rand(graph.size[1], 5, grad=True)
    out = spmm(graph.csr, x)
    dense = graph.dense(torch.ones(graph.edges, dtype=torch.float64))
    assert_close(out, dense @ x, **tolerance)
    assert_close(grad(out.sin().sum(), x)[0], dense.T @ out.cos(), **tolerance)


def test_transpose_is_the_dense_transpose_and_back(graph, backend, tolerance, rand):
    weight, x = rand(graph.edges), rand(graph.size[0], 3)
    csr = CSR.from_edges(graph.row, graph.col, graph.size, weight)
    assert_close(spmm(csr.T, x), graph.dense(weight).T @ x, **tolerance)
    assert_close(csr.T.value, weight[csr.T.perm], rtol=0, atol=0)
    assert_close(csr.T.T.value, csr.value, rtol=0, atol=0)
    assert_close(csr.T.T.indices, csr.indices, rtol=0, atol=0)


def test_sddmm_has_the_dense_value(graph, backend, tolerance, rand):
    a, b = rand(graph.size[0], 19), rand(graph.size[1], 19)
    csr = graph.csr
    assert_close(sddmm(csr, a, b), (a @ b.T)[csr.row.long(), csr.indices.long()], **tolerance)


def test_first_gradients_are_dense_and_can_be_differentiated_again(graph, backend, tolerance, rand):
    weight, x = rand(graph.edges, grad=True), rand(graph.size[1], 7, grad=True)
    ours = grad(sparse_energy(graph, weight, x), (weight, x), create_graph=True)
    theirs = grad(dense_energy(graph, weight, x), (weight, x), create_graph=True)
    assert all(g.requires_grad for g in ours), (
        "gradgradcheck drops outputs without it, so it is asserted here"
    )
    assert_close(ours, theirs, **tolerance)


def test_joint_hessian_vector_product_is_dense(graph, backend, tolerance, rand):
    weight, x = rand(graph.edges, grad=True), rand(graph.size[1], 7, grad=True)
    along = (rand(graph.edges), rand(graph.size[1], 7))
    results = []
    for energy in (sparse_energy, dense_energy):
        first = grad(energy(graph, weight, x), (weight, x), create_graph=True)
        results.append(grad(first, (weight, x), along))
    assert_close(results[0], results[1], **tolerance)


def test_forward_mode_and_forward_over_reverse(graph, backend, tolerance, rand):
    point = (rand(graph.edges), rand(graph.size[1], 4))
    along = (rand(graph.edges), rand(graph.size[1], 4))
    for transform in (lambda f: f, lambda f: torch.func.grad(f, argnums=(0, 1))):
        ours = torch.func.jvp(transform(lambda w, x: sparse_energy(graph, w, x)), point, along)
        theirs = torch.func.jvp(transform(lambda w, x: dense_energy(graph, w, x)), point, along)
        assert_close(ours, theirs, **tolerance)


def test_dual_numbers_pass_without_gradients_too(rectangular, backend, tolerance, rand):
    """Forward mode works under no_grad, where the short cut for untracked calls must not be
    taken.
    """
    csr, weight, x, z = rectangular.csr, rand(rectangular.edges), rand(6, 3), rand(9, 3)
    dot_weight, dot_x, dot_z = rand(rectangular.edges), rand(6, 3), rand(9, 3)
    with torch.no_grad(), torch.autograd.forward_ad.dual_level():
        duals = [
            torch.autograd.forward_ad.make_dual(p, d)
            for p, d in ((weight, dot_weight), (x, dot_x), (z, dot_z))
        ]
        out = spmm(csr, duals[1], duals[0][csr.perm], alpha=2.0, beta=0.5, z=duals[2])
        tangent = torch.autograd.forward_ad.unpack_dual(out).tangent
        only_z = torch.autograd.forward_ad.unpack_dual(
            spmm(csr, x, weight[csr.perm], beta=0.5, z=duals[2])
        ).tangent
    wanted = (
        2 * (rectangular.dense(dot_weight) @ x + rectangular.dense(weight) @ dot_x) + 0.5 * dot_z
    )
    assert_close(tangent, wanted, **tolerance)
    assert_close(only_z, 0.5 * dot_z, **tolerance)


def test_tangent_equal_to_the_point_is_not_lost(square, backend, tolerance, rand):
    x = rand(square.size[1], 3)
    _, tangent = torch.func.jvp(lambda t: spmm(square.csr, t), (x,), (x,))
    assert_close(tangent, spmm(square.csr, x), **tolerance)


def test_sddmm_derivatives_of_both_modes_and_orders(rectangular, backend, tolerance, rand):
    csr = rectangular.csr
    shapes = [(rectangular.size[0], 5), (rectangular.size[1], 5)]
    point, along = tuple(rand(*s) for s in shapes), tuple(rand(*s) for s in shapes)

    def ours(a: Tensor, b: Tensor) -> Tensor:
        return sddmm(csr, a, b).sin().sum()

    def theirs(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T)[csr.row.long(), csr.indices.long()].sin().sum()

    for function in (torch.func.grad, lambda f, argnums: torch.func.hessian(f, argnums)):
        assert_close(
            function(ours, argnums=(0, 1))(*point),
            function(theirs, argnums=(0, 1))(*point),
            **tolerance,
        )
    assert_close(
        torch.func.jvp(ours, point, along), torch.func.jvp(theirs, point, along), **tolerance
    )


@pytest.mark.parametrize("in_dims", [(None, 0), (0, None), (0, 0), (1, 2)])
def test_vmap_over_entries_and_features(rectangular, backend, tolerance, rand, in_dims):
    weight = rand(rectangular.edges) if in_dims[0] is None else rand(3, rectangular.edges)
    x = rand(rectangular.size[1], 4) if in_dims[1] is None else rand(3, rectangular.size[1], 4)
    weight = weight.movedim(0, in_dims[0]) if in_dims[0] else weight
    x = x.movedim(0, in_dims[1]) if in_dims[1] else x
    for transform in (lambda f: f, lambda f: torch.func.grad(f, argnums=(0, 1))):
        ours = torch.vmap(transform(lambda w, t: sparse_energy(rectangular, w, t)), in_dims)(
            weight, x
        )
        theirs = torch.vmap(transform(lambda w, t: dense_energy(rectangular, w, t)), in_dims)(
            weight, x
        )
        assert_close(ours, theirs, **tolerance)


def test_vmap_of_sddmm(rectangular, backend, tolerance, rand):
    csr, a, b = rectangular.csr, rand(3, rectangular.size[0], 4), rand(rectangular.size[1], 4)
    ours = torch.vmap(lambda left: sddmm(csr, left, b))(a)
    assert_close(ours, torch.stack([sddmm(csr, left, b) for left in a]), **tolerance)


def test_bilevel_program_has_the_dense_hypergradient(square, backend, tolerance, rand):
    """Unrolled inner steps on x, outer gradient to the edge weights: where torch-sparse is silently
    wrong.
    """
    start, target = rand(square.size[1], 3), rand(square.size[0], 3)

    def hypergradient(product) -> Tensor:
        weight, x = (0.3 * rand(square.edges)).detach(), start.clone().requires_grad_()
        weight = torch.linspace(-0.5, 0.5, square.edges, dtype=torch.float64).requires_grad_()
        for _ in range(3):
            inner = (product(weight, x).tanh() - target).square().sum() + 0.1 * x.square().sum()
            x = x - 0.05 * grad(inner, x, create_graph=True)[0]
        return grad((product(weight, x) - target).square().sum(), weight)[0]

    csr = square.csr
    ours = hypergradient(lambda w, x: spmm(csr, x, w[csr.perm]))
    theirs = hypergradient(lambda w, x: square.dense(w) @ x)
    assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_inputs_need_not_be_contiguous(rectangular, backend, tolerance, rand):
    weight, x = rand(rectangular.edges * 2)[::2], rand(6, rectangular.size[1]).T
    assert not x.is_contiguous()
    csr = rectangular.csr
    entries = torch.stack([weight, weight], 1)[csr.perm][:, 0]
    assert_close(spmm(csr, x, entries), rectangular.dense(weight) @ x, **tolerance)
    a = rand(12, rectangular.size[0]).T[:, ::2]
    assert_close(sddmm(csr, a, x), sddmm(csr, a.contiguous(), x.contiguous()), **tolerance)
    expanded = rand(1, 6).expand(rectangular.size[1], 6)
    assert_close(
        spmm(csr, expanded, weight[csr.perm]), rectangular.dense(weight) @ expanded, **tolerance
    )


def test_batches_and_vectors_are_the_same_product(rectangular, backend, tolerance, rand):
    csr, batch, z = (
        rectangular.csr,
        rand(3, rectangular.size[1], 4, grad=True),
        rand(3, rectangular.size[0], 4),
    )
    out = spmm(csr, batch, alpha=2.0, beta=0.5, z=z)
    assert_close(
        out,
        torch.stack(
            [spmm(csr, x, alpha=2.0, beta=0.5, z=b) for x, b in zip(batch, z, strict=True)]
        ),
        **tolerance,
    )
    grad(out.sum(), batch)
    assert_close(spmm(csr, batch[0, :, 0]), spmm(csr, batch[0])[:, 0], **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_road_to_the_kernel_gives_the_same_bits(square, backend, rand, dtype):
    """Untracked, recorded and transformed calls take different shortcuts around autograd."""
    csr, weight, x = (
        square.csr,
        rand(square.edges, dtype=dtype),
        rand(square.size[1], 5, dtype=dtype),
    )
    z, leaves = (
        torch.zeros(square.size[0], 5, dtype=dtype),
        [t.clone().requires_grad_() for t in (weight, x)],
    )
    for product, checked in (
        (spmm(csr, x, weight), spmm(csr, x, weight, beta=1.0, z=z)),
        (sddmm(csr, x, x), sddmm(csr, x, x.double())),
    ):
        assert not product.requires_grad
        assert_close(product, checked.to(dtype))
    assert torch.equal(spmm(csr, leaves[1], leaves[0]), spmm(csr, x, weight))
    assert torch.equal(sddmm(csr, leaves[1], x), sddmm(csr, x, x))
    assert torch.equal(
        torch.func.vjp(lambda w, t: spmm(csr, t, w), weight, x)[0], spmm(csr, x, weight)
    )
    assert torch.equal(torch.func.vjp(lambda t: sddmm(csr, t, t), x)[0], sddmm(csr, x, x))


def test_results_repeat_bit_for_bit(square, backend, rand):
    csr, weight, x = (
        square.csr,
        rand(square.edges, grad=True, dtype=torch.float32),
        rand(square.size[1], 33, grad=True, dtype=torch.float32),
    )
    runs = []
    for _ in range(3):
        out = spmm(csr, x, weight[csr.perm])
        runs.append((out, *grad(out.sin().sum(), (weight, x))))
    for other in runs[1:]:
        assert all(torch.equal(one, two) for one, two in zip(runs[0], other, strict=True))


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)]
)
def test_narrow_floats_stay_near_fp64(rectangular, backend, rand, dtype, bound):
    weight, x = rand(rectangular.edges), rand(rectangular.size[1], 16)
    csr = rectangular.csr
    exact = rectangular.dense(weight) @ x
    out = spmm(csr, x.to(dtype), weight.to(dtype)[csr.perm])
    assert out.dtype == dtype
    assert float((out.double() - exact).abs().max() / exact.abs().max()) < bound


def test_mixed_types_meet_in_the_wider(rectangular, rand):
    csr = rectangular.csr
    out = spmm(csr, rand(rectangular.size[1], 2, dtype=torch.float32), rand(rectangular.edges))
    assert out.dtype == torch.float64
