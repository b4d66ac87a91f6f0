import pytest
import torch

from graphcond.nn import compose, polynomial, ridge_filters
from graphcond.nn.linear_filters import best_ridge
from graphcond.seeding import generator


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
@pytest.mark.parametrize("per_layer", [False, True])
@pytest.mark.parametrize("d", [5, 40])
def test_closed_form_equals_ridge_on_the_filtered_features(basis, per_layer, d, small_task):
    operator, x, y, (train, val) = small_task(d=d)
    lam = torch.randn(4, 6 if per_layer else 3, generator=generator(0, "lam"), dtype=torch.float64)
    model = ridge_filters(
        operator, x, y, (train, val), 2, num_classes=3, basis=basis, per_layer=per_layer
    )
    assert model.kernel == (d == 40)
    ridges = torch.tensor([0.01, 0.5], dtype=torch.float64)
    found = model.scores(lam, ridges)
    for b in range(4):
        first, second = lam[b].split(3) if per_layer else (lam[b], lam[b])
        z = polynomial(
            operator,
            polynomial(operator, x, first[:, None], basis=basis),
            second[:, None],
            basis=basis,
        )
        target = torch.eye(3, dtype=x.dtype)[y] - 1 / 3
        for r, ridge in enumerate(ridges):
            weight = torch.linalg.solve(
                z[train].T @ z[train] + ridge * train.sum() * torch.eye(d),
                z[train].T @ target[train],
            )
            wanted = z[val] @ weight
            torch.testing.assert_close(model.outputs(lam, ridge)[b], wanted)
            torch.testing.assert_close(
                found.loss[r, b], (wanted - target[val]).square().sum(1).mean()
            )
            assert found.accuracy[r, b] == (wanted.argmax(1) == y[val]).double().mean()


def test_composition_is_the_product_of_filters(small_task):
    operator, x, *_ = small_task()
    lam = torch.randn(1, 3, generator=generator(2, "lam"), dtype=torch.float64)
    for basis in ("chebyshev", "power"):
        once = polynomial(operator, x, lam.T, basis=basis)
        thrice = polynomial(
            operator, polynomial(operator, once, lam.T, basis=basis), lam.T, basis=basis
        )
        torch.testing.assert_close(
            polynomial(operator, x, compose(lam, 3, basis=basis).T, basis=basis), thrice
        )


def test_the_loss_is_differentiable_in_the_filter(small_task):
    operator, x, y, masks = small_task()
    model = ridge_filters(operator, x, y, masks, 2, num_classes=3)
    lam = torch.rand(2, 3, generator=generator(3, "lam"), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda lam: model.scores(lam, torch.tensor([0.1])).loss, lam)


def test_synthetic_features_get_gradients(small_task):
    operator, x, y, masks = small_task()
    x.requires_grad_()
    model = ridge_filters(operator, x, y, masks, 2, num_classes=3)
    model.scores(torch.ones(1, 3, dtype=torch.float64), torch.tensor([0.1])).loss.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0


def test_statistics_are_in_double_precision_and_the_ridges_are_powers_of_ten(small_task):
    operator, x, y, masks = small_task()
    exact = ridge_filters(operator, x, y, masks, 2, num_classes=3)
    single = ridge_filters(operator.float(), x.float(), y, masks, 2, num_classes=3)
    assert single.train.dtype == single.val.dtype == single.target.dtype == torch.float64
    assert exact.ridges == (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    assert best_ridge(exact, torch.ones(3, 3).double(), (0.5,)) == 0.5


def test_the_best_ridge_has_the_lowest_validation_loss(small_task):
    operator, x, y, masks = small_task()
    model = ridge_filters(operator, x, y, masks, 2, num_classes=3)
    lam = torch.randn(50, 3, generator=generator(4, "lam"), dtype=torch.float64)
    loss = model.scores(lam[::2], torch.tensor(model.ridges, dtype=torch.float64)).loss.mean(1)
    assert best_ridge(model, lam) == model.ridges[int(loss.argmin())]
    assert loss.argmin() != loss.argmax()
