from functools import partial

import pytest
import torch
from torch_geometric.metrics import LinkPredNDCG, LinkPredRecall

from graphcond import nn
from graphcond.condensers import RandomInteractions
from graphcond.data import EDGE, load, make_interactions, num_items, split_interactions, train_edges
from graphcond.data import test_edges as held_out
from graphcond.errors import InputError
from graphcond.evaluation import evaluate_recommender
from graphcond.training import (
    BPR,
    EASE,
    ClosedFormRecommender,
    Contender,
    Popularity,
    choose_recipe,
    fit_recommender,
)

SHORT = BPR(rounds=3)
MF = partial(nn.MF, dim=8)


@pytest.fixture(scope="module")
def data():
    return split_interactions(load("southern-women"), seed=0)


def test_numbers_are_pygs(data):
    report = evaluate_recommender(MF, data, data, ks=(3, 5), seeds=[7], recipe=SHORT)
    model = fit_recommender(MF, data, data[EDGE].val_edge_index, recipe=SHORT, seed=7)
    scores = model.users @ model.items.T
    scores[tuple(train_edges(data))] = -torch.inf
    for k in (3, 5):
        for name, metric in (("recall", LinkPredRecall(k)), ("ndcg", LinkPredNDCG(k))):
            metric.update(scores.topk(k).indices, held_out(data))
            assert report.rows[0][f"{name}@{k}"] == pytest.approx(float(metric.compute()), abs=1e-6)


def test_a_report_names_set_method_sizes_and_percent(data):
    full = evaluate_recommender(MF, data, data, seeds=range(2), recipe=SHORT)
    small = RandomInteractions(ratio=0.5)(data)
    report = evaluate_recommender(MF, small, data, seeds=range(2), recipe=SHORT, full=full)
    row = report.rows[0]
    assert (row["dataset"], row["method"], row["ratio"]) == (
        "southern-women",
        "RandomInteractions",
        0.5,
    )
    assert row["num_edges"] == train_edges(small).size(1) <= 0.5 * train_edges(data).size(1)
    assert row["percent_of_full"] == pytest.approx(100 * row["ndcg@10"] / full.mean("ndcg@10"))
    assert full.rows[0]["method"] == "Full"
    assert 0 < full.ceiling() <= 100
    assert "RandomInteractions" in str(report)
    assert "recall@5" in str(report)


def test_training_items_of_the_original_are_never_recommended(data):
    """A set without interactions of user 0 still excludes what the original says user 0 took."""
    pairs = train_edges(data)
    small = make_interactions(pairs[:, pairs[0] > 0], 18, num_items(data))
    left = num_items(data) - torch.bincount(pairs[0], minlength=18)
    report = evaluate_recommender(MF, small, data, ks=(num_items(data),), seeds=[0], recipe=SHORT)
    assert (
        report.rows[0][f"recall@{num_items(data)}"] == 1
    )  # every item left is listed, so every held-out one is found
    assert left.min() > 0


def test_wrong_input(data):
    with pytest.raises(InputError, match="same users"):
        evaluate_recommender(MF, make_interactions(torch.tensor([[0], [0]]), 2, 2), data)
    with pytest.raises(InputError, match="k"):
        evaluate_recommender(MF, data, data, ks=(0,))
    bare = make_interactions(train_edges(data), 18, num_items(data))
    with pytest.raises(InputError, match="validation part"):
        evaluate_recommender(MF, bare, bare)


def test_a_catalogue_may_be_smaller_than_the_list():
    """With four items, Recall@10 asks whether the held-out ones are among all four."""
    torch.manual_seed(0)
    pairs = torch.stack(
        [torch.arange(30).repeat_interleave(3), torch.rand(30, 4).topk(3).indices.flatten()]
    )
    data = split_interactions(make_interactions(pairs, 30, 4), seed=0, ratios=(0.5, 0.2, 0.3))
    row = evaluate_recommender(MF, data, data, ks=(3, 10), seeds=[0], recipe=SHORT).rows[0]
    assert row["recall@10"] == 1.0, "every item that is not left out is in the list"
    assert 0 < row["ndcg@10"] <= 1.0
    assert row["recall@3"] <= 1.0


def test_a_closed_form_judges_and_stands_in_the_row(data):
    report = evaluate_recommender(Popularity(), data, data, seeds=(0, 1))
    assert [row["ndcg@10"] for row in report.rows] == [report.rows[0]["ndcg@10"]] * 2
    assert report.rows[0]["recipe"] == "Popularity()"


def test_candidates_are_chosen_on_validation_for_each_set(data):
    candidates = [Contender(Popularity()), Contender(EASE(1.0)), Contender(EASE(1e6))]
    chosen = choose_recipe(candidates, data, data[EDGE].val_edge_index)
    report = evaluate_recommender(candidates, data, data, seeds=(0,))
    assert report.rows[0]["recipe"] == str(chosen.contender)
    alone = evaluate_recommender(chosen.contender.recommender, data, data, seeds=(0,))
    assert alone.rows[0]["ndcg@10"] == report.rows[0]["ndcg@10"]
    assert report.rows[0]["seconds_choose"] > 0
    assert "seconds_choose" not in alone.rows[0]


def test_the_choice_has_the_first_seed_and_every_training_its_own(data):
    seen = []

    class Noted(ClosedFormRecommender):
        def fit(self, train, seed=0):
            seen.append(seed)
            return Popularity().fit(train)

    evaluate_recommender([Contender(Noted())], data, data, seeds=(7, 3))
    assert seen == [7, 7, 3]


def test_bytes_of_full_are_those_of_its_pairs(data):
    """A condensed set has no time stamps; those of the original must not make it look smaller."""
    timed = data.clone()
    timed[EDGE].timestamp = torch.arange(train_edges(data).size(1))
    plain, stamped = (
        evaluate_recommender(Popularity(), each, each, seeds=[0]).rows[0]["bytes"]
        for each in (data, timed)
    )
    assert plain == stamped
    everything = RandomInteractions(ratio=1.0)(timed)
    report = evaluate_recommender(Popularity(), everything, timed, seeds=[0])
    assert report.rows[0]["bytes"] == stamped
