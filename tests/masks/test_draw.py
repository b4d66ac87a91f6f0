import itertools

import numpy as np
import pytest
import torch

from graphcond import masks
from graphcond.errors import BudgetError, InputError
from graphcond.masks import CappedSimplex, bernoulli, conditional_poisson, inclusion, systematic
from graphcond.masks import poisson as poisson_module
from graphcond.masks.poisson import ConditionalPoisson
from graphcond.seeding import generator


def probabilities(edges, size, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return CappedSimplex(size, exact=True).project(
        torch.rand(edges, generator=draw, dtype=torch.float64)
    )


def test_the_left_halfs_count_is_as_likely_as_both_halves_make_it():
    """First of all: a draw with a count that cannot be would try for ever."""
    left, right, asked = np.array([0.5, 0.4, 0.1]), np.array([0.2, 0.3, 0.5]), []

    class Told:
        def choice(self, count, p):
            asked.append(p)
            return count - 1

    for total in range(5):
        wanted = {k: left[k] * right[total - k] for k in range(3) if 0 <= total - k < 3}
        assert poisson_module._left(left, right, total, Told()) == max(wanted)
        assert asked[-1] == pytest.approx(np.array([*wanted.values()]) / sum(wanted.values()))


@pytest.mark.parametrize("draw", [systematic, conditional_poisson])
@pytest.mark.parametrize(("edges", "size"), [(1, 0), (1, 1), (9, 4), (300, 71), (3000, 2500)])
def test_size_is_exact_and_seed_is_kept(draw, edges, size):
    probs = probabilities(edges, size)
    first = draw(probs, size, seed=1)
    assert first.dtype == torch.bool
    assert int(first.sum()) == size
    assert torch.equal(first, draw(probs, size, seed=1))


def test_size_is_exact_where_rounding_is_worst():
    for seed in range(20):
        probs = probabilities(50_001, 12_345, seed).float()
        assert int(systematic(probs, 12_345, seed=seed).sum()) == 12_345


@pytest.mark.parametrize("seed", [166, 355])
def test_size_is_exact_with_many_certain_edges(seed):
    """Sums of float32 fall short of the size by some edges' worth of rounding."""
    probs = torch.full((400_000,), (270_034 - 100_000) / 300_000)
    probs[:100_000] = 1.0
    mask = systematic(probs, 270_034, seed=seed)
    assert int(mask.sum()) == 270_034
    assert bool(mask[:100_000].all())


@pytest.mark.parametrize("draw", [systematic, conditional_poisson])
def test_edges_that_are_all_but_certain_are_all_drawn_where_all_are_wanted(draw):
    probs = 1 - 1e-10 * torch.arange(6, dtype=torch.float64)
    assert draw(probs, 6, seed=0).all()


def test_a_design_meets_its_size_often_enough_to_be_drawn(monkeypatch):
    """A sample is tried until its size fits: at a chance of 1e-18 it never would."""
    chances = []

    def first(design, seed):
        chances.append(poisson_module._prefix(design.working.numpy(), design.size)[-1][design.size])
        return torch.arange(design.working.numel()) < design.size

    monkeypatch.setattr(ConditionalPoisson, "sample", first)
    for digits, high in itertools.product(range(4, 13), range(2, 8)):
        near = 1 - 10.0**-digits * torch.arange(high, dtype=torch.float64)
        probs = torch.cat([near, torch.zeros(2, dtype=torch.float64)])
        assert int(conditional_poisson(probs, high, seed=0).sum()) == high
    assert len(chances) > 10
    assert min(chances) > 1e-4


@pytest.mark.parametrize(
    ("working", "size", "meets"),
    [
        ([0.5] * 40, 20, True),
        ([0.5] * 40, 25, True),
        ([0.5] * 40, 32, False),
        ([0.5, float("nan")], 1, False),
        ([1.0, 1.0 - 1e-6, 0.1], 1, False),
        ([1.0, 1e-9], 1, True),
    ],
)
def test_a_design_knows_whether_its_size_is_met(working, size, meets):
    assert ConditionalPoisson(torch.tensor(working), size).meets_size is meets


def test_rare_edges_of_a_large_set_are_not_left_out():
    probs = torch.full((400_000,), 5 / 400_000, dtype=torch.float64)
    assert int(conditional_poisson(probs / 1e3, 5, seed=0).sum()) == 5
    assert int(conditional_poisson(probs, 5, seed=0).sum()) == 5


def test_systematic_inclusion_by_enumeration():
    probs, grid = probabilities(7, 3), 20_000
    walk = probs.cumsum(0)
    starts = (torch.arange(grid, dtype=torch.float64) + 0.5) / grid
    steps = torch.floor(walk[None] + starts[:, None])
    kept = torch.diff(steps, dim=1, prepend=torch.zeros(grid, 1, dtype=torch.float64)) > 0
    torch.testing.assert_close(kept.double().mean(0), probs, atol=2 / grid, rtol=0)


def test_systematic_keeps_an_edge_iff_an_integer_lies_in_its_stretch_of_the_walk():
    probs = torch.tensor([0.3, 0.9, 0.45, 0.1, 0.25, 1.0], dtype=torch.float64)
    ends = [0.0, 0.3, 1.2, 1.65, 1.75, 2.0, 3.0]
    for seed in range(8):
        stream = generator(seed, "systematic")
        u = float(torch.rand((), generator=stream, dtype=torch.float64))
        kept = [
            any(before + u < integer <= end + u for integer in range(5))
            for before, end in itertools.pairwise(ends)
        ]
        assert systematic(probs, 3, seed=seed).tolist() == kept


@pytest.mark.parametrize("draw", [systematic, conditional_poisson])
def test_frequencies_follow_the_probabilities(draw):
    probs, times = probabilities(12, 5), 1500
    mean = torch.stack([draw(probs, 5, seed=s) for s in range(times)]).double().mean(0)
    # 12 tests at 4.5 standard deviations: a false alarm in 12,000 sets of seeds.
    assert bool(
        ((mean - probs).abs() <= 4.5 * torch.sqrt(probs * (1 - probs) / times) + 1e-12).all()
    )


def test_certain_and_impossible_edges():
    probs = torch.tensor([1.0, 0.0, 0.5, 0.5, 1.0])
    for draw in (systematic, conditional_poisson):
        for seed in range(20):
            kept = draw(probs, 3, seed=seed)
            assert kept[[0, 4]].all()
            assert not kept[1]


def test_conditional_poisson_joint_distribution_by_enumeration():
    probs, size = probabilities(6, 3), 3
    design = ConditionalPoisson.with_inclusion(probs, size)
    torch.testing.assert_close(design.inclusion(), probs, atol=1e-9, rtol=0)
    weights = {
        chosen: float(
            torch.tensor(
                [design.working[i] if i in chosen else 1 - design.working[i] for i in range(6)]
            ).prod()
        )
        for chosen in itertools.combinations(range(6), size)
    }
    total = sum(weights.values())
    exact = [sum(w for chosen, w in weights.items() if i in chosen) / total for i in range(6)]
    torch.testing.assert_close(torch.tensor(exact, dtype=torch.float64), probs, atol=1e-9, rtol=0)
    times, counts = 2000, dict.fromkeys(weights, 0)
    for seed in range(times):
        counts[tuple(design.sample(seed).nonzero().squeeze(1).tolist())] += 1
    chi2 = sum(
        (counts[c] - times * w / total) ** 2 / (times * w / total) for c, w in weights.items()
    )
    assert chi2 < 45.8  # 19 degrees of freedom, quantile 1 - 5e-4


def test_tree_of_counts_is_exact_over_many_leaves(monkeypatch):
    monkeypatch.setattr(poisson_module, "LEAF", 2)
    probs = probabilities(7, 3)
    design = ConditionalPoisson.with_inclusion(probs, 3)
    times = 2000
    mean = torch.stack([design.sample(s) for s in range(times)]).double().mean(0)
    assert bool(((mean - probs).abs() <= 4.5 * torch.sqrt(probs * (1 - probs) / times)).all())


def test_hajek_expansion_above_the_exact_limit(monkeypatch):
    probs = probabilities(600, 200)
    design = ConditionalPoisson.with_inclusion(probs, 200)
    torch.testing.assert_close(design.inclusion(), probs, atol=1e-9, rtol=0)
    monkeypatch.setattr(poisson_module, "EXACT", 10_000)
    torch.testing.assert_close(design.inclusion(), probs, atol=2e-5, rtol=0)


def test_inclusion_fills_up_to_the_size():
    probs = torch.tensor([0.1, 0.2, 0.0, 0.9])
    assert float(inclusion(probs, 2).sum()) == pytest.approx(2.0)
    torch.testing.assert_close(
        inclusion(torch.tensor([0.5, 0.5, 1.0]), 2), torch.tensor([0.5, 0.5, 1.0])
    )


def test_bernoulli_has_a_random_size():
    probs = torch.full((1000,), 0.3)
    sizes = {int(bernoulli(probs, seed=s).sum()) for s in range(10)}
    assert len(sizes) > 1
    assert all(abs(size - 300) < 90 for size in sizes)


def test_size_out_of_range():
    for draw in (systematic, conditional_poisson):
        with pytest.raises(BudgetError, match="size"):
            draw(torch.ones(3), 4, seed=0)


@pytest.mark.parametrize("probs", [[0.5, 1.5], [0.5, -0.1], [0.5, float("nan")]])
def test_inclusion_probabilities_are_made_of_probabilities(probs):
    with pytest.raises(InputError, match="prob"):
        inclusion(torch.tensor(probs), 1)


@pytest.mark.parametrize("draw", [systematic, conditional_poisson])
@pytest.mark.parametrize("size", range(5))
def test_every_size_is_drawn_exactly(draw, size):
    for seed in range(3):
        assert int(draw(torch.tensor([0.5, 0.2, 0.9, 0.4]), size, seed=seed).sum()) == size


def test_what_is_impossible_is_not_drawn_and_the_rest_as_often_as_it_shall(monkeypatch):
    """The design behind a draw has the probabilities that were asked for, not those that it works
    with.
    """
    probs = torch.tensor([0.9, 0.0, 0.6, 1.0, 0.3, 0.2, 0.0], dtype=torch.float64)
    seen, seeds, sample = [], [], ConditionalPoisson.sample

    def spy(self, seed):
        seen.append(self)
        seeds.append(seed)
        return sample(self, seed)

    monkeypatch.setattr(ConditionalPoisson, "sample", spy)
    for seed in range(10):
        drawn = masks.conditional_poisson(probs, 3, seed=seed)
        assert int(drawn.sum()) == 3
        assert drawn[[1, 3, 6]].tolist() == [False, True, False]
        torch.testing.assert_close(seen[-1].inclusion(), probs[[0, 2, 4, 5]], rtol=0, atol=1e-8)
    assert seeds == list(range(10))


def test_every_draw_is_the_function_of_its_name():
    probs = torch.linspace(0.05, 0.95, 40)
    for seed in range(5):
        for draw, function in (
            (masks.SystematicDraw(), masks.systematic),
            (masks.ConditionalPoissonDraw(), masks.conditional_poisson),
        ):
            assert torch.equal(draw(probs, 20, seed=seed), function(probs, 20, seed=seed))
        free = masks.BernoulliDraw()(probs, 7, seed=seed)
        assert torch.equal(free, masks.bernoulli(probs, seed=seed))
        assert torch.equal(free, masks.BernoulliMask(probs).sample(1, seed=seed)[0])
    sizes = {int(masks.BernoulliDraw()(probs, 20, seed=seed).sum()) for seed in range(20)}
    assert len(sizes) > 3


def test_leaves_are_distributions_of_their_sums():
    (one, two) = poisson_module._leaves(np.array([[0.2, 0.7, 0.5], [0.1, 0.1, 0.1]]))
    by_hand = np.convolve(np.convolve([0.8, 0.2], [0.3, 0.7]), [0.5, 0.5])
    np.testing.assert_allclose(one, by_hand)
    np.testing.assert_allclose(two, [0.729, 0.243, 0.027, 0.001])


def test_hajek_expansion_of_skewed_probabilities_is_of_first_order(monkeypatch):
    working = (
        0.02
        + 0.9
        * torch.rand(600, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    )
    design = poisson_module.ConditionalPoisson(working, round(float(working.sum())))
    expanded = design.inclusion()
    monkeypatch.setattr(poisson_module, "EXACT", 600)
    # Without one of its terms, or about the plain mean, it is off by 4e-4 at least.
    torch.testing.assert_close(expanded, design.inclusion(), atol=5e-5, rtol=0)


def test_counts_that_are_hardly_ever_met_are_still_counted():
    one, other = np.array([1e-9, 1 - 2e-9, 1e-9]), np.array([1e-12, 0.5, 0.5 - 1e-12])
    np.testing.assert_allclose(
        poisson_module._convolve(one, other), np.convolve(one, other), rtol=1e-6
    )
