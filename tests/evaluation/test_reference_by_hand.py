"""What the original says of itself, and what a condensed graph is compared with, in numbers."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from graphcond.data import split_record, statistics, without_test
from graphcond.errors import InputError
from graphcond.evaluation import CalibrationReport, calibrate, compare_rankings, reference
from graphcond.evaluation.calibrate import condensed_facts
from graphcond.evaluation.reference import at_least_two, held_out_accuracy
from graphcond.evaluation.surrogate import linear_surrogate
from graphcond.training import FilterTraining, train_filters
from tests.evaluation.planted import LAM, NET

reference_module = sys.modules["graphcond.evaluation.reference"]
"""The module: the package's `reference` is the function."""


def test_a_reference_tells_its_ceiling_and_what_the_surrogate_ranks(whole):
    full, surrogate = whole.rows("planted")
    swaps = 1 - 6 * 4 / (6 * 35)  # two swapped neighbours: the sum of squared gaps is 4
    assert full["ceiling_loss"] == full["spearman_loss"] == pytest.approx(swaps)
    assert full["ceiling_accuracy"] == full["spearman_accuracy"]
    assert full["ceiling_accuracy"] == pytest.approx(1 - 6 * 68 / (6 * 35))
    assert full["kendall_loss"] == pytest.approx((15 - 2 * 2) / 15)
    assert (full["seconds_train"], full["peak_mib"]) == (7.0, 9.0)
    # Each seed picks by its own losses and is paid by the other's test nodes.
    assert full["accuracy"] == pytest.approx((60 + 70) / 2)
    assert full["regret"] == pytest.approx((20 + 10) / 2)
    assert surrogate["spearman_loss"] == pytest.approx((-1 - swaps) / 2)
    assert surrogate["ceiling_loss"] == pytest.approx(swaps)
    assert surrogate["seconds_train"] == 2.5
    assert surrogate["accuracy"] == pytest.approx(20)
    assert surrogate["regret"] == pytest.approx(75 - 20)
    assert (full["method"], surrogate["method"]) == ("Full", "Linear surrogate")
    assert full["dataset"] == surrogate["dataset"] == "planted"


def test_candidates_that_tie_share_the_pick(whole):
    loss = torch.tensor([1.0, 1.0, 1.0, 2.0, 3.0, 4.0])
    found = compare_rankings(whole, loss, -loss)
    assert found["accuracy"] == pytest.approx((70 + 75 + 50) / 3)
    assert found["regret"] == pytest.approx(75 - (70 + 75 + 50) / 3)


def by_scipy(seeds, loss, accuracy):
    """The columns as their names say, seed by seed of the original's planted results."""
    spearman, kendall = (
        lambda one, other, how=how: float(how(one, other).statistic)
        for how in (stats.spearmanr, stats.kendalltau)
    )
    top = [one.argsort()[:3] for one, _, _ in seeds]
    truth = 100 * np.mean([held for _, _, held in seeds], 0)
    return {
        "spearman_loss": np.mean([spearman(one, loss) for one, _, _ in seeds]),
        "spearman_accuracy": np.mean([spearman(one, accuracy) for _, one, _ in seeds]),
        "kendall_loss": np.mean([kendall(one, loss) for one, _, _ in seeds]),
        "top_quarter_spearman": np.mean(
            [spearman(one[best], loss[best]) for best, (one, _, _) in zip(top, seeds)]
        ),
        "regret": truth.max() - truth[loss.argmin()],
        "accuracy": truth[loss.argmin()],
    }


def test_every_column_is_the_mean_over_the_originals_other_seeds(whole):
    stream = torch.Generator().manual_seed(3)
    planted = torch.rand(3, 3, 12, generator=stream, dtype=torch.float64)
    loss, accuracy = torch.rand(2, 12, generator=stream, dtype=torch.float64)
    linear = replace(whole.surrogate, loss=loss, accuracy=accuracy)
    names = ("loss", "accuracy", "held_out")
    three = replace(whole, **dict(zip(names, planted.unbind(1))), surrogate=linear)
    seeds = [tuple(seed.numpy()) for seed in planted]
    for left in (None, 0, 2):
        others = [seed for s, seed in enumerate(seeds) if s != left]
        found = compare_rankings(three, loss, accuracy, leave_out=left)
        assert found == pytest.approx(by_scipy(others, loss.numpy(), accuracy.numpy()))
    full, surrogate = three.rows("planted")
    alone = [by_scipy([*seeds[:s], *seeds[s + 1 :]], *seeds[s][:2]) for s in range(3)]
    for name, stand_in in by_scipy(seeds, loss.numpy(), accuracy.numpy()).items():
        assert full[name] == pytest.approx(np.mean([each[name] for each in alone]))
        assert surrogate[name] == pytest.approx(stand_in)
    for row in (full, surrogate):
        assert row["ceiling_loss"] == full["spearman_loss"]
        assert row["ceiling_accuracy"] == full["spearman_accuracy"]


def test_seeds_stay_in_the_order_in_which_they_are_given(graph, whole):
    recipe = FilterTraining(epochs=1)
    made = reference(NET, LAM, graph, seeds=(3, 1), recipe=recipe)
    assert (made.seeds, made.recipe, made.net) == ((3, 1), recipe, NET)
    assert made.split == split_record(graph)
    small = without_test(graph)
    small.edge_index = graph.edge_index[:, ::2]
    report = calibrate(NET, LAM, full=whole, condensed=small, seeds=(3, 1))
    assert [row["seed"] for row in report.condensed_rows] == [3, 1]
    for number, seed in enumerate((3, 1)):
        run = train_filters(NET, LAM, graph, recipe=recipe, seed=seed)
        assert torch.equal(made.loss[number], run.loss)
        assert torch.equal(made.accuracy[number], run.accuracy)
        held = held_out_accuracy(NET, LAM, run.best_params, graph)
        assert torch.equal(made.held_out[number], held)
        run = train_filters(NET, LAM, small, recipe=recipe, seed=seed)
        assert torch.equal(report.loss[number], run.loss)
        assert torch.equal(report.accuracy[number], run.accuracy)
        row = report.condensed_rows[number]
        for name, value in compare_rankings(whole, run.loss, run.accuracy).items():
            assert row[name] == pytest.approx(value, nan_ok=True)
    assert report.mean("accuracy") == np.mean([row["accuracy"] for row in report.condensed_rows])


def test_a_ceiling_needs_two_seeds():
    assert at_least_two((5,)) == (5, 6)
    assert at_least_two((5, 5)) == (5, 6)
    assert at_least_two((5, 2, 5)) == (5, 2, 5)


def test_a_graphs_row_tells_the_ratio_that_was_asked_for_and_the_one_reached(graph):
    made = graph.clone()
    made.card = {"ratio": 0.5, "ratio_actual": 0.4, "method": "X", "name": "planted"}
    found = condensed_facts(made)
    assert (found["ratio"], found["ratio_actual"], found["method"]) == (0.5, 0.4, "X")
    assert found["num_train"] == int(graph.train_mask.sum())
    assert found["num_val"] == int(graph.val_mask.sum())
    assert found["num_edges"] == graph.num_edges
    assert found["bytes"] == statistics(made)["bytes"]


def test_held_out_accuracy_is_that_of_every_model_however_many_are_asked_at_once(graph):
    params = NET.init(6, seed=0)
    params = {name: value + 0.3 * torch.randn_like(value) for name, value in params.items()}
    whole = held_out_accuracy(NET, LAM, params, graph)
    for chunk in (1, 4, 5, 6):
        assert torch.equal(held_out_accuracy(NET, LAM, params, graph, chunk=chunk), whole)


def test_a_reference_goes_on_where_it_stopped_and_leaves_a_file_a_seed(
    graph, tmp_path, monkeypatch
):
    asked, train = [], reference_module.train_filters

    def spy(*given, checkpoint, **named):
        asked.append(checkpoint)
        return train(*given, checkpoint=checkpoint, **named)

    monkeypatch.setattr(reference_module, "train_filters", spy)
    recipe = FilterTraining(epochs=1)
    first = reference(NET, LAM, graph, recipe=recipe)
    kept = reference(NET, LAM, graph, recipe=recipe, cache=tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [file.suffix for file in files] == [".safetensors"] * 2
    assert asked[:2] == [None, None]
    assert sorted(asked[2:]) == [file.with_suffix(".partial") for file in files]
    again = reference(NET, LAM, graph, recipe=recipe, cache=tmp_path)
    assert len(asked) == 4
    assert (again.seconds, again.peak_mib) == (kept.seconds, kept.peak_mib)
    assert torch.equal(again.loss, first.loss)
    assert torch.equal(first.surrogate.loss, linear_surrogate(NET, LAM, graph).loss)
    for net, lam, how in (
        (NET, LAM, FilterTraining(epochs=2)),
        (replace(NET, hidden=5), LAM, recipe),
        (NET, LAM.flip(0), recipe),
    ):
        count = len(asked)
        reference(net, lam, graph, recipe=how, cache=tmp_path)
        assert len(asked) == count + 2  # what another training found is not read
    monkeypatch.setattr(reference_module, "_PROTOCOL", -1)
    reference(NET, LAM, graph, recipe=recipe, cache=tmp_path)
    assert len(asked) == count + 4  # nor what another protocol did


def test_a_reference_costs_the_mean_time_and_the_highest_peak(graph, monkeypatch):
    planted = {name: torch.ones(6) for name in ("loss", "accuracy", "held_out")}
    costs = iter([(1.0, 9.0), (3.0, 5.0)])
    monkeypatch.setattr(reference_module, "_one_seed", lambda *_: (dict(planted), *next(costs)))
    made = reference(NET, LAM, graph, seeds=(0, 1))
    assert (made.seconds, made.peak_mib) == (2.0, 9.0)


def test_calibrating_against_data_makes_the_reference_of_them(graph, monkeypatch):
    asked = []

    def spy(net, lam, full, **named):
        asked.append((net, lam, full, named))
        return reference(net, lam, full, **named)

    monkeypatch.setattr(sys.modules["graphcond.evaluation.calibrate"], "reference", spy)
    recipe, small = FilterTraining(epochs=2), without_test(graph)
    small.edge_index = graph.edge_index[:, ::2]
    report = calibrate(NET, LAM, full=graph, condensed=small, seeds=(5,), recipe=recipe)
    ((net, lam, full, named),) = asked
    assert net == NET
    assert torch.equal(lam, LAM)
    assert full is graph
    assert named == {"seeds": (5, 6), "recipe": recipe}
    alone = train_filters(NET, LAM, small, recipe=recipe, seed=5)
    assert torch.equal(report.loss[0], alone.loss)
    assert torch.equal(report.accuracy[0], alone.accuracy)
    told = small.clone()
    told.train_mask = small.train_mask | small.val_mask
    with pytest.raises(InputError, match="no node in both"):
        calibrate(NET, LAM, full=graph, condensed=told, seeds=(5,))
    with pytest.raises(InputError, match="needs test nodes"):
        reference(NET, LAM, small)


def test_the_surrogate_scores_at_the_ridge_that_it_chose(graph):
    ridges = (1e-6, 1e-3, 1e-1, 10.0)
    found = linear_surrogate(NET, LAM, graph, ridges)
    for order in (ridges[::-1], (found.ridge,)):
        other = linear_surrogate(NET, LAM, graph, order)
        assert other.ridge == found.ridge
        assert torch.equal(other.loss, found.loss)
        assert torch.equal(other.accuracy, found.accuracy)
    for wrong in ((), (0.0,), (1.0, -1.0)):
        with pytest.raises(InputError, match="positive `ridges`"):
            linear_surrogate(NET, LAM, graph, wrong)


def test_the_originals_rows_bear_its_name_and_not_the_condensed_sets(graph, whole):
    made = without_test(graph)
    made.card = {"dataset": "planted", "name": "mine"}
    report = calibrate(NET, LAM, full=whole, condensed=made, seeds=(0,))
    assert [row["dataset"] for row in report.rows[:2]] == ["planted"] * 2


def test_a_calibration_means_over_the_seeds_of_the_condensed_set_alone(whole):
    own = ({"accuracy": 50.0}, {"accuracy": 80.0, "regret": 3.0})
    scores = torch.zeros(2, 6)
    report = CalibrationReport((*whole.rows("planted"), *own), whole, scores, scores)
    assert report.condensed_rows == own
    assert (report.mean("accuracy"), report.mean("regret")) == (65.0, 3.0)
    assert math.isnan(report.mean("kendall_loss"))


def test_a_ranking_needs_five_candidates(graph):
    with pytest.raises(InputError, match="at least five"):
        calibrate(NET, LAM[:4], full=graph, condensed=graph)
