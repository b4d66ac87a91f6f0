import copy
import warnings
from functools import partial

import pytest
import torch
from torch_geometric.data import Data

from graphcond import nn
from graphcond.condensers import RandomNodes
from graphcond.data import load, looped, sparsified, without_test
from graphcond.errors import InputError
from graphcond.evaluation import NodeReport, evaluate_node
from graphcond.training import ClassifierTraining, EarlyStopping

GCN = partial(nn.GraphNet, kind="gcn", hidden=16)
RECIPE = ClassifierTraining(epochs=30)
SHORT = ClassifierTraining(epochs=1)


@pytest.fixture(scope="module")
def karate():
    return load("karate")


def test_rows_have_true_sizes_and_a_good_graph_beats_an_empty_one(karate):
    whole = evaluate_node(GCN, karate, karate, seeds=range(3), recipe=RECIPE)
    assert {row["method"] for row in whole.rows} == {"Full"}
    small = RandomNodes(num_nodes=6, num_val=5)(karate)
    report = evaluate_node(GCN, small, karate, seeds=range(3), recipe=RECIPE, full=whole)
    row = report.rows[0]
    assert (row["num_train"], row["num_val"], row["method"]) == (6, 5, "RandomNodes")
    assert row["num_edges"] == small.edge_index.size(1)
    assert row["percent_of_full"] == pytest.approx(100 * row["accuracy"] / whole.mean("accuracy"))
    assert "RandomNodes" in str(report)


def test_the_object_handed_in_is_judged_not_a_file_of_its_name(karate):
    zeros = copy.copy(karate)
    zeros.x = torch.zeros_like(karate.x)
    good = evaluate_node(GCN, karate, karate, seeds=range(3), recipe=RECIPE)
    blank = evaluate_node(GCN, zeros, karate, seeds=range(3), recipe=RECIPE)
    assert good.mean("accuracy") > blank.mean("accuracy") + 10


def test_test_labels_do_not_reach_the_training(karate):
    """With other test labels the trained model is the same, on a condensed graph and on the
    original itself.
    """
    changed = copy.copy(karate)
    changed.y = karate.y.clone()
    changed.y[karate.test_mask] = 1 - karate.y[karate.test_mask]
    weights = []

    def spied(*args, **kwargs):
        weights.append(GCN(*args, **kwargs))
        return weights[-1]

    for data in (karate, changed):
        for train in (RandomNodes(num_nodes=6, num_val=5)(karate), data):
            evaluate_node(spied, train, data, seeds=(0,), recipe=RECIPE)
    for first, second in ((0, 2), (1, 3)):
        for one, other in zip(
            weights[first].parameters(), weights[second].parameters(), strict=True
        ):
            assert torch.equal(one, other)


def test_float64_features(karate):
    data = copy.copy(karate)
    data.x = karate.x.double()
    models = []

    def factory(*args, **named):
        models.append(GCN(*args, **named))
        return models[-1]

    assert evaluate_node(factory, data, data, seeds=(0,), recipe=SHORT).mean("accuracy") > 0
    assert {value.dtype for value in models[0].parameters()} == {torch.float64}


@pytest.mark.parametrize("kind", ["gat", "sage-mean"])
def test_models_blind_to_weights_are_announced_and_sparsified(karate, kind):
    small = RandomNodes(num_nodes=6, num_val=5)(karate)
    small.edge_weight = torch.linspace(0, 1, small.edge_index.size(1))
    model = partial(nn.GraphNet, kind=kind, hidden=16)
    with pytest.warns(UserWarning, match="ignores edge_weight"):
        evaluate_node(model, small, karate, seeds=(0,), recipe=RECIPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module="torch_geometric"
        )  # on Python 3.13
        for least in (0.0, 0.5, 0.8):
            report = evaluate_node(model, small, karate, seeds=(0,), recipe=SHORT, sparsify=least)
            assert report.rows[0]["num_edges"] == int((small.edge_weight >= least).sum())
        evaluate_node(GCN, small, karate, seeds=(0,), recipe=SHORT)
    assert "edge_weight" not in sparsified(small, 0.5)


def test_a_network_answers_with_the_classes_of_the_original(karate):
    """Also where no node that it is trained on, or stopped by, is of the last class."""
    whole, small, asked = copy.copy(karate), without_test(karate), []
    whole.y = torch.where(karate.test_mask, 3, karate.y)
    small.y = small.y.clamp(max=0)

    def factory(num_features, num_classes, seed):
        asked.append((num_features, num_classes, seed))
        return GCN(num_features, num_classes, seed=seed)

    evaluate_node(factory, small, whole, seeds=(4, 2), recipe=SHORT)
    assert asked == [(karate.num_features, 4, 4), (karate.num_features, 4, 2)]


def test_percent_of_full_is_by_the_mean_of_its_seeds(karate):
    full = NodeReport(({"accuracy": 20.0}, {"accuracy": 30.0}, {"accuracy": 70.0}))
    (row,) = evaluate_node(GCN, karate, karate, seeds=(0,), recipe=SHORT, full=full).rows
    assert row["percent_of_full"] == pytest.approx(100 * row["accuracy"] / 40)


def test_a_graph_without_edges_becomes_the_identity_adjacency():
    data = Data(
        x=torch.ones(4, 1),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        edge_weight=torch.tensor([0.5, 0.5]),
    )
    full = looped(data)
    assert full.edge_index.tolist() == [[0, 1, 2, 3], [1, 0, 2, 3]]
    assert full.edge_weight.tolist() == [0.5, 0.5, 1.0, 1.0]
    assert data.edge_index.size(1) == 2
    operator = nn.filter_operator(full.edge_index, 4, full.edge_weight)
    assert torch.equal(operator[2:, 2:], -torch.eye(2))  # L = 0, scaled to -1


def test_wrong_pairs_are_refused(karate):
    other = copy.copy(karate)
    other.x = torch.ones(karate.num_nodes, 3)
    with pytest.raises(InputError, match="same features"):
        evaluate_node(GCN, other, karate)
    with pytest.raises(InputError, match="`seeds` must hold a whole number"):
        evaluate_node(GCN, karate, karate, seeds=())


@pytest.mark.dataset
@pytest.mark.slow
def test_gcn_on_all_of_cora_reaches_its_published_accuracy(data_root):
    data = load("cora", data_root)
    recipe = ClassifierTraining(epochs=200, stopping=EarlyStopping(patience=200))
    report = evaluate_node(
        partial(nn.GraphNet, kind="gcn", hidden=16), data, data, seeds=range(5), recipe=recipe
    )
    assert 80.5 <= report.mean("accuracy") <= 82.5
