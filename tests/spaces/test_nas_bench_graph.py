from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

from graphcond.errors import InputError
from graphcond.seeding import generator
from graphcond.spaces import NasBenchGraph, TreeChoice

TABLE = Path("nas-bench-graph") / "nas_bench_graph.npz"
SETS = {
    "cora": (1433, 7, {"hidden": 256}),
    "citeseer": (3703, 6, {"hidden": 256}),
    "pubmed": (500, 3, {"hidden": 128, "post": False}),
    "cs": (6805, 15, {"hidden": 128, "post": False, "pre": True}),
    "photo": (745, 8, {"hidden": 128, "post": False}),
    "arxiv": (128, 40, {"hidden": 128}),
}
"""Features, classes, and how networks are built. The table's counts for Photo have no ``pre``."""


def test_the_space_has_26206_networks_each_in_one_form():
    space = NasBenchGraph()
    lam = space.all()
    assert len(set(space.decode(lam))) == len(lam) == len(space) == 26206
    assert space.contains(lam[::131]).all()


def test_another_form_of_a_network_is_not_in_the_space():
    space = NasBenchGraph()
    forms = [
        TreeChoice((0, 0, 0, 0), ("gin", "gcn", "gcn", "gcn")),
        TreeChoice((0, 1, 2, 3), ("gcn", "skip", "gcn", "gcn")),
        TreeChoice((0, 0, 1, 2), ("gcn", "gcn", "fc", "gat")),
        TreeChoice((0, 1, 2, 3), ("skip", "skip", "skip", "skip")),
    ]
    assert not space.contains(space.encode(forms)).any()
    assert space.contains(space.encode([form.canonical() for form in forms[:3]])).all()
    assert not space.contains(torch.ones(2, space.size)).any()


@pytest.mark.parametrize(
    ("links", "operations", "order"),
    [
        # The skip in the middle of a chain goes to its front.
        ((0, 1, 2, 3), ("gcn", "skip", "gin", "fc"), (1, 0, 2, 3)),
        # A skip that ends a chain does, too.
        ((0, 1, 2, 3), ("gcn", "gin", "fc", "skip"), (3, 0, 1, 2)),
        # Two chains change places.
        ((0, 0, 1, 2), ("gin", "gcn", "fc", "fc"), (1, 0, 3, 2)),
    ],
)
def test_the_canonical_form_computes_the_same(links, operations, order):
    given = TreeChoice(links, operations)
    moved = given.canonical()
    assert moved != given
    assert moved.canonical() == moved
    first = given(6, 3, hidden=8, post=False, seed=0).eval()
    second = moved(6, 3, hidden=8, post=False, seed=1).eval()
    for place, origin in enumerate(order):
        second.layers[place].load_state_dict(first.layers[origin].state_dict())
    weights = first.out.weight
    if len(first.leaves) == 2:
        weights = torch.cat([weights[:, 8:], weights[:, :8]], 1)
    with torch.no_grad():
        second.out.weight.copy_(weights)
        second.out.bias.copy_(first.out.bias)
    x = torch.randn(4, 6, generator=generator(0, "features"))
    edges = torch.tensor([[0, 1, 2], [1, 2, 3]])
    torch.testing.assert_close(second(x, edges), first(x, edges))


def test_a_choice_builds_the_network_that_is_asked_for():
    choice = TreeChoice((0, 0, 1, 2), ("gcn", "gat", "fc", "skip"))
    net = choice(6, 3, hidden=8, dropout=0.3, pre=True, post=False, seed=1)
    assert (net.links, net.operations) == (choice.links, choice.operations)
    assert (net.dropout, net.pre.out_features, net.out.out_features, net.post) == (0.3, 8, 3, None)
    usual, same, other = (choice(6, 3, seed=seed) for seed in (0, 0, 1))
    assert (usual.dropout, usual.pre, usual.post.in_features) == (0.5, None, 256)
    assert torch.equal(usual.out.weight, same.out.weight)
    assert not torch.equal(usual.out.weight, other.out.weight)


def test_trials_choose_networks_of_the_space():
    space = NasBenchGraph()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    chosen = [space.suggest(study.ask()) for _ in range(40)]
    assert space.contains(space.encode(chosen)).all()
    skips = {"tree": 8} | {f"operation{i}": "skip" for i in range(1, 5)}
    for tree in range(9):
        only = space.suggest(optuna.trial.FixedTrial(skips | {"tree": tree}))
        assert only == TreeChoice((0, 1, 2, 3), ("skip", "skip", "skip", "fc"))


def test_too_many_networks_are_refused():
    with pytest.raises(InputError, match="26206"):
        NasBenchGraph().sample(26207)


@pytest.mark.dataset
def test_networks_and_their_order_are_the_tables(data_root):
    table = np.load(data_root / TABLE)
    space = NasBenchGraph()
    picks = torch.stack([group.argmax(1) for group in space.all().split(9, 1)], 1).numpy()
    assert (picks[:, 0] == table["link"]).all()
    assert (picks[:, 1:] == table["ops"]).all()


@pytest.mark.dataset
@pytest.mark.parametrize("name", SETS)
def test_parameter_counts_are_the_tables(data_root, name):
    table = np.load(data_root / TABLE)
    space = NasBenchGraph()
    rows = torch.randperm(len(space), generator=generator(0, name))[:40]
    features, classes, options = SETS[name]
    for row, choice in zip(rows.tolist(), space.decode(space.all()[rows])):
        with torch.device("meta"):
            net = choice(features, classes, **options)
        count = sum(value.numel() for value in net.parameters())
        # The table holds millions in single precision.
        assert abs(count - 1e6 * float(table[f"{name}_params"][row])) < 1
