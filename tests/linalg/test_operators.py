import pytest
import torch

from graphcond.errors import InputError
from graphcond.linalg import (
    Damped,
    Dense,
    GaussNewton,
    Hessian,
    Scaled,
    largest_eigenvalue,
    vectors,
)

torch_double = torch.float64


def batched_problem(batch=3):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(7, 4, generator=g, dtype=torch_double)
    y = torch.randint(3, (7,), generator=g)
    params = {
        "a": torch.randn(batch, 4, 5, generator=g, dtype=torch_double) * 0.5,
        "b": torch.randn(batch, 5, 3, generator=g, dtype=torch_double) * 0.5,
    }

    def loss(p):
        logits = torch.tanh(x @ p["a"]) @ p["b"]
        return -logits.log_softmax(-1)[:, torch.arange(7), y].mean(-1)

    return x, y, params, loss


def random_like(params, seed):
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=g, dtype=p.dtype) for name, p in params.items()}


def test_hessian_is_autograds_dense_hessian_block_by_block():
    _, _, params, loss = batched_problem()
    dense = Hessian(loss, params).dense(params)
    for b in range(3):
        one = {name: p[b : b + 1] for name, p in params.items()}
        flat = vectors.flatten(one)
        reference = torch.autograd.functional.hessian(
            lambda v, one=one: loss(vectors.unflatten(v, one)).sum(), flat
        )
        torch.testing.assert_close(dense[b], reference)


def test_a_product_asked_for_twice_is_the_same_vector():
    _, _, params, loss = batched_problem()
    hessian = Hessian(loss, params)
    v = random_like(params, 1)
    first = hessian @ v
    hessian @ random_like(params, 2)
    again = hessian @ v
    assert all(torch.equal(first[name], again[name]) for name in params)


def test_gauss_newton_is_positive_semidefinite_and_the_hessian_of_a_linear_model():
    x, y, params, loss = batched_problem()

    def output(p):
        return torch.tanh(x @ p["a"]) @ p["b"]

    def criterion(logits):
        return -logits.log_softmax(-1)[:, torch.arange(7), y].mean(-1)

    dense = GaussNewton(output, criterion, params).dense(params)
    torch.testing.assert_close(dense, dense.mT)
    assert float(torch.linalg.eigvalsh(dense).min()) > -1e-12
    assert float(torch.linalg.eigvalsh(Hessian(loss, params).dense(params)).min()) < -1e-4
    linear = {
        "w": torch.randn(2, 4, 3, dtype=torch_double, generator=torch.Generator().manual_seed(3))
    }
    exact = Hessian(lambda p: criterion(x @ p["w"]), linear).dense(linear)
    torch.testing.assert_close(
        GaussNewton(lambda p: x @ p["w"], criterion, linear).dense(linear), exact
    )


def test_damped_and_scaled_take_one_number_a_block():
    matrix = torch.eye(2, dtype=torch_double).expand(3, 2, 2)
    like = {"w": torch.zeros(3, 2, dtype=torch_double)}
    shift = torch.tensor([0.0, 1.0, 2.0], dtype=torch_double)
    torch.testing.assert_close(
        Damped(Dense(matrix), shift).dense(like), (1 + shift).view(-1, 1, 1) * matrix
    )
    torch.testing.assert_close(
        Scaled(Dense(matrix), shift).dense(like), shift.view(-1, 1, 1) * matrix
    )


def test_products_are_those_of_the_matrix_row_by_row():
    """A matrix that is not symmetric tells rows from columns; each value is worked by hand."""
    matrix = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 5.0], [7.0, 0.0, 4.0]])
    vector = {"a": torch.tensor([1.0]), "b": torch.tensor([10.0, 100.0])}
    plain = Dense(matrix)
    for operator, wanted in (
        (plain, [12.0, 530.0, 407.0]),
        (Damped(plain, 2.0), [14.0, 550.0, 607.0]),
        (Scaled(plain, -3.0), [-36.0, -1590.0, -1221.0]),
    ):
        product = operator @ vector
        assert product["a"].tolist() == wanted[:1]
        assert product["b"].tolist() == wanted[1:]
    assert torch.equal(plain.dense(vector), matrix)
    assert torch.equal(Damped(plain, 0.0).dense(vector), matrix)
    blocks = Dense(torch.stack([matrix, 10 * matrix]))
    pair = {"w": torch.tensor([[1.0, 10.0, 100.0], [1.0, 0.0, 0.0]])}
    numbers = torch.tensor([2.0, 3.0])
    shifted = (Damped(blocks, numbers) @ pair)["w"]
    assert shifted.tolist() == [[14.0, 550.0, 607.0], [23.0, 0.0, 70.0]]
    scaled = (Scaled(blocks, numbers) @ pair)["w"]
    assert scaled.tolist() == [[24.0, 1060.0, 814.0], [60.0, 0.0, 210.0]]


@pytest.mark.parametrize("kind", [Hessian, GaussNewton])
def test_a_vector_is_read_by_its_names_whatever_their_order(kind):
    params = {"a": torch.ones(2), "b": torch.ones(2)}
    if kind is Hessian:
        operator = Hessian(lambda p: (p["a"] ** 2).sum() / 2 + 4.5 * (p["b"] ** 2).sum(), params)
    else:
        operator = GaussNewton(
            lambda p: torch.cat([p["a"], 3 * p["b"]]), lambda out: (out**2).sum() / 2, params
        )
    product = operator @ {"b": torch.tensor([10.0, 20.0]), "a": torch.tensor([1.0, 2.0])}
    assert product["a"].tolist() == [1.0, 2.0]
    assert product["b"].tolist() == [90.0, 180.0]


def test_a_parameter_the_loss_is_linear_in_gets_zeros():
    params = {"a": torch.ones(3), "b": torch.ones(2)}
    product = Hessian(lambda p: (p["a"] ** 2).sum() + p["b"].sum(), params) @ {
        "a": torch.ones(3),
        "b": torch.ones(2),
    }
    assert torch.equal(product["a"], torch.full((3,), 2.0))
    assert torch.equal(product["b"], torch.zeros(2))


def test_largest_eigenvalue_by_block():
    matrix = torch.stack(
        [torch.diag(torch.tensor([1.0, -5.0, 2.0])), torch.diag(torch.tensor([0.1, 0.2, 0.9]))]
    ).double()
    found = largest_eigenvalue(
        Dense(matrix), {"w": torch.zeros(2, 3, dtype=torch_double)}, steps=60
    )
    torch.testing.assert_close(
        found, torch.tensor([5.0, 0.9], dtype=torch_double), rtol=1e-6, atol=0
    )


def test_wrong_input_names_the_law():
    with pytest.raises(InputError, match="`matrix`"):
        Dense(torch.zeros(2, 3))
    with pytest.raises(InputError, match="`damping` must be at least 0"):
        Damped(Dense(torch.eye(2)), -1.0)
    with pytest.raises(InputError, match="`damping` must be at least 0, but it is -1.0"):
        Damped(Dense(torch.eye(2).expand(2, 2, 2)), torch.tensor([-1.0, 1.0]))
    with pytest.raises(InputError, match="same names and shapes"):
        Hessian(lambda p: (p["a"] ** 2).sum(), {"a": torch.ones(3)}) @ {"a": torch.ones(2)}


def test_a_vector_of_other_names_is_refused_by_gauss_newton_too():
    operator = GaussNewton(lambda p: p["a"] ** 2, lambda out: out.sum(), {"a": torch.ones(3)})
    with pytest.raises(InputError, match="same names and shapes"):
        operator @ {"b": torch.ones(3)}
