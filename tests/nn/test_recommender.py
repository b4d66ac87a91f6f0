import pytest
import torch

from graphcond import nn
from graphcond.errors import InputError


def random_edges(users=6, items=9, count=25, seed=0):
    keys = torch.unique(
        torch.randint(0, users * items, (count,), generator=torch.Generator().manual_seed(seed))
    )
    return torch.stack([keys // items, keys % items])


def dense_lightgcn(model, pairs, users, items):
    adjacency = torch.zeros(users + items, users + items, dtype=torch.float64)
    adjacency[pairs[0], users + pairs[1]] = 1
    adjacency = adjacency + adjacency.T
    root = adjacency.sum(1).clamp(min=1).rsqrt()
    normal = root[:, None] * adjacency * root
    x = torch.cat([model.user, model.item]).double()
    layers = [x]
    for _ in range(model.num_layers):
        layers.append(normal @ layers[-1])
    mean = torch.stack(layers).mean(0)
    return mean[:users], mean[users:]


def test_lightgcn_is_the_mean_of_its_layers():
    pairs = random_edges()
    model = nn.LightGCN(6, 9, dim=5, num_layers=3)
    users, items = model.embeddings(model.graph(pairs))
    want = dense_lightgcn(model, pairs, 6, 9)
    torch.testing.assert_close(users.double(), want[0], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(items.double(), want[1], rtol=1e-5, atol=1e-8)


def test_weighted_interactions_are_normalised_by_what_a_node_takes_in():
    pairs = random_edges()
    weight = torch.linspace(0.5, 2, pairs.size(1))
    matrix = torch.zeros(6, 9)
    matrix[pairs[0], pairs[1]] = weight
    rows, columns = (matrix.sum(dim).clamp(min=1e-9).rsqrt() for dim in (1, 0))
    found = nn.LightGCN(6, 9).graph(pairs, weight).to_dense()
    torch.testing.assert_close(found, rows[:, None] * matrix * columns)
    assert nn.MF(6, 9).graph(pairs, weight) is None


def test_tables_are_normal_with_the_deviation_that_is_asked_for():
    model = nn.MF(300, 400, dim=50, init_std=0.3, bias=True)
    for table in (model.user, model.item):
        assert float(table.detach().std()) == pytest.approx(0.3, rel=0.02)
        assert abs(float(table.detach().mean())) < 0.01
    assert not model.item_bias.any()


def test_lightgcn_without_its_graph_says_so():
    with pytest.raises(InputError, match="graph"):
        nn.LightGCN(6, 9).embeddings(None)


@pytest.mark.parametrize("make", [nn.MF, nn.LightGCN])
def test_models_side_by_side_do_not_mix(make):
    first, second = random_edges(seed=1), random_edges(seed=2)
    both = make(6, 9, dim=4, num_models=2, seed=3)
    alone = make(6, 9, dim=4, seed=0)
    with torch.no_grad():
        alone.user.copy_(both.user[6:])
        alone.item.copy_(both.item[9:])
    pairs = torch.cat([both.offset(first, 0), both.offset(second, 1)], dim=1)
    torch.testing.assert_close(
        both(both.offset(second, 1), both.graph(pairs)), alone(second, alone.graph(second))
    )


def test_bias_is_one_more_coordinate():
    model = nn.MF(3, 4, dim=2, bias=True)
    with torch.no_grad():
        model.item_bias.copy_(torch.arange(4.0))
    users, items = model.embeddings(None)
    torch.testing.assert_close(users @ items.T, model.user @ model.item.T + torch.arange(4.0))


def test_seed_decides_the_tables_and_the_global_generator_is_left_alone():
    state = torch.random.get_rng_state()
    a, b, c = (nn.MF(5, 5, seed=s).user for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0},
        {"dim": 0},
        {"init_std": 0.0},
        {"num_layers": 1},
    ],
)
def test_wrong_arguments(wrong):
    with pytest.raises(InputError, match="[Mm]ust"):
        nn.MF(3, 4, **wrong)


@pytest.mark.parametrize("num_layers", [0, -1])
def test_lightgcn_needs_a_layer(num_layers):
    with pytest.raises(InputError, match="`num_layers` must be at least 1 for LightGCN"):
        nn.LightGCN(3, 4, num_layers=num_layers)
