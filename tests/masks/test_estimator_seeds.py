"""What all estimators share: their seed, their defaults, edges that no mask disagrees on."""

from __future__ import annotations

import pytest
import torch

from graphcond.errors import NumericalError
from graphcond.masks import (
    BernoulliMask,
    LeaveOneOut,
    MeanBaseline,
    OneStep,
    PerUser,
    Reinforce,
)

ESTIMATORS = [Reinforce(2), MeanBaseline(3), LeaveOneOut(3), PerUser(3), OneStep(2, at="sample")]


class Harm:
    """Interactions later in the row do harm; each edge has a user of its own."""

    group = torch.arange(12)

    def __call__(self, draws):
        return torch.stack([mask.float() * torch.arange(12.0) for mask in draws])

    def relaxed(self, weight, *, seed):
        return (weight.square() * torch.arange(12.0)).sum()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_one_seed_repeats_and_two_differ(estimator):
    mask = BernoulliMask(torch.full((12,), 0.5))
    first, again, other = (estimator(Harm(), mask, seed=seed).grad for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_two_inner_runs_of_two_seeds_share_a_seed():
    seen = []

    class Noting(Harm):
        def relaxed(self, weight, *, seed):
            seen.append(seed)
            return super().relaxed(weight, seed=seed)

    mask = BernoulliMask(torch.full((12,), 0.5))
    for seed in (0, 1, 2):
        OneStep(3)(Noting(), mask, seed=seed)
    assert len(set(seen)) == len(seen) == 9


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_a_caller_without_gradients_gets_the_same_estimate(estimator):
    mask = BernoulliMask(torch.full((12,), 0.5))
    with torch.no_grad():
        found = estimator(Harm(), mask, seed=3)
    assert torch.equal(found.grad, estimator(Harm(), mask, seed=3).grad)


@pytest.mark.parametrize("estimator", ESTIMATORS[:4], ids=lambda each: type(each).__name__)
def test_edges_at_zero_and_one_stay_finite(estimator):
    probs = torch.full((12,), 0.5)
    probs[:3] = 0.0
    probs[3:6] = 1.0
    assert estimator(Harm(), BernoulliMask(probs), seed=0).grad.isfinite().all()


@pytest.mark.parametrize("estimator", ESTIMATORS[:4], ids=lambda each: type(each).__name__)
def test_one_infinite_loss_stops(estimator):
    class Broken(Harm):
        def __call__(self, draws):
            losses = super().__call__(draws)
            losses[0, 0] = torch.inf
            return losses

    with pytest.raises(NumericalError, match="finite|infinite"):
        estimator(Broken(), BernoulliMask(torch.full((12,), 0.5)), seed=0)


def test_defaults_field_by_field():
    found = [each().samples for each in (Reinforce, MeanBaseline, LeaveOneOut, PerUser, OneStep)]
    assert found == [1, 4, 4, 4, 2]
    assert OneStep().at == "mean"


@pytest.mark.parametrize(
    "estimator",
    [Reinforce(2), MeanBaseline(4), LeaveOneOut(4), PerUser(4), OneStep(2, at="sample")],
    ids=lambda each: type(each).__name__,
)
def test_noise_is_told_from_the_fewest_samples_that_have_halves(estimator):
    """The halves share no mask, so that their cosine is not 1."""
    found = estimator(Harm(), BernoulliMask(torch.full((12,), 0.5)), seed=0)
    assert found.variance > 0
    assert -1 < found.cosine < 0.999
    expected = float(sum(mask.float() @ torch.arange(12.0) for mask in _masks(estimator)))
    if not isinstance(estimator, OneStep):
        assert found.value == pytest.approx(expected / estimator.samples, rel=1e-5)


def _masks(estimator):
    return BernoulliMask(torch.full((12,), 0.5)).sample(estimator.samples, seed=0)
