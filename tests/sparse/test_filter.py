"""B filters at once against dense polynomials; gradients of both orders; nothing kept between the
passes.
"""

import pytest
import torch
from torch import Tensor
from torch.autograd import grad
from torch.testing import assert_close

from graphcond.errors import InputError
from graphcond.sparse import polynomial_filter


def dense_filter(operator: Tensor, x: Tensor, lam: Tensor, basis: str) -> Tensor:
    terms = [x, operator @ x]
    for _ in range(lam.size(1) - 2):
        terms.append(
            2 * operator @ terms[-1] - terms[-2] if basis == "chebyshev" else operator @ terms[-1]
        )
    return torch.einsum("knf,bk->nbf", torch.stack(terms[: lam.size(1)]), lam)


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
@pytest.mark.parametrize("order", [0, 1, 2, 8])
def test_values_gradients_and_curvature(square, backend, rand, basis, order):
    weight = 0.1 * rand(square.edges)
    csr = square.csr.with_value(weight[square.csr.perm])
    x, lam = rand(11, 3, grad=True), rand(4, order + 1, grad=True)
    along = (rand(11, 3), rand(4, order + 1))
    results = []
    for out in (
        polynomial_filter(csr, x, lam, basis),
        dense_filter(square.dense(weight), x, lam, basis),
    ):
        first = grad(out.sin().sum(), (x, lam), create_graph=True)
        results.append((out, *first, *grad(first, (x, lam), along)))
    assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)


def test_learned_operators_take_autograds_way(square, backend, rand):
    weight, x, lam = (0.1 * rand(square.edges)).requires_grad_(), rand(11, 3), rand(4, 4)
    csr = square.csr.with_value(weight[square.csr.perm])
    ours, theirs = (
        polynomial_filter(csr, x, lam),
        dense_filter(square.dense(weight), x, lam, "chebyshev"),
    )
    assert_close(*[grad(out.sin().sum(), weight)[0] for out in (ours, theirs)])


def test_terms_are_not_kept_for_the_backward_pass(square, rand):
    csr = square.csr.with_value(0.1 * rand(square.edges))
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        polynomial_filter(csr, rand(11, 3, grad=True), rand(4, 9, grad=True))
    assert [tuple(t.shape) for t in kept] == [(11, 3), (4, 9)]


def test_bad_input_is_named(square, rand):
    with pytest.raises(InputError, match="lam"):
        polynomial_filter(square.csr, rand(11, 2), rand(3))
    with pytest.raises(InputError, match="basis"):
        polynomial_filter(square.csr, rand(11, 2), rand(3, 2), "legendre")
