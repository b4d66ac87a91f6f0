"""HCDC's runs: which graphs, students, draws and records they are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr

from graphcond.condensers import (
    GCond,
    HypergradientMatching,
    Partition,
    Pool,
    RandomNodes,
    Trajectories,
    Weights,
)
from graphcond.condensers.hcdc import condenser as module
from graphcond.condensers.hcdc import objective, teachers, trajectories
from graphcond.condensers.hcdc.objective import Matching, narrowed, train_students
from graphcond.condensers.hcdc.pool import PoolForm
from graphcond.condensers.hcdc.teachers import LinearTeacher
from graphcond.data import parts
from graphcond.errors import NumericalError
from graphcond.hypergrad import Implicit, sensitivity
from graphcond.linalg import Neumann
from graphcond.nn import PolynomialFilterNet
from graphcond.nn.adjacency import PairMLP, homophilous_start
from graphcond.nn.linear_filters import best_ridge
from graphcond.nn.synthetic import synthetic_labels
from graphcond.seeding import derive, generator
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining
from graphcond.training.filter_answers import closed_form_target
from graphcond.training.graph_descent import Descent

NET = PolynomialFilterNet(4, hidden=3, num_classes=3)
QUICK = FilterTraining(epochs=4)


def condenser(**changed):
    over = Pool(size=15, batch=4, steps=3, copies=2)
    return HypergradientMatching(
        **{"num_nodes": 9, "num_val": 6, "over": over, "recipe": QUICK, **changed}
    )


def run_of(graph, **changed):
    return module._Run(condenser(**changed), graph, None)


def test_students_are_trained_alike_in_chunks(graph, monkeypatch):
    run, lam = run_of(graph), PolynomialFilters().sample(11, seed=3)
    start, sizes, draws = run.net.init(11, seed=0), [], []
    fitted = objective.fit
    monkeypatch.setattr(
        objective,
        "fit",
        lambda program, *args, **named: (
            sizes.append(len(program.lam)),
            draws.append(program.draw(3).get_state()),
            fitted(program, *args, **named),
        )[1],
    )
    whole = train_students(run.condensed, start, lam, QUICK, 0)
    each = sum(value[0].numel() for value in start.values())
    monkeypatch.setattr(objective, "_CHUNK_WEIGHTS", 9 * each)
    train_students(run.condensed, start, lam, QUICK, 0)
    monkeypatch.setattr(objective, "_CHUNK_WEIGHTS", 1)
    for name, value in train_students(run.condensed, start, lam, QUICK, 6).items():
        torch.testing.assert_close(value, whole[name], rtol=1e-3, atol=1e-4)
    assert sizes == [11, 9, 2, 8, 3]
    for first, state in zip((0, 8), draws[3:]):
        assert torch.equal(state, generator(6, "students", first, 3).get_state())


def test_every_copy_of_the_students_has_its_own_start(graph):
    less = graph.clone()
    less.x = graph.x.clone()
    less.x[:, [0, 3]] = 0
    run, lam = run_of(less, seed=5), PolynomialFilters().sample(4, seed=3)
    form = run.pool_form(Pool(weights=Weights(hypergradient=0.0)))
    problem, columns = form._problem()
    assert columns.tolist() == [1, 2, 4, 5, 6, 7]
    for copy in (0, 1):
        seed = derive(5, "students", copy)
        start = run.net.init(4, seed)
        start["weight0"] = start["weight0"][:, columns]
        wanted = train_students(problem, start, lam, QUICK, seed)
        found = form._students(problem, columns, lam, copy)
        assert found.sensitivity is None
        assert all(torch.equal(found.params[name], wanted[name]) for name in wanted)
    moved = run.pool_form(Pool())._students(problem, columns, lam, 1).sensitivity
    how = run.how.hypergradient
    expected = sensitivity(problem.bilevel(), wanted, lam, how.solver, how.damping)
    for ours, theirs in zip(moved.columns, expected.columns):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_features_count_where_some_training_node_has_them_negative_ones_too(graph):
    run = run_of(graph)
    x = torch.zeros(9, 8)
    x[2, 1], x[4, 5], x[:, 6] = -1.0, 2.0, 1.0
    problem, columns = narrowed(replace(run.condensed, graph=replace(run.condensed.graph, x=x)))
    assert columns.tolist() == [1, 5, 6]
    assert torch.equal(problem.graph.x, x[:, columns])
    assert problem.net.num_features == 3


@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_both_problems_have_the_recipes_decay_the_curvature_and_sixteen_hidden(curvature, graph):
    recipe = FilterTraining(epochs=4, weight_decay=0.03)
    run = run_of(graph, recipe=recipe, curvature=curvature)
    assert run.net == PolynomialFilterNet(8, 16, 3)
    params = run.net.init(1, seed=0)
    lam = torch.ones(1, 3)
    squares = float(sum(value.square().sum() for value in params.values()))
    for problem in (run.condensed, run.full):
        bare = replace(problem, weight_decay=0.0).bilevel().inner_loss(params, lam)
        whole = problem.bilevel().inner_loss(params, lam)
        torch.testing.assert_close((whole - bare).sum(), torch.tensor(0.03 / 2 * squares))
        assert (problem.bilevel().curvature is None) == (curvature == "hessian")


def test_the_validation_graph_has_the_classes_of_training_that_validation_knows(graph):
    less = graph.clone()
    # Of validation nodes most are of class 2, of training nodes as many of each.
    less.y = torch.where(graph.val_mask & (graph.y == 1), 2, graph.y)
    val = less.val_mask.nonzero()[:, 0]
    less.y[val[0]] = -1
    less.y[val[4:]] = 2
    assert set(less.y[val].tolist()) == {-1, 0, 2}
    start = run_of(less).start()
    known = less.y[less.train_mask & (less.y != 1)]
    assert torch.equal(start.y, synthetic_labels(known, 6))
    assert not torch.equal(start.y, synthetic_labels(less.y[val], 6))
    names = {tuple(row) for row in less.x[less.val_mask & (less.y >= 0)].tolist()}
    assert {tuple(row) for row in start.x.detach().tolist()} <= names


@pytest.mark.parametrize(
    "training", [RandomNodes(of="train", ratio=0.5, seed=9), Partition(num_nodes=3, seed=9)]
)
def test_the_training_graph_has_this_condensers_budget_and_seed(training, graph):
    run = run_of(graph, training=training, links=0, seed=4)
    how = replace(training, ratio=None, num_nodes=9, of="nodes", num_val=6, seed=4)
    wanted, _ = parts(how(graph))
    assert torch.equal(run.train_graph.x, wanted.x)
    assert torch.equal(run.train_graph.y, wanted.y)
    assert torch.equal(run.train_graph.edge_index, wanted.edge_index)
    assert run.condensed.graph.train.tolist() == list(range(9))


def test_a_training_graph_without_edges_is_linked_and_others_are_left_alone(graph):
    for links in (0, 1, 3):
        made = run_of(graph, links=links).train_graph
        wanted = homophilous_start(made.x, made.y, links).nonzero().T
        assert torch.equal(made.edge_index, wanted)
        assert (made.edge_index.numel() > 0) == (links > 0)
    training, known = RandomNodes(of="train", ratio=0.5), graph.clone()
    nodes = graph.train_mask.nonzero()[:, 0]
    known.edge_index = torch.cat([graph.edge_index, torch.stack([nodes, nodes.roll(1)])], 1)
    linked, plain = (run_of(known, training=training, links=n, num_nodes=12) for n in (2, 0))
    assert plain.train_graph.edge_index.numel() > 0
    assert torch.equal(linked.train_graph.edge_index, plain.train_graph.edge_index)


def test_weights_of_the_training_graphs_edges_are_in_its_operator(graph, monkeypatch):
    edges, weight = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([0.5, 0.5, 3.0, 3.0])
    made = {"x": graph.x[:9], "edge_index": edges, "edge_weight": weight, "y": graph.y[:9]}
    monkeypatch.setattr(module._Run, "_train_graph", lambda self: made)
    adjacency = torch.zeros(9, 9)
    adjacency[edges[1], edges[0]] = weight
    found = run_of(graph).condensed.graph.operator
    torch.testing.assert_close(found, objective.dense_operator(adjacency))


def test_a_network_suits_its_space_and_the_start_its_adjacency_and_rates(graph):
    space = PolynomialFilters(order=1, basis="power", num_layers=2)
    net = run_of(graph, space=space).net
    assert (net.basis, net.per_layer) == ("power", True)
    run = run_of(graph, adjacency="mlp", learning_rate=0.1, edge_learning_rate=0.3)
    start = run.start()
    assert start.adjacency == PairMLP()
    assert run.descent(start).rates == Descent(start, 0.1, 0.3, 3).rates


def test_steps_of_a_run_are_those_of_its_plan(graph):
    assert run_of(graph).steps == 3
    plan = Trajectories(starts=2, num_seeds=3, epochs=5, warmup=1)
    run = run_of(graph, over=plan)
    assert run.steps == 12
    assert run.descent(run.start()).steps == 12


def test_the_card_and_the_record_tell_the_agreement_on_what_was_kept_back(graph, monkeypatch):
    """The last look is at the result: its figures are those of the card."""
    seen = []
    descend = PoolForm._descend

    def watched(self, match, descent):
        descend(self, match, descent)
        seen.append((match, descent))

    monkeypatch.setattr(PoolForm, "_descend", watched)
    over = Pool(size=30, batch=8, steps=21, copies=2)
    result = condenser(over=over, threshold=0.3).condense(graph)
    match, descent = seen[0]
    rows = torch.arange(0, 30, 5)
    found = match.scores(descent.graph, rows, 0.3)
    target = (match.target.loss[rows], match.target.accuracy[rows])
    for name, ours, theirs in zip(("loss", "accuracy"), found, target):
        wanted = float(spearmanr(ours, theirs).statistic)
        assert result.report[f"watched_spearman_{name}"] == pytest.approx(wanted)
    looks = [entry for entry in result.history if entry["part"] == "watch"]
    steps = [entry["step"] for entry in result.history if entry["part"] == "match"]
    assert [entry["step"] for entry in looks] == [0, 20, 21]
    assert steps[:2] == [0, 20]
    last = looks[-1]["watched_spearman_loss"]
    assert result.report["watched_spearman_loss"] == last
    assert result.report["threshold"] == 0.3
    assert result.report["teacher"] == "linear"
    assert result.report["ridge"] == match.target.ridge


def test_what_is_matched_are_both_sets_of_students_seen_in_the_span_of_training(graph, monkeypatch):
    seen = []
    monkeypatch.setattr(PoolForm, "_descend", lambda self, match, _: seen.append(match))
    asked, target_of = [], PoolForm._target
    monkeypatch.setattr(
        PoolForm, "_target", lambda self, each: (asked.append(each), target_of(self, each))[1]
    )
    over = Pool(size=12, batch=4, steps=1, noise=0.3, weights=Weights(0.2, 0.5, 0.1))
    how = Implicit(direct=True)
    condenser(over=over, seed=4, hypergradient=how)(graph)
    (match,) = seen
    assert (match.weights, match.noise, match.keep_direct) == (over.weights, 0.3, True)
    run = run_of(graph, over=over, seed=4, hypergradient=how)
    form, lam = run.pool_form(over), PolynomialFilters().sample(12, seed=derive(4, "pool"))
    problem, columns = form._problem()
    basis = objective.feature_basis(run.condensed.graph.x)
    assert match.net.num_features == len(basis)
    assert torch.equal(asked[0].params["weight1"], match.copies[0].params["weight1"])
    assert not torch.equal(asked[0].params["weight1"], match.copies[1].params["weight1"])
    for copy, found in enumerate(match.copies):
        own = form._students(problem, columns, lam, copy)
        assert torch.equal(found.lam, lam)
        assert torch.equal(found.params["weight1"], own.params["weight1"])
        wanted = basis[:, columns] @ own.params["weight0"]
        torch.testing.assert_close(found.params["weight0"], wanted)
        for ours, theirs in zip(found.sensitivity.columns, own.sensitivity.columns):
            torch.testing.assert_close(ours["weight0"], basis[:, columns] @ theirs["weight0"])
        if copy == 0:
            target = run.how.teacher.target(run.lesson(), lam, own.params, True)
            torch.testing.assert_close(match.target.loss, target.loss)


def test_a_step_draws_its_own_filters_and_noise(graph, monkeypatch):
    seen, distance = [], Matching.distance

    def spy(self, start, rows, threshold, copy=0, stream=None):
        seen.append((rows, stream.get_state()))
        return distance(self, start, rows, threshold, copy, stream)

    monkeypatch.setattr(Matching, "distance", spy)
    condenser(seed=6)(graph)
    used = torch.tensor([row for row in range(15) if row % 5])
    for step, (rows, state) in enumerate(seen):
        stream = generator(6, "pool", step)
        assert torch.equal(rows, used[torch.randperm(12, generator=stream)[:4]])
        assert torch.equal(state, stream.get_state())


def test_trajectories_start_anew_and_record_their_first_and_last_distance(graph, monkeypatch):
    told, fresh, begun = [], [], []
    distance, make = trajectories.cosine_distance, trajectories.FilterLearner.fresh

    def growing(*args):
        # So that the last is neither the first nor the least.
        found = distance(*args) + len(told)
        told.append(found.mean())
        return found

    monkeypatch.setattr(trajectories, "cosine_distance", growing)
    stepped, step = [], Descent.step
    monkeypatch.setattr(
        Descent, "step", lambda self, value: stepped.append(value.detach()) or step(self, value)
    )
    monkeypatch.setattr(
        trajectories.FilterLearner,
        "fresh",
        lambda problem, lam, seed, recipe: (
            fresh.append((lam, seed)),
            make(problem, lam, seed, recipe),
        )[1],
    )
    begin = teachers._ClosedFormCompanion.start
    monkeypatch.setattr(
        teachers._ClosedFormCompanion,
        "start",
        lambda self, lam, seed: (begun.append(seed), begin(self, lam, seed))[1],
    )
    plan = Trajectories(starts=3, num_seeds=2, epochs=4, warmup=1, every=2)
    history = condenser(over=plan, seed=6).condense(graph).history
    records = [entry for entry in history if entry["part"] == "match"]
    assert [entry["hypergradient_start"] for entry in records] == pytest.approx(
        [float(told[0].detach()), float(told[3].detach())]
    )
    assert [entry["hypergradient"] for entry in records] == pytest.approx(
        [float(told[2].detach()), float(told[5].detach())]
    )
    torch.testing.assert_close(torch.stack(stepped), torch.stack(told).detach())
    for repeat in (0, 1):
        lam, seed = fresh[repeat]
        wanted = PolynomialFilters().sample(3, seed=derive(6, "trajectories", repeat))
        assert torch.equal(lam, wanted)
        assert seed == derive(6, "students", repeat)
        assert begun[repeat] == derive(6, "teachers", repeat)


def test_a_solve_that_diverges_along_a_trajectory_names_its_step(graph):
    plan = Trajectories(starts=2, num_seeds=1, epochs=2, warmup=0, every=1)
    wild = Implicit(Neumann(terms=50, step=1e4))
    with pytest.raises(NumericalError, match="step 0: hypergradients of the condensed graph.*λ = "):
        condenser(over=plan, hypergradient=wild)(graph)


def test_a_closed_form_is_asked_in_chunks_and_its_ridge_is_of_twenty_draws(graph, monkeypatch):
    run = run_of(graph, seed=6)
    lesson, teacher = run.lesson(), LinearTeacher()
    model, lam = teacher.model(lesson), PolynomialFilters().sample(7, seed=1)
    whole = closed_form_target(model, lam, 0.5)
    scores = model.scores(lam.double(), torch.tensor([0.5], dtype=torch.float64))
    torch.testing.assert_close(whole.loss, scores.loss[0].float())
    torch.testing.assert_close(whole.accuracy, scores.accuracy[0].float())
    monkeypatch.setattr(type(model), "chunk", 3)
    chunked = closed_form_target(model, lam, 0.5)
    for name in ("loss", "accuracy", "gradient"):
        torch.testing.assert_close(getattr(chunked, name), getattr(whole, name))
    drawn = PolynomialFilters().sample(20, seed=derive(6, "ridge"))
    asked = []
    monkeypatch.setattr(
        teachers, "best_ridge", lambda *args: (asked.append(args[1]), best_ridge(*args))[1]
    )
    companion = teacher.companion(lesson)
    assert torch.equal(asked[0], drawn)
    assert companion.facts == {"ridge": best_ridge(model, drawn)}
    wanted = closed_form_target(model, lam, companion.ridge).gradient
    torch.testing.assert_close(companion.slopes({}, lam), wanted)


def test_a_closed_form_is_made_of_the_networks_layers_and_of_known_nodes(graph, monkeypatch):
    seen = []
    data = graph.clone()
    data.y = graph.y.clone()
    data.y[graph.train_mask.nonzero()[0, 0]] = -1
    data.y[graph.val_mask.nonzero()[0, 0]] = -1
    space = PolynomialFilters(order=3, basis="power", num_layers=3)
    net = PolynomialFilterNet(8, 4, 5, num_layers=3, basis="power", per_layer=True)
    lesson = run_of(data, space=space, net=net).lesson()
    monkeypatch.setattr(
        LinearTeacher, "maker", lambda self, _: lambda *args, **named: seen.append((args, named))
    )
    LinearTeacher().model(lesson)
    (_, x, y, (train, val), order), named = seen[0]
    assert x is data.x
    assert y is data.y
    assert torch.equal(train, data.train_mask & (data.y >= 0))
    assert torch.equal(val, data.val_mask & (data.y >= 0))
    assert order == 3
    assert named == {"num_classes": 5, "num_layers": 3, "basis": "power", "per_layer": True}


def test_the_published_preset_passes_its_budget_on(graph):
    by_ratio = HypergradientMatching.published(NET, ratio=0.1, seed=2)
    assert (by_ratio.net, by_ratio.ratio, by_ratio.num_nodes, by_ratio.seed) == (NET, 0.1, None, 2)
    assert by_ratio.training == GCond()
