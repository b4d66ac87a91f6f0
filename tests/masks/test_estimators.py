import math

import pytest
import torch

from graphcond import masks
from graphcond.errors import InputError, NumericalError
from graphcond.masks import BernoulliMask
from graphcond.masks.estimators import base as estimators_base
from graphcond.masks.estimators.base import halves

P, G = 6, 3
PROBS = torch.tensor([0.15, 0.4, 0.5, 0.6, 0.75, 0.9], dtype=torch.float64)
EVERY = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * P)


class Table:
    """A loss per user for each of the 2^P masks: arbitrary, or a multilinear polynomial of low
    degree.
    """

    def __init__(self, seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.linear = torch.randn(G, P, generator=draw, dtype=torch.float64)
        self.pairs = torch.randn(G, P, P, generator=draw, dtype=torch.float64).triu(1)
        self.group = torch.arange(P) % G

    def __call__(self, drawn):
        return torch.stack([self.per_group(m.double()) for m in drawn])

    def per_group(self, m):
        return 2.0 + self.linear @ m + torch.einsum("p,gpq,q->g", m, self.pairs, m)

    def relaxed(self, weight, *, seed):
        return self.per_group(weight).sum()


def exact(objective, group=None):
    """The gradient of the expected loss by enumeration: of the total, or of each edge's own
    group.
    """
    probs = PROBS.clone().requires_grad_()
    weight = BernoulliMask(probs).log_prob(EVERY).exp()
    losses = weight @ torch.stack([objective.per_group(m) for m in EVERY])
    if group is None:
        return torch.autograd.grad(losses.sum(), probs)[0]
    rows = torch.stack([torch.autograd.grad(loss, probs, retain_graph=True)[0] for loss in losses])
    return rows[group, torch.arange(P)]


def expectation(estimator, objective):
    """The expected estimate over all K-tuples of masks, with the draws replaced by enumeration."""
    total, mass = torch.zeros(P, dtype=torch.float64), 0.0
    log_prob = BernoulliMask(PROBS).log_prob(EVERY)
    for picks in torch.cartesian_prod(*[torch.arange(len(EVERY))] * estimator.samples).view(
        -1, estimator.samples
    ):
        weight = float(log_prob[picks].sum().exp())
        total += weight * estimator(objective, Enumerated(EVERY[picks]), seed=0).grad
        mass += weight
    assert mass == pytest.approx(1.0)
    return total


class Enumerated(BernoulliMask):
    """A distribution whose "draws" are given."""

    def __init__(self, rows):
        object.__setattr__(self, "probs", PROBS)
        object.__setattr__(self, "rows", rows)

    def draws(self, samples, *, seed):
        return Given(self, self.rows)


class Given:
    def __init__(self, mask, rows):
        self.mask, self.rows = mask, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, k):
        return self.rows[k].bool()

    def blocks(self):
        yield slice(0, P), self.rows


def test_enumeration_reinforce_is_unbiased():
    torch.testing.assert_close(expectation(masks.Reinforce(samples=1), Table()), exact(Table()))


@pytest.mark.parametrize(
    ("estimator", "factor"),
    [(masks.LeaveOneOut(samples=2), 1.0), (masks.MeanBaseline(samples=2), 0.5)],
)
def test_enumeration_baselines(estimator, factor):
    torch.testing.assert_close(expectation(estimator, Table()), factor * exact(Table()))


def test_enumeration_per_user_is_unbiased_for_the_own_users_loss_only():
    table = Table()
    found = expectation(masks.PerUser(samples=2), table)
    torch.testing.assert_close(found, exact(table, table.group))
    assert not torch.allclose(found, exact(table))


def test_one_step_is_exact_for_multilinear_losses_and_only_for_them():
    table = Table()
    mask = BernoulliMask(PROBS)
    torch.testing.assert_close(masks.OneStep(samples=1)(table, mask, seed=0).grad, exact(table))
    sampled = masks.OneStep(samples=1, at="sample")
    torch.testing.assert_close(expectation(sampled, table), exact(table))

    class Curved(Table):
        def per_group(self, m):
            return super().per_group(m) ** 2

    assert not torch.allclose(
        masks.OneStep(samples=1)(Curved(), mask, seed=0).grad, exact(Curved())
    )


@pytest.mark.parametrize("kind", [masks.Reinforce, masks.LeaveOneOut, masks.PerUser])
def test_variance_and_mean_over_many_seeds(kind):
    table, estimator, times = Table(), kind(samples=4), 1200
    estimates = [estimator(table, BernoulliMask(PROBS), seed=s) for s in range(times)]
    grads = torch.stack([e.grad for e in estimates])
    target = exact(table, table.group) if kind is masks.PerUser else exact(table)
    # 6 coordinates at 4.5 standard errors: a false alarm in 24,000 sets of seeds.
    assert bool(((grads.mean(0) - target).abs() < 4.5 * grads.std(0) / math.sqrt(times)).all())
    spread = float(grads.var(0).sum())
    found = sum(e.variance for e in estimates) / times
    if kind is masks.Reinforce:
        assert found == pytest.approx(spread, rel=0.15)
    else:
        # The halves have baselines from fewer masks, so the reported variance errs on the safe
        # side.
        assert 0.95 * spread < found < 2.0 * spread


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_the_variance_of_one_step_is_right_for_odd_numbers_too(samples):
    """Halves of different sizes: E|a - b|² = v (1/m + 1/n), not 4 v / (m + n)."""
    table, estimator, times = Table(), masks.OneStep(samples=samples, at="sample"), 1500
    estimates = [estimator(table, BernoulliMask(PROBS), seed=s) for s in range(times)]
    spread = float(torch.stack([e.grad for e in estimates]).var(0).sum())
    assert sum(e.variance for e in estimates) / times == pytest.approx(spread, rel=0.08)


def test_the_baseline_lowers_the_variance():
    table, mask = Table(), BernoulliMask(PROBS)

    def spread(estimator):
        return float(
            torch.stack([estimator(table, mask, seed=s).grad for s in range(400)]).var(0).sum()
        )

    plain, loo, own = (
        spread(kind(samples=4)) for kind in (masks.Reinforce, masks.LeaveOneOut, masks.PerUser)
    )
    assert own < loo < plain


def test_cosine_tells_signal_from_noise():
    class Linear(Table):
        def per_group(self, m):
            return m.new_tensor([5.0, 0.0, 0.0]) * m.sum()

    class Noise(Table):
        def __call__(self, drawn):
            return torch.randn(
                len(drawn),
                G,
                generator=torch.Generator().manual_seed(int(drawn[0].sum())),
                dtype=torch.float64,
            )

    mask = BernoulliMask(torch.full((2000,), 0.5, dtype=torch.float64))
    signal = masks.OneStep(samples=2)(Linear(), mask, seed=0).cosine
    noise = [masks.LeaveOneOut(samples=8)(Noise(), mask, seed=s).cosine for s in range(8)]
    assert signal == pytest.approx(1.0)
    # Independent directions in 2,000 dimensions: a standard deviation of .022, so 5 of them.
    assert max(abs(c) for c in noise) < 0.11


def test_too_few_samples_for_halves_is_nan_not_a_number_made_up():
    estimate = masks.LeaveOneOut(samples=3)(Table(), BernoulliMask(PROBS), seed=0)
    assert math.isnan(estimate.cosine)
    assert math.isnan(estimate.variance)


@pytest.mark.parametrize(
    "kind", [masks.Reinforce, masks.MeanBaseline, masks.LeaveOneOut, masks.PerUser, masks.OneStep]
)
def test_nan_losses_raise_and_seeds_are_kept(kind):
    class Broken(Table):
        def per_group(self, m):
            return super().per_group(m) * math.nan

    estimator, mask = kind(samples=2), BernoulliMask(PROBS)
    first, second = (estimator(Table(), mask, seed=7) for _ in range(2))
    assert torch.equal(first.grad, second.grad)
    assert first.value == second.value
    with pytest.raises(NumericalError, match="learning rate"):
        estimator(Broken(), mask, seed=0)


@pytest.mark.parametrize(
    "kind", [masks.Reinforce, masks.MeanBaseline, masks.LeaveOneOut, masks.PerUser, masks.OneStep]
)
def test_number_of_samples_is_checked(kind):
    with pytest.raises(InputError, match="samples"):
        kind(samples=0)


def test_place_of_differentiation_is_checked():
    with pytest.raises(InputError, match="at"):
        masks.OneStep(at="elsewhere")


def test_baselines_in_numbers():
    losses = torch.tensor([[1.0, 2.0], [3.0, 8.0], [5.0, 2.0]])
    others = torch.tensor([[-3.0, -3.0], [0.0, 6.0], [3.0, -3.0]])  # less the mean of the others
    assert torch.equal(masks.LeaveOneOut.advantage(losses), others)
    assert torch.equal(masks.PerUser.advantage(losses), others)
    torch.testing.assert_close(masks.MeanBaseline.advantage(losses), others * 2 / 3)
    for each in (losses, losses - 4):  # a loss may be negative
        assert torch.equal(masks.Reinforce.advantage(each), each)


def test_halves_are_compared_by_their_own_lengths_and_sizes():
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([2.0, 2.0])
    variance, cosine = halves(first, second, (2, 3))
    assert cosine == pytest.approx(0.5**0.5)
    assert variance == pytest.approx((1 + 4) * 2 * 3 / 25)
    assert halves(first, 0 * second) == (pytest.approx(1 / 4), 0.0)
    assert halves(first, -second)[1] == pytest.approx(-(0.5**0.5))


BASELINES = {
    masks.Reinforce: lambda losses: 0 * losses,
    masks.MeanBaseline: lambda losses: losses.mean(0),
    masks.LeaveOneOut: lambda losses: (losses.sum(0) - losses) / (len(losses) - 1),
    masks.PerUser: lambda losses: (losses.sum(0) - losses) / (len(losses) - 1),
}


@pytest.mark.parametrize("kind", BASELINES)
@pytest.mark.parametrize("samples", [4, 5])
def test_an_estimate_is_of_all_masks_and_its_noise_of_two_halves_on_their_own(kind, samples):
    table, mask, half = Table(), BernoulliMask(PROBS), samples // 2
    drawn = mask.sample(samples, seed=3)
    losses, score = table(drawn), (drawn.double() - PROBS) / (PROBS * (1 - PROBS))
    credit = losses[:, table.group] if kind is masks.PerUser else losses.sum(1, keepdim=True)

    def mean(part):
        return ((credit[part] - BASELINES[kind](credit[part])) * score[part]).mean(0)

    found = kind(samples)(table, mask, seed=3)
    first, second = mean(slice(half)), mean(slice(half, samples))
    torch.testing.assert_close(found.grad, mean(slice(samples)))
    assert found.value == pytest.approx(float(losses.sum(1).mean()))
    share = half * (samples - half) / samples**2
    assert found.variance == pytest.approx(float((first - second).square().sum()) * share)
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=0)
    assert found.cosine == pytest.approx(float(cosine))


@pytest.mark.parametrize("samples", [1, 4, 5])
def test_one_step_means_over_its_runs_each_at_a_mask_and_by_a_seed_of_its_own(samples):
    table, mask, half, seen = Table(), BernoulliMask(PROBS), samples // 2, []

    class Scaled(Table):
        def relaxed(self, weight, *, seed):
            factor = 1.0 + len(seen)  # as if its seed had drawn it
            seen.append((weight.detach().clone(), factor))
            return factor * table.relaxed(weight, seed=seed)

    found = masks.OneStep(samples, at="sample")(Scaled(), mask, seed=3)
    rows, values, grads = mask.sample(samples, seed=3).double(), [], []
    for row, (point, factor) in zip(rows, seen, strict=True):
        assert torch.equal(point, row)
        values.append(factor * float(table.relaxed(row, seed=0)))
        grads.append(factor * torch.func.grad(lambda m: table.per_group(m).sum())(row))
    grads = torch.stack(grads)
    torch.testing.assert_close(found.grad, grads.mean(0))
    assert found.value == pytest.approx(sum(values) / samples)
    if samples == 1:
        assert math.isnan(found.variance)
        assert math.isnan(found.cosine)
        return
    first, second = grads[:half].mean(0), grads[half:].mean(0)
    share = half * (samples - half) / samples**2
    assert found.variance == pytest.approx(float((first - second).square().sum()) * share)
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=0)
    assert found.cosine == pytest.approx(float(cosine))


def test_an_odd_number_of_masks_has_halves_of_two_sizes(monkeypatch):
    seen = []

    def spy(first, second, sizes):
        seen.append(sizes)
        return halves(first, second, sizes)

    monkeypatch.setattr(estimators_base, "halves", spy)
    mask = BernoulliMask(torch.full((3,), 0.5))
    masks.LeaveOneOut(samples=5)(lambda draws: torch.rand(len(draws), 1), mask, seed=0)
    assert seen == [(2, 3)]
