"""What sets one kind of network apart from its sibling: reach, aggregation, a learned epsilon."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

from graphcond.data import planted_graph
from graphcond.nn import MF, GraphNet, LightGCN, filter_operator
from graphcond.nn.adjacency import Bernoulli, Identity, Learned, PairMLP, homophilous_start
from graphcond.nn.labelled_nodes import propagated
from graphcond.nn.synthetic import SyntheticGraph
from graphcond.nn.teacher import RidgeTeacher, Taught, propagation, sketch, smooth
from tests import dense

PATH = torch.stack([torch.arange(6), torch.arange(1, 7)])
PATH = torch.cat([PATH, PATH.flip(0)], 1)
HOPS = {"gcn": 1, "sage-mean": 1, "sage-max": 1, "gat": 1, "gin-eps": 1, "gin-0": 1}
HOPS |= {"sgc-2": 2, "sgc-3": 3, "cheb-2": 1, "cheb-3": 2, "appnp": 6}


@pytest.mark.parametrize(("kind", "hops"), HOPS.items())
def test_a_layer_sees_as_far_as_its_order(kind, hops):
    """On a path the output at its end moves with a feature ``hops`` away and no farther: K of
    ``cheb`` counts T_0, so cheb-2 sees one hop.
    """
    net = GraphNet(2, 3, kind, num_layers=1, dropout=0.0).eval()
    x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    plain = net(x, PATH)[0]
    for node in range(7):
        moved = x.clone()
        moved[node] += 3.0
        assert (not torch.equal(net(moved, PATH)[0], plain)) == (node <= hops), node


@pytest.mark.parametrize(("kind", "wanted"), [("sage-mean", 3.0), ("sage-max", 5.0)])
def test_sage_takes_the_mean_or_the_maximum(kind, wanted):
    net = GraphNet(1, 1, kind, num_layers=1, dropout=0.0).eval()
    edges = torch.tensor([[1, 2, 3], [0, 0, 0]])
    x = torch.tensor([[0.0], [1.0], [3.0], [5.0]])
    layer = net.layers[0]
    assert net(x, edges)[0].item() == pytest.approx(
        (layer.lin_l(torch.tensor([wanted])) + layer.lin_r(x[0])).item(), abs=1e-6
    )


def test_gin_learns_its_epsilon_only_where_it_is_named():
    with_it, without = GraphNet(2, 2, "gin-eps", hidden=4), GraphNet(2, 2, "gin-0", hidden=4)
    names = [name for name, _ in with_it.named_parameters() if name.endswith("eps")]
    assert len(names) == 2
    assert not [name for name, _ in without.named_parameters() if name.endswith("eps")]
    assert all(float(layer.eps) == 0 for layer in without.layers)


def test_gin_is_a_perceptron_of_the_sum_over_the_closed_neighbourhood():
    net = GraphNet(2, 3, "gin-0", num_layers=1).eval()
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    first, _, second = net.layers[0].nn
    summed = x.clone()
    for source, target in PATH.T.tolist():
        summed[target] += x[source]
    hidden = (summed @ first.weight.T + first.bias).clamp(min=0)
    torch.testing.assert_close(net(x, PATH), hidden @ second.weight.T + second.bias)


def test_dropout_is_for_training_alone():
    net = GraphNet(2, 3, "gcn", hidden=8, dropout=0.5)
    x = torch.ones(7, 2)
    assert not torch.equal(net.train()(x, PATH), net(x, PATH))
    assert torch.equal(net.eval()(x, PATH), net(x, PATH))


@pytest.mark.parametrize("kind", ["gcn", "gat", "gin-0", "sage-mean", "appnp"])
def test_a_node_without_edges_still_sees_itself_in_every_layer(kind):
    net = GraphNet(2, 3, kind, hidden=16, dropout=0.0).eval()
    x = torch.ones(8, 2)
    moved = x.clone()
    moved[7] = 4.0
    assert not torch.allclose(net(moved, PATH)[7], net(x, PATH)[7], atol=1e-3)


def test_two_layers_have_a_nonlinearity_between_them():
    net = GraphNet(2, 3, "gcn", hidden=8, dropout=0.0).eval()
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    bent = net(x, PATH) + net(-x, PATH) - 2 * net(torch.zeros_like(x), PATH)
    assert bent.abs().max() > 1e-3
    flat = GraphNet(2, 3, "gcn", num_layers=1, dropout=0.0).eval()
    straight = flat(x, PATH) + flat(-x, PATH) - 2 * flat(torch.zeros_like(x), PATH)
    assert straight.abs().max() < 1e-6


@pytest.mark.parametrize("temperature", [0.3, 1.5])
def test_binary_concrete_edges_are_above_a_half_as_often_as_their_probability(temperature):
    """P(A > 1/2) = sigmoid(logit) at every temperature: the noise is logistic."""
    rule = Bernoulli(temperature=temperature)
    logits = torch.full((40, 40), -1.0)
    draws = torch.stack([rule({"logits": logits}, torch.ones(40, 1), seed) for seed in range(20)])
    row, column = torch.triu_indices(40, 40, 1)
    share = (draws[:, row, column] > 0.5).float().mean()
    # 15,600 draws of probability .2689: six standard deviations are .021.
    assert float(share) == pytest.approx(0.2689, abs=0.021)
    assert torch.equal(draws, draws.transpose(1, 2))
    assert not torch.equal(draws[0], draws[1])
    assert torch.equal(draws[3], rule({"logits": logits}, torch.ones(40, 1), 3))
    mean = rule({"logits": logits}, torch.ones(40, 1))
    assert float(mean[0, 1]) == pytest.approx(0.2689, abs=1e-4)


def test_a_lower_temperature_is_nearer_to_zero_and_one():
    logits = torch.zeros(30, 30)
    sharp, soft = (
        Bernoulli(temperature=t)({"logits": logits}, torch.ones(30, 1), 0) for t in (0.2, 1.0)
    )
    above = ~torch.eye(30, dtype=torch.bool)
    assert (sharp - 0.5).abs()[above].mean() > (soft - 0.5).abs()[above].mean() + 0.1
    noise = torch.logit(soft[above])
    # A logistic variable has standard deviation π / √3 = 1.81.
    assert float(noise.std()) == pytest.approx(1.81, abs=0.25)


def test_edges_start_between_the_most_similar_nodes_of_a_class():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [1.0, 0.0]])
    y = torch.tensor([0, 0, 0, 0, 1])
    start = homophilous_start(x, y, 1)
    assert start[0, 1] == start[2, 3] == 1
    assert start.sum() == 4
    assert homophilous_start(x, y, 0).sum() == 0
    # Cosines count, not lengths: a long vector is nobody's neighbour for that.
    scaled = homophilous_start(x * torch.tensor([[1.0], [9.0], [1.0], [20.0], [1.0]]), y, 1)
    assert torch.equal(scaled, start)
    turned = torch.tensor([[1.0, 9.0], [1.0, 8.0], [1.0, -1.0], [2.0, 1.0]])
    assert homophilous_start(turned, torch.zeros(4), 1).nonzero().tolist() == [
        [0, 1],
        [1, 0],
        [1, 3],
        [2, 3],
        [3, 1],
        [3, 2],
    ]


@pytest.mark.parametrize(("rule", "low"), [(Learned(), -5.0), (Bernoulli(), -4.0)])
def test_start_logits_are_high_on_those_edges_and_low_elsewhere(rule, low):
    x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    weight = rule(rule.init(x, y), x).detach()
    assert float(weight[0, 1]) == pytest.approx(float(torch.sigmoid(torch.tensor(1.0))))
    assert float(weight[0, 2]) == pytest.approx(float(torch.sigmoid(torch.tensor(low))))


def test_the_mlp_is_fitted_to_the_start_and_a_seed_repeats_it():
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(12) % 3
    x = torch.eye(6)[y] * 3 + torch.randn(12, 6, generator=draw)
    start = homophilous_start(x, y) > 0
    rule = PairMLP(hidden=8)
    first, again, other = (rule(rule.init(x, y, seed), x).detach() for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    rest = ~start & ~torch.eye(12, dtype=torch.bool)
    assert first[start].mean() > first[rest].mean() + 0.2
    unfitted = PairMLP(hidden=8, warmup=0)
    plain = unfitted(unfitted.init(x, y, 0), x).detach()
    assert first[start].mean() - first[rest].mean() > plain[start].mean() - plain[rest].mean()


@pytest.mark.parametrize("rule", [Learned(), Bernoulli(), PairMLP(hidden=4), Identity()])
def test_a_synthetic_graph_repeats_with_its_seed(rule):
    x, y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 2
    first, again = (SyntheticGraph.start(x, y, rule, 3).weight(5) for _ in range(2))
    assert torch.equal(first, again)


def test_the_teacher_takes_the_setting_of_the_best_validation_accuracy():
    data = planted_graph(num_nodes=150, num_classes=3, num_features=6, degree=4.0, seed=1)
    hops, ridges, restarts = (1, 2), (1e-3, 1.0, 100.0), (0.0, 0.3)
    chosen = RidgeTeacher(hops, ridges, restarts)(data)
    alone = [
        RidgeTeacher((h,), (r,), (s,))(data).accuracy
        for h in hops
        for r in ridges
        for s in restarts
    ]
    assert chosen.accuracy == max(alone) > min(alone)
    moved = data.clone()
    moved.y = torch.where(data.test_mask, (data.y + 1) % 3, data.y)
    assert torch.equal(RidgeTeacher(hops, ridges, restarts)(moved).scores, chosen.scores)


@pytest.mark.parametrize("nodes", [7, 200])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_operator_of_a_graph_is_the_dense_reference_small_or_large(nodes, weighted):
    edges = PATH[:, PATH.max(0).values < min(nodes, 7)]
    weight = torch.linspace(0.5, 2, edges.size(1)) if weighted else None
    found = filter_operator(edges, nodes, weight)
    full = found if isinstance(found, torch.Tensor) else found.to_dense()
    wanted = dense.scaled_laplacian(dense.adjacency(edges, nodes, weight))
    torch.testing.assert_close(full.double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [MF, LightGCN])
def test_a_pairs_score_is_the_product_of_its_embeddings(make):
    model = make(3, 4, dim=2, init_std=1.0)
    pairs = torch.tensor([[0, 1, 2, 2], [0, 3, 1, 2]])
    graph = model.graph(pairs)
    users, items = model.embeddings(graph)
    torch.testing.assert_close(model(pairs, graph), (users @ items.T)[tuple(pairs)])


def test_defaults_of_networks():
    net = GraphNet(3, 2)
    assert [layer.out_channels for layer in net.layers] == [64, 2]
    assert (net.kind, net.dropout) == ("gcn", 0.5)


def test_appnp_is_ten_steps_of_personalised_pagerank_behind_a_perceptron():
    net = GraphNet(2, 3, "appnp", hidden=4, dropout=0.0).eval()
    x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0))
    plain = net.layers[1](torch.relu(net.layers[0](x)))
    weight = torch.zeros(7, 7)
    weight[PATH[1], PATH[0]] = 1
    operator = dense_norm(weight)
    wanted = plain
    for _ in range(10):
        wanted = 0.9 * operator @ wanted + 0.1 * plain
    torch.testing.assert_close(net(x, PATH), wanted, rtol=1e-4, atol=1e-5)


def test_gcn_is_the_normalised_adjacency_with_loops_times_a_linear_map():
    net = GraphNet(2, 3, "gcn", num_layers=1, dropout=0.0).eval()
    x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0))
    weight = torch.zeros(7, 7)
    weight[PATH[1], PATH[0]] = torch.linspace(0.5, 2, 6).repeat(2)
    layer = net.layers[0]
    wanted = dense_norm(weight) @ layer.lin(x) + layer.bias
    found = net(x, PATH, torch.linspace(0.5, 2, 6).repeat(2))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_gat_has_elu_between_and_the_others_relu():
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    for kind, bend in (("gat", torch.nn.functional.elu), ("gcn", torch.relu)):
        net = GraphNet(2, 3, kind, hidden=8, dropout=0.0).eval()
        first, second = net.layers
        if kind == "gat":
            assert (first.heads, second.heads) == (8, 1)
        wanted = second(bend(first(x, PATH)), PATH)
        torch.testing.assert_close(net(x, PATH), wanted)


def test_a_teachers_margin_is_the_gap_of_its_best_two_scores():
    scores = torch.tensor([[0.9, 0.2, 0.5], [0.1, 0.1, 0.0], [9.0, 0.0, -torch.inf]])
    taught = Taught(scores, 1, False, 1.0, 0.0, 0.0)
    assert taught.margin.tolist() == pytest.approx([0.4, 1e-3, 1.0])
    assert taught.labels.tolist() == [0, 0, 0]
    one = Taught(scores[:, :1], 1, False, 1.0, 0.0, 0.0)
    assert one.margin.tolist() == [1, 1, 1]


def test_a_teachers_accuracy_is_that_of_validation_nodes():
    data = planted_graph(num_nodes=150, num_classes=3, num_features=6, degree=4.0, seed=1)
    taught = RidgeTeacher((2,), (1.0,), (0.0,))(data)
    right = (taught.labels == data.y)[data.val_mask].double().mean()
    assert taught.accuracy == pytest.approx(float(right))
    assert taught.labels[data.train_mask].tolist() == data.y[data.train_mask].tolist()


def test_smoothing_is_personalised_pagerank_and_a_sketch_keeps_products():
    data = planted_graph(num_nodes=40, num_classes=2, num_features=4, degree=4.0, seed=1)
    weight = torch.zeros(40, 40)
    weight[data.edge_index[1], data.edge_index[0]] = 1
    operator, start = (
        dense_norm(weight),
        torch.randn(40, 3, generator=torch.Generator().manual_seed(0)),
    )
    wanted = start
    for _ in range(10):
        wanted = 0.8 * operator @ wanted + 0.2 * start
    torch.testing.assert_close(smooth(propagation(data), start, 0.2), wanted, rtol=1e-4, atol=1e-5)
    assert smooth(propagation(data), start, 0.0) is start
    wide = torch.randn(8, 4000, generator=torch.Generator().manual_seed(1))
    short = sketch(wide, 1000, entries=0, seed=3)
    assert short.shape == (8, 1000)
    ratio = short.square().sum(1) / wide.square().sum(1)
    # The mean of 1,000 squares: a standard deviation of .045.
    assert ((ratio - 1).abs() < 0.25).all()
    assert not torch.equal(short, sketch(wide, 1000, entries=0, seed=4))
    assert sketch(wide, 1000) is wide


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_features_flow_along_weighted_directed_edges(hops):
    """Wider than a block of 512 features; of two edges into node 2, one is heavy."""
    edges = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])
    weight = torch.tensor([1.0, 3.0, 0.5, 2.0, 1.0])
    x = torch.randn(4, 600, generator=torch.Generator().manual_seed(0))
    data = Data(x=x, edge_index=edges, edge_weight=weight)
    adjacency = torch.zeros(4, 4)
    adjacency[edges[1], edges[0]] = weight
    operator = dense_norm(adjacency)
    torch.testing.assert_close(propagation(data).to_dense(), operator)
    nodes = torch.tensor([2, 0])
    wanted = (torch.linalg.matrix_power(operator, hops) @ x)[nodes]
    torch.testing.assert_close(propagated(data, nodes, hops), wanted)


def dense_norm(weight):
    looped = weight + torch.eye(len(weight))
    scale = looped.sum(1).rsqrt()
    return scale[:, None] * looped * scale
