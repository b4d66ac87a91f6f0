import pytest
import torch

from graphcond.errors import InputError
from graphcond.nn import (
    PolynomialFilterNet,
    dense_operator,
    filter_features,
    filter_operator,
    polynomial,
    stored_bases,
)
from graphcond.seeding import generator
from graphcond.sparse import CSR


def graph(n=160, d=6, seed=0):
    stream = generator(seed, "graph")
    pairs = torch.randint(n, (2, 3 * n), generator=stream)
    edge_index = torch.cat([pairs, pairs.flip(0)], 1).unique(dim=1)
    weight = torch.rand(n, n, generator=stream, dtype=torch.float64)
    weight = (weight + weight.T)[edge_index[0], edge_index[1]]
    return edge_index, weight, torch.randn(n, d, generator=stream, dtype=torch.float64)


def reference(net, params, lam, operator, x):
    """One filter at a time, with the polynomial as a dense matrix."""
    terms = stored_bases(
        operator, torch.eye(operator.size(0), dtype=x.dtype), net.order(lam), basis=net.basis
    )
    outputs = []
    for b in range(lam.size(0)):
        coefficients = (
            lam[b].view(net.num_layers if net.per_layer else 1, -1).expand(net.num_layers, -1)
        )
        hidden = x
        for layer in range(net.num_layers):
            matrix = torch.einsum("k,knm->nm", coefficients[layer], terms)
            hidden = matrix @ hidden @ params[f"weight{layer}"][b] + params[f"bias{layer}"][b]
            hidden = hidden.relu() if layer < net.num_layers - 1 else hidden
        outputs.append(hidden)
    return torch.stack(outputs)


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
@pytest.mark.parametrize("per_layer", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2, 4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("classes", [3, 7])
def test_every_form_of_operator_and_features_gives_the_dense_reference(
    basis, per_layer, order, layers, classes
):
    edge_index, weight, x = graph()
    net = PolynomialFilterNet(
        6, hidden=4, num_classes=classes, num_layers=layers, basis=basis, per_layer=per_layer
    )
    params = {name: value + 0.1 for name, value in net.init(2, seed=0, dtype=torch.float64).items()}
    lam = torch.randn(
        2,
        (order + 1) * (layers if per_layer else 1),
        generator=generator(0, "lam"),
        dtype=torch.float64,
    )
    sparse = filter_operator(edge_index, len(x), weight)
    assert isinstance(sparse, CSR)
    dense = dense_operator(
        torch.zeros(len(x), len(x), dtype=x.dtype).index_put((edge_index[1], edge_index[0]), weight)
    )
    torch.testing.assert_close(sparse.to_dense(), dense)
    wanted = reference(net, params, lam, dense, x)
    row, col = x.nonzero(as_tuple=True)
    features = CSR.from_edges(row, col, size=tuple(x.shape), value=x[row, col])
    for operator in (sparse, dense):
        for given in (x, features, stored_bases(operator, x, order, basis=basis)):
            torch.testing.assert_close(net(params, lam, operator, given), wanted)


def test_a_batch_is_its_members_and_init_does_not_depend_on_the_batch():
    edge_index, _, x = graph(40)
    net = PolynomialFilterNet(6, hidden=4, num_classes=3)
    lam, operator, x = torch.rand(5, 3), filter_operator(edge_index, 40), x.float()
    params = net.init(5, seed=3)
    together = net(params, lam, operator, x)
    for b in range(5):
        alone = {name: value[b : b + 1] for name, value in params.items()}
        torch.testing.assert_close(net(alone, lam[b : b + 1], operator, x)[0], together[b])
    assert all(torch.equal(net.init(2, seed=3)[name], value[:2]) for name, value in params.items())
    assert not torch.equal(net.init(5, seed=4)["weight0"], params["weight0"])


def test_initial_weights_are_glorot_uniform_and_biases_zero():
    params = PolynomialFilterNet(50, hidden=70, num_classes=5).init(9, seed=0)
    for name, sizes in (("weight0", 120), ("weight1", 75)):
        bound = (6 / sizes) ** 0.5
        assert float(params[name].max()) == pytest.approx(bound, rel=0.01)
        assert float(params[name].min()) == pytest.approx(-bound, rel=0.01)
        assert abs(float(params[name].mean())) < 0.05 * bound
    assert not params["bias0"].any()
    assert not params["bias1"].any()


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("weighted", [True, False])
def test_an_operator_gathers_along_directed_edges_and_scales_by_what_flows_in(n, weighted):
    stream = generator(0, "directed")
    edges = torch.randint(n, (2, 3 * n), generator=stream).unique(dim=1)
    # Some edges are there twice: their weights add up.
    edges = torch.cat([edges, edges[:, :9]], 1)
    weight = torch.rand(edges.size(1), generator=stream, dtype=torch.float64) + 0.5
    weight = weight if weighted else None
    found = filter_operator(edges, n, weight, lambda_max=1.6, dtype=torch.float64)
    assert isinstance(found, CSR) == (n == 200)
    adjacency = torch.zeros(n, n, dtype=torch.float64)
    for i, (source, target) in enumerate(edges.T.tolist()):
        adjacency[target, source] += weight[i] if weighted else 1.0
    inflow = adjacency.sum(1)
    root = torch.where(inflow > 0, inflow.clamp(min=1e-9) ** -0.5, 0.0)
    wanted = (2 / 1.6 - 1) * torch.eye(n) - 2 / 1.6 * root.diag() @ adjacency @ root.diag()
    found = found.to_dense() if isinstance(found, CSR) else found
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
def test_second_derivatives_in_weights_filters_adjacency_and_features(basis):
    stream = generator(1, "second")
    net = PolynomialFilterNet(2, hidden=3, num_classes=2, basis=basis)
    params = {
        name: value.requires_grad_()
        for name, value in net.init(2, seed=0, dtype=torch.float64).items()
    }
    adjacency = torch.rand(4, 4, generator=stream, dtype=torch.float64) + 0.1
    x, lam = (
        torch.randn(4, 2, generator=stream, dtype=torch.float64),
        torch.randn(2, 3, generator=stream, dtype=torch.float64),
    )

    def logits(adjacency, x, lam, *values):
        return net(dict(zip(params, values)), lam, dense_operator((adjacency + adjacency.T) / 2), x)

    inputs = [
        adjacency.requires_grad_(),
        x.requires_grad_(),
        lam.requires_grad_(),
        *params.values(),
    ]
    first = torch.autograd.grad(logits(*inputs).square().sum(), inputs, create_graph=True)
    assert all(grad.requires_grad for grad in first)
    assert torch.autograd.gradgradcheck(logits, inputs)


def test_second_derivatives_on_a_csr_equal_the_dense_ones():
    edge_index, weight, x = graph()
    net = PolynomialFilterNet(6, hidden=3, num_classes=2)
    lam = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    params = net.init(2, seed=0, dtype=torch.float64)
    found = []
    sparse = filter_operator(edge_index, len(x), weight)
    for operator in (sparse, sparse.to_dense()):
        leaves = [lam, *[value.clone().requires_grad_() for value in params.values()]]
        loss = net(dict(zip(params, leaves[1:])), lam, operator, x).logsumexp(-1).square().sum()
        grads = torch.autograd.grad(loss, leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(grad.sin().sum() for grad in grads), leaves))
    for first, second in zip(*found):
        torch.testing.assert_close(first, second)


def test_isolated_nodes_have_an_identity_laplacian_and_a_finite_gradient():
    adjacency = torch.zeros(3, 3)
    adjacency[0, 1] = adjacency[1, 0] = 2.0
    adjacency.requires_grad_()
    operator = dense_operator(adjacency, lambda_max=1.5)
    assert operator[2].tolist() == pytest.approx([0, 0, 2 / 1.5 - 1])
    operator.sum().backward()
    assert torch.isfinite(adjacency.grad).all()


def test_clenshaw_is_the_sum_over_stored_bases():
    operator, x = (
        dense_operator(torch.ones(5, 5).double()),
        torch.randn(5, 3, generator=generator(0, "x"), dtype=torch.float64),
    )
    c = torch.randn(6, 3, generator=generator(0, "c"), dtype=torch.float64)
    for basis in ("chebyshev", "power"):
        wanted = (stored_bases(operator, x, 5, basis=basis) * c[:, None]).sum(0)
        torch.testing.assert_close(polynomial(operator, x, c, basis=basis), wanted)


def test_dropout_has_its_share():
    net = PolynomialFilterNet(2, hidden=5000, num_classes=1)
    params = net.init(1, seed=0)
    params["weight0"].fill_(0.5)
    params["weight1"].fill_(1 / 5000)
    args = (params, torch.ones(1, 1), torch.eye(4), torch.ones(4, 2))
    # All 5,000 hidden numbers of a node are 1: the share kept, over .7, has a deviation of .01.
    found = net(*args, dropout=0.3, stream=generator(0, "dropout")).flatten()
    assert found.tolist() == pytest.approx([1] * 4, abs=0.04)
    assert len(set(found.tolist())) == 4


def test_dropout_keeps_the_mean_and_needs_its_own_generator():
    net = PolynomialFilterNet(3, hidden=2000, num_classes=2)
    params, x = net.init(1, seed=0), torch.rand(4, 3, generator=generator(0, "x"))
    args = (params, torch.ones(1, 1), torch.eye(4), x)
    whole = net(*args)
    halves = torch.stack(
        [net(*args, dropout=0.5, stream=generator(s, "dropout")) for s in range(40)]
    )
    # The mean of 40 draws lies within 5 standard errors: this fails by chance about once in 10^6
    # runs, and the seeds are fixed.
    assert ((halves.mean(0) - whole).abs() <= 5 * halves.std(0) / 40**0.5 + 1e-6).all()
    with pytest.raises(InputError, match="generator"):
        net(*args, dropout=0.5)


def test_features_become_sparse_only_where_that_pays():
    wide = torch.zeros(200, 50)
    wide[torch.arange(200), torch.arange(200) % 50] = 2.0
    assert isinstance(filter_features(wide), CSR)
    assert torch.equal(filter_features(wide).to_dense(), wide)
    assert isinstance(filter_features(wide[:20]), torch.Tensor)
    assert isinstance(filter_features(torch.ones(200, 50)), torch.Tensor)
    learned = wide.clone().requires_grad_()
    assert filter_features(learned) is learned


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"lam": torch.ones(3)}, "lam"),
        ({"lam": torch.ones(3, 3)}, "params"),
        ({"x": torch.ones(6, 4)}, "num_features"),
        ({"x": torch.ones(2, 6, 3)}, "bases"),
    ],
)
def test_wrong_shapes_name_the_law(change, law):
    net = PolynomialFilterNet(3, hidden=4, num_classes=2)
    call = {
        "params": net.init(5, seed=0),
        "lam": torch.ones(5, 3),
        "operator": torch.eye(6),
        "x": torch.ones(6, 3),
    } | change
    with pytest.raises(InputError, match=law):
        net(**call)


def test_wrong_sizes_are_refused():
    with pytest.raises(InputError, match="hidden"):
        PolynomialFilterNet(3, hidden=0)
    with pytest.raises(InputError, match="basis"):
        PolynomialFilterNet(3, basis="fourier")
