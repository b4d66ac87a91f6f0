"""Arithmetic on dictionaries of tensors, in numbers, and its gradients."""

from __future__ import annotations

import pytest
import torch

from graphcond.linalg import vectors

A = {"m": torch.tensor([[1.0, 2.0], [3.0, -4.0]]), "v": torch.tensor([[5.0], [-6.0]])}
B = {"m": torch.tensor([[2.0, 0.0], [1.0, 1.0]]), "v": torch.tensor([[-1.0], [1.0]])}


def test_products_lengths_and_sums_of_one_vector_and_of_a_batch():
    assert float(vectors.dot(A, B)) == 2 + 3 - 4 - 5 - 6
    assert vectors.dot(A, B, True).tolist() == [2 - 5, 3 - 4 - 6]
    assert float(vectors.norm(A)) == pytest.approx((1 + 4 + 9 + 16 + 25 + 36) ** 0.5)
    lengths = torch.tensor([1 + 4 + 25, 9 + 16 + 36]).sqrt()
    torch.testing.assert_close(vectors.norm(A, True), lengths)
    added = vectors.add(A, B, -2.0)
    assert added["m"].tolist() == [[-3, 2], [1, -6]]
    assert added["v"].tolist() == [[7], [-8]]
    each = torch.tensor([10.0, -1.0])  # a number for every vector of the batch
    assert vectors.scale(each, A)["m"].tolist() == [[10, 20], [-3, 4]]
    assert vectors.scale(each, A)["v"].tolist() == [[50], [6]]
    assert vectors.add(A, B, each)["m"].tolist() == [[21, 2], [2, -5]]
    assert vectors.add(A, B)["v"].tolist() == [[4], [-5]]


def test_a_vector_is_flattened_in_the_order_of_its_names_and_back():
    assert vectors.flatten(A).tolist() == [1, 2, 3, -4, 5, -6]
    assert vectors.flatten(A, True).tolist() == [[1, 2, 5], [3, -4, -6]]
    for batched in (False, True):
        back = vectors.unflatten(vectors.flatten(A, batched), A, batched)
        assert all(torch.equal(back[name], A[name]) for name in A)


@pytest.mark.parametrize("batched", [False, True])
def test_gradients_flow_through_all_of_it(batched):
    like = {name: tensor.double() for name, tensor in A.items()}
    sides = [vectors.flatten(side).double().requires_grad_() for side in (A, B)]
    factor = torch.tensor([0.5, 2.0] if batched else 0.5, dtype=torch.float64, requires_grad=True)

    def value(one, other, factor):
        one, other = vectors.unflatten(one, like), vectors.unflatten(other, like)
        moved = vectors.add(vectors.scale(factor, one), other, factor)
        found = (vectors.dot(one, other, batched), vectors.norm(one, batched))
        return torch.cat([*map(torch.atleast_1d, found), vectors.flatten(moved)])

    assert torch.autograd.gradcheck(value, (*sides, factor))
    assert not any(tensor.requires_grad for tensor in vectors.detach({"w": sides[0]}).values())
