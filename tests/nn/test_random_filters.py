import pytest
import torch
from torch.nn.functional import one_hot

from graphcond.errors import InputError
from graphcond.nn import polynomial, random_filters, ridge_filters
from graphcond.seeding import generator


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
@pytest.mark.parametrize("per_layer", [False, True])
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("count", [30, 120])
def test_it_is_ridge_regression_on_the_last_hidden_layer(
    basis, per_layer, layers, count, monkeypatch, small_task
):
    """15 training nodes are fewer than the 16 features, so the dual system is solved; 60
    are more.
    """
    monkeypatch.setattr("graphcond.nn.random_features._WIDTH", (16, 16))
    operator, x, y, (train, val) = small_task(n=count)
    options = {"num_classes": 3, "num_layers": layers, "basis": basis, "per_layer": per_layer}
    model = random_filters(operator, x, y, (train, val), 2, seed=1, **options)
    lam = torch.randn(
        2, 3 * layers if per_layer else 3, generator=generator(0, "lam"), dtype=torch.float64
    )
    ridges = torch.tensor([0.01, 0.5], dtype=torch.float64)
    found = model.scores(lam, ridges)
    for b in range(2):
        rows = lam[b].split(3) if per_layer else [lam[b]] * layers
        hidden = model.bases[0]
        for layer, row in enumerate(rows[:-1]):
            hidden = hidden if layer == 0 else hidden @ model.mixes[layer - 1]
            hidden = polynomial(operator, hidden, row[:, None], basis=basis).relu()
        z = polynomial(operator, hidden, rows[-1][:, None], basis=basis)
        target = one_hot(y, 3).double() - 1 / 3
        for r, ridge in enumerate(ridges):
            weight = torch.linalg.solve(
                z[train].T @ z[train] + ridge * train.sum() * torch.eye(16),
                z[train].T @ target[train],
            )
            outputs = z[val] @ weight
            torch.testing.assert_close(
                found.loss[r, b], (outputs - target[val]).square().sum(1).mean()
            )
            assert found.accuracy[r, b] == (outputs.argmax(1) == y[val]).double().mean()


def test_the_loss_is_differentiable_in_the_filter(small_task):
    operator, x, y, masks = small_task()
    model = random_filters(operator, x, y, masks, 2, num_classes=3, seed=0)
    lam = torch.rand(2, 3, generator=generator(3, "lam"), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda lam: model.scores(lam, torch.tensor([0.1])).loss, lam)


def test_the_width_is_bounded_by_the_nodes(small_task, monkeypatch):
    operator, x, y, masks = small_task()
    assert random_filters(operator, x, y, masks, 2, num_classes=3, seed=0).bases.shape == (
        3,
        30,
        512,
    )
    for numbers, width in ((30 * 100, 100), (30 * 10, 64)):
        monkeypatch.setattr("graphcond.nn.random_features._NUMBERS", numbers)
        model = random_filters(operator, x, y, masks, 2, num_classes=3, num_layers=3, seed=0)
        assert model.bases.shape == (3, 30, width)
        assert model.mixes[0].shape == (width, width)


def test_it_sees_what_is_not_linear_in_the_features():
    """Classes are the signs of a product of two features: no linear model can tell them apart."""
    stream = generator(0, "product")
    x = torch.randn(600, 2, generator=stream, dtype=torch.float64)
    y, train = (x.prod(1) > 0).long(), torch.arange(600) < 300
    operator, lam = (
        torch.eye(600, dtype=torch.float64),
        torch.tensor([[1.0, 0.2, 0.0]], dtype=torch.float64),
    )
    ridges = torch.tensor([0.01], dtype=torch.float64)
    linear = (
        ridge_filters(operator, x, y, (train, ~train), 2, num_classes=2)
        .scores(lam, ridges)
        .accuracy
    )
    random = (
        random_filters(operator, x, y, (train, ~train), 2, num_classes=2, seed=0)
        .scores(lam, ridges)
        .accuracy
    )
    assert float(linear) < 0.6
    assert float(random) > 0.9


def test_a_network_without_a_hidden_layer_and_empty_parts_are_refused(small_task):
    operator, x, y, (train, val) = small_task()
    with pytest.raises(InputError, match="num_layers"):
        random_filters(operator, x, y, (train, val), 2, num_classes=3, num_layers=1, seed=0)
    with pytest.raises(InputError, match="non-empty"):
        random_filters(operator, x, y, (train, val & train), 2, num_classes=3, seed=0)


def test_seeds_draw_every_layer_and_the_ridges_are_powers_of_ten(small_task):
    operator, x, y, masks = small_task()
    first, again, other = (
        random_filters(operator, x, y, masks, 2, num_classes=3, num_layers=4, seed=seed)
        for seed in (0, 0, 1)
    )
    for same, moved in ((again, False), (other, True)):
        assert torch.equal(first.bases, same.bases) != moved
        assert torch.equal(first.mixes[0], same.mixes[0]) != moved
        assert torch.equal(first.mixes[1], same.mixes[1]) != moved
    assert not torch.equal(first.mixes[0], first.mixes[1])
    assert first.ridges == (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
    assert float(first.bases[0].square().mean()) == pytest.approx(1)
    # He's rule: a layer keeps the mean square of what a ReLU lets through.
    assert float(first.mixes[0].std()) == pytest.approx((2 / 512) ** 0.5, rel=0.02)
