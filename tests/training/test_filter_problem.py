"""Losses, hypergradients and scores of filters, against dense formulas of one filter at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graphcond.data import planted_graph, without_test
from graphcond.errors import NumericalError
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG, Solution
from graphcond.nn import PolynomialFilterNet
from graphcond.spaces import PolynomialFilters
from graphcond.training import filter_graph
from graphcond.training.filter_graphs import live_features
from graphcond.training.filter_problem import (
    FilterProblem,
    check_solution,
    network_gradients,
    network_scores,
)

NET = PolynomialFilterNet(4, hidden=2, num_classes=3)
LAM = PolynomialFilters(order=1).sample(5, seed=5).double()


@pytest.fixture(scope="module")
def data():
    graph = without_test(planted_graph(num_nodes=40, num_classes=3, num_features=4, seed=0))
    graph.x = graph.x.double()
    return graph


@pytest.fixture
def problem(data, monkeypatch):
    """Two filters at once, so that five are three chunks."""
    monkeypatch.setattr("graphcond.training.nodes._CHUNK_NUMBERS", 2 * 40 * 3)
    return FilterProblem(NET, filter_graph(data), weight_decay=0.03)


def params():
    return NET.init(5, seed=1, dtype=torch.float64)


def alone(problem, data, which):
    """Logits, training and validation loss of one filter as functions of flat θ and λ."""
    shapes = {name: value[which].shape for name, value in params().items()}

    def logits(theta, lam):
        pieces = theta.split([shape.numel() for shape in shapes.values()])
        own = {name: part.view(1, *shape) for part, (name, shape) in zip(pieces, shapes.items())}
        return NET(own, lam[None], problem.graph.operator, data.x)[0]

    def train(theta, lam):
        fit = F.cross_entropy(logits(theta, lam)[data.train_mask], data.y[data.train_mask])
        return fit + 0.015 * theta.square().sum()

    def val(theta, lam):
        return F.cross_entropy(logits(theta, lam)[data.val_mask], data.y[data.val_mask])

    return torch.cat([value[which].flatten() for value in params().values()]), logits, train, val


def test_hypergradients_are_direct_less_indirect_with_gauss_newton_curvature(problem, data):
    y, jacobian = data.y[data.train_mask], torch.autograd.functional.jacobian
    found = network_gradients(problem, params(), LAM, Implicit(CG(max_steps=200, tolerance=1e-12)))
    for which, lam in enumerate(LAM):
        theta, logits, train, val = alone(problem, data, which)
        slope, direct = jacobian(val, (theta, lam))
        out = logits(theta, lam)[data.train_mask]
        of_logits = torch.autograd.functional.hessian(lambda o: F.cross_entropy(o, y), out)
        turn = jacobian(lambda t: logits(t, lam)[data.train_mask].flatten(), theta)  # noqa: B023
        square = of_logits.view(out.numel(), out.numel())
        curvature = turn.T @ square @ turn + 0.03 * torch.eye(len(theta))
        vector = torch.linalg.solve(curvature, slope)

        def mixed(other, train=train, theta=theta, vector=vector):
            return jacobian(lambda t: train(t, other), theta, create_graph=True) @ vector

        torch.testing.assert_close(found[which], direct - jacobian(mixed, lam))


def test_losses_and_scores_are_those_of_each_filter_alone(problem, data):
    losses, accuracies = network_scores(problem, params(), LAM)
    inner = problem.inner(params(), LAM)
    for which, lam in enumerate(LAM):
        theta, logits, train, val = alone(problem, data, which)
        right = (logits(theta, lam).argmax(1) == data.y)[data.val_mask]
        assert float(losses[which]) == pytest.approx(float(val(theta, lam)))
        assert float(inner[which]) == pytest.approx(float(train(theta, lam)))
        assert float(accuracies[which]) == pytest.approx(float(right.double().mean()))


@pytest.mark.parametrize("flaw", ["diverged", "negative_curvature"])
def test_a_solve_with_either_flaw_names_its_filter(flaw):
    good, bad = torch.zeros(3, dtype=torch.bool), torch.tensor([False, True, False])
    facts = {"diverged": good, "negative_curvature": good}
    lam = torch.tensor([[1.0], [2.0], [3.0]])
    check_solution(Solution({}, ~good, 4, torch.zeros(3), **facts), lam, "step 7")
    with pytest.raises(NumericalError, match=r"at step 7, for 1 of 3 λ: λ = \[\[2.0\]\]"):
        check_solution(Solution({}, ~good, 4, torch.zeros(3), **facts | {flaw: bad}), lam, "step 7")


def test_a_graph_keeps_what_it_is_made_of(data):
    operator = torch.eye(40)
    graph = filter_graph(data, operator)
    assert graph.operator is operator
    assert torch.equal(graph.x, data.x)
    assert (graph.num_nodes, graph.dtype) == (40, torch.float64)
    assert torch.equal(graph.train, data.train_mask.nonzero()[:, 0])
    assert torch.equal(graph.val, data.val_mask.nonzero()[:, 0])


def test_live_features_are_the_columns_that_some_node_has():
    x = torch.tensor([[0.0, -1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.5]])
    assert live_features(x, 4).tolist() == [1, 3]
    for none in (live_features(x, 5), live_features(0 * x, 4), live_features(1 + x.abs(), 4)):
        assert none is None
