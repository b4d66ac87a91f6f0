import pytest
import torch

from graphcond.errors import InputError
from graphcond.nn import (
    CosineContrastive,
    SampledSoftmax,
    Triplets,
    bpr_gradient,
    bpr_loss,
    shared_gradient,
)
from graphcond.nn.losses import relative_square


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


def test_softmax_is_cross_entropy_with_the_positive_first():
    draw = torch.Generator().manual_seed(0)
    positive, negative = torch.rand(6, generator=draw), torch.rand(6, 9, generator=draw)
    logits = torch.cat([positive[:, None], negative], dim=1) / 0.3
    want = torch.nn.functional.cross_entropy(
        logits, torch.zeros(6, dtype=torch.long), reduction="none"
    )
    torch.testing.assert_close(SampledSoftmax(9, temperature=0.3).losses(positive, negative), want)


def test_relative_squares_are_of_rows_and_zero_where_nothing_is_wanted():
    ours = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 1.0]])
    theirs = torch.tensor([[0.0, 2.0], [0.0, 0.0], [3.0, -1.0]])
    assert relative_square(ours, theirs).tolist() == pytest.approx([1 / 4, 0.0, 8 / 10])


def test_contrastive_costs_nothing_below_the_margin():
    loss = CosineContrastive(negatives=2, margin=0.5, weight=4.0)
    negative = torch.tensor([[0.4, -1.0], [0.7, 0.5]])
    torch.testing.assert_close(
        loss.losses(torch.tensor([1.0, 0.8]), negative), torch.tensor([0.0, 0.2 + 4 * 0.2 / 2])
    )


@pytest.mark.parametrize(
    "loss",
    [
        SampledSoftmax(9),
        SampledSoftmax(9, cosine=False, temperature=1.0),
        CosineContrastive(9, margin=-0.2, weight=3.0),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_of_rows_is_autograds_of_tables(loss, weighted):
    draw = torch.Generator().manual_seed(1)
    users, items = (
        torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (5, 7)
    )
    batch = make_batch(weighted)._replace(negatives=torch.randint(0, 7, (9,), generator=draw))
    p, q = users, items
    if loss.cosine:
        p, q = (table / table.norm(dim=1, keepdim=True) for table in (users, items))
    scores = p @ q.T
    torch.testing.assert_close(
        torch.matmul(*(t.T if n else t for n, t in enumerate(loss.scored(users, items)))), scores
    )
    losses = loss.losses(
        scores[batch.users, batch.positives], scores[batch.users][:, batch.negatives]
    )
    losses = losses * batch.weight if weighted else losses
    want = torch.autograd.grad(losses.mean(), [users, items])
    into = torch.zeros(5, 3, dtype=torch.float64), torch.zeros(7, 3, dtype=torch.float64)
    total = shared_gradient(loss, (users, items), batch, into)
    torch.testing.assert_close(into[0], want[0])
    torch.testing.assert_close(into[1], want[1])
    torch.testing.assert_close(total, losses.sum().detach())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SampledSoftmax(0),
        lambda: SampledSoftmax(temperature=0),
        lambda: CosineContrastive(margin=1),
        lambda: CosineContrastive(weight=0),
    ],
)
def test_losses_refuse_values_out_of_range(wrong):
    with pytest.raises(InputError, match="must be"):
        wrong()
