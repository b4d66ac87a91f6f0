import pytest
import torch

from graphcond.nn import compose, filter_operator, polynomial, ridge_filters
from graphcond.nn.linear_filters import RidgeScores, best_ridge
from graphcond.seeding import generator


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
@pytest.mark.parametrize("per_layer", [False, True])
@pytest.mark.parametrize("d", [5, 40])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_closed_form_equals_ridge_on_the_filtered_features(basis, per_layer, d, layers, small_task):
    operator, x, y, (train, val) = small_task(d=d)
    size = 3 * layers if per_layer else 3
    lam = torch.randn(4, size, generator=generator(0, "lam"), dtype=torch.float64)
    options = {"num_layers": layers, "basis": basis, "per_layer": per_layer}
    model = ridge_filters(operator, x, y, (train, val), 2, num_classes=3, **options)
    assert model.kernel == (d == 40)
    ridges = torch.tensor([0.01, 0.5], dtype=torch.float64)
    found = model.scores(lam, ridges)
    for b in range(4):
        z = x
        for own in lam[b].split(3) if per_layer else [lam[b]] * layers:
            z = polynomial(operator, z, own[:, None], basis=basis)
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
        own = torch.randn(1, 9, generator=generator(3, "lam"), dtype=torch.float64)
        wanted = x
        for layer in own.split(3, 1):
            wanted = polynomial(operator, wanted, layer.T, basis=basis)
        found = compose(own, 3, basis=basis, per_layer=True)
        torch.testing.assert_close(polynomial(operator, x, found.T, basis=basis), wanted)


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


class Table:
    """A model whose losses are given: [ridges, filters], a filter λ being its column."""

    ridges = (0.1, 1.0, 10.0)
    chunk = 1

    def __init__(self, loss):
        self.loss = torch.tensor(loss)
        self.asked = []

    def scores(self, lam, ridges):
        self.asked = lam[:, 0].tolist()
        loss = self.loss[torch.tensor([self.ridges.index(float(each)) for each in ridges])]
        loss = loss[:, lam[:, 0].long() % self.loss.size(1)]
        return RidgeScores(loss, loss)


def test_the_best_ridge_is_best_on_average_over_twenty_filters_of_all():
    # The second has the lowest mean; the first the lowest minimum, the third the lowest maximum.
    table = Table([[0.0, 9.0, 9.0], [1.0, 4.0, 1.0], [3.0, 3.0, 3.0]])
    lam = torch.arange(3.0)[:, None]
    assert best_ridge(table, lam) == 1.0
    assert best_ridge(table, lam, (10.0, 0.1)) == 10.0
    best_ridge(table, torch.arange(100.0)[:, None])
    assert table.asked == [5.0 * i for i in range(20)]


@pytest.mark.parametrize("weighted", [False, True])
def test_many_features_on_a_sparse_graph_are_seen_in_double_precision(weighted):
    n, d = 300, 300
    stream = generator(5, "wide")
    edges = torch.randint(n, (2, 600), generator=stream).unique(dim=1)
    weight = torch.rand(edges.size(1), generator=stream) if weighted else None
    operator = filter_operator(edges, n, weight)
    x, y = torch.randn(n, d, generator=stream), torch.randint(3, (n,), generator=stream)
    node = torch.arange(n)
    train, val = node < 40, node >= 280
    lam = torch.randn(1, 3, generator=stream, dtype=torch.float64)
    model = ridge_filters(operator, x, y, (train, val), 2, num_classes=3)
    dense = operator.to_dense().double()
    z = polynomial(dense, polynomial(dense, x.double(), lam.T), lam.T)
    target = torch.eye(3, dtype=torch.float64)[y[train]] - 1 / 3
    gram = z[train] @ z[train].T + 0.01 * 40 * torch.eye(40, dtype=torch.float64)
    wanted = z[val] @ z[train].T @ torch.linalg.solve(gram, target)
    torch.testing.assert_close(model.outputs(lam, 0.01)[0], wanted, rtol=1e-9, atol=1e-9)
