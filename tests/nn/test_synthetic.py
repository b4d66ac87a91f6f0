import pytest
import torch
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import get_laplacian, to_dense_adj

from graphcond.errors import BudgetError, InputError, UnknownNameError
from graphcond.nn.adjacency import (
    Bernoulli,
    Identity,
    Learned,
    PairMLP,
    homophilous_start,
    make_adjacency,
)
from graphcond.nn.filters import dense_operator
from graphcond.nn.synthetic import (
    DiffusedBases,
    SyntheticGraph,
    class_samples,
    export,
    gcn_norm_dense,
    synthetic_labels,
)

RULES = [Learned(), PairMLP(hidden=8), Bernoulli(), Identity()]


@pytest.fixture
def points():
    random = torch.Generator().manual_seed(0)
    y = torch.tensor([0] * 5 + [1] * 4 + [2] * 3)
    return torch.randn(12, 6, generator=random) + torch.eye(6)[y] * 3, y


def random_weight(n, seed=0):
    weight = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (weight + weight.T) / 2 * (1 - torch.eye(n))


@pytest.mark.parametrize(
    ("num_nodes", "expected"), [(3, [1, 1, 1]), (10, [6, 3, 1]), (20, [12, 6, 2]), (7, [4, 2, 1])]
)
def test_labels_keep_class_proportions(num_nodes, expected):
    y = torch.tensor([0] * 60 + [1] * 30 + [2] * 10 + [-1] * 50)
    assert synthetic_labels(y, num_nodes).bincount().tolist() == expected


def test_too_few_nodes_are_refused_not_clamped():
    with pytest.raises(BudgetError, match="raise num_nodes or ratio"):
        synthetic_labels(torch.tensor([0, 1, 2]), 2)


def test_class_samples_are_of_the_class_and_do_not_repeat_while_it_lasts(points):
    x, y = points
    labels = torch.tensor([0, 0, 0, 0, 0, 2, 2, 2, 2])
    rows = (class_samples(x, y, labels, seed=1)[:, None] == x).all(-1).float().argmax(1)
    assert (y[rows] == labels).all()
    assert len(rows[:5].unique()) == 5
    assert len(rows[5:].unique()) == 3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_weights_are_symmetric_bounded_and_start_sparse_and_homophilous(rule, points):
    x, y = points
    weight = rule(rule.init(x, y, seed=0), x).detach()
    same = y[:, None] == y
    assert torch.allclose(weight, weight.T)
    assert weight.diagonal().abs().max() == 0
    assert 0 <= weight.min() <= weight.max() <= 1
    assert weight.mean() < 0.3
    if not isinstance(rule, Identity):
        assert weight[same].mean() > 3 * weight[~same].mean()


def test_factored_mlp_equals_the_mlp_on_concatenated_pairs(points):
    x, y = points
    params = {name: value.double() for name, value in PairMLP(hidden=8).init(x, y).items()}
    n, wide = len(y), torch.cat([params["left"], params["right"]])
    pairs = (
        torch.cat([x[:, None].expand(n, n, -1), x[None].expand(n, n, -1)], dim=-1)
        .reshape(n * n, -1)
        .double()
    )

    def standardised(value):
        return (value - value.mean(0)) / (value.var(0, correction=0) + 1e-5).sqrt()

    hidden = torch.relu(standardised(pairs @ wide) * params["scale0"] + params["shift0"])
    hidden = torch.relu(
        standardised(hidden @ params["weight1"]) * params["scale1"] + params["shift1"]
    )
    out = (hidden @ params["weight2"] + params["bias2"]).reshape(n, n)
    expected = torch.sigmoid((out + out.T) / 2) * (1 - torch.eye(n))
    assert torch.allclose(PairMLP(hidden=8)(params, x.double()), expected, atol=1e-10)


def test_bernoulli_draws_have_their_probabilities_as_mean(points):
    x, y = points
    rule = Bernoulli(temperature=0.05)
    params = rule.init(x, y)
    draws = torch.stack([rule(params, x, seed=seed) for seed in range(400)]).detach()
    assert torch.equal(draws[0], rule(params, x, seed=0).detach())
    assert not torch.equal(draws[0], draws[1])
    assert (draws.mean(0) - rule(params, x).detach()).abs().max() < 0.12


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_gradients_reach_every_parameter(rule, points):
    x, y = points
    graph = SyntheticGraph.start(x, y, rule)
    weight = graph.weight(seed=3)
    if isinstance(rule, PairMLP):
        # The edges themselves depend on the features.
        through_edges = torch.autograd.grad(weight.square().sum(), graph.x, retain_graph=True)[0]
        assert bool((through_edges.abs().sum(1) > 0).all())
    (gcn_norm_dense(weight) @ graph.x).square().sum().backward()
    assert all(
        value.grad is not None and torch.isfinite(value.grad).all()
        for value in graph.params.values()
    )


def test_normalisations_agree_with_pyg():
    weight = random_weight(7)
    weight[3] = weight[:, 3] = 0
    edge_index = weight.nonzero().T
    values = weight[edge_index[0], edge_index[1]]
    index, value = gcn_norm(edge_index, values, 7, add_self_loops=True, dtype=torch.float64)
    assert torch.allclose(
        gcn_norm_dense(weight), to_dense_adj(index, edge_attr=value, max_num_nodes=7)[0]
    )
    index, value = get_laplacian(edge_index, values, "sym", num_nodes=7)
    laplacian = to_dense_adj(index, edge_attr=value, max_num_nodes=7)[0]
    assert torch.allclose(dense_operator(weight, 1.5), 2 * laplacian / 1.5 - torch.eye(7))


def test_export_cuts_at_the_threshold_and_leaves_the_diagonal_out():
    weight = torch.tensor([[0.9, 0.6, 0.2], [0.6, 0.9, 0.5], [0.2, 0.5, 0.9]])
    data = export(torch.eye(3, requires_grad=True), torch.arange(3), weight, threshold=0.5)
    assert data.edge_index.tolist() == [[0, 1], [1, 0]]
    assert data.edge_weight.tolist() == pytest.approx([0.6, 0.6])
    assert not data.x.requires_grad
    with pytest.raises(InputError, match="threshold"):
        export(torch.eye(3), torch.arange(3), weight, threshold=1.0)


def test_a_graph_restored_from_its_parameters_is_the_same(points):
    graph = SyntheticGraph.start(*points, "mlp", seed=2)
    other = SyntheticGraph.start(*points, "mlp", seed=5)
    assert not torch.equal(graph.weight(), other.weight())
    again = other.with_params(graph.params)
    assert torch.equal(graph.weight(), again.weight())
    assert set(graph.edge_params) == set(graph.params) - {"x"}
    with torch.no_grad():
        again.x.zero_()
    assert bool(graph.x.any())
    assert all(value.requires_grad for value in again.params.values())


def test_random_edges_follow_the_seed_and_what_is_exported_is_that_draw(points):
    graph = SyntheticGraph.start(*points, Bernoulli(neighbors=5), seed=2)
    mean, first, second = (graph.weight(seed) for seed in (None, 0, 1))
    assert not torch.equal(first, second)
    assert not torch.equal(first, mean)
    data = graph.to_data(threshold=0.6, seed=1)
    kept = (second > 0.6).detach()
    assert torch.equal(data.edge_index, kept.nonzero().T)
    assert torch.equal(data.edge_weight, second.detach()[kept])


def test_the_mlp_starts_glorot_uniform_with_few_edges_and_is_fitted_by_adam():
    x, y = torch.randn(12, 30, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2
    params = PairMLP(hidden=50, warmup=0).init(x, y)
    assert params["bias2"].tolist() == -3
    fitted = PairMLP(hidden=50, warmup=1).init(x, y)
    moved = torch.cat([(fitted[name] - params[name]).detach().flatten() for name in params])
    # Adam's first step is its rate in every parameter that has a slope.
    assert float(moved.abs().max()) == pytest.approx(0.01, rel=0.01)
    for name, sizes in (("left", 80), ("right", 80), ("weight1", 100), ("weight2", 51)):
        value, bound = params[name].detach(), (6 / sizes) ** 0.5
        few = 0.1 if name == "weight2" else 0.01
        assert float(value.max()) == pytest.approx(bound, rel=few)
        assert float(value.min()) == pytest.approx(-bound, rel=few)
    assert not torch.equal(params["left"], params["right"])


@pytest.mark.parametrize("neighbors", [0, 3])
def test_the_mlp_is_fitted_to_as_many_neighbours_as_asked(neighbors, points):
    rule = PairMLP(hidden=16, neighbors=neighbors, warmup=120)
    weight = rule(rule.init(*points, seed=0), points[0]).detach()
    start = homophilous_start(*points, neighbors)
    assert float((weight - start).abs().mean()) < 0.08


def test_diffused_bases_combine_and_keep_their_diffusion():
    operator = dense_operator(random_weight(6))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    bases = torch.stack([x, operator @ x, 2 * operator @ operator @ x - x])
    nodes = DiffusedBases(bases, torch.arange(6)).rows(torch.tensor([1, 4]))
    lam = torch.tensor([[0.5, -1.0, 0.25]], dtype=torch.float64)
    expected = (0.5 * torch.eye(6) - operator + 0.25 * (2 * operator @ operator - torch.eye(6))) @ x
    assert torch.allclose(nodes.combine(lam)[0], expected[[1, 4]])
    data = nodes.to_data()
    torch.testing.assert_close(data.bases, bases[:, [1, 4]].transpose(0, 1))
    assert torch.equal(data.x, x[[1, 4]])
    assert data.y.tolist() == [1, 4]
    with pytest.raises(InputError, match="coefficients"):
        nodes.combine(lam[:, :2])


def test_unknown_adjacency_is_named():
    with pytest.raises(UnknownNameError, match="bernoulli"):
        make_adjacency("dense")


def test_start_connects_nearest_of_class():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [1.0, 0.0]])
    assert homophilous_start(x, torch.tensor([0, 0, 0, 1]), 1).nonzero().tolist() == [
        [0, 1],
        [1, 0],
        [1, 2],
        [2, 1],
    ]


@pytest.mark.parametrize("rule", ["learned", "bernoulli"])
def test_a_link_has_the_mean_of_both_its_logits(rule):
    logits = torch.tensor([[0.0, 2.0], [-1.0, 0.0]])
    found = make_adjacency(rule)({"logits": logits}, torch.ones(2, 1))
    wanted = float(torch.sigmoid(torch.tensor(0.5)))
    assert found.flatten().tolist() == pytest.approx([0, wanted, wanted, 0])
