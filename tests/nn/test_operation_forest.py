import pytest
import torch

from graphcond.errors import InputError
from graphcond.nn import ForestGraph, OperationForest
from graphcond.seeding import generator
from graphcond.spaces import NasBenchGraph, TreeChoice

LAYERS = {
    "gcn": {"weight": "lin.weight", "bias": "bias"},
    "gat": {"weight": "lin.weight", "bias": "bias", "source": "att_src", "target": "att_dst"},
    "fc": {"weight": "weight", "bias": "bias"},
    "gin": {"weight": "nn.weight", "bias": "nn.bias"},
    "cheb": {"weight": "lins.1.weight", "other": "lins.0.weight", "bias": "bias"},
    "sage": {"weight": "lin_l.weight", "other": "lin_r.weight", "bias": "lin_l.bias"},
    "graph": {"weight": "lin_rel.weight", "other": "lin_root.weight", "bias": "lin_rel.bias"},
    "arma": {"weight": "init_weight", "other": "root_weight", "bias": "bias"},
}
"""Our names of a layer's weights, and PyG's."""
N, D, H, C = 30, 5, 8, 3


def graph(directed: bool = False) -> ForestGraph:
    stream = generator(0, "graph")
    edges = torch.randint(N, (2, 40), generator=stream)
    edges = edges[:, edges[0] != edges[1]]
    back = edges[:, :0] if directed else edges.flip(0)
    edges = torch.cat([edges, back, torch.tensor([[3], [3]])], 1).unique(dim=1)
    return ForestGraph(torch.randn(N, D, generator=stream), edges)


def give(forest: OperationForest, trees, nets) -> None:
    """Copy the weights of single networks into the forest; norms and biases get random ones."""
    stream = generator(0, "biases")
    with torch.no_grad():
        forest.params["out.weight"].zero_()
        for row, (tree, net) in enumerate(zip(trees, nets)):
            for name, value in net.named_parameters():
                if name.endswith("bias"):
                    value.uniform_(-1, 1, generator=stream)
            for place, operation in enumerate(tree.operations):
                if operation != "skip":
                    _give_layer(forest, place, row, operation, net.layers[place])
                for part in ("weight", "bias"):
                    own = getattr(net.norms[place], part).uniform_(-1, 1, generator=stream)
                    forest.params[f"norm.{part}"][place, row] = own
            columns = net.out.weight.T.reshape(len(net.leaves), H, -1)
            for leaf, column in zip(net.leaves, columns):
                forest.params["out.weight"][row, leaf - 1] = column
            forest.params["out.bias"][0, row] = net.out.bias
            forest.params["post.weight"][row] = net.post.weight.T
            forest.params["post.bias"][0, row] = net.post.bias


def _give_layer(forest, place, row, operation, layer) -> None:
    state = layer.state_dict()
    for group in forest.plan[place]:
        at = (group.trees == row).nonzero()
        if not len(at):
            continue
        for ours, theirs in LAYERS[operation].items():
            value = state[theirs]
            target = forest.params[f"{group.name}.{ours}"]
            if ours in ("weight", "other"):
                value = value.reshape(value.shape[-2:])
                target[int(at)] = value if operation == "arma" else value.T
            else:
                target[0, int(at)] = value.reshape(target[0, int(at)].shape)


@pytest.mark.parametrize("train", [True, False])
def test_a_forest_computes_what_its_trees_do(train):
    trees = NasBenchGraph().decode(NasBenchGraph().sample(40, seed=9))
    nets = [tree(D, C, hidden=H, dropout=0.0, seed=row) for row, tree in enumerate(trees)]
    forest = OperationForest(trees, D, C, hidden=H, dropout=0.0)
    give(forest, trees, nets)
    data = graph()
    rows = torch.arange(N)
    for _ in range(3):
        # Running moments are the same after the same passes.
        forest(data, rows)
        for net in nets:
            net.train()(data.x, data.edge_index)
    logits = forest(data, rows, train=train)
    for row, net in enumerate(nets):
        wanted = net.train(train)(data.x, data.edge_index)
        torch.testing.assert_close(logits[:, row], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("operation", sorted(LAYERS.keys() - {"cheb"}))
def test_messages_flow_along_the_edges_of_a_directed_graph(operation):
    trees = [TreeChoice((0, 1, 2, 3), ("fc", operation, operation, "fc"))]
    nets = [trees[0](D, C, hidden=H, dropout=0.0)]
    forest = OperationForest(trees, D, C, hidden=H, dropout=0.0)
    give(forest, trees, nets)
    data = graph(directed=True)
    wanted = nets[0](data.x, data.edge_index)
    torch.testing.assert_close(forest(data, torch.arange(N))[:, 0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("operation", sorted(LAYERS))
def test_initial_weights_are_as_wide_as_those_of_a_tree(operation):
    width, hidden, count = 40, 64, 6
    tree = TreeChoice((0, 1, 2, 2), (operation, operation, "fc", "fc"))
    forest = OperationForest([tree] * count, width, C, hidden=hidden)
    nets = [tree(width, C, hidden=hidden, seed=seed) for seed in range(count)]

    def near(ours, theirs, tolerance):
        ours = ours.detach()
        wanted = max(float(value.detach().abs().max()) for value in theirs)
        assert float(ours.abs().max()) == pytest.approx(wanted, rel=tolerance)
        if wanted:
            # Uniform, from minus the bound to the bound.
            assert float(ours.abs().mean()) == pytest.approx(wanted / 2, rel=2 * tolerance)
            assert abs(float(ours.mean())) < tolerance * wanted

    for place, name in enumerate((f"0.{operation}.raw", f"1.{operation}")):
        for ours, theirs in LAYERS[operation].items():
            given = [net.layers[place].state_dict()[theirs] for net in nets]
            near(forest.params[f"{name}.{ours}"], given, 0.12 if ours == "bias" else 0.05)
    leaves = forest.params["out.weight"][:, 2:]
    near(leaves, [net.out.weight for net in nets], 0.02)
    near(forest.params["out.bias"], [net.out.bias for net in nets], 0.12)
    near(forest.params["post.weight"], [net.post.weight for net in nets], 0.1)


def test_networks_are_trained_apart():
    trees = [
        TreeChoice((0, 1, 2, 3), ("gcn", "gat", "fc", "arma")),
        TreeChoice((0, 0, 0, 0), ("gcn", "gcn", "gin", "cheb")),
    ]
    forest = OperationForest(trees, D, C, hidden=H)
    forest(graph(), torch.arange(4))[:, 0].sum().backward()
    of_both = forest.params["0.gcn.raw.weight"].grad
    assert of_both[0].abs().sum() > 0
    assert of_both[1].abs().sum() == 0
    # What is no leaf does not reach the classifier, and gets no weight in it.
    classifier = forest.params["out.weight"]
    assert classifier.grad[0, 3].abs().sum() > 0
    assert classifier.grad[0, :3].abs().sum() == classifier[0, :3].abs().sum() == 0


def test_initial_weights_follow_the_seed_and_the_width_that_was_projected():
    trees = [TreeChoice((0, 1, 2, 3), ("gcn", "gat", "fc", "arma"))]
    first, same, other = (OperationForest(trees, D, C, hidden=H, seed=seed) for seed in (0, 0, 1))
    name = "0.gcn.raw.weight"
    assert torch.equal(first.params[name], same.params[name])
    assert not torch.equal(first.params[name], other.params[name])
    wide = OperationForest(trees, D, C, hidden=H, num_features=1000)
    ratio = wide.params[name] / first.params[name]
    torch.testing.assert_close(ratio, torch.full_like(ratio, ((D + H) / (1000 + H)) ** 0.5))


def test_dropout_acts_in_training_only():
    trees = [TreeChoice((0, 1, 2, 3), ("gcn", "gat", "fc", "arma"))]
    forest = OperationForest(trees, D, C, hidden=H)
    rows = torch.arange(N)
    assert not torch.equal(forest(graph(), rows), forest(graph(), rows))
    assert torch.equal(forest(graph(), rows, train=False), forest(graph(), rows, train=False))


def test_dropout_has_its_share_and_keeps_the_mean():
    forest = OperationForest([TreeChoice((0,), ("fc",))], H, C, hidden=H, dropout=0.2)
    with torch.no_grad():
        forest.params["0.fc.raw.weight"].copy_(torch.eye(H))
        forest.params["0.fc.raw.bias"].zero_()
    ones = ForestGraph(torch.ones(400, H), torch.zeros(2, 0, dtype=torch.long))
    left = forest.leaves(ones, torch.arange(400)).detach()
    assert left.unique().tolist() == pytest.approx([0, 1 / 0.8])
    # 3,200 draws: a standard deviation of .007.
    assert float((left > 0).float().mean()) == pytest.approx(0.8, abs=0.03)
    chain = OperationForest([TreeChoice((0, 1), ("fc", "fc"))], H, C, hidden=H, dropout=0.2)
    with torch.no_grad():
        chain.params["0.fc.raw.weight"].zero_()
        chain.params["1.fc.weight"].copy_(torch.eye(H))
        chain.params["1.fc.bias"].zero_()
        chain.params["norm.bias"].fill_(1.0)
    # The first operation is the same everywhere, so what is read of it is 1 before it is dropped.
    read = chain.leaves(ones, torch.arange(400))[..., H:].detach()
    assert read.mul(1000).round().unique().tolist() == [0, 1250]


def test_attention_stays_finite_where_scores_are_huge():
    forest = OperationForest([TreeChoice((0,), ("gat",))], D, C, hidden=H, dropout=0.0)
    with torch.no_grad():
        forest.params["0.gat.raw.source"].fill_(1e3)
        forest.params["0.gat.raw.target"].fill_(1e3)
    assert forest(graph(), torch.arange(N)).isfinite().all()


def test_a_leaf_of_raw_features_is_refused():
    with pytest.raises(InputError, match="canonical form"):
        OperationForest([TreeChoice((0, 0, 0, 0), ("skip", "gcn", "gcn", "gcn"))], D, C)
