import pytest
import torch

from graphcond.errors import InputError, UnknownNameError
from graphcond.nn import OPERATIONS, OperationTree
from graphcond.seeding import generator

EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0, 4, 2], [1, 0, 2, 1, 3, 2, 0, 3, 2, 4]])
COUNTS = [
    # What NAS-Bench-Graph publishes, in millions, to six digits: (set, links, operations, count).
    ("cora", (0, 0, 0, 0), ("gat", "gat", "gat", "gat"), 1736711),
    ("cora", (0, 1, 2, 3), ("skip", "skip", "skip", "sage"), 803591),
    ("pubmed", (0, 0, 0, 0), ("gat", "gat", "gat", "cheb"), 323843),
    ("arxiv", (0, 0, 0, 0), ("gat", "gat", "gat", "gin"), 138664),
]
SETS = {
    "cora": {"num_features": 1433, "num_classes": 7, "hidden": 256},
    "pubmed": {"num_features": 500, "num_classes": 3, "hidden": 128, "post": False},
    "arxiv": {"num_features": 128, "num_classes": 40, "hidden": 128},
}


def features(n: int = 5, d: int = 6) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(0, "features"))


@pytest.mark.parametrize(("name", "links", "operations", "count"), COUNTS)
def test_parameter_counts_are_the_published_ones(name, links, operations, count):
    net = OperationTree(links=links, operations=operations, **SETS[name])
    assert sum(value.numel() for value in net.parameters()) == count


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_read_is_normalised_and_cut_unless_it_is_the_input(operation):
    net = OperationTree(6, 3, (0, 1), ("fc", operation), hidden=8, dropout=0.0, seed=1).train()
    x = features()
    first = x @ net.layers[0].weight.T + net.layers[0].bias
    scaled = (first - first.mean(0)) / (first.var(0, unbiased=False) + 1e-5).sqrt()
    read = torch.relu(scaled)
    if operation == "skip":
        second = first
    elif operation == "fc":
        second = net.layers[1](read)
    else:
        second = net.layers[1](read, EDGES)
    wanted = net.post(torch.relu(net.out(torch.relu(second))))
    torch.testing.assert_close(net(x, EDGES), wanted)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_edge_weights_are_used_by_those_layers_that_have_them(operation):
    net = OperationTree(6, 3, (0,), (operation,), hidden=8, seed=1).eval()
    weighted = net(features(), EDGES, torch.linspace(0.2, 1, EDGES.size(1)))
    same = torch.equal(net(features(), EDGES), weighted)
    assert same == (operation not in ("gcn", "cheb", "arma", "graph"))


def test_an_affine_map_before_makes_the_input_a_state_like_others():
    net = OperationTree(6, 3, (0, 1), ("fc", "skip"), hidden=8, pre=True, dropout=0.0).train()
    state = features() @ net.pre.weight.T + net.pre.bias
    scaled = (state - state.mean(0)) / (state.var(0, unbiased=False) + 1e-5).sqrt()
    wanted = net.post(torch.relu(net.out(torch.relu(net.layers[0](torch.relu(scaled))))))
    torch.testing.assert_close(net(features(), EDGES), wanted)


def test_every_operation_has_a_norm_of_its_own():
    net = OperationTree(6, 3, (0, 1, 1), ("fc", "fc", "fc"), hidden=8).eval()
    with torch.no_grad():
        for norm in net.norms:
            norm.weight.normal_(generator=generator(norm.num_features, "norm"))
            norm.bias.uniform_(generator=generator(0, "norm", len(net.norms)))
        net.norms[2].bias += 1
    first, second, third = net.layers
    state = first(features())
    leaves = [
        layer(torch.relu(state / (1 + 1e-5) ** 0.5 * norm.weight + norm.bias))
        for layer, norm in ((second, net.norms[1]), (third, net.norms[2]))
    ]
    wanted = net.post(torch.relu(net.out(torch.relu(torch.cat(leaves, 1)))))
    torch.testing.assert_close(net(features(), EDGES), wanted)


def test_leaves_stand_side_by_side_and_inner_operations_are_no_leaves():
    net = OperationTree(6, 3, (0, 0, 1, 1), ("fc",) * 4, hidden=8, post=False)
    assert net.leaves == (2, 3, 4)
    assert net.out.in_features == 24
    x = features()
    net.eval()
    before = net(x, EDGES)
    with torch.no_grad():
        net.out.weight[:, :8] = 0
    states = net.layers[1](x)
    assert not torch.equal(net(x, EDGES), before)
    with torch.no_grad():
        net.out.weight[:, 8:] = 0
        net.out.weight[:, :8] = 1
    wanted = torch.relu(states).sum(1, keepdim=True) + net.out.bias
    torch.testing.assert_close(net(x, EDGES), wanted)


def test_weights_follow_the_seed_and_dropout_acts_in_training_only():
    made = [OperationTree(6, 3, (0,), ("gcn",), hidden=8, seed=seed) for seed in (0, 0, 1)]
    x = features()
    logits = [net.eval()(x, EDGES) for net in made]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
    assert not torch.equal(made[0].train()(x, EDGES), made[0](x, EDGES))


def test_wrong_trees_are_refused():
    with pytest.raises(InputError, match="2 links and 1 operations"):
        OperationTree(6, 3, (0, 1), ("gcn",))
    with pytest.raises(InputError, match="Operation 2 reads 2"):
        OperationTree(6, 3, (0, 2), ("gcn", "gcn"))
    with pytest.raises(UnknownNameError, match="unknown names: mlp"):
        OperationTree(6, 3, (0,), ("mlp",))
    with pytest.raises(InputError, match="multiple of 4"):
        OperationTree(6, 3, (0,), ("gcn",), hidden=6)
    with pytest.raises(InputError, match=r"in \[0, 1\)"):
        OperationTree(6, 3, (0,), ("gcn",), dropout=1.0)
