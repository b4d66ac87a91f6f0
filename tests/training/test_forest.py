import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from graphcond.errors import InputError
from graphcond.metrics import spearman
from graphcond.nn import ForestGraph, OperationForest
from graphcond.seeding import derive, generator
from graphcond.spaces import TreeChoice
from graphcond.training import ForestRuns, ForestTraining, forest, train_forest

DEEP = TreeChoice((0, 1, 2, 3), ("gcn", "gcn", "fc", "fc"))
BLIND = TreeChoice((0, 1, 2, 3), ("fc", "fc", "fc", "fc"))
WIDE = TreeChoice((0, 0, 0, 0), ("gcn", "gcn", "sage", "arma"))
FLAT = TreeChoice((0, 0, 0, 0), ("gcn", "gcn", "gcn", "gcn"))
FAST = ForestTraining(epochs=30, looks=6, hidden=16, dropout=0.0, sketch=None)


def planted(seed: int = 0, n: int = 120) -> Data:
    """A ring of cliques: features are noise, but neighbours' mean tells the class."""
    stream = generator(seed, "planted")
    y = torch.arange(n) // 10 % 2
    x = torch.randn(n, 8, generator=stream)
    x[:, 0] += 1.2 * (2 * y - 1)
    cliques = torch.arange(n).view(-1, 10)
    source = cliques[:, :, None].expand(-1, 10, 10).flatten()
    target = cliques[:, None, :].expand(-1, 10, 10).flatten()
    edges = torch.stack([source, target])[:, source != target]
    train = torch.zeros(n, dtype=torch.bool)
    train[: n // 2 : 5] = True
    val = torch.zeros(n, dtype=torch.bool)
    val[n // 2 :] = True
    return Data(x=x, y=y, edge_index=edges, train_mask=train, val_mask=val)


def test_networks_that_see_neighbours_score_above_those_that_do_not():
    data = planted()
    runs = train_forest([FLAT, BLIND, WIDE, BLIND], data, data, recipe=replace(FAST, block=3))
    assert runs.accuracy.shape == runs.loss.shape == (6, 4)
    score = runs.score
    assert min(score[0], score[2]) > max(score[1], score[3]) + 0.1
    truth = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert spearman(truth, score.double().round(decimals=1)) > 0.8


def test_only_validation_labels_of_the_validation_graph_judge():
    data = planted()
    poisoned = copy.copy(data)
    poisoned.y = data.y.clone()
    poisoned.y[~data.val_mask & ~data.train_mask] = 0
    first = train_forest([DEEP, WIDE], data, data, recipe=FAST)
    second = train_forest([DEEP, WIDE], data, poisoned, recipe=FAST)
    assert torch.equal(first.accuracy, second.accuracy)
    poisoned.y[data.val_mask] = 1 - data.y[data.val_mask]
    turned = train_forest([DEEP, WIDE], data, poisoned, recipe=FAST)
    torch.testing.assert_close(turned.accuracy, 1 - first.accuracy)
    # Of two classes the loss is ln(1 + e^m), of turned labels ln(1 + e^-m).
    assert torch.equal(first.loss, second.loss)
    assert bool((turned.loss > first.loss).any())


def test_runs_repeat_and_leave_the_global_generator_alone():
    data = planted()
    recipe = ForestTraining(epochs=4, looks=2, hidden=8, sketch=4)
    state = torch.random.get_rng_state()
    first, same, other = (
        train_forest([DEEP, WIDE], data, data, recipe=recipe, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first.loss, same.loss)
    assert not torch.equal(first.loss, other.loss)


def test_blocks_come_back_in_order():
    data = planted()
    recipe = ForestTraining(epochs=2, looks=1, hidden=8, dropout=0.0, sketch=None, block=1)
    runs = train_forest([DEEP, BLIND], data, data, recipe=recipe)
    alone = train_forest([DEEP], data, data, recipe=recipe)
    assert torch.equal(runs.loss[:, :1], alone.loss)


def test_the_score_is_the_mean_of_the_later_looks():
    accuracy = torch.tensor([[0.9, 0.1], [0.2, 0.4], [0.4, 0.6]])
    assert ForestRuns(accuracy, accuracy).score.tolist() == pytest.approx([0.3, 0.5])


def test_wrong_recipes_and_graphs_are_refused():
    with pytest.raises(InputError, match="`looks` must be from 1 to 5"):
        ForestTraining(epochs=5, looks=6)
    with pytest.raises(InputError, match="`block`"):
        ForestTraining(block=0)
    narrow = planted()
    narrow.x = narrow.x[:, :4]
    with pytest.raises(InputError, match="8 and 4"):
        train_forest([DEEP], planted(), narrow)


def test_a_class_that_only_the_validation_graph_has_counts_as_one():
    data = planted()
    other = copy.copy(data)
    other.y = data.y.clone()
    other.y[data.val_mask.nonzero()[:5, 0]] = 2
    runs = train_forest([FLAT], data, other, recipe=FAST)
    assert runs.loss.isfinite().all()


@pytest.mark.parametrize(
    "change",
    [{"weight_decay": 0.5}, {"momentum": 0.0}, {"learning_rate": 0.01}, {"dropout": 0.5}]
    + [{"post": False}, {"hidden": 8}, {"sketch": 3}],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_the_recipe_changes_the_training(change):
    data, short = planted(), replace(FAST, epochs=6, looks=2)
    first = train_forest([DEEP], data, data, recipe=short).loss
    assert not torch.equal(
        first, train_forest([DEEP], data, data, recipe=replace(short, **change)).loss
    )


def test_trees_descend_on_training_nodes_and_are_looked_at_evenly_without_dropout():
    data = planted()
    data.val_mask = data.train_mask
    recipe = replace(FAST, epochs=9, looks=3, dropout=0.9)
    long, short = (
        train_forest([FLAT], data, data, recipe=replace(recipe, epochs=epochs, looks=looks))
        for epochs, looks in ((9, 3), (6, 2))
    )
    assert torch.equal(long.loss[:2], short.loss)
    first = train_forest([FLAT], data, data, recipe=replace(FAST, epochs=40, looks=8)).loss
    assert float(first[-1]) < 0.5 * float(first[0])


def test_a_look_leaves_the_training_as_it_is():
    """Neither the draws of dropout nor the means that normalise know how often it was looked."""
    data, recipe = planted(), replace(FAST, epochs=9, dropout=0.5)
    once, thrice = (
        train_forest([FLAT], data, data, recipe=replace(recipe, looks=looks)) for looks in (1, 3)
    )
    assert torch.equal(once.loss[-1], thrice.loss[-1])


def test_the_test_nodes_labels_are_not_read():
    data = planted()
    rest = ~(data.train_mask | data.val_mask)
    moved = copy.copy(data)
    moved.y = torch.where(rest, 1 - data.y, data.y)
    first, second = (train_forest([DEEP], each, each, recipe=FAST) for each in (data, moved))
    assert torch.equal(first.loss, second.loss)


def test_every_step_takes_the_gradient_of_its_own_epoch(monkeypatch):
    data, found, step = planted(), [], torch.optim.SGD.step

    def spy(self, *args):
        found.append([each.grad.clone() for group in self.param_groups for each in group["params"]])
        step(self, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    still = replace(FAST, epochs=3, looks=1, learning_rate=1e-9)
    runs = train_forest([DEEP], data, data, recipe=still)
    # Of an untrained network, a mean over nodes: about that of guessing between two classes.
    assert float(runs.loss[0, 0]) == pytest.approx(math.log(2), abs=0.3)
    for first, third in zip(found[0], found[2]):
        torch.testing.assert_close(first, third, rtol=1e-3, atol=1e-6)


def test_each_network_descends_its_own_loss_however_many_share_a_block(monkeypatch):
    data, found, step = planted(), [], torch.optim.SGD.step

    def spy(self, *args):
        found.extend(each.grad.clone() for group in self.param_groups for each in group["params"])
        step(self, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    train_forest([DEEP, FLAT, WIDE], data, data, recipe=replace(FAST, epochs=1, looks=1), seed=4)
    trees = OperationForest(
        [DEEP, FLAT, WIDE], 8, 2, hidden=16, dropout=0.0, seed=derive(4, "block", 0)
    )
    nodes = data.train_mask.nonzero()[:, 0]
    logits = trees(ForestGraph(data.x, data.edge_index), nodes)
    sum(cross_entropy(each, data.y[nodes]) for each in logits.unbind(1)).backward()
    for each, wanted in zip(found, trees.params.values(), strict=True):
        torch.testing.assert_close(each, wanted.grad)


def test_features_are_sketched_along_directions_of_both_graphs(monkeypatch):
    train, val = planted(0), planted(1)
    train.edge_index = train.edge_index[:, train.edge_index[0] < train.edge_index[1]]
    seen, directions, graph = [], forest._directions, forest.ForestGraph

    def spy(x, *rest):
        seen.append((x, directions(x, *rest)))
        return seen[0][1]

    monkeypatch.setattr(forest, "_directions", spy)
    monkeypatch.setattr(forest, "ForestGraph", lambda *each: (seen.append(each), graph(*each))[1])
    train_forest([FLAT], train, val, recipe=replace(FAST, epochs=1, looks=1, sketch=3))
    (x, basis), *graphs = seen
    assert torch.equal(x, torch.cat([train.x, val.x]))
    for data, (features, edges) in zip((train, val), graphs, strict=True):
        assert torch.equal(features, data.x @ basis)
        assert torch.equal(edges, data.edge_index)


def test_there_are_no_more_directions_than_nodes_or_features():
    x = torch.randn(5, 9, generator=generator(0, "x"))
    for some in (x, x.T):
        assert forest._directions(some, 5, 0) is None
        assert forest._directions(some, 4, 0).shape == (some.size(1), 4)


def test_directions_are_the_leading_right_singular_vectors():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(200, 30, generator=draw) * 0.85 ** torch.arange(30)
    found = torch.linalg.svd(x).Vh[:4] @ forest._directions(x, 4, 0)
    torch.testing.assert_close(found.diagonal().abs(), torch.ones(4), rtol=0, atol=3e-4)


def test_every_block_holds_its_own_networks():
    data, single = planted(), replace(FAST, epochs=3, looks=1, block=1)
    runs = [train_forest([first, FLAT], data, data, recipe=single) for first in (WIDE, BLIND)]
    assert torch.equal(runs[0].loss[:, 1], runs[1].loss[:, 1])
    assert not torch.equal(runs[0].loss[:, 0], runs[1].loss[:, 0])
