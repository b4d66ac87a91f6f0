"""Every judge reads the split it names: what happens to another split's data moves nothing."""

from __future__ import annotations

import copy
import math
from functools import partial

import pytest
import torch
from sklearn.metrics import accuracy_score

from graphcond import nn
from graphcond.condensers import SampledNeighbourhoods
from graphcond.data import (
    EDGE,
    load,
    planted_graph,
    split_interactions,
    test_edges,
    train_edges,
    val_edges,
)
from graphcond.evaluation import (
    Entry,
    calibrate,
    evaluate_node,
    evaluate_recommender,
    held_out_accuracy,
    judge_interactions,
    judge_nodes,
    linear_surrogate,
    reference,
)
from graphcond.evaluation import judge as judge_module
from graphcond.evaluation import recommender as recommender_module
from graphcond.evaluation.recommender import rank_scores
from graphcond.metrics import mean_over_users
from graphcond.nn import PolynomialFilterNet
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.training import (
    BPR,
    ClassifierTraining,
    Contender,
    FilterTraining,
    Fitted,
    Popularity,
    RankingLooks,
    Recommender,
    infer,
    train_filters,
)

GCN = partial(nn.GraphNet, kind="gcn", hidden=8)
SHORT = ClassifierTraining(epochs=8)
NET = PolynomialFilterNet(8, hidden=4, num_classes=3)
LAM = PolynomialFilters().sample(6, seed=1)
RECIPE = FilterTraining(epochs=12, learning_rate=0.3)
"""So large a step that the best epoch is not the last."""


@pytest.fixture(scope="module")
def graph():
    return planted_graph(num_nodes=120, num_classes=3, num_features=8, degree=6.0, seed=0)


def relabelled(data, part):
    """The graph with every label of one split moved to the next class."""
    out = copy.copy(data)
    mask = data[f"{part}_mask"]
    out.y = torch.where(mask, (data.y + 1) % 3, data.y)
    return out


def trained(data, seed=0):
    """A GCN as the judge trains it, and the accuracy that the judge gives it."""
    models = []

    def factory(*args, **kwargs):
        models.append(GCN(*args, **kwargs))
        return models[-1]

    report = evaluate_node(factory, data, data, seeds=(seed,), recipe=SHORT)
    return models[0], report.rows[0]["accuracy"]


def test_the_node_judge_counts_test_nodes_and_no_others(graph):
    model, score = trained(graph)
    picked = infer(model, graph).argmax(1)
    on = {
        part: 100 * accuracy_score(graph.y[graph[f"{part}_mask"]], picked[graph[f"{part}_mask"]])
        for part in ("train", "val", "test")
    }
    assert score == pytest.approx(on["test"])
    assert min(abs(score - on["val"]), abs(score - on["train"])) > 1e-6


def test_test_labels_move_the_node_judges_score_and_not_its_model(graph):
    model, score = trained(graph)
    told = copy.copy(graph)
    told.y = torch.where(graph.test_mask, infer(model, graph).argmax(1), graph.y)
    assert trained(told)[1] == pytest.approx(100) != score


def test_the_node_judge_stops_on_the_originals_validation_nodes(graph):
    seeds = range(3)
    report = evaluate_node(GCN, relabelled(graph, "val"), graph, seeds=seeds, recipe=SHORT)
    plain = evaluate_node(GCN, graph, graph, seeds=seeds, recipe=SHORT)
    assert [row["accuracy"] for row in report.rows] == [row["accuracy"] for row in plain.rows]
    moved = evaluate_node(GCN, graph, relabelled(graph, "val"), seeds=seeds, recipe=SHORT)
    assert [row["accuracy"] for row in moved.rows] != [row["accuracy"] for row in plain.rows]


def test_the_node_judges_seed_is_that_of_weights_and_of_dropout(graph):
    seen, scores = [], []

    def same_start(*args, seed):
        seen.append(seed)
        return nn.GraphNet(*args, kind="gcn", hidden=8, dropout=0.9, seed=5)

    for seed in (0, 1, 0):
        scores.append(evaluate_node(same_start, graph, graph, seeds=(seed,), recipe=SHORT).rows[0])
    assert seen == [0, 1, 0]
    assert scores[0]["accuracy"] == scores[2]["accuracy"] != scores[1]["accuracy"]


def test_held_out_accuracy_is_that_of_the_test_nodes(graph):
    runs = train_filters(NET, LAM, graph, recipe=RECIPE)
    found = held_out_accuracy(NET, LAM, runs.best_params, graph, chunk=4)
    for part in ("train", "val"):
        moved = held_out_accuracy(NET, LAM, runs.best_params, relabelled(graph, part))
        assert torch.equal(found, moved), f"{part} labels move it"
    operator = nn.filter_operator(graph.edge_index, graph.num_nodes)
    picked = NET(runs.best_params, LAM, operator, graph.x).argmax(-1)[:, graph.test_mask]
    for b in range(len(LAM)):
        assert float(found[b]) == pytest.approx(accuracy_score(graph.y[graph.test_mask], picked[b]))


def test_the_reference_ranks_on_validation_and_pays_on_test_nodes(graph):
    plain = reference(NET, LAM, graph, recipe=RECIPE)
    moved = reference(NET, LAM, relabelled(graph, "test"), recipe=RECIPE)
    assert torch.equal(plain.loss, moved.loss)
    assert torch.equal(plain.accuracy, moved.accuracy)
    assert torch.equal(plain.surrogate.loss, moved.surrogate.loss)
    assert not torch.equal(plain.held_out, moved.held_out)
    runs = [train_filters(NET, LAM, graph, recipe=RECIPE, seed=seed) for seed in (0, 1)]
    for seed, run in enumerate(runs):
        torch.testing.assert_close(plain.loss[seed], run.loss)
        torch.testing.assert_close(plain.accuracy[seed], run.accuracy)
        best = held_out_accuracy(NET, LAM, run.best_params, graph)
        torch.testing.assert_close(plain.held_out[seed], best)
        assert not torch.equal(best, held_out_accuracy(NET, LAM, run.params, graph))
    assert not torch.equal(plain.loss[0], plain.loss[1])
    assert not torch.equal(
        plain.loss, reference(NET, LAM, relabelled(graph, "val"), recipe=RECIPE).loss
    )


def test_the_surrogate_learns_from_training_and_is_scored_on_validation_nodes(graph):
    plain = linear_surrogate(NET, LAM, graph)
    assert torch.equal(plain.loss, linear_surrogate(NET, LAM, relabelled(graph, "test")).loss)
    for part in ("train", "val"):
        assert not torch.equal(plain.loss, linear_surrogate(NET, LAM, relabelled(graph, part)).loss)
    for part, whole in (("val", True), ("train", False)):
        correct = plain.accuracy.double() * int(graph[f"{part}_mask"].sum())
        assert torch.allclose(correct, correct.round(), rtol=0, atol=1e-4) == whole


def test_the_surrogate_takes_the_ridge_of_the_lowest_validation_loss(graph):
    ridges = (1e-6, 1e-3, 1.0, 1e3)
    losses = {ridge: linear_surrogate(NET, LAM, graph, (ridge,)).loss.mean() for ridge in ridges}
    assert linear_surrogate(NET, LAM, graph, ridges).ridge == min(losses, key=losses.get)


def ideal(pairs, users, items):
    """A recommender that ranks exactly these interactions first."""
    table = torch.zeros(users, items)
    table[tuple(pairs)] = 1.0
    return Recommender(table, torch.eye(items), Fitted())


def test_rank_scores_looks_for_test_interactions_and_lists_no_training_ones():
    data = split_interactions(load("southern-women"), seed=0)
    size = (data["user"].num_nodes, data["item"].num_nodes)
    perfect = rank_scores(ideal(test_edges(data), *size), data, (size[1],))
    assert perfect == {
        f"recall@{size[1]}": pytest.approx(1),
        f"ndcg@{size[1]}": pytest.approx(1),
    }
    swapped = ideal(data[EDGE].val_edge_index, *size)
    assert rank_scores(swapped, data, (size[1],))[f"ndcg@{size[1]}"] < 0.9
    both = torch.cat([train_edges(data), test_edges(data)], 1)
    assert rank_scores(ideal(both, *size), data, (3,))["recall@3"] == pytest.approx(
        rank_scores(ideal(test_edges(data), *size), data, (3,))["recall@3"]
    )
    plain = ideal(test_edges(data), *size)
    count = torch.bincount(test_edges(data)[0], minlength=size[0])
    assert rank_scores(plain, data, (1,))["recall@1"] == pytest.approx(
        mean_over_users(1 / count.clamp(min=1), count)
    )


@pytest.fixture(scope="module")
def women():
    return split_interactions(load("southern-women"), seed=0)


def test_the_recommender_judge_reads_the_originals_splits(women):
    """Its model is trained on ``train`` and stopped on the original's validation interactions; the
    sets that a condensed file brings along are not looked at.
    """
    judge = partial(
        evaluate_recommender, partial(nn.MF, dim=4), ks=(5,), seeds=(0,), recipe=BPR(rounds=3)
    )
    small = copy.copy(women)
    for name in ("val_edge_index", "test_edge_index"):
        small[EDGE][name] = train_edges(women)[:, :9]
    assert judge(small, women).rows[0]["ndcg@5"] == judge(women, women).rows[0]["ndcg@5"]
    other = copy.copy(women)
    other[EDGE].test_edge_index = women[EDGE].val_edge_index
    other[EDGE].val_edge_index = women[EDGE].test_edge_index
    assert judge(women, other).rows[0]["ndcg@5"] != judge(women, women).rows[0]["ndcg@5"]


def test_early_stopping_ranks_for_the_originals_validation_interactions(women, monkeypatch):
    """It lists no training interaction of the original, also where the judged set lacks most."""
    small, seen, init = copy.copy(women), [], RankingLooks.__init__
    small[EDGE].edge_index = train_edges(women)[:, ::3]

    def spy(self, held, exclude, *args):
        seen.append((held, exclude))
        init(self, held, exclude, *args)

    monkeypatch.setattr(RankingLooks, "__init__", spy)
    factory = partial(nn.MF, dim=4)
    evaluate_recommender(factory, small, women, ks=(5,), seeds=(3,), recipe=BPR(rounds=2))
    assert torch.equal(seen[0][0], val_edges(women))
    assert torch.equal(seen[0][1], train_edges(women))


@pytest.mark.parametrize("judge", ["node", "recommender"])
def test_two_seeds_of_a_judge_are_two_trainings_and_one_repeats(judge, graph, women):
    if judge == "node":
        whole = evaluate_node(GCN, graph, graph, seeds=(0, 1, 0), recipe=SHORT)
        losses = [trained(graph, seed)[0].state_dict() for seed in (0, 1, 0)]
        first, second, again = (next(iter(state.values())) for state in losses)
        assert torch.equal(first, again)
        assert not torch.equal(first, second)
        scores = [row["accuracy"] for row in whole.rows]
    else:
        recipe = BPR(rounds=2)
        whole = evaluate_recommender(
            partial(nn.MF, dim=4), women, women, seeds=(0, 1, 0), recipe=recipe
        )
        scores = [row["ndcg@5"] for row in whole.rows]
        assert scores[0] != scores[1]
    assert scores[0] == scores[2]
    assert [row["seed"] for row in whole.rows] == [0, 1, 0]


def test_percent_of_full_is_by_ndcg_at_10_and_the_ceiling_is_the_worse_over_the_better(women):
    full = [{"ndcg@10": 0.2}, {"ndcg@10": 0.4}]
    report = evaluate_recommender(
        partial(nn.MF, dim=4), women, women, seeds=(0, 1), recipe=BPR(rounds=2), full=full
    )
    for row in report.rows:
        assert row["percent_of_full"] == pytest.approx(100 * row["ndcg@10"] / 0.3)
    low, high = sorted(row["ndcg@10"] for row in report.rows)
    assert report.ceiling() == pytest.approx(100 * low / high)
    assert math.isnan(type(report)(report.rows[:1]).ceiling())


def test_all_judged_together_have_the_rows_of_each_alone(women, monkeypatch):
    evaluate = partial(evaluate_recommender, recipe=BPR(rounds=2))
    monkeypatch.setattr(judge_module, "evaluate_recommender", evaluate)
    factory = partial(nn.MF, dim=4)
    small = copy.copy(women)
    small[EDGE].edge_index = train_edges(women)[:, ::2]
    small.card = {"condenser": "half", "method": "Half", "ratio": 0.5, "dataset": "women"}
    rows = judge_interactions(women, [Entry(small, (1, 2), 7.0)], factory, seeds=(0, 1))
    whole = evaluate(factory, women, women, ks=(10,), seeds=(0, 1))
    alone = evaluate(factory, small, women, ks=(10,), seeds=(1,), full=whole)
    assert [row["method"] for row in rows] == ["Full", "Full", "Half", "Half"]
    assert rows[2]["ndcg@10"] == alone.rows[0]["ndcg@10"]
    assert rows[2]["percent_of_full"] == pytest.approx(alone.rows[0]["percent_of_full"])
    assert rows[2]["seconds_condense"] == rows[3]["seconds_condense"] == 7.0
    assert "seconds_condense" not in rows[0]
    assert sum(row["percent_of_full"] for row in rows[:2]) / 2 == pytest.approx(100)


def test_all_node_sets_judged_together_have_the_rows_of_each_alone(graph, monkeypatch):
    monkeypatch.setattr(judge_module, "evaluate_node", partial(evaluate_node, recipe=SHORT))
    rows = judge_nodes(graph, [Entry(graph, (1,))], seeds=(0, 1), candidates=0)
    alone = evaluate_node(nn.GraphNet, graph, graph, seeds=(0, 1), recipe=SHORT)
    assert [row["accuracy"] for row in rows[:2]] == [row["accuracy"] for row in alone.rows]
    assert [row["percent_of_full"] for row in rows] == pytest.approx(
        [100 * row["accuracy"] / alone.mean("accuracy") for row in rows]
    )
    assert rows[2]["seed"] == 1
    assert "spearman_loss" not in rows[2]


def test_a_small_set_among_others_has_the_rows_it_has_alone(graph, monkeypatch):
    """Its own graph is trained on, by its own seeds, for both columns."""
    monkeypatch.setattr(judge_module, "evaluate_node", partial(evaluate_node, recipe=SHORT))
    small = SampledNeighbourhoods(num_nodes=9, num_val=9)(graph)
    seen = []

    def spy(*args, **named):
        seen.append(named["seeds"])
        return calibrate(*args, **named)

    monkeypatch.setattr(judge_module, "calibrate", spy)
    rows = judge_nodes(graph, [Entry(small, (1,), 3.0)], seeds=(0, 4), candidates=6)
    assert seen == [(1,)]
    alone = evaluate_node(nn.GraphNet, small, graph, seeds=(1,), recipe=SHORT)
    assert rows[-1]["method"] == "SampledNeighbourhoods"
    assert rows[-1]["accuracy"] == alone.rows[0]["accuracy"]
    assert rows[-1]["num_train"] == 9
    assert rows[-1]["seconds_condense"] == 3.0
    net = PolynomialFilterNet(8, hidden=16, num_classes=3)
    lam = PolynomialFilters(order=2).sample(6, seed=derive(0, "judge"))
    whole = reference(net, lam, graph, seeds=(0, 4))
    ranked = calibrate(net, lam, full=whole, condensed=small, seeds=(1,)).condensed_rows[0]
    for column in ("spearman_loss", "kendall_loss", "regret", "ceiling_loss"):
        assert rows[-1][column] == pytest.approx(ranked[column], nan_ok=True)


def test_the_judges_recipe_is_the_one_given(graph):
    """With a step of next to nothing the weights stay where they start."""
    models = []

    def factory(*args, **named):
        models.append(GCN(*args, **named))
        return models[-1]

    still = ClassifierTraining(epochs=2, learning_rate=1e-12, weight_decay=0.0)
    evaluate_node(factory, graph, graph, seeds=(3,), recipe=still)
    start = GCN(8, 3, seed=3)
    for one, other in zip(models[0].parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_candidates_are_chosen_on_the_judged_set_and_the_originals_validation(women, monkeypatch):
    small, seen = copy.copy(women), []
    small[EDGE].edge_index = train_edges(women)[:, ::3]
    choose = recommender_module.choose_recipe

    def spy(candidates, train, val, **named):
        seen.append((train_edges(train), val, named["exclude"], named["seed"]))
        return choose(candidates, train, val, **named)

    monkeypatch.setattr(recommender_module, "choose_recipe", spy)
    evaluate_recommender([Contender(Popularity())], small, women, ks=(5,), seeds=(7, 8))
    train, val, exclude, seed = seen[0]
    assert torch.equal(train, train_edges(small))
    assert torch.equal(val, val_edges(women))
    assert torch.equal(exclude, train_edges(women))
    assert seed == 7


def test_a_recommender_judge_trains_on_the_judged_set_by_the_recipe_given(women, monkeypatch):
    small, seen = copy.copy(women), []
    small[EDGE].edge_index = train_edges(women)[:, ::3]
    fit = Contender.fit

    def spy(self, train, val, **named):
        seen.append((self.recipe, train_edges(train), val, named["seed"]))
        return fit(self, train, val, **named)

    monkeypatch.setattr(Contender, "fit", spy)
    recipe = BPR(rounds=2, learning_rate=0.123)
    row = evaluate_recommender(
        partial(nn.MF, dim=4), small, women, ks=(5,), seeds=(9,), recipe=recipe
    ).rows[0]
    assert (seen[0][0], seen[0][3]) == (recipe, 9)
    assert torch.equal(seen[0][1], train_edges(small))
    assert torch.equal(seen[0][2], val_edges(women))
    assert row["ratio_actual"] == pytest.approx(
        train_edges(small).size(1) / train_edges(women).size(1)
    )
    assert row["ratio"] == pytest.approx(row["ratio_actual"])
