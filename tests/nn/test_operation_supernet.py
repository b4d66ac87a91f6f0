"""The supernet: discrete networks at its corners, and the slope of the search in between."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn.functional import softplus
from torch_geometric.data import Data

from graphcond.errors import InputError
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG
from graphcond.nn import OPERATIONS, OperationSupernet, straight_through, supernet_problem
from graphcond.nn.operation_supernet import soft_weights
from graphcond.seeding import generator

N, D, C = 18, 4, 3
LINKS = (0, 1, 1)


def graph() -> Data:
    stream = generator(0, "supernet")
    edges = torch.randint(N, (2, 30), generator=stream)
    edges = torch.cat([edges, edges.flip(0)], 1)
    y = torch.arange(N) % C
    x = torch.randn(N, D, generator=stream) + torch.eye(C, D)[y]
    mask = torch.arange(N) < N // 2
    return Data(x=x, edge_index=edges, y=y, train_mask=mask, val_mask=~mask)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("post", [True, False])
def test_one_hot_weights_are_the_discrete_network(train: bool, post: bool) -> None:
    data = graph()
    net = OperationSupernet(D, C, LINKS, hidden=8, dropout=0.0, post=post).train(train)
    stream = generator(0, "picks")
    seen = []
    for first in range(len(OPERATIONS)):
        others = torch.randint(len(OPERATIONS), (2,), generator=stream).tolist()
        picks = [first, *others]
        alone = net.discrete(picks)
        assert [OPERATIONS[pick] for pick in picks] == list(alone.operations)
        lam = torch.zeros(3, len(OPERATIONS))
        lam[range(3), picks] = 9.0
        found = net(data.x, data.edge_index, straight_through(lam))
        torch.testing.assert_close(found, alone(data.x, data.edge_index))
        seen.append(found)
    for one, other in itertools.combinations(seen, 2):
        assert not torch.allclose(one, other, atol=1e-3)


def test_the_discrete_networks_weights_are_copies() -> None:
    net = OperationSupernet(D, C, LINKS, ("gcn", "fc"), hidden=8)
    alone = net.discrete([0, 1, 0])
    with torch.no_grad():
        for value in alone.parameters():
            value.zero_()
    assert float(net.layers[0].lin.weight.detach().abs().sum()) > 0


def test_in_training_the_input_and_what_is_read_are_dropped() -> None:
    data = graph()
    net = OperationSupernet(D, C, (0,), ("fc", "skip"), hidden=8, dropout=0.5).train()
    # Norms that do not look at the batch, so that dropout alone can tell two passes apart.
    net.norms.eval()

    def moves(weights: list[float]) -> bool:
        once, again = (net(data.x, data.edge_index, torch.tensor([weights])) for _ in range(2))
        return not torch.equal(once, again)

    assert moves([0.0, 1.0])
    with torch.no_grad():
        net.pre.weight.zero_()
        net.pre.bias.fill_(1.0)
    # Now the input is seen no more, and what skips is not dropped again; what is read is.
    assert not moves([0.0, 1.0])
    assert moves([1.0, 0.0])
    assert not net.discrete([0]).eval().training
    assert net.discrete([0]).training
    net.eval()
    assert not moves([1.0, 0.0])
    assert not net.discrete([0]).training


def test_straight_through_is_hard_forward_and_soft_backward() -> None:
    lam = torch.tensor([[0.2, 0.1, -0.3], [0.0, 2.0, 1.9]], requires_grad=True)
    worth = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
    hard = straight_through(lam, temperature=0.7)
    assert hard.detach().tolist() == [[1, 0, 0], [0, 1, 0]]
    slope = torch.autograd.grad((hard * worth).sum(), lam)[0]
    soft = torch.autograd.grad((soft_weights(lam, 0.7) * worth).sum(), lam)[0]
    torch.testing.assert_close(slope, soft)
    assert float(slope.abs().min()) > 0


def test_soft_weights_are_the_softmax_of_logits_over_the_temperature() -> None:
    lam = torch.tensor([[0.2, -1.0, 0.7], [0.0, 2.0, 1.9]])
    expected = (lam / 0.5).exp()
    expected /= expected.sum(1, keepdim=True)
    torch.testing.assert_close(soft_weights(lam, 0.5), expected)


def test_operations_start_apart_and_from_the_seed() -> None:
    nets = [OperationSupernet(D, C, LINKS, ("gcn", "gat"), hidden=16, seed=seed) for seed in (0, 1)]
    first, second = nets[0].layers[0].lin.weight, nets[0].layers[1].lin.weight
    pairs = [(first, second), (first, nets[1].layers[0].lin.weight)]
    pairs.append((nets[0].pre.weight, nets[1].pre.weight))
    for one, other in pairs:
        drawn = torch.corrcoef(torch.stack([one.detach().flatten(), other.detach().flatten()]))
        assert abs(float(drawn[0, 1])) < 0.4


def test_the_inner_loss_is_of_training_nodes_and_the_outer_one_of_validation_nodes() -> None:
    train, val = graph(), graph()
    val.x = val.x + 1
    net = OperationSupernet(D, C, LINKS, ("gcn", "fc"), hidden=8, dropout=0.5)
    problem = supernet_problem(net, train, val, weight_decay=0.2, temperature=0.5)
    params = dict(net.named_parameters())
    lam = torch.linspace(-1, 1, 6)
    squares = sum(float(value.detach().square().sum()) for value in params.values())
    for loss, data, mask, penalty in (
        (problem.inner_loss, train, train.train_mask, 0.1 * squares),
        (problem.outer_loss, val, val.val_mask, 0.0),
    ):
        net.eval()
        logits = net(data.x, data.edge_index, torch.softmax(lam.view(3, 2) / 0.5, 1))[mask]
        net.train()
        expected = torch.nn.functional.cross_entropy(logits, data.y[mask]) + penalty
        torch.testing.assert_close(loss(params, lam), expected)
        assert net.training


def test_gumbel_noise_picks_operations_as_often_as_the_softmax_says() -> None:
    lam = torch.tensor([1.0, 0.0, -1.0]).expand(4000, 3)
    picks = straight_through(lam, 0.1, generator(0, "gumbel")).mean(0)
    # The standard deviation of a share is .008 at most.
    torch.testing.assert_close(picks, torch.softmax(lam[0], 0), rtol=0, atol=0.03)
    again = straight_through(lam, 0.1, generator(0, "gumbel")).mean(0)
    assert torch.equal(picks, again)


def test_gradients_reach_every_operation_s_logit() -> None:
    data = graph()
    net = OperationSupernet(D, C, LINKS, hidden=8, dropout=0.0)
    lam = torch.zeros(3, len(OPERATIONS), requires_grad=True)
    loss = net(data.x, data.edge_index, straight_through(lam, 1.0, generator(0, "g")))
    slope = torch.autograd.grad(loss.square().sum(), lam)[0]
    assert bool((slope != 0).all())


def _optimum(problem, start, lam):
    """Return θ*(λ) by Newton-like descent, precise enough for finite differences."""
    params = {name: value.clone().requires_grad_() for name, value in start.items()}
    descent = torch.optim.LBFGS(
        list(params.values()),
        max_iter=4000,
        tolerance_grad=1e-11,
        tolerance_change=0,
        history_size=30,
        line_search_fn="strong_wolfe",
    )

    def closure():
        descent.zero_grad()
        loss = problem.inner_loss(params, lam)
        loss.backward()
        return loss

    descent.step(closure)
    return {name: value.detach() for name, value in params.items()}


def test_the_hypergradient_is_finite_differences_of_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An optimum of ReLU networks lies on kinks, where nothing has a derivative.
    monkeypatch.setattr(torch, "relu", lambda x: softplus(x, beta=3.0))
    data = graph()
    data.x = data.x.double()
    net = OperationSupernet(D, C, (0, 1), ("gcn", "fc", "skip"), hidden=4, post=False, seed=0)
    net = net.double()
    problem = supernet_problem(net, data, data, weight_decay=0.04)
    start = {name: value.detach() for name, value in net.named_parameters()}
    lam = torch.tensor([0.3, -0.2, 0.1, -0.4, 0.2, 0.5], dtype=torch.double)
    optimum = _optimum(problem, start, lam)
    found, solution = Implicit(CG(max_steps=400, tolerance=1e-12)).solve(problem, optimum, lam)
    assert bool(solution.converged.all())
    step = 1e-3
    for place in (0, 4):
        moved = torch.zeros_like(lam)
        moved[place] = step
        ends = [
            problem.outer_loss(_optimum(problem, optimum, lam + sign * moved), lam + sign * moved)
            for sign in (1, -1)
        ]
        expected = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(found[place], expected, rtol=1e-3, atol=1e-6)
    # The direct term alone is another vector: the solve is what is tested.
    assert float((found - _direct(problem, optimum, lam)).detach().abs().max()) > 1e-3


def _direct(problem, params, lam):
    free = lam.clone().requires_grad_()
    return torch.autograd.grad(problem.outer_loss(params, free), free)[0]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="distinct"):
        OperationSupernet(D, C, LINKS, ("gcn", "gcn"))
    with pytest.raises(InputError, match="temperature"):
        straight_through(torch.zeros(1, 2), 0.0)
