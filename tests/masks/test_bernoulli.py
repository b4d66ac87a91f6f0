import math

import pytest
import torch

from graphcond.errors import InputError
from graphcond.masks import BernoulliMask
from graphcond.masks.bernoulli import BLOCK, Draws
from graphcond.masks.estimators.base import weighted_scores
from graphcond.seeding import generator


def test_log_prob_is_the_sum_of_bernoulli_terms():
    probs = torch.tensor([0.2, 0.7, 0.5], dtype=torch.float64)
    every = torch.cartesian_prod(*[torch.tensor([0, 1])] * 3).bool()
    log_prob = BernoulliMask(probs).log_prob(every)
    assert log_prob.exp().sum().item() == pytest.approx(1.0)
    reference = torch.distributions.Bernoulli(probs).log_prob(every.double()).sum(-1)
    torch.testing.assert_close(log_prob, reference)


def test_log_prob_of_impossible_and_certain_masks():
    mask = BernoulliMask(torch.tensor([0.0, 1.0]))
    assert mask.log_prob(torch.tensor([[False, True], [True, True]])).tolist() == [0.0, -math.inf]


def test_score_is_the_gradient_of_log_prob():
    probs = (
        torch.rand(7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.9 + 0.05
    )
    probs.requires_grad_()
    masks = BernoulliMask(probs.detach()).sample(3, seed=1)
    for row in masks:
        (grad,) = torch.autograd.grad(BernoulliMask(probs).log_prob(row[None]).sum(), probs)
        torch.testing.assert_close(BernoulliMask(probs.detach()).score(row[None])[0], grad)


def test_score_is_finite_on_the_boundary():
    score = BernoulliMask(torch.tensor([0.0, 1.0])).score(torch.tensor([[False, True]]))
    torch.testing.assert_close(score, torch.tensor([[-1.0, 1.0]]), atol=1e-5, rtol=0)


def test_draws_are_regenerated_bit_for_bit_over_blocks():
    probs = torch.rand(2 * BLOCK + 17, generator=torch.Generator().manual_seed(0))
    mask = BernoulliMask(probs)
    draws = mask.draws(3, seed=5)
    whole = mask.sample(3, seed=5)
    assert all(torch.equal(draws[k], whole[k]) for k in range(3))
    assert torch.equal(draws[-1], whole[2])
    assert [torch.equal(a, b) for a, b in zip(draws[1:], whole[1:])] == [True, True]
    assert torch.equal(torch.cat([part for _, part in draws.blocks()], dim=1).bool(), whole)
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(mask.sample(1, seed=6)[0], whole[0])
    with pytest.raises(IndexError):
        draws[3]


def test_every_sample_of_every_block_has_the_stream_of_its_name():
    probs = torch.rand(2 * BLOCK + 17, generator=torch.Generator().manual_seed(0))
    draws = BernoulliMask(probs).draws(3, seed=5)
    for k in range(3):
        numbers = [
            torch.rand(part.numel(), generator=generator(5, "mask", k, b))
            for b, part in enumerate(probs.split(BLOCK))
        ]
        assert torch.equal(draws[k], torch.cat(numbers) < probs)


def test_sample_k_does_not_depend_on_how_many_are_asked_for():
    mask = BernoulliMask(torch.full((100,), 0.5))
    assert torch.equal(mask.sample(4, seed=0)[:2], mask.sample(2, seed=0))


def test_frequencies_follow_the_probabilities():
    probs = torch.tensor([0.0, 0.01, 0.3, 0.75, 1.0]).repeat_interleave(40_000)
    kept = BernoulliMask(probs).sample(1, seed=3)[0].float().view(5, -1).mean(1)
    # 5 standard deviations of 40,000 draws: a false alarm in 2 million seeds.
    spread = 5 * torch.sqrt(torch.tensor([0.0, 0.0099, 0.21, 0.1875, 0.0]) / 40_000)
    assert bool(((kept - probs.view(5, -1)[:, 0]).abs() <= spread).all())


def test_an_edge_is_kept_where_its_number_is_below_its_probability(monkeypatch):
    """A number may be 0 exactly, and an edge of probability 0 is never kept."""
    numbers = torch.tensor([0.0, 0.25, 0.25, 0.75])
    monkeypatch.setattr(Draws, "_uniform", lambda self, k, block, like: numbers.clone())
    draws = BernoulliMask(torch.tensor([0.0, 0.25, 0.5, 1.0])).draws(1, seed=0)
    assert draws[0].tolist() == [False, False, True, True]
    ((_, kept),) = draws.blocks()
    assert kept.tolist() == [[0, 0, 1, 1]]


def test_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    BernoulliMask(torch.full((10,), 0.5)).sample(2, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("grouped", [False, True])
def test_weighted_scores_equal_the_dense_sum(grouped):
    probs = (
        torch.rand(BLOCK + 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.9
        + 0.05
    )
    mask = BernoulliMask(probs)
    draws, score = mask.draws(4, seed=0), mask.score(mask.sample(4, seed=0))
    draw = torch.Generator().manual_seed(1)
    if grouped:
        weights, group = (
            torch.randn(5, 2, 4, generator=draw, dtype=torch.float64),
            torch.arange(len(probs)) % 5,
        )
        expected = torch.einsum("prk,kp->rp", weights[group], score)
        found = weighted_scores(draws, weights, group)
    else:
        weights = torch.randn(2, 4, generator=draw, dtype=torch.float64)
        expected, found = weights @ score, weighted_scores(draws, weights)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "probs",
    [torch.tensor([0.5, 1.2]), torch.tensor([float("nan")]), torch.tensor([1]), torch.ones(2, 2)],
)
def test_bad_probabilities(probs):
    with pytest.raises(InputError, match="must be"):
        BernoulliMask(probs)


def test_bad_number_of_samples():
    with pytest.raises(InputError, match="samples"):
        BernoulliMask(torch.ones(3)).draws(0, seed=0)
