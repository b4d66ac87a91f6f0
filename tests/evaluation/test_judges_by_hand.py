"""What tables say of planted results, in numbers and in the very words."""

from __future__ import annotations

import math
import warnings
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from graphcond import nn
from graphcond.data import (
    EDGE,
    load,
    make_interactions,
    split_interactions,
    statistics,
    without_test,
)
from graphcond.data import test_edges as held_out
from graphcond.errors import InputError, NumericalError
from graphcond.evaluation import evaluate_recommender, make_row
from graphcond.evaluation import judge as judge_module
from graphcond.evaluation import node as node_module
from graphcond.evaluation import recommender as recommender_module
from graphcond.evaluation.node import evaluate_node
from graphcond.evaluation.recommender import RecommenderReport, _facts, rank_scores
from graphcond.evaluation.table import format_report, format_table, name_of_original, summarise
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.training import (
    ClassifierTraining,
    ClosedFormRecommender,
    Contender,
    Fitted,
    Popularity,
    Recommender,
)


def rows():
    return [
        make_row(dataset="cora", method="A", ratio=0.25, seed=seed, **values)
        for seed, values in enumerate(
            (
                {"accuracy": 80.0, "spearman_loss": 0.5, "seconds_train": 1.234, "num_edges": 1200},
                {"accuracy": 82.0, "spearman_loss": 0.5, "seconds_train": 1.2341, "bytes": 5_000},
            )
        )
    ] + [make_row(dataset="cora", method="B", regret=math.nan, spearman_loss=1 / 3)]


def test_numbers_are_shown_with_their_digits_and_spreads_only_where_a_digit_tells():
    lines = [
        [cell.strip() for cell in line.split("|")] for line in format_table(rows()).split("\n")
    ]
    assert lines[0][1:-1] == [
        *("dataset", "method", "ratio", "seeds", "num_edges", "bytes", "accuracy"),
        *("spearman_loss", "regret", "seconds_train"),
    ]
    first = ["cora", "A", "0.25", "2", "1,200", "5,000", "81.0 ± 1.4", "0.5000", "", "1.23"]
    assert lines[2][1:-1] == first
    assert lines[3][1:-1] == ["cora", "B", "", "1", "", "", "", "0.3333", "nan", ""]
    shown = format_table(rows(), columns=("method", "accuracy")).split("\n")
    assert [cell.strip() for cell in shown[0].split("|")][1:-1] == ["method", "accuracy"]
    report = [line.split() for line in format_report(rows()).split("\n")]
    assert report[0] == ["cora", "A", "B"]
    assert ["accuracy", "81.0", "±", "1.4"] in report
    assert ["spearman_loss", "0.5000", "0.3333"] in report
    assert ["seeds", "2", "1"] in report
    assert set(report[1][0]) == {"-"}
    (entry,) = summarise(rows()[:2], by=("method",), columns=("accuracy", "ratio"))
    assert entry == {
        "method": "A",
        "seeds": 2,
        "accuracy": (81.0, pytest.approx(2**0.5)),
        "ratio": (0.25, 0.0),
    }


def test_rows_are_counted_whether_or_not_they_tell_a_seed():
    rows = [{"method": "A", "accuracy": 1.0}, {"method": "A", "accuracy": 2.0, "seed": 3}]
    (entry,) = summarise([*rows, rows[1]], by=("method",))
    assert entry == {"method": "A", "seeds": 3, "accuracy": (pytest.approx(5 / 3), 3**-0.5)}


def test_a_condensed_set_bears_its_originals_name():
    assert name_of_original({}) == "unnamed"
    assert name_of_original({"name": "cora"}) == "cora"
    assert name_of_original({"condenser": "X()", "dataset": "cora", "name": "mine"}) == "cora"
    assert name_of_original({"condenser": "X()", "name": "mine"}) == "unnamed"


def test_lists_longer_than_the_catalogue_count_its_end_as_misses():
    data = split_interactions(load("southern-women"), seed=0)
    model = Recommender(torch.ones(18, 1), torch.arange(14.0)[:, None], Fitted())
    found = rank_scores(model, data, (14, 20, 3))
    assert found["recall@20"] == found["recall@14"] == pytest.approx(1)
    assert found["ndcg@20"] == pytest.approx(found["ndcg@14"], abs=0.05)
    assert found["recall@3"] < 1
    # One user, one held-out item in second place of what is left.
    pairs = torch.tensor([[0], [2]])
    one = make_interactions(pairs, 1, 3)
    one["user", "interacts", "item"].test_edge_index = torch.tensor([[0], [0]])
    last = Recommender(torch.ones(1, 1), torch.arange(3.0)[:, None], Fitted())
    found = rank_scores(last, one, (1, 2, 5))
    assert [found[f"recall@{k}"] for k in (1, 2, 5)] == [0, 1, 1]
    assert found["ndcg@5"] == pytest.approx(1 / math.log2(3))
    assert held_out(one).tolist() == [[0], [0]]


def test_what_a_row_says_of_its_set():
    data = split_interactions(load("southern-women"), seed=0)
    full = _facts(data, data)
    assert (full["method"], full["ratio"], full["ratio_actual"]) == ("Full", 1.0, 1.0)
    assert (full["num_train"], full["dataset"]) == (18, "southern-women")
    edges = data["user", "interacts", "item"].edge_index
    half = make_interactions(edges[:, ::2], 18, 14)
    found = _facts(half, data)
    share = half["user", "interacts", "item"].edge_index.size(1) / edges.size(1)
    assert (found["method"], found["ratio"]) == ("given", share)
    assert found["num_edges"] == -(-edges.size(1) // 2)
    half.card = {"condenser": "X()", "method": "X", "ratio": 0.5, "dataset": "women"}
    found = _facts(half, data)
    assert (found["method"], found["ratio"], found["dataset"]) == ("X", 0.5, "women")
    assert found["ratio_actual"] == share


def test_of_candidates_the_one_that_validates_best_is_trained_wherever_it_stands():
    data = split_interactions(load("southern-women"), seed=0)

    class Reverse(ClosedFormRecommender):
        """Recommends the least popular first."""

        def fit(self, train, seed=0):
            model = Popularity().fit(train)
            return Recommender(-model.users, model.items, Fitted())

    rank = partial(evaluate_recommender, train=data, test=data, seeds=(0,))
    alone = rank(Popularity()).rows[0]
    for order in ((Popularity(), Reverse()), (Reverse(), Popularity())):
        (row,) = rank([Contender(each) for each in order]).rows
        assert (row["recipe"], row["ndcg@10"]) == (alone["recipe"], alone["ndcg@10"])
        assert row["seconds_choose"] > 0
    assert rank(Reverse()).rows[0]["ndcg@10"] < alone["ndcg@10"]
    assert "seconds_choose" not in alone


def test_a_ceiling_of_nothing_is_no_number():
    assert math.isnan(RecommenderReport(({"ndcg@10": 0.0}, {"ndcg@10": 0.0})).ceiling())
    three = RecommenderReport(tuple({"recall@5": value} for value in (0.4, 0.2, 0.9)))
    assert three.ceiling("recall@5") == pytest.approx(50)


def test_without_a_full_report_there_is_no_percent_but_costs(graph, monkeypatch):
    recipe = ClassifierTraining(epochs=1)
    (row,) = evaluate_node(
        partial(nn.GraphNet, kind="gcn", hidden=4), graph, graph, seeds=(2,), recipe=recipe
    ).rows
    assert "percent_of_full" not in row
    assert (row["method"], row["seed"]) == ("Full", 2)
    assert row["peak_mib"] > 20  # no Python with torch is smaller
    # What a set is charged with is what a training reads.
    assert row["bytes"] == statistics(without_test(graph))["bytes"] < statistics(graph)["bytes"]
    assert 0 <= row["accuracy"] <= 100
    data = split_interactions(load("southern-women"), seed=0)
    (row,) = evaluate_recommender(Popularity(), data, data, seeds=(2,)).rows
    assert "percent_of_full" not in row
    # Counting 80 interactions takes milliseconds, what this process did before takes longer.
    assert row["cpu_seconds_train"] < 1
    clock = SimpleNamespace(process_time=iter((100.0, 102.5)).__next__)
    monkeypatch.setattr(recommender_module, "time", clock)
    (row,) = evaluate_recommender(Popularity(), data, data, seeds=(2,)).rows
    assert row["cpu_seconds_train"] == 2.5 > row["seconds_train"] > 0


def test_every_set_is_ranked_and_the_ceiling_stands_beside_the_original(graph, whole, monkeypatch):
    """The surrogate has one row, after those of the original, however many sets there are."""
    asked, ranked = [], []

    class Ranking:
        def __init__(self, seeds):
            self.rows = whole.rows("planted")
            facts = {"accuracy": 1.0, "ratio": 0.9}  # which are not the judge's
            self.condensed_rows = [{"spearman_loss": 0.1 * seed, **facts} for seed in seeds]

    monkeypatch.setattr(
        judge_module,
        "reference",
        lambda net, lam, full, seeds: asked.append((net, lam, tuple(seeds))) or whole,
    )
    monkeypatch.setattr(
        judge_module,
        "calibrate",
        lambda *_, full, condensed, seeds: ranked.append((full, condensed)) or Ranking(seeds),
    )
    short = partial(evaluate_node, recipe=ClassifierTraining(epochs=1))
    monkeypatch.setattr(judge_module, "evaluate_node", short)
    bare = graph.clone()
    bare.edge_index = graph.edge_index[:, :0]
    entries = [judge_module.Entry(graph, (3, 4)), judge_module.Entry(bare, (5,), 0.0)]
    found = judge_module.judge_nodes(graph, entries, seeds=(8,), candidates=6)
    assert [(full is whole, one.num_edges) for full, one in ranked] == [
        (True, graph.num_edges),
        (True, graph.num_nodes),
    ]
    assert len(asked) == 1
    net, lam, seeds = asked[0]
    assert (net.hidden, net.num_layers, net.num_classes, seeds) == (16, 2, 3, (8, 9))
    assert torch.equal(lam, PolynomialFilters(order=2).sample(6, seed=derive(0, "judge")))
    assert [row["method"] for row in found] == ["Full", "Linear surrogate", "Full", "Full", "given"]
    for name in ("ceiling_loss", "spearman_loss", "kendall_loss", "regret"):
        assert found[0][name] == whole.rows("planted")[0][name]
    assert found[0]["accuracy"] != whole.rows("planted")[0]["accuracy"]
    assert [row["spearman_loss"] for row in found[2:]] == pytest.approx([0.3, 0.4, 0.5])
    assert [row["seed"] for row in found[2:]] == [3, 4, 5]
    assert all(row["accuracy"] != 1.0 for row in found[2:])
    assert not any("ratio" in row for row in found)
    assert found[4]["seconds_condense"] == 0.0
    assert found[4]["seconds_train"] > 0
    assert "seconds_condense" not in found[3]
    for row in found:
        order = [name for name in judge_module.COLUMNS if name in row]
        assert list(row) == order
    for few in (-1, 1, 4):
        with pytest.raises(InputError, match="0 or at least 5"):
            judge_module.judge_nodes(graph, entries, seeds=(8,), candidates=few)
    ranked.clear()
    few = graph.clone()
    few.edge_index = graph.edge_index[:, :2]  # most of its nodes have no edge
    judge_module.judge_nodes(graph, [judge_module.Entry(few, (5,))], seeds=(8,), candidates=6)
    assert [one.num_edges for _, one in ranked] == [2]
    ranked.clear()
    found = judge_module.judge_nodes(graph, entries[:1], seeds=(8,), candidates=0)
    assert [row["method"] for row in found] == ["Full"] * 3
    assert not ranked


def test_interactions_without_a_single_hit_have_no_percent_and_a_seed_without_has_0(monkeypatch):
    data = split_interactions(load("southern-women"), seed=0)
    monkeypatch.setattr(
        judge_module,
        "evaluate_recommender",
        lambda *_, **named: RecommenderReport(({"ndcg@10": 0.0},)),
    )
    (row,) = judge_module.judge_interactions(data, [], nn.MF, seeds=(0,))
    assert math.isnan(row["percent_of_full"])
    two = RecommenderReport(({"ndcg@10": 0.0}, {"ndcg@10": 0.4}))
    monkeypatch.setattr(judge_module, "evaluate_recommender", lambda *_, **named: two)
    rows = judge_module.judge_interactions(data, [], nn.MF, seeds=(0, 1))
    assert [row["percent_of_full"] for row in rows] == [0.0, 200.0]


def test_the_node_judge_stops_by_a_graph_without_its_test_part(graph, monkeypatch):
    seen = []
    monkeypatch.setattr(
        node_module, "train_classifier", lambda model, train, val, **_: seen.append((train, val))
    )
    small = graph.clone()
    del small["test_mask"]
    evaluate_node(nn.GraphNet, small, graph, seeds=(0,))
    ((train, val),) = seen
    assert "test_mask" not in val
    assert (val.y[graph.test_mask] == -1).all()
    assert torch.equal(val.y[graph.val_mask], graph.y[graph.val_mask])
    assert torch.equal(train.y, small.y)
    with pytest.raises(InputError, match="needs test nodes"):
        evaluate_node(nn.GraphNet, small, small, seeds=(0,))
    told = graph.clone()
    told.train_mask = graph.train_mask | graph.val_mask
    for train, test in ((told, graph), (small, told)):
        with pytest.raises(InputError, match="no node in both"):
            evaluate_node(nn.GraphNet, train, test, seeds=(0,))


def test_the_original_is_itself_though_its_tensors_were_made_plain(graph):
    learned = graph.clone()
    learned.x = graph.x.clone().requires_grad_()
    learned.card = {"method": "X", "ratio": 0.5}  # it was condensed once; here it is the whole
    recipe = ClassifierTraining(epochs=1)
    (row,) = evaluate_node(nn.GraphNet, learned, learned, seeds=(0,), recipe=recipe).rows
    assert row["method"] == "Full"
    assert "ratio" not in row


def test_a_network_that_answers_nan_is_no_row(graph, monkeypatch):
    def spoil(model, *_, **__):
        with torch.no_grad():
            next(model.parameters()).fill_(math.nan)

    monkeypatch.setattr(node_module, "train_classifier", spoil)
    with pytest.raises(NumericalError, match="NaN"):
        evaluate_node(nn.GraphNet, graph, graph, seeds=(0,))


def test_weights_that_are_equal_or_none_are_nothing_that_a_network_could_miss(graph):
    bare = graph.clone()
    bare.edge_index, bare.edge_weight = graph.edge_index[:, :0], graph.x.new_empty(0)
    gin = partial(nn.GraphNet, kind="gin-0", hidden=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for weight in (bare.edge_weight, torch.full((graph.num_edges,), 0.5)):
            bare.edge_weight, bare.edge_index = weight, graph.edge_index[:, : len(weight)]
            evaluate_node(gin, bare, graph, seeds=(0,), recipe=ClassifierTraining(epochs=1))


def test_recommenders_are_judged_on_sets_and_tests_that_are_there():
    data = split_interactions(load("southern-women"), seed=0)
    for wrong in (0, -1):
        with pytest.raises(InputError, match="lengths of at least 1"):
            evaluate_recommender(Popularity(), data, data, ks=(5, wrong), seeds=(0,))
    with pytest.raises(InputError, match="no test interactions"):
        evaluate_recommender(Popularity(), data, without_test(data), seeds=(0,))
    broken = data.clone()
    broken[EDGE].edge_index = broken[EDGE].edge_index.float()
    with pytest.raises(InputError, match="edge_index"):
        evaluate_recommender(Popularity(), broken, data, seeds=(0,))


def test_judges_show_no_test_part_to_what_they_train_and_refuse_sets_that_hold_it(graph):
    seen = []

    class Noted(ClosedFormRecommender):
        def fit(self, train, seed=0):
            seen.append(set(train[EDGE].keys()))
            return Popularity().fit(train)

    data = split_interactions(load("southern-women"), seed=0)
    (row,) = evaluate_recommender(Noted(), data, data, ks=(3,), seeds=(0,)).rows
    assert "test_edge_index" not in seen[0]
    assert {"ndcg@3", "ndcg@10", "recall@3", "recall@10"} <= set(row)
    told = graph.clone()
    told.train_mask = graph.train_mask | graph.test_mask
    with pytest.raises(InputError, match="test"):
        evaluate_node(nn.GraphNet, told, graph, seeds=(0,), recipe=ClassifierTraining(epochs=1))
    del told["test_mask"]  # as a condensed set would hold them
    with pytest.raises(InputError, match="test"):
        evaluate_node(nn.GraphNet, told, graph, seeds=(0,), recipe=ClassifierTraining(epochs=1))
    cheat = make_interactions(torch.cat([data[EDGE].edge_index, held_out(data)], 1), 18, 14)
    with pytest.raises(InputError, match="test"):
        evaluate_recommender(Popularity(), cheat, data, seeds=(0,))
