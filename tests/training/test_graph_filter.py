import torch

from graphcond.data import load, num_items, num_users, split_interactions, train_edges
from graphcond.seeding import generator
from graphcond.sparse import CSR
from graphcond.training import Fitted, Recommender, ensemble, fit_graph_filter
from graphcond.training.directions import leading_directions


def test_graph_filter_is_the_dense_formula():
    data = split_interactions(load("southern-women"), seed=0)
    dense = torch.zeros(num_users(data), num_items(data), dtype=torch.float64)
    dense[tuple(train_edges(data))] = 1
    left, right = dense.sum(1).clamp(min=1).rsqrt(), dense.sum(0).clamp(min=1)
    normal = left[:, None] * dense * right.rsqrt()
    vectors = torch.linalg.svd(normal).Vh[:4]
    want = normal @ vectors.T @ vectors * right.sqrt()
    model = fit_graph_filter(data, 4, sweeps=20)
    torch.testing.assert_close((model.users @ model.items.T).double(), want, rtol=1e-3, atol=1e-4)


def test_ensemble_adds_standardised_scores():
    draw = torch.Generator().manual_seed(0)
    models = tuple(
        Recommender(
            torch.randn(5, d, generator=draw), torch.randn(50, d, generator=draw) + 1, Fitted()
        )
        for d in (1, 3)
    )
    scores = [m.users @ m.items.T for m in models]
    want = sum(s / s.std(dim=1, keepdim=True) for s in scores) / 2
    both = ensemble(models)
    torch.testing.assert_close(both.users @ both.items.T, want, rtol=1e-4, atol=1e-4)
    assert both.history is models[0].history


def test_leading_directions_are_those_of_the_singular_value_decomposition():
    pairs = torch.randperm(30 * 20, generator=torch.Generator().manual_seed(0))[:150]
    rows, columns = pairs // 20, pairs % 20
    value = torch.rand(150, generator=torch.Generator().manual_seed(1)) + 0.5
    dense = torch.zeros(30, 20).index_put((rows, columns), value)
    squares, vectors = leading_directions(CSR.from_edges(rows, columns, (30, 20), value), 3)
    _, wanted, right = torch.linalg.svd(dense)
    torch.testing.assert_close(squares, wanted[:3].square(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close((vectors * right[:3].T).sum(0).abs(), torch.ones(3))


def test_a_sweep_is_one_power_of_the_gram_matrix():
    dense = (torch.rand(80, 60, generator=torch.Generator().manual_seed(0)) < 0.2).double()
    gram, start = dense.T @ dense, torch.randn(60, 19, generator=generator(0, "subspace")).double()
    rows, columns = dense.nonzero().T
    for sweeps in (1, 2):
        basis = torch.linalg.qr(torch.linalg.matrix_power(gram, sweeps) @ start).Q
        want = torch.linalg.eigvalsh(basis.T @ gram @ basis).flip(0)[:3]
        found = leading_directions(CSR.from_edges(rows, columns, (80, 60)), 3, sweeps=sweeps)[0]
        torch.testing.assert_close(found.double(), want, rtol=1e-5, atol=0)
