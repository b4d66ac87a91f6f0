"""What a search counts, learns and pays, step by step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch
import torch.nn.functional as F

from graphcond.data import looped, planted_graph, sparsified
from graphcond.nn import GraphNet, PolynomialFilterNet
from graphcond.search import FilterObjective, ModelObjective, rank_report
from graphcond.search.descent import FilterDescent
from graphcond.search.ledger import FAULT
from graphcond.search.ranking import _last, top_overlap
from graphcond.search.reinforce import Controller, ReinforceSampler
from graphcond.search.study import fixed
from graphcond.seeding import generator
from graphcond.spaces import ModelChoices, PolynomialFilters
from graphcond.training import (
    ClassifierTraining,
    FilterTraining,
    filter_graph,
    infer,
    train_classifier,
    train_filters,
)
from graphcond.training.filter_problem import FilterLearner, FilterProblem


@pytest.fixture(scope="module")
def graph():
    return planted_graph(num_nodes=80, num_classes=3, num_features=8, degree=6.0, seed=0)


def test_a_shortlist_is_by_small_scores_and_paid_in_full_ones():
    small, full = [5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 7.0, 3.0, 9.0, 2.0]
    report = rank_report(small, full, top=2, samples=99)
    assert report.regret.value == 9 - 1
    assert report.regret_top.value == 9 - 7
    assert report.top_overlap.value == 0.5
    assert (report.candidates, report.top, report.confidence) == (5, 2, 0.95)
    less = rank_report(small, full, top=2, samples=99, minimize=True)
    assert less.regret.value == 2 - 1
    assert less.regret_top.value == 2 - 1
    assert less.top_overlap.value == 0.5
    only = rank_report(small, {0: 1.0, 1: 7.0, 4: 2.0}, top=1, samples=9)
    assert (only.candidates, only.regret.value) == (3, 6.0)
    lines = str(replace(report, top=5)).split("\n")
    assert lines[3].startswith("regret          8.00 [")
    assert [line.split()[0] for line in lines] == [
        *("Spearman", "Kendall", "overlap,", "regret", "regret,")
    ]


def test_an_interval_holds_as_much_as_its_confidence():
    draw = np.random.default_rng(0)
    full = draw.normal(size=30)
    small = full + draw.normal(size=30)
    ends = {}
    for confidence in (0.5, 0.9):
        stream = np.random.default_rng(3)
        values = []
        for _ in range(200):
            rows = stream.integers(0, 30, 30)
            values.append(full[rows].max() - full[rows][small[rows].argmax()])
        found = rank_report(small.tolist(), full.tolist(), samples=200, confidence=confidence)
        ends[confidence] = found.spearman.high - found.spearman.low
        wanted = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        assert (found.regret.low, found.regret.high) == pytest.approx(wanted, abs=0.6)
    assert ends[0.5] < 0.6 * ends[0.9]


def test_what_is_no_number_is_worse_than_all_numbers():
    values = torch.tensor([3.0, -math.inf, math.nan, -2.0, math.inf])
    assert _last(values).tolist() == [3, -3, -3, -2, -3]
    assert _last(torch.tensor([math.nan, math.inf])).tolist() == [0, 0]


def test_the_first_of_equal_scores_counts_as_better():
    ties, full = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([3.0, 2.0, 1.0])
    assert top_overlap(ties, full, 1) == 1
    assert top_overlap(full, ties, 2) == 1
    assert top_overlap(-full, full, 1) == 0


def test_filters_move_by_adam_along_the_hypergradient_after_as_many_steps(graph):
    how = FilterDescent(
        starts=3, moves=2, between=2, learning_rate=0.05, recipe=FilterTraining(epochs=6), seed=4
    )
    found = how(graph)
    lam = PolynomialFilters().sample(3, seed=4)
    net = PolynomialFilterNet(8, 16, 3)
    problem = FilterProblem(net, filter_graph(graph), how.recipe.weight_decay)
    params = train_filters(net, lam, graph, recipe=how.recipe, seed=4).params
    learner = FilterLearner(problem, params, how.recipe)
    free = lam.clone().requires_grad_()
    adam = torch.optim.Adam([free], lr=0.05)
    losses = [problem.outer(learner.frozen(), lam)]
    for _ in range(2):
        free.grad = how.hypergradient(problem.bilevel(), learner.frozen(), free.detach()).detach()
        adam.step()
        free.data.clamp_(-1, 1)
        for _ in range(2):
            learner.step(free.detach())
        losses.append(problem.outer(learner.frozen(), free.detach()))
    torch.testing.assert_close(found.ends, free.detach(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.losses, torch.stack(losses).detach(), rtol=1e-3, atol=1e-5)
    best = int(losses[-1].argmin())
    assert torch.equal(found.lam, found.ends[best])
    assert found.loss == float(found.losses[-1][best])


def test_the_controller_is_an_lstm_with_clipped_logits():
    controller = Controller((4, 3), generator(0, "controller"))
    for weight in controller.parameters():
        assert float(weight.detach().abs().max()) <= 0.1
    hidden = (torch.zeros(1, 100), torch.zeros(1, 100))
    inputs, log_prob, entropy = torch.zeros(1, 100), 0.0, 0.0
    picks = [2, 1]
    with torch.no_grad():
        for decoder in controller.decoders:
            decoder.weight.mul_(300)  # so that the clipping tells
        for place in range(2):
            hidden = controller.cell(inputs, hidden)
            raw = hidden[0] @ controller.decoders[place].weight.T
            logits = 2.5 * torch.tanh(raw[0] / 5)
            shares = torch.softmax(logits, 0)
            log_prob += float(shares[picks[place]].log())
            entropy -= float((shares * shares.log()).sum())
            inputs = controller.embeddings[place].weight[picks[place]][None]
        found, own, spread = controller(picks)
    assert found == picks
    assert float(own) == pytest.approx(log_prob, rel=1e-4)
    assert float(spread) == pytest.approx(entropy, rel=1e-4)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_candidate_becomes_likelier_by_its_advantage_over_a_moving_baseline(direction):
    """Adam on minus the log-probability times the advantage, trial by trial; a failed one is worth
    as little as the least so far.
    """
    space = ModelChoices(kinds=("gcn", "gat", "sage-mean"), widths=(8, 16), depths=(2,))
    sampler = ReinforceSampler(
        space, seed=3, learning_rate=0.01, baseline_decay=0.5, entropy_weight=0.2
    )
    study = optuna.create_study(direction=direction, sampler=sampler)
    sign = 1.0 if direction == "maximize" else -1.0
    values = [0.9, 0.2, math.nan, 0.6]
    controller = Controller(space.groups, generator(3, "controller"))
    adam = torch.optim.Adam(controller.parameters(), lr=0.01)
    baseline, least = None, None
    for number, value in enumerate(values):
        with torch.no_grad():
            wanted = controller(stream=generator(3, "reinforce", number))[0]
        trial = study.ask()
        space.suggest(trial)
        options = list(space.options.items())
        picks = [choices.index(trial.params[name]) for name, choices in options]
        assert picks == wanted
        failed = math.isnan(value)
        if failed:
            study._storage.set_trial_system_attr(trial._trial_id, FAULT, "it returned nan")
        study.tell(trial, 0.0 if failed else value)
        reward = least if failed else sign * value
        least = reward if least is None else min(least, reward)
        _, log_prob, entropy = controller(picks)
        reward += 0.2 * float(entropy.detach())
        baseline = 0.5 * (reward if baseline is None else baseline) + 0.5 * reward
        adam.zero_grad()
        (-log_prob * (reward - baseline)).backward()
        adam.step()
    sampler._learn(study)
    for one, other in zip(sampler._controller.parameters(), controller.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_network_is_worth_its_best_accuracy_less_its_loss(graph):
    graph = graph.clone()
    graph.edge_weight = torch.linspace(0, 1, graph.num_edges)
    recipe = ClassifierTraining(epochs=6)
    for kind in ("gcn", "gat"):
        space = ModelChoices(kinds=(kind,), widths=(8,), depths=(2,))
        choice = space.decode(space.all())[0]
        _, value = ModelObjective(graph, space, recipe, seed=5).trained(choice)
        seen = graph if kind == "gcn" else sparsified(graph, 0.5)
        model = GraphNet(8, 3, kind=kind, hidden=8, num_layers=2, seed=5)
        history = train_classifier(model, seen, seen, recipe=recipe, seed=5)
        logits = infer(model, seen)[graph.val_mask]
        loss = float(F.cross_entropy(logits, graph.y[graph.val_mask]))
        right = float((logits.argmax(1) == graph.y[graph.val_mask]).float().mean())
        assert history.best_score == pytest.approx(right)
        assert value == pytest.approx(right - 1e-3 * loss / (1 + loss), abs=1e-7)
    told = []

    class Trial:
        def report(self, score, step):
            told.append((score, step))

        def should_prune(self):
            return False

    space = ModelChoices(kinds=("gcn",), widths=(8,), depths=(2,))
    objective = ModelObjective(graph, space, recipe, pruning=True)
    objective.trained(space.decode(space.all())[0], Trial())
    every = recipe.stopping.every
    assert [step for _, step in told] == [step for step in range(1, 7) if step % every == 0]


def test_the_original_judges_a_network_of_its_own_classes(graph):
    """Trained on one graph, looked at on another's validation nodes."""
    other = planted_graph(num_nodes=60, num_classes=3, num_features=8, degree=6.0, seed=1)
    recipe = ClassifierTraining(epochs=6)
    space = ModelChoices(kinds=("gcn",), widths=(8,), depths=(2,))
    objective = ModelObjective(graph, space, recipe, seed=5, validation=other)
    model, value = objective.trained(space.decode(space.all())[0])
    logits = infer(model, other)[other.val_mask]
    right = float((logits.argmax(1) == other.y[other.val_mask]).float().mean())
    loss = float(F.cross_entropy(logits, other.y[other.val_mask]))
    assert value == pytest.approx(right - 1e-3 * loss / (1 + loss), abs=1e-7)


def test_a_filter_is_worth_minus_its_last_loss(graph):
    bare = graph.clone()
    bare.edge_index = graph.edge_index[:, :0]
    recipe = FilterTraining(epochs=5)
    for data, seen in ((graph, graph), (bare, looped(bare))):
        objective = FilterObjective(data, recipe=recipe, seed=4)
        value = objective(fixed({"lambda0": 0.5, "lambda1": -0.25, "lambda2": 0.1}))
        lam = torch.tensor([[0.5, -0.25, 0.1]])
        runs = train_filters(PolynomialFilterNet(8, 16, 3), lam, seen, recipe=recipe, seed=4)
        assert value == pytest.approx(-float(runs.loss), rel=1e-5)
    space = PolynomialFilters(order=1, basis="power", num_layers=2)
    net = FilterObjective(graph, space=space, num_classes=7).network
    wanted = PolynomialFilterNet(8, 16, 7, basis="power", per_layer=True)
    assert net == wanted
