"""The head of a supernet as a bilevel problem: its losses, its optimum and its hypergradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus
from torch_geometric.data import Data

from graphcond.hypergrad import Implicit
from graphcond.linalg import CG
from graphcond.nn import OperationSupernet, SupernetHead
from tests.nn.test_operation_supernet import C, D, graph

OPS = ("gcn", "fc", "skip")
LAM = torch.tensor([0.3, -0.2, 0.1, -0.4, 0.2, 0.5], dtype=torch.double)


def two_graphs() -> tuple[Data, Data]:
    train, val = graph(), graph()
    train.x, val.x = train.x.double(), 1.3 * val.x.double() + 0.2
    return train, val


def problem(post: bool = False, **options) -> SupernetHead:
    net = OperationSupernet(D, C, (0, 1), OPS, hidden=4, dropout=0.5, post=post, seed=0).double()
    return SupernetHead(net, *two_graphs(), **{"weight_decay": 0.04, **options})


def logits(head: SupernetHead, theta, lam, data):
    """Return the logits by the net's own forward pass: batch moments, nothing dropped."""
    alone = OperationSupernet(
        D, C, (0, 1), OPS, hidden=4, dropout=0.0, post=head.net.post is not None
    ).double()
    alone.load_state_dict(head.net.state_dict())
    alone.head.load_state_dict(theta)
    return alone(data.x, data.edge_index, lam.view(2, 3).softmax(1))


@pytest.mark.parametrize("post", [True, False])
def test_losses_are_of_the_network_with_that_head(post):
    head = problem(post)
    theta = {name: value.detach() + 0.1 for name, value in head.net.head.named_parameters()}
    train, val = two_graphs()
    fit = cross_entropy(
        logits(head, theta, LAM, train)[train.train_mask], train.y[train.train_mask]
    )
    penalty = 0.02 * sum(float(value.square().sum()) for value in theta.values())
    torch.testing.assert_close(head.inner_loss(theta, LAM), fit + penalty)
    expected = cross_entropy(logits(head, theta, LAM, val)[val.val_mask], val.y[val.val_mask])
    torch.testing.assert_close(head.outer_loss(theta, LAM), expected)


def test_a_look_leaves_the_network_as_it_was():
    head = problem()
    head.net.eval()
    before = {name: value.clone() for name, value in head.net.state_dict().items()}
    head.problem.outer_loss(head.optimum(LAM), LAM)
    assert not head.net.training
    assert head.net.dropout == 0.5
    assert [norm.momentum for norm in head.net.norms] == [0.1, 0.1]
    for name, value in head.net.state_dict().items():
        assert torch.equal(value, before[name]) or name.endswith("num_batches_tracked")


def test_the_optimum_has_no_slope_and_the_curvature_is_the_hessian():
    head = problem()
    theta = {name: value.requires_grad_() for name, value in head.optimum(LAM).items()}
    slopes = torch.autograd.grad(head.inner_loss(theta, LAM), list(theta.values()))
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-4
    vector = {name: torch.randn_like(value) for name, value in theta.items()}
    loss = head.inner_loss(theta, LAM)
    first = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    along = sum((slope * each).sum() for slope, each in zip(first, vector.values()))
    expected = torch.autograd.grad(along, list(theta.values()))
    found = head.problem.inner_curvature(theta, LAM) @ vector
    for one, other in zip(found.values(), expected):
        torch.testing.assert_close(one, other)


def test_the_hypergradient_is_finite_differences_of_the_heads_search(monkeypatch):
    # Features of ReLU networks have kinks, where nothing has a derivative.
    monkeypatch.setattr(torch, "relu", lambda x: softplus(x, beta=3.0))
    head = problem()
    found = Implicit(CG(max_steps=200, tolerance=1e-12))(head.problem, head.optimum(LAM), LAM)
    step = 1e-3
    for place in range(6):
        moved = torch.zeros_like(LAM)
        moved[place] = step
        ends = [
            head.outer_loss(head.optimum(LAM + sign * moved), LAM + sign * moved)
            for sign in (1, -1)
        ]
        expected = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(found[place], expected, rtol=1e-2, atol=1e-5)
    # The direct term alone is another vector: the solve is what is tested.
    direct = Implicit(direct=False)(head.problem, head.optimum(LAM), LAM)
    assert float(direct.detach().abs().max()) > 1e-3


def test_the_hypergradient_moves_with_the_validation_nodes():
    head = problem()
    head.val.x.requires_grad_()
    found = Implicit(CG(max_steps=50))(head.problem, head.optimum(LAM), LAM)
    (slope,) = torch.autograd.grad(found.square().sum(), head.val.x)
    assert float(slope.abs().max()) > 0
