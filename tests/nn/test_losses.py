import pytest
import torch

from graphcond.nn import Triplets, bpr_gradient, bpr_loss


def make_batch(weighted):
    draw = torch.Generator().manual_seed(0)
    ids = [torch.randint(0, n, (40,), generator=draw) for n in (5, 7, 7)]
    return Triplets(*ids, torch.rand(40, generator=draw, dtype=torch.float64) if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_written_out_gradient_is_autograds(weighted, dropped, biased):
    draw = torch.Generator().manual_seed(1)
    users, items = (
        torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (5, 7)
    )
    bias = torch.randn(7, generator=draw, dtype=torch.float64, requires_grad=True)
    batch = make_batch(weighted)
    mask = (torch.rand(40, 3, generator=draw) > 0.4).double() / 0.6 if dropped else None
    p = users[batch.users] * (1 if mask is None else mask)
    scores = [
        (p * items[rows]).sum(1) + (bias[rows] if biased else 0)
        for rows in (batch.positives, batch.negatives)
    ]
    loss = bpr_loss(*scores, batch.weight)
    want = torch.autograd.grad(loss, [users, items])
    into = torch.zeros(5, 3, dtype=torch.float64), torch.zeros(7, 3, dtype=torch.float64)
    gap = (bias[batch.positives] - bias[batch.negatives]).detach() if biased else None
    total, c = bpr_gradient(
        (users.detach(), items.detach()), batch, into, dropout=mask, bias_gap=gap
    )
    torch.testing.assert_close(into[0], want[0])
    torch.testing.assert_close(into[1], want[1])
    torch.testing.assert_close(total / 40, loss.detach())
    assert c.shape == (40,)
    assert (c <= 0).all()


def test_loss_stays_finite_at_huge_margins():
    assert bpr_loss(torch.tensor([-1e30]), torch.tensor([1e30])).isfinite()
    assert bpr_loss(torch.tensor([1e30]), torch.tensor([-1e30])) == 0
