import pytest
import torch

from graphcond.errors import InputError
from graphcond.seeding import generator
from graphcond.spaces import ModelChoice, ModelChoices


def test_the_papers_space_has_forty_models_and_decodes_them_all():
    space = ModelChoices()
    every = space.decode(space.all())
    assert len(set(every)) == len(every) == 40
    assert {choice.hidden for choice in every} == {128, 256}
    assert {choice.num_layers for choice in every} == {2, 4}
    assert space.contains(space.all()).all()


def test_samples_are_distinct_and_extend_each_other():
    space = ModelChoices()
    lam = space.sample(40, seed=3)
    assert len(lam.unique(dim=0)) == 40
    assert torch.equal(space.sample(7, seed=3), lam[:7])
    with pytest.raises(InputError, match="`n` must be from 1 to 40, but it is 41"):
        space.sample(41)


def test_relaxation_lies_between_candidates_and_tends_to_them():
    space = ModelChoices()
    logits = torch.randn(6, space.size, generator=generator(0, "logits"), requires_grad=True)
    mixed = space.relax(logits)
    for group in mixed.split(list(space.groups), 1):
        torch.testing.assert_close(group.sum(1), torch.ones(6))
    assert not space.contains(mixed).any()
    assert space.decode(space.relax(logits, temperature=1e-4)) == space.decode(logits)
    assert torch.autograd.grad(mixed[:, 0].sum(), logits)[0].abs().sum() > 0


@pytest.mark.parametrize("kinds", [("gcn", "gat"), ModelChoices().kinds])
def test_gumbel_noise_samples_the_softmax(kinds):
    """Of two, noise of either sign does; of ten, only the maximum of Gumbel's is the softmax."""
    space = ModelChoices(widths=(8,), depths=(1,), kinds=kinds)
    logits = torch.tensor([[2.0] + [0.0] * (space.size - 1)]).expand(4000, -1)
    picks = space.relax(logits, stream=generator(0, "gumbel"))[:, : len(kinds)].argmax(1) == 0
    wanted = logits[0, : len(kinds)].softmax(0)[0]
    # 4,000 draws: the mean lies within 4 standard errors (.03) of the probability but for one seed
    # in 10^4; the seed is fixed.
    assert abs(picks.float().mean() - wanted) < 0.03


def test_a_choice_builds_its_network_and_bad_spaces_are_refused():
    net = ModelChoice("sgc-3", 16, 4)(5, 3, seed=1)
    assert len(net.layers) == 4
    assert net.layers[0].K == 3
    assert net.layers[0].lin.weight.shape == (16, 5)
    assert not ModelChoices().contains(torch.ones(2, 14)).any()
    for depths in ((2, 2), ()):
        with pytest.raises(InputError, match="distinct"):
            ModelChoices(depths=depths)


def test_halves_that_sum_to_one_are_no_choice_and_dropout_and_seed_reach_the_network():
    space = ModelChoices()
    half = space.all()[:1].clone()
    half[0, :2] = 0.5
    assert space.contains(torch.cat([half, space.all()[:1]])).tolist() == [False, True]
    choice = ModelChoice("gcn", 8, 2)
    first, again, other = (choice(3, 2, seed=seed, dropout=0.25) for seed in (0, 0, 1))
    assert first.dropout == 0.25
    assert choice(3, 2).dropout == 0.5
    weights = [net.layers[0].lin.weight for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_low_temperature_sharpens_and_every_group_is_a_softmax_of_its_own():
    space = ModelChoices(widths=(8, 16), depths=(1,), kinds=("gcn", "gat"))
    logits = torch.tensor([[1.0, 0.0, 0.0, 2.0, 5.0]])
    for temperature in (0.5, 1.0, 2.0):
        found = space.relax(logits, temperature)
        parts = [part / temperature for part in logits.split([2, 2, 1], 1)]
        torch.testing.assert_close(found, torch.cat([part.softmax(1) for part in parts], 1))


def test_gumbel_noise_has_its_distribution():
    """Gaps between logits of a group are logistic: mean 0, variance π² / 3."""
    space = ModelChoices(widths=(8,), depths=(1,), kinds=("gcn", "gat"))
    mixed = space.relax(torch.zeros(20_000, 4).double(), stream=generator(1, "gumbel"))
    gap = mixed[:, 0].log() - mixed[:, 1].log()
    assert abs(float(gap.mean())) < 0.06
    assert float(gap.var()) == pytest.approx(torch.pi**2 / 3, rel=0.05)
