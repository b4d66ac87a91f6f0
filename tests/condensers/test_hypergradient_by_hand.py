"""HCDC in numbers: noise, ranks, looks, distances and rates, by independent formulas."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm

from graphcond.condensers import (
    Weights,
)
from graphcond.condensers.hcdc import objective
from graphcond.condensers.hcdc.objective import Matching, Students
from graphcond.errors import NumericalError
from graphcond.hypergrad import Sensitivity
from graphcond.nn import PolynomialFilterNet
from graphcond.nn.synthetic import SyntheticGraph, cut
from graphcond.seeding import generator
from graphcond.spaces import PolynomialFilters
from graphcond.training.filter_answers import Target
from graphcond.training.graph_descent import Descent

LAM = PolynomialFilters().sample(7, seed=3)
NET = PolynomialFilterNet(4, hidden=3, num_classes=3)


def students(copies=2):
    draw = torch.Generator().manual_seed(0)
    columns = [
        {name: torch.randn(v.shape, generator=draw) for name, v in NET.init(7, seed=0).items()}
        for _ in range(3)
    ]
    moved = Sensitivity(tuple(columns), ())
    return tuple(Students(LAM, NET.init(7, seed=seed), moved) for seed in range(copies))


def matching(**changed):
    draw = torch.Generator().manual_seed(1)
    loss, accuracy = torch.rand(7, generator=draw) + 0.5, torch.rand(7, generator=draw)
    target = Target(LAM, loss, accuracy, torch.randn(7, 3, generator=draw))
    settings = {"weights": Weights(1.0, 1.0, 1.0), **changed}
    return Matching(NET, students(), target, **settings)


def small():
    draw = torch.Generator().manual_seed(2)
    x, y = torch.randn(5, 4, generator=draw), torch.tensor([0, 0, 1, 1, 2])
    start = SyntheticGraph.start(x, y, "learned")
    with torch.no_grad():
        start.edge_params["logits"].normal_(generator=draw)
    return start


def test_ranks_become_normal_scores():
    found = matching()
    rank = found.target.loss.argsort().argsort().numpy()
    torch.testing.assert_close(found.wanted, torch.tensor(norm.ppf((rank + 0.5) / 7)).float())
    plain = matching(weights=Weights(1.0, 1.0, 1.0, ranks=False))
    torch.testing.assert_close(plain.wanted, plain.target.loss.log())


def test_looks_are_means_over_copies_on_the_cut_graph():
    found, start, rows = matching(), small(), torch.tensor([5, 0, 3])
    weight = torch.where(start.weight() > 0.4, start.weight(), 0.0).detach()
    assert 0 < int((weight > 0).sum()) < 20
    losses, hits = [], []
    for each in found.copies:
        params = {name: value[rows] for name, value in each.params.items()}
        logits = NET(params, LAM[rows], objective.dense_operator(weight), start.x.detach())
        losses.append(torch.stack([F.cross_entropy(one, start.y) for one in logits]))
        hits.append((logits.argmax(-1) == start.y).float().mean(1))
    loss, accuracy = found.scores(start, rows, 0.4)
    torch.testing.assert_close(loss, torch.stack(losses).mean(0))
    torch.testing.assert_close(accuracy, torch.stack(hits).mean(0))
    assert not loss.requires_grad


def test_noise_is_of_all_students_spread_and_only_where_a_stream_is_given():
    found, rows = matching(noise=0.5), torch.tensor([5, 0])
    weight = found.copies[1].params["weight0"]
    drawn = torch.randn(2, *weight.shape[1:], generator=generator(9, "noise"))
    blurred = found._models(found.copies[1], rows, generator(9, "noise"))["weight0"]
    torch.testing.assert_close(blurred, weight[rows] + 0.5 * weight.std() * drawn)
    for one, stream in ((found, None), (matching(), generator(9, "noise"))):
        assert torch.equal(one._models(one.copies[1], rows, stream)["weight0"], weight[rows])


def test_distances_are_of_the_copy_and_hypergradients_of_a_third_rounded_up():
    start, rows = small(), torch.tensor([6, 2, 4, 0])
    whole = matching()
    for copy in (0, 1):
        own = replace(whole, copies=(whole.copies[copy],))
        assert whole.distance(start, rows, 0.0, copy)[1] == own.distance(start, rows, 0.0)[1]
    assert whole.distance(start, rows, 0.0, 0)[1] != whole.distance(start, rows, 0.0, 1)[1]
    found = whole.distance(start, rows, 0.0)[1]["hypergradient"]
    two = torch.cat([rows[:2], torch.tensor([1, 3, 5])])[:4]  # the same two first
    assert whole.distance(start, two, 0.0)[1]["hypergradient"] == found
    alone = replace(whole, weights=Weights(1.0, 0.0, 0.0))
    of_one = [float(alone.distance(start, rows[i : i + 1], 0.0)[0].detach()) for i in (0, 1)]
    assert found == pytest.approx(sum(of_one) / 2)
    other = torch.tensor([6, 1, 4, 0])
    assert whole.distance(start, other, 0.0)[1]["hypergradient"] != found
    for weights, names in (
        (Weights(1.0, 0.0, 0.0), {"hypergradient"}),
        (Weights(0.0, 1.0, 0.0), {"value", "accuracy"}),
        (Weights(0.0, 0.0, 1.0), {"value", "accuracy"}),
    ):
        total, shown = replace(whole, weights=weights).distance(start, rows, 0.0)
        assert set(shown) == names
        kept = next(name for name in names if getattr(weights, name))
        assert float(total.detach()) == pytest.approx(shown[kept])


def test_a_student_that_diverged_is_named_by_the_part_that_meets_it():
    rows = torch.tensor([1, 2])
    for weights, place in (
        (Weights(0.0, 1.0, 0.0), "the condensed validation graph"),
        (Weights(1.0, 0.0, 0.0), "hypergradients of the condensed graph"),
    ):
        found = matching(weights=weights)
        found.copies[0].params["bias1"][1] = torch.nan
        with pytest.raises(NumericalError, match=f"{place}.*λ = "):
            found.distance(small(), rows, 0.0)


def test_a_smooth_accuracy_is_the_sigmoid_of_margins_over_the_width():
    logits = torch.tensor([[[1.0, 0.4, 0.7], [0.2, 0.1, 0.5]], [[0.0, 3.0, 1.0], [2.0, 2.0, 1.0]]])
    found = objective.soft_accuracy(logits, torch.tensor([0, 2]))
    margins = torch.tensor([[0.3, 0.3], [-3.0, -1.0]])
    torch.testing.assert_close(found, torch.sigmoid(margins / 0.3).mean(1))


def test_weights_up_to_the_threshold_are_cut():
    weight = torch.tensor([0.0, 0.2, 0.5, 0.7])
    assert cut(weight, 0.5).tolist() == pytest.approx([0, 0, 0, 0.7])
    assert cut(weight, 0.0) is weight


def test_rates_are_of_the_features_size_and_a_twentieth_for_what_makes_edges():
    x, y = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([0, 1])
    start = SyntheticGraph.start(x, y, "mlp")
    rates = Descent(start, 0.1, 0.2, 4).rates
    assert rates.pop("x") == pytest.approx(0.1 * 2.5)
    assert set(rates.values()) == {0.01}
    assert Descent(SyntheticGraph.start(0 * x, y, "learned"), 0.1, 0.2, 4).rates == {
        "x": 0.1,
        "logits": 0.2,
    }


def test_rates_fade_from_the_whole_by_half_a_cosine():
    """Down a slope that stays the same Adam moves by its rate."""
    start = SyntheticGraph.start(torch.full((2, 3), 2.0), torch.tensor([0, 1]), "identity")
    descent = Descent(start, 0.1, 0.2, 4)
    for share in (1, (2 + 2**0.5) / 4, 1 / 2):
        before = start.x.detach().clone()
        descent.step(start.x.sum())
        moved = torch.full_like(before, 0.1 * 2 * share)
        torch.testing.assert_close(before - start.x.detach(), moved, rtol=1e-4, atol=1e-6)


def test_a_descent_goes_on_from_its_state():
    y = torch.tensor([0, 1])
    first, again = (
        Descent(SyntheticGraph.start(torch.ones(2, 3), y, "identity"), 0.1, 0.2, 4)
        for _ in range(2)
    )
    for _ in range(2):
        first.step(first.graph.x.square().sum())
    again.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    for descent in (first, again):
        descent.step(descent.graph.x.square().sum())
    assert torch.equal(again.graph.x, first.graph.x)
    assert first.done == again.done == 3


def test_a_basis_leaves_out_what_is_rounding():
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(2, 5, generator=draw)
    x = torch.cat([rows, rows.sum(0, keepdim=True), 1e-9 * torch.randn(1, 5, generator=draw)])
    basis = objective.feature_basis(x)
    assert basis.shape == (2, 5)
    torch.testing.assert_close(x @ basis.T @ basis, x)
    faint = torch.diag(torch.tensor([1.0, 1e-3, 1e-6]))
    assert objective.feature_basis(faint).shape == (2, 3)


def test_answers_come_back_from_a_checkpoint():
    values = torch.arange(7.0)
    for gradient, ridge in ((None, None), (torch.ones(7, 3), 0.1)):
        target = Target(LAM, values, values / 7, gradient, ridge)
        back = Target.from_tensors(target.tensors())
        assert torch.equal(back.loss, values)
        assert torch.equal(back.accuracy, values / 7)
        assert back.ridge == ridge
        assert (back.gradient is None) == (gradient is None)
