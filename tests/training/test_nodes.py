from dataclasses import replace
from functools import partial

import pytest
import torch
from torch_geometric.data import Data

from graphcond.data import parts, union
from graphcond.errors import FileFormatError, InputError, NumericalError
from graphcond.nn import PolynomialFilterNet, filters
from graphcond.seeding import generator
from graphcond.spaces import PolynomialFilters
from graphcond.training import EarlyStopping, FilterTraining, filter_graph, train_filters
from graphcond.training.filter_program import FilterProgram
from tests import dense

NET = PolynomialFilterNet(6, hidden=8, num_classes=3)
LAM = PolynomialFilters().sample(6, seed=0)


def planted(n=180, seed=0):
    """Three homophilous classes with noisy class features."""
    stream = generator(seed, "planted")
    y = torch.arange(n) % 3
    pairs = torch.randint(n, (2, 12 * n), generator=stream)
    pairs = pairs[:, (y[pairs[0]] == y[pairs[1]]) | (torch.rand(12 * n, generator=stream) < 0.1)]
    x = torch.eye(6)[y] + 0.8 * torch.randn(n, 6, generator=stream)
    role = torch.rand(n, generator=stream)
    return Data(
        x=x,
        y=y,
        edge_index=torch.cat([pairs, pairs.flip(0)], 1).unique(dim=1),
        train_mask=role < 0.3,
        val_mask=role > 0.6,
    )


def test_filters_learn_and_a_batch_gives_what_its_members_give_alone():
    data = planted()
    together = train_filters(NET, LAM, data, recipe=FilterTraining(epochs=60), seed=3)
    assert together.best_accuracy.max() > 0.9
    assert (together.best_loss <= together.loss + 1e-6).all()
    alone = train_filters(NET, LAM[:1], data, recipe=FilterTraining(epochs=60), seed=3)
    torch.testing.assert_close(alone.loss, together.loss[:1], rtol=1e-3, atol=1e-4)


def test_all_candidates_start_from_the_same_weights():
    runs = train_filters(NET, torch.full((4, 3), 0.3), planted(), recipe=FilterTraining(epochs=5))
    torch.testing.assert_close(runs.loss, runs.loss[:1].expand(4))


@pytest.mark.parametrize("apart", [False, True])
def test_results_are_those_of_the_parameters_returned(apart, monkeypatch):
    """Of filters that are trained together, and of each alone where two features are absent."""
    data = planted()
    if apart:
        data.x[:, [1, 4]] = 0
        monkeypatch.setattr("graphcond.training.nodes.activations_at_once", lambda device: 1)
    runs = train_filters(NET, LAM, data, recipe=FilterTraining(epochs=30))
    graph = filter_graph(data)
    for params, loss, accuracy in (
        (runs.params, runs.loss, runs.accuracy),
        (runs.best_params, runs.best_loss, runs.best_accuracy),
    ):
        logits = NET(params, LAM, graph.operator, graph.x)[:, data.val_mask]
        wanted = torch.stack(
            [torch.nn.functional.cross_entropy(each, data.y[data.val_mask]) for each in logits]
        )
        torch.testing.assert_close(loss, wanted)
        torch.testing.assert_close(
            accuracy, (logits.argmax(-1) == data.y[data.val_mask]).float().mean(1)
        )


@pytest.mark.parametrize("basis", ["chebyshev", "power"])
def test_few_features_are_propagated_once_and_nothing_else_changes(basis, monkeypatch):
    """No step propagates them; losses and weights are those of propagating in every step."""
    data, net = planted(), replace(NET, basis=basis)
    columns = []
    propagate = filters.apply
    monkeypatch.setattr(
        filters, "apply", lambda op, x, *rest: columns.append(x.size(1)) or propagate(op, x, *rest)
    )
    recipe = FilterTraining(epochs=20)
    once = train_filters(net, LAM, data, recipe=recipe)
    # Forward of the second layer: K products of B classes; none of B hidden units.
    assert set(columns) == {len(LAM) * 3}
    monkeypatch.setattr("graphcond.training.filter_graphs._BASES_SHARE", 0.0)
    each = train_filters(net, LAM, data, recipe=recipe)
    assert set(columns) == {len(LAM) * 3, len(LAM) * 8}
    torch.testing.assert_close(once.loss, each.loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(once.params, each.params, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("absent", [[], [1, 4]])
def test_one_candidate_equals_plain_adam(absent):
    """Features that no node has are left out: the results are the same, their weights 0."""
    data, recipe = planted(), FilterTraining(epochs=7, weight_decay=0.1)
    data.x[:, absent] = 0
    data.x[:, 2] = -data.x[:, 2].relu()  # some nodes have it, and none above 0
    graph, params = filter_graph(data), NET.init(1, seed=0)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    adam = torch.optim.Adam(leaves.values(), lr=recipe.learning_rate, weight_decay=0.1)
    for _ in range(7):
        logits = NET(leaves, LAM[:1], graph.operator, graph.x)[0, data.train_mask]
        adam.zero_grad()
        torch.nn.functional.cross_entropy(logits, data.y[data.train_mask]).backward()
        adam.step()
    runs = train_filters(NET, LAM[:1], data, recipe=recipe)
    with torch.no_grad():
        logits = NET(leaves, LAM[:1], graph.operator, graph.x)[0, data.val_mask]
        torch.testing.assert_close(
            runs.loss[0], torch.nn.functional.cross_entropy(logits, data.y[data.val_mask])
        )
        leaves["weight0"][:, absent] = 0
    for name, value in leaves.items():
        torch.testing.assert_close(runs.params[name], value.detach(), rtol=1e-4, atol=1e-5)


def test_two_parts_of_one_size_are_kept_apart():
    first, second = planted(60, seed=1), planted(60, seed=2)
    for graph in (first, second):
        del graph.train_mask, graph.val_mask
    small = union(first, second)
    recipe = FilterTraining(epochs=25)
    runs = train_filters(NET, LAM, small, recipe=recipe)
    train_part, val_part = parts(small)
    assert train_part.num_nodes == val_part.num_nodes
    val_part.train_mask[0] = True
    graph = filter_graph(val_part)
    logits = NET(runs.params, LAM, graph.operator, graph.x)
    assert torch.allclose((logits.argmax(-1) == val_part.y).float().mean(1), runs.accuracy)
    swapped = train_filters(NET, LAM, union(second, first), recipe=recipe)
    assert not torch.allclose(swapped.loss, runs.loss, atol=1e-3)


def test_the_best_epoch_is_how_many_steps_led_to_what_was_kept():
    """All of them, where the loss that judges falls at every step."""
    data = planted()
    data.val_mask = data.train_mask
    runs = train_filters(NET, LAM, data, recipe=FilterTraining(epochs=6, learning_rate=1e-3))
    assert runs.best_epoch.tolist() == [6] * len(LAM)
    assert torch.equal(runs.best_loss, runs.loss)


def test_early_stopping_keeps_each_candidates_best():
    data = planted()
    whole = train_filters(NET, LAM, data, recipe=FilterTraining(epochs=150, learning_rate=0.05))
    rule = EarlyStopping(patience=5, min_delta=1e-3)
    stopped = train_filters(
        NET, LAM, data, recipe=FilterTraining(epochs=150, learning_rate=0.05, stopping=rule)
    )
    assert stopped.best_epoch.max() < 150
    assert (stopped.best_loss >= whole.best_loss - 1e-6).all()
    for candidate in stopped.best_epoch.nonzero().flatten().tolist():
        there = train_filters(
            NET,
            LAM,
            data,
            recipe=FilterTraining(epochs=int(stopped.best_epoch[candidate]), learning_rate=0.05),
        )
        torch.testing.assert_close(there.loss[candidate], stopped.best_loss[candidate])


def test_an_interrupted_run_resumes_to_the_same_result(tmp_path):
    data, path = planted(), tmp_path / "run"
    short, long = FilterTraining(epochs=10, dropout=0.3), FilterTraining(epochs=25, dropout=0.3)
    train_filters(NET, LAM, data, recipe=short, checkpoint=path)
    resumed = train_filters(NET, LAM, data, recipe=long, checkpoint=path)
    whole = train_filters(NET, LAM, data, recipe=long)
    assert torch.equal(resumed.loss, whole.loss)
    assert torch.equal(resumed.best_epoch, whole.best_epoch)


def test_a_checkpoint_of_other_filters_is_refused(tmp_path):
    data, recipe = planted(), FilterTraining(epochs=5)
    train_filters(NET, LAM, data, recipe=recipe, checkpoint=tmp_path / "run")
    for change in (
        {"lam": LAM.flip(0)},
        {"seed": 7},
        {"graph": planted(seed=1)},
        {"recipe": replace(recipe, learning_rate=0.02)},
    ):
        call = {"net": NET, "lam": LAM, "graph": data, "recipe": recipe, **change}
        with pytest.raises(FileFormatError, match="same settings and data"):
            train_filters(**call, checkpoint=tmp_path / "run")


def test_float64_on_a_small_dense_graph():
    data = planted(n=60)
    data.x = data.x.double()
    assert (
        train_filters(NET, LAM, data, recipe=FilterTraining(epochs=2)).loss.dtype == torch.float64
    )


def test_seeds_matter_and_the_global_generator_does_not():
    data, recipe = planted(), FilterTraining(epochs=5, dropout=0.5)
    state = torch.get_rng_state()
    first = train_filters(NET, LAM, data, recipe=recipe, seed=0)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(9)
    assert torch.equal(train_filters(NET, LAM, data, recipe=recipe, seed=0).loss, first.loss)
    assert not torch.equal(train_filters(NET, LAM, data, recipe=recipe, seed=1).loss, first.loss)


def test_divergence_names_the_step_and_the_filter():
    with pytest.raises(NumericalError, match=r"epoch \d+, for λ = "):
        train_filters(NET, LAM, planted(), recipe=FilterTraining(epochs=5, learning_rate=1e30))


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"dropout": 1.0}]
)
def test_a_wrong_recipe_is_refused(wrong):
    with pytest.raises(InputError):
        FilterTraining(**wrong)


def test_a_step_returns_the_loss_of_training_nodes_before_it():
    graph, recipe = filter_graph(planted()), FilterTraining(epochs=3)
    program = FilterProgram(NET, LAM, graph, recipe, NET.init(6, seed=0), generator)
    logits = NET(program.params, LAM, graph.operator, graph.x)[:, graph.train]
    y = graph.y[graph.train].repeat(len(LAM))
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y)
    assert program.step(0) == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_validation_is_looked_at_without_dropout():
    graph, recipe = filter_graph(planted()), FilterTraining(epochs=3, dropout=0.5)
    draw = partial(generator, 0, "dropout")
    program = FilterProgram(NET, LAM, graph, recipe, NET.init(len(LAM), seed=0), draw)
    logits = NET(program.params, LAM, graph.operator, graph.x)[:, graph.val].detach()
    wanted = [torch.nn.functional.cross_entropy(each, graph.y[graph.val]) for each in logits]
    program.step(0)
    torch.testing.assert_close(program.best.loss, torch.stack(wanted))


def test_a_checkpoint_knows_its_training_and_validation_nodes(tmp_path):
    data, recipe = planted(), FilterTraining(epochs=2)
    train_filters(NET, LAM, data, recipe=recipe, checkpoint=tmp_path / "c")
    for part in ("train_mask", "val_mask"):
        other = data.clone()
        other[part] = ~(data.train_mask | data.val_mask)
        with pytest.raises(FileFormatError, match="same settings"):
            train_filters(NET, LAM, other, recipe=recipe, checkpoint=tmp_path / "c")


def test_filters_learn_from_training_and_are_scored_on_validation_labels():
    data, recipe = planted(), FilterTraining(epochs=5)
    plain = train_filters(NET, LAM, data, recipe=recipe)
    for mask, trains in ((data.train_mask, True), (data.val_mask, False)):
        moved = data.clone()
        moved.y = torch.where(mask, (data.y + 1) % 3, data.y)
        found = train_filters(NET, LAM, moved, recipe=recipe)
        assert torch.equal(found.params["weight1"], plain.params["weight1"]) != trains
        assert not torch.equal(found.loss, plain.loss)
    rest = data.clone()
    rest.y = torch.where(data.train_mask | data.val_mask, data.y, 0)
    assert torch.equal(train_filters(NET, LAM, rest, recipe=recipe).loss, plain.loss)


def test_a_seed_is_that_of_weights_and_of_dropout():
    recipe = FilterTraining(epochs=3, dropout=0.5)
    losses = [
        train_filters(NET, LAM, planted(), recipe=recipe, seed=seed).loss for seed in (0, 0, 1)
    ]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])
    start, graph = NET.init(6, seed=0), filter_graph(planted())
    steps = []
    for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1)):
        draw = partial(generator, seed, "dropout")
        steps.append(FilterProgram(NET, LAM, graph, recipe, start, draw).step(epoch))
    assert steps[0] == steps[1]
    assert len(set(steps)) == 3


def test_edge_weights_and_every_setting_reach_the_training():
    data = planted()
    plain = train_filters(NET, LAM, data, recipe=FilterTraining(epochs=4)).loss
    weighted = data.clone()
    weighted.edge_weight = torch.linspace(0.1, 1, data.num_edges)
    assert not torch.equal(
        train_filters(NET, LAM, weighted, recipe=FilterTraining(epochs=4)).loss, plain
    )
    for change in ({"learning_rate": 0.1}, {"weight_decay": 1.0}, {"dropout": 0.5}, {"epochs": 5}):
        recipe = FilterTraining(**{"epochs": 4, **change})
        assert not torch.equal(train_filters(NET, LAM, data, recipe=recipe).loss, plain), change


def test_filters_that_are_trained_apart_drop_their_own_activations(monkeypatch):
    monkeypatch.setattr("graphcond.training.nodes.activations_at_once", lambda device: 1)
    for dropout in (0.0, 0.5):
        recipe = FilterTraining(epochs=3, dropout=dropout)
        loss = train_filters(NET, torch.ones(2, 3), planted(60), recipe=recipe).loss
        assert (loss[0] == loss[1]) == (dropout == 0)


def test_a_directed_graph_is_propagated_from_sources_to_targets():
    edges, weight = torch.tensor([[0, 1, 2, 0, 3], [1, 2, 0, 3, 2]]), torch.arange(1.0, 6)
    some = torch.tensor([True, False, True, False])
    data = Data(x=torch.ones(4, 2), y=torch.zeros(4).long(), edge_index=edges, edge_weight=weight)
    data.train_mask, data.val_mask = some, ~some
    graph = filter_graph(data)
    wanted = dense.scaled_laplacian(dense.adjacency(edges, 4, weight)).float()
    torch.testing.assert_close(filters.apply(graph.operator, torch.eye(4)), wanted)
    assert (graph.train.tolist(), graph.val.tolist()) == ([0, 2], [1, 3])


def test_of_equal_epochs_the_first_is_the_best():
    recipe = FilterTraining(epochs=3, learning_rate=1e-12)
    assert train_filters(NET, LAM, planted(60), recipe=recipe).best_epoch.tolist() == [0] * 6


@pytest.mark.parametrize("stopping", [None, EarlyStopping()])
def test_early_stopping_goes_by_the_mean_best_loss_and_else_every_step_is_better(stopping):
    recipe = FilterTraining(epochs=3, stopping=stopping)
    graph = filter_graph(planted(60))
    program = FilterProgram(NET, LAM, graph, recipe, NET.init(6, seed=0), generator)
    for epoch in range(2):
        program.step(epoch)
    wanted = -float(program.best.loss.mean()) if stopping else 2.0
    assert program.validate() == pytest.approx(wanted)
