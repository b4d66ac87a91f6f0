import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers import RandomNodes
from graphcond.errors import InputError
from graphcond.evaluation import (
    calibrate,
    compare_rankings,
    linear_surrogate,
    reference,
    surrogate,
)
from graphcond.metrics import kendall, regret, spearman, top_quarter_spearman
from graphcond.nn import PolynomialFilterNet, filter_operator, ridge_filters
from graphcond.seeding import generator
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining, train_filters

NET = PolynomialFilterNet(8, hidden=8, num_classes=4)
LAM = PolynomialFilters().sample(16, seed=1)
RECIPE = FilterTraining(epochs=40)


def planted(n=300, seed=0):
    """Homophilous classes with weak features, so that low-pass filters win."""
    stream = generator(seed, "planted")
    y = torch.arange(n) % 4
    pairs = torch.randint(n, (2, 16 * n), generator=stream)
    pairs = pairs[:, (y[pairs[0]] == y[pairs[1]]) | (torch.rand(16 * n, generator=stream) < 0.05)]
    x = torch.eye(8)[y] + 1.2 * torch.randn(n, 8, generator=stream)
    role = torch.rand(n, generator=stream)
    data = Data(x=x, y=y, edge_index=torch.cat([pairs, pairs.flip(0)], 1).unique(dim=1))
    data.train_mask, data.val_mask, data.test_mask = (
        role < 0.2,
        (role >= 0.2) & (role < 0.6),
        role >= 0.6,
    )
    data.card = {"name": "planted"}
    return data


@pytest.fixture(scope="module")
def whole():
    return reference(NET, LAM, planted(), seeds=(0, 1), recipe=RECIPE)


def test_the_whole_graph_reaches_its_own_ceiling(whole):
    report = calibrate(NET, LAM, full=whole, condensed=planted(), seeds=(0, 7), recipe=RECIPE)
    ceiling = report.rows[0]
    assert ceiling["method"] == "Full"
    assert ceiling["ceiling_loss"] == pytest.approx(spearman(whole.loss[0], whole.loss[1]))
    assert report.mean("spearman_loss") > 0.9
    assert len(report.condensed_rows) == 2
    assert report.condensed_rows[0]["ceiling_loss"] == ceiling["ceiling_loss"]
    assert "Linear surrogate" in str(report)


def test_columns_are_what_they_say(whole):
    small = RandomNodes(num_nodes=40, num_val=60)(planted())
    report = calibrate(NET, LAM, full=whole, condensed=small, seeds=(3,), recipe=RECIPE)
    run, row = train_filters(NET, LAM, small, recipe=RECIPE, seed=3), report.condensed_rows[0]
    torch.testing.assert_close(report.loss[0], run.loss)
    loss, truth = run.loss.double(), 100 * whole.held_out.double().mean(0)
    assert row["spearman_loss"] == pytest.approx(
        sum(spearman(whole.loss[s].double(), loss) for s in (0, 1)) / 2
    )
    assert row["kendall_loss"] == pytest.approx(
        sum(kendall(whole.loss[s].double(), loss) for s in (0, 1)) / 2
    )
    assert row["regret"] == pytest.approx(regret(truth, -loss))
    assert row["accuracy"] == pytest.approx(float(truth[loss.argmin()]))
    assert (row["num_train"], row["num_val"], row["method"], row["dataset"]) == (
        40,
        60,
        "RandomNodes",
        "planted",
    )
    assert row["seconds_train"] > 0


def test_a_stand_in_is_not_judged_by_its_own_test_results(whole):
    """Seed 0 picks candidate 3; what counts is what the other seed's candidate 3 does."""
    held_out = torch.zeros(2, len(LAM))
    held_out[0, 3], held_out[1, 3], held_out[1, 5] = 0.9, 0.1, 0.6
    toy, loss = replace(whole, held_out=held_out), torch.ones(len(LAM))
    loss[3] = 0.0
    found = compare_rankings(toy, loss, -loss, leave_out=0)
    assert (found["accuracy"], found["regret"]) == (pytest.approx(10.0), pytest.approx(50.0))
    assert compare_rankings(toy, loss, -loss)["accuracy"] == pytest.approx(50.0)


def test_an_empty_stand_in_scores_worthless(whole):
    """A peer's evaluator re-reads files by name and gives zeros a good score; ours judges the
    object it is handed.
    """
    good, zeros = planted(), planted()
    zeros.x, zeros.edge_weight = torch.zeros_like(good.x), torch.zeros(good.edge_index.size(1))
    honest = calibrate(NET, LAM, full=whole, condensed=good, seeds=(5,), recipe=RECIPE)
    trap = calibrate(NET, LAM, full=whole, condensed=zeros, seeds=(5, 6), recipe=RECIPE)
    assert honest.mean("spearman_loss") > 0.9
    assert not trap.mean("spearman_loss") > 0.4  # NaN where every candidate scores the same
    assert trap.accuracy.max() < 0.4


def test_a_constant_stand_in_ranks_nothing(whole):
    small = RandomNodes(num_nodes=40, num_val=60)(planted())
    small.x, small.edge_index, small.edge_weight = (
        torch.zeros_like(small.x),
        torch.zeros(2, 0, dtype=torch.long),
        None,
    )
    report = calibrate(NET, LAM, full=whole, condensed=small, seeds=(0,))
    assert math.isnan(report.mean("spearman_accuracy"))


def test_the_cache_is_keyed_by_content(tmp_path):
    data = planted()
    recipe = FilterTraining(epochs=3)
    first = reference(NET, LAM, data, recipe=recipe, cache=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2
    again = reference(NET, LAM, data, recipe=recipe, cache=tmp_path)
    assert torch.equal(first.loss, again.loss)
    assert again.seconds == first.seconds
    other = planted()
    other.x[0, 0] += 1
    assert not torch.equal(
        reference(NET, LAM, other, recipe=recipe, cache=tmp_path).loss, first.loss
    )
    assert len(list(tmp_path.iterdir())) == 4


def test_the_surrogate_ranks_like_the_networks_and_can_be_asked_of_a_small_graph(whole):
    linear = linear_surrogate(NET, LAM, planted())
    assert spearman(linear.loss, whole.loss[0].double()) > 0.7
    small = linear_surrogate(NET, LAM, RandomNodes(num_nodes=40, num_val=60)(planted()))
    assert small.loss.shape == (16,)
    with pytest.raises(InputError, match="ridges"):
        linear_surrogate(NET, LAM, planted(), ridges=())


def test_wrong_pairs_are_refused(whole):
    small = RandomNodes(num_nodes=40)(planted())
    with pytest.raises(InputError, match="same λ"):
        calibrate(NET, LAM + 0.1, full=whole, condensed=small)
    with pytest.raises(InputError, match="network and training"):
        calibrate(NET, LAM, full=whole, condensed=small, recipe=FilterTraining(epochs=3))
    with pytest.raises(InputError, match="network and training"):
        calibrate(replace(NET, hidden=4), LAM, full=whole, condensed=small)
    with pytest.raises(InputError, match="two seeds"):
        reference(NET, LAM, planted(), seeds=(0,))
    with pytest.raises(InputError, match="distinct seeds"):
        reference(NET, LAM, planted(), seeds=(0, 0, 1))
    with pytest.raises(InputError, match="five candidates"):
        calibrate(NET, LAM[:2], full=planted(), condensed=small)
    wide = copy.copy(small)
    wide.x = torch.cat([small.x, small.x], 1)
    with pytest.raises(InputError, match="same features"):
        calibrate(NET, LAM, full=planted(), condensed=wide)


def test_the_remaining_columns_are_of_their_scores_and_the_better_end(whole):
    """By accuracy, among the best quarter, and the ceilings of both."""
    small = RandomNodes(num_nodes=40, num_val=60)(planted())
    report = calibrate(NET, LAM, full=whole, condensed=small, seeds=(3,), recipe=RECIPE)
    run, row = train_filters(NET, LAM, small, recipe=RECIPE, seed=3), report.condensed_rows[0]
    each = [
        (
            spearman(whole.accuracy[s].double(), run.accuracy.double()),
            top_quarter_spearman(-whole.loss[s].double(), -run.loss.double()),
        )
        for s in (0, 1)
    ]
    assert row["spearman_accuracy"] == pytest.approx((each[0][0] + each[1][0]) / 2)
    assert row["top_quarter_spearman"] == pytest.approx((each[0][1] + each[1][1]) / 2)
    of_loss, of_accuracy = (
        spearman(scores[0].double(), scores[1].double()) for scores in (whole.loss, whole.accuracy)
    )
    assert (row["ceiling_loss"], row["ceiling_accuracy"]) == pytest.approx((of_loss, of_accuracy))
    assert of_loss != pytest.approx(of_accuracy)
    for own in report.rows[:2]:
        assert own["ceiling_loss"] == pytest.approx(of_loss)
        assert own["ceiling_accuracy"] == pytest.approx(of_accuracy)
    alone = linear_surrogate(NET, LAM, planted())
    found = compare_rankings(whole, alone.loss, alone.accuracy)
    assert report.rows[1]["spearman_loss"] == pytest.approx(found["spearman_loss"])
    assert torch.equal(report.accuracy[0], run.accuracy)


def test_test_nodes_in_a_condensed_graph_are_refused():
    data = planted()
    told = copy.copy(data)
    told.train_mask = data.train_mask | data.test_mask
    with pytest.raises(InputError, match="test"):
        calibrate(NET, LAM, full=data, condensed=told, recipe=FilterTraining(epochs=1))


def test_a_graph_of_another_split_is_refused(whole):
    small = RandomNodes(num_nodes=40, num_val=60)(planted(seed=5))
    with pytest.raises(InputError, match="split"):
        calibrate(NET, LAM, full=whole, condensed=small, recipe=RECIPE)


def test_the_surrogate_is_ridge_regression_of_the_networks_own_form():
    """Depth, basis, coefficients by layer, and edge weights are the network's and the graph's."""
    data = planted()
    data.edge_weight = torch.linspace(0.1, 2, data.num_edges)
    net = PolynomialFilterNet(8, 4, 4, num_layers=3, basis="power", per_layer=True)
    lam = PolynomialFilters(basis="power", num_layers=3).sample(6, seed=2)
    operator = filter_operator(data.edge_index, data.num_nodes, data.edge_weight)
    masks = (data.train_mask, data.val_mask)
    model = ridge_filters(
        operator,
        *(data.x, data.y, masks, 2),
        num_classes=4,
        num_layers=3,
        basis="power",
        per_layer=True,
    )
    wanted = model.scores(lam, torch.tensor([0.05], dtype=torch.float64))
    found = linear_surrogate(net, lam, data, (0.05,))
    torch.testing.assert_close(found.loss, wanted.loss[0])
    torch.testing.assert_close(found.accuracy, wanted.accuracy[0])


def test_the_surrogate_times_its_statistics_and_its_scores(monkeypatch):
    clock = SimpleNamespace(perf_counter=iter([1.0, 6.0, 8.0, 8.5]).__next__)
    monkeypatch.setattr(surrogate, "time", clock)
    found = linear_surrogate(NET, LAM, planted())
    assert (found.seconds_statistics, found.seconds) == (5.0, 0.5)
