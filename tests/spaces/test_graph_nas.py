"""GraphNAS's space holds its 12,644,352 networks, and each computes what its names say."""

import copy
import math

import pytest
import torch
from torch_geometric.nn import GATConv, GCNConv

from graphcond.errors import InputError
from graphcond.nn.graph_nas import AttentionLayer, GraphNASNet, LayerChoice, activate
from graphcond.seeding import generator
from graphcond.spaces import GraphNAS

EDGES = torch.tensor([[0, 1, 2, 3, 3, 0], [1, 0, 1, 2, 0, 2]])
"""Directed and uneven, so that source and target, and in- and out-degrees, differ."""

ATTENTIONS = ("gat", "gcn", "cos", "const", "gat_sym", "linear", "generalized_linear")
AGGREGATORS = ("sum", "mean", "max", "mlp")


def features(n=4, d=5):
    return torch.randn(n, d, generator=generator(0, "features"), dtype=torch.float64)


def layer_of(attention, aggregator, concat=True):
    choice = LayerChoice(attention, aggregator, "linear", heads=2, hidden=3)
    return AttentionLayer(5, 3, choice, concat=concat).double()


def score(layer, head, i, j):
    left, right = layer.left[0, head], layer.right[0, head]

    def gat(a, b):
        value = left @ a + right @ b
        return value if value > 0 else 0.2 * value

    if layer.attention == "gat":
        return gat(i, j)
    if layer.attention == "gat_sym":
        return gat(i, j) + gat(j, i)
    if layer.attention == "cos":
        return (left * i) @ (right * j)
    if layer.attention == "linear":
        return torch.tanh(left @ j + right @ j)
    return layer.general.weight[0] @ torch.tanh(left * i + right * j)


def by_hand(layer, x, pairs):
    """The layer by loops over nodes, heads and neighbours."""
    n, heads, out = len(x), layer.heads, layer.out_channels
    h = (x @ layer.weight).view(n, heads, out)
    neighbours = {i: [j for j, k in pairs if k == i] for i in range(n)}
    rows = []
    for i in range(n):
        row = []
        for head in range(heads):
            senders = neighbours[i]
            if layer.attention == "const":
                weights = torch.ones(len(senders), dtype=x.dtype)
            elif layer.attention == "gcn":
                weights = torch.tensor(
                    [1 / math.sqrt(len(senders) * len(neighbours[j])) for j in senders],
                    dtype=x.dtype,
                )
            else:
                scores = [score(layer, head, h[i, head], h[j, head]) for j in senders]
                weights = torch.stack(scores).softmax(0)
            sent = torch.stack([w * h[j, head] for w, j in zip(weights, senders)])
            if layer.aggregator == "mlp":
                first, _, second = layer.pool
                hidden = (sent @ first.weight.T + first.bias).clamp(min=0)
                sent = hidden @ second.weight.T + second.bias
            if layer.aggregator == "mean":
                row.append(sent.mean(0))
            elif layer.aggregator == "max":
                row.append(sent.max(0).values)
            else:
                row.append(sent.sum(0))
        rows.append(torch.cat(row) if layer.concat else torch.stack(row).mean(0))
    return torch.stack(rows) + layer.bias


def test_the_count_is_the_papers():
    space = GraphNAS()
    assert len(space) == 12_644_352 == 9408 * 1344
    assert len(GraphNAS(num_layers=1)) == 1344
    assert len(set(space.decode(space.sample(50, seed=1)))) == 50
    assert space.sample(2, seed=1).sum(1).tolist() == [9.0, 9.0]


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_a_layer_computes_what_its_names_say(attention, aggregator):
    pairs = [*zip(*EDGES.tolist()), *((i, i) for i in range(4))]
    for concat in (True, False):
        layer = layer_of(attention, aggregator, concat)
        with torch.no_grad():
            layer.bias.normal_(generator=generator(1, "bias"))
        torch.testing.assert_close(layer(features(), EDGES), by_hand(layer, features(), pairs))


def test_two_kinds_are_pygs_own_layers():
    choice = LayerChoice("gat", "sum", "linear", heads=2, hidden=3)
    ours, theirs = AttentionLayer(5, 3, choice), GATConv(5, 3, heads=2)
    with torch.no_grad():
        theirs.lin.weight.copy_(ours.weight.t())
        theirs.att_dst.copy_(ours.left)
        theirs.att_src.copy_(ours.right)
    x = features().float()
    torch.testing.assert_close(ours(x, EDGES), theirs(x, EDGES))
    choice = LayerChoice("gcn", "sum", "linear", heads=1, hidden=3)
    ours, convolution = AttentionLayer(5, 3, choice), GCNConv(5, 3)
    with torch.no_grad():
        convolution.lin.weight.copy_(ours.weight.t())
    torch.testing.assert_close(ours(x, EDGES), convolution(x, EDGES))


@pytest.mark.parametrize("attention", ["const", "gcn"])
def test_dropout_acts_in_training_on_inputs_and_on_weights_but_gcns(attention):
    choice = LayerChoice(attention, "sum", "linear", heads=2, hidden=3)
    layer = AttentionLayer(5, 3, choice, dropout=0.5).double()
    moved = not torch.equal(layer(features(), EDGES), layer(features(), EDGES))
    assert moved == (attention != "gcn")
    plain = AttentionLayer(5, 3, choice).double()
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer.eval()(features(), EDGES), plain(features(), EDGES))
    # Dropped weights are made up for on average.
    layer.train()
    mean = torch.stack([layer(features(), EDGES) for _ in range(400)]).mean(0)
    assert float((mean - plain(features(), EDGES)).detach().abs().mean()) < 0.15
    net = GraphNASNet(5, 3, [choice, choice], dropout=0.5).double()
    assert not torch.equal(net(features(), EDGES), net(features(), EDGES))
    net.eval()
    assert torch.equal(net(features(), EDGES), net(features(), EDGES))
    assert net.layers[0].dropout == net.layers[1].dropout == 0.5


def test_a_network_is_its_layers_and_activations_with_edge_weights():
    kinds = ("tanh", "sigmoid")
    choices = [LayerChoice("const", "mean", kind, heads=2, hidden=3) for kind in kinds]
    net = GraphNASNet(5, 3, choices).double().eval()
    weights = torch.linspace(0.2, 2, EDGES.size(1), dtype=torch.float64)
    hidden = torch.tanh(net.layers[0](features(), EDGES, weights))
    wanted = torch.sigmoid(net.layers[1](hidden, EDGES, weights))
    torch.testing.assert_close(net(features(), EDGES, weights), wanted)
    pairs = [*zip(*EDGES.tolist(), weights.tolist()), *((i, i, 1.0) for i in range(4))]
    h = (features() @ net.layers[0].weight).detach()
    for i in range(4):
        sent = torch.stack([weight * h[j] for j, k, weight in pairs if k == i])
        torch.testing.assert_close(hidden[i].detach(), torch.tanh(sent.mean(0)))


def test_edge_weights_are_factors():
    layer = layer_of("const", "sum")
    weights = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    kept = EDGES[:, weights > 0]
    torch.testing.assert_close(layer(features(), EDGES, weights), layer(features(), kept))


def test_graphs_with_as_many_edges_do_not_share_their_degrees():
    layer, other = layer_of("gcn", "sum"), EDGES.flip(0)
    fresh = copy.deepcopy(layer)
    layer(features(), EDGES)
    torch.testing.assert_close(layer(features(), other), fresh(features(), other))


def test_activations():
    x = torch.tensor([-2.0, 0.0, 7.0])
    wanted = {
        "linear": x,
        "relu": torch.tensor([0.0, 0.0, 7.0]),
        "relu6": torch.tensor([0.0, 0.0, 6.0]),
        "leaky_relu": torch.tensor([-0.02, 0.0, 7.0]),
        "elu": torch.tensor([math.exp(-2.0) - 1, 0.0, 7.0]),
        "sigmoid": 1 / (1 + (-x).exp()),
        "tanh": x.tanh(),
        "softplus": (1 + x.exp()).log(),
    }
    assert set(wanted) == set(GraphNAS().activations)
    for name, value in wanted.items():
        torch.testing.assert_close(activate(x, name), value)


def test_a_choice_builds_its_network():
    space = GraphNAS(widths=(4, 8))
    choice = space.decode(space.sample(1, seed=4))[0]
    net = choice(5, 3, seed=1, dropout=0.2)
    first, last = net.layers
    assert first.concat
    assert not last.concat
    assert (first.out_channels, last.out_channels) == (choice.layers[0].hidden, 3)
    assert last.weight.shape[0] == choice.layers[0].hidden * choice.layers[0].heads
    assert net.dropout == first.dropout == 0.2
    same, other = choice(5, 3, seed=1), choice(5, 3, seed=2)
    assert torch.equal(same.layers[0].weight, first.weight)
    assert not torch.equal(other.layers[0].weight, first.weight)
    assert choice(5, 3).dropout == 0.6


def test_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="no 'mean field'"):
        GraphNASNet(2, 2, [LayerChoice("mean field", "sum", "relu", 1)])
    with pytest.raises(InputError, match="empty"):
        GraphNASNet(2, 2, [])
    with pytest.raises(InputError, match="`heads` must be distinct"):
        GraphNAS(heads=(1, 1))
    with pytest.raises(InputError, match="`num_layers`"):
        GraphNAS(num_layers=0)
