import pytest
import torch

from graphcond.condensers.dconrec.one_step import UnrolledBPR, UnrolledObjective
from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.data import make_interactions, split_interactions, train_edges, val_edges
from graphcond.nn import Triplets
from graphcond.training import UniformNegatives


def unrolled(start, steps, dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    pairs = torch.stack([torch.randint(size, (40,), generator=draw) for size in (7, 9)])
    data = split_interactions(make_interactions(pairs, 7, 9), seed=0)
    edges = train_edges(data)
    negatives = UniformNegatives(edges, 7, 9)
    proxy = (
        torch.randn(7, 4, generator=draw, dtype=dtype),
        torch.randn(9, 4, generator=draw, dtype=dtype),
    )
    kept = torch.arange(edges.size(1)) < 2
    inner = UnrolledBPR(steps=steps, start=start, learning_rate=0.5, dim=4)
    return UnrolledObjective(
        inner, edges, kept, OuterLoss(val_edges(data), negatives, (7, 9)), negatives, proxy
    )


@pytest.mark.parametrize("start", ["items", "proxy"])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_relaxed_loss_has_the_right_gradient(start, steps):
    objective = unrolled(start, steps)
    weight = torch.rand(
        objective.edges.size(1),
        generator=torch.Generator().manual_seed(1),
        dtype=torch.float64,
        requires_grad=True,
    )
    assert torch.autograd.gradcheck(lambda w: objective.relaxed(w, seed=3), (weight,))
    (grad,) = torch.autograd.grad(objective.relaxed(weight, seed=3), weight)
    assert float(grad[:2].abs().max()) == 0.0  # always kept
    assert float(grad[2:].abs().max()) > 0.0


def test_blocks_do_not_change_the_gradient(monkeypatch):
    def gradient():
        objective = unrolled("proxy", 2)
        weight = torch.full(
            (objective.edges.size(1),), 0.5, dtype=torch.float64, requires_grad=True
        )
        return torch.autograd.grad(objective.relaxed(weight, seed=0), weight)[0]

    whole = gradient()
    monkeypatch.setattr("graphcond.condensers.dconrec.one_step.BLOCK", 5)
    torch.testing.assert_close(gradient(), whole)


def test_with_items_fixed_a_users_loss_depends_on_its_own_mask_alone():
    objective = unrolled("items", 1, torch.float32)
    masks_ = (
        torch.rand(2, objective.edges.size(1), generator=torch.Generator().manual_seed(0)) < 0.5
    )
    masks_[1] = torch.where(objective.edges[0] == 3, masks_[1], masks_[0])
    losses = objective(masks_)
    same = torch.ones(7, dtype=torch.bool)
    same[3] = False
    torch.testing.assert_close(losses[0, same], losses[1, same])
    torch.testing.assert_close(losses[0].sum(), objective(masks_[:1]).sum())


@pytest.mark.parametrize("start", ["items", "proxy", "fresh"])
def test_a_mask_is_worth_what_its_weights_are(start):
    """Training on the kept interactions alone equals training on all of them with weights 0
    and 1.
    """
    objective = unrolled(start, 2, torch.float32)
    mask = torch.rand(objective.edges.size(1), generator=torch.Generator().manual_seed(0)) < 0.5
    pairs = [
        Triplets(objective.edges[0], objective.edges[1], drawn)
        for drawn in objective._others(objective.seed)
    ]
    tables = objective._train(
        objective._start(objective.seed), pairs, (mask | objective.kept).float()
    )
    torch.testing.assert_close(objective([mask]), objective.outer(tables, 1, seed=objective.seed))
