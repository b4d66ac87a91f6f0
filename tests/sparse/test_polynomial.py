"""Recurrences against dense matrix polynomials, sparse and dense operators, batches, gradients."""

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close

from graphcond.errors import InputError
from graphcond.sparse import chebyshev, powers


def reference(dense, x, order, basis):
    terms = [x, dense @ x]
    for _ in range(order - 1):
        terms.append(2 * dense @ terms[-1] - terms[-2] if basis is chebyshev else dense @ terms[-1])
    return terms[: order + 1]


@pytest.mark.parametrize("basis", [chebyshev, powers])
@pytest.mark.parametrize("order", [0, 1, 2, 6])
def test_terms_and_gradients_are_dense(square, backend, rand, basis, order):
    weight, x = (0.1 * rand(square.edges)).requires_grad_(), rand(11, 3, grad=True)
    csr = square.csr
    for operator in (csr.with_value(weight[csr.perm]), square.dense(weight)):
        ours, theirs = basis(operator, x, order), reference(square.dense(weight), x, order, basis)
        assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        assert len(ours) == order + 1
        if order:
            energies = [sum(t.sin().sum() for t in terms) for terms in (ours, theirs)]
            assert_close(
                *[grad(e, (weight, x), retain_graph=True) for e in energies], rtol=1e-11, atol=1e-11
            )


@pytest.mark.parametrize("basis", [chebyshev, powers])
def test_batches(square, rand, basis):
    csr, x = square.csr.with_value(0.1 * rand(square.edges)), rand(2, 11, 3)
    for operator in (csr, csr.to_dense()):
        for got, *parts in zip(
            basis(operator, x, 3), basis(operator, x[0], 3), basis(operator, x[1], 3), strict=True
        ):
            assert_close(got, torch.stack(parts))


def test_bad_input_is_named(square, rectangular):
    with pytest.raises(InputError, match="order"):
        chebyshev(square.csr, torch.ones(11, 2), -1)
    with pytest.raises(InputError, match="operator"):
        powers(rectangular.csr, torch.ones(6, 2), 1)
