import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graphcond.errors import InputError
from graphcond.metrics.correlation import kendall, ranks, regret, spearman, top_quarter_spearman

PAIRS = st.integers(2, 40).flatmap(
    lambda m: st.tuples(*[st.lists(st.integers(0, 9), min_size=m, max_size=m)] * 2)
)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_agrees_with_scipy_including_ties(pair):
    first, second = (torch.tensor(values, dtype=torch.float64) for values in pair)
    assert ranks(first).tolist() == stats.rankdata(pair[0]).tolist()
    if len(set(pair[0])) == 1 or len(set(pair[1])) == 1:
        assert math.isnan(spearman(first, second))
        assert math.isnan(kendall(first, second))
        return
    assert spearman(first, second) == pytest.approx(stats.spearmanr(*pair).statistic, abs=1e-12)
    assert kendall(first, second) == pytest.approx(stats.kendalltau(*pair).statistic, abs=1e-12)


def test_monotone_maps_keep_the_correlation():
    x = torch.linspace(-2, 2, 21)
    assert spearman(x, x.exp()) == pytest.approx(1)
    assert kendall(x, -x.pow(3)) == pytest.approx(-1)


def test_top_quarter_looks_only_at_the_references_best():
    reference = torch.arange(20.0)
    other = torch.cat(
        [
            torch.randperm(15, generator=torch.Generator().manual_seed(0)).float(),
            torch.tensor([20.0, 19, 18, 17, 16]),
        ]
    )
    assert top_quarter_spearman(reference, other) == pytest.approx(-1)


def test_regret_averages_over_a_tied_pick_and_refuses_a_chooser_that_cannot_choose():
    truth = torch.tensor([10.0, 30.0, 20.0])
    assert regret(truth, truth) == 0
    assert regret(truth, torch.tensor([5.0, 0.0, 5.0])) == 15
    assert math.isnan(regret(truth, torch.zeros(3)))


@pytest.mark.parametrize(("count", "best"), [(5, 2), (8, 2), (9, 3), (12, 3), (13, 4)])
def test_the_top_quarter_is_rounded_up_and_never_fewer_than_two(count, best):
    """Among the best the other list is reversed, below them it agrees."""
    reference = torch.arange(count, dtype=torch.float64)
    other = reference.clone()
    other[-best:] = other[-best:].flip(0)
    assert top_quarter_spearman(reference, other) == pytest.approx(-1)
    if best > 2:
        other = reference.clone()
        other[-best + 1 :] = other[-best + 1 :].flip(0)
        assert top_quarter_spearman(reference, other) > -1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_scores_does_not_matter(scale):
    first, second = torch.tensor([0.0, 1.0]), torch.tensor([0.0, scale])
    assert spearman(first, second) == kendall(first, second) == pytest.approx(1)


def test_nan_and_unequal_lists_are_refused():
    with pytest.raises(InputError, match="numbers"):
        spearman(torch.tensor([0.0, float("nan")]), torch.zeros(2))
    with pytest.raises(InputError, match="one length"):
        kendall(torch.zeros(3), torch.zeros(2))
    for compare in (spearman, kendall, top_quarter_spearman, regret):
        with pytest.raises(InputError, match="one length"):
            compare(torch.zeros(1), torch.zeros(1))
        with pytest.raises(InputError, match="numbers"):
            compare(torch.zeros(5), torch.full((5,), float("nan")))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64, torch.bool])
def test_integers_of_any_type_rank_as_floats_do(dtype):
    stream = torch.Generator().manual_seed(0)
    first, second = (torch.randint(0, 120, (30,), generator=stream).to(dtype) for _ in range(2))
    for measure in (kendall, spearman, regret, top_quarter_spearman):
        expected = measure(first.double(), second.double())
        assert measure(first, second) == pytest.approx(expected, nan_ok=True)


def test_infinite_scores_and_wide_integers_are_ranked():
    ends = torch.tensor([-torch.inf, 0.0, torch.inf])
    assert kendall(ends, ends) == 1
    wide = torch.tensor([-(2**63), 0, 2**63 - 1])
    assert kendall(wide, wide.flip(0)) == -1


def test_the_top_quarter_is_the_references_and_not_the_others():
    reference = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    other = torch.tensor([20.0, 30.0, 1.0, 2.0, 3.0, 4.0, 12.0, 11.0])
    assert top_quarter_spearman(reference, other) == -1
    assert top_quarter_spearman(other, reference) == 1


def test_the_top_quarter_is_correlated_as_spearman_does():
    reference, other = torch.arange(12.0), torch.zeros(12)
    other[-3:] = torch.tensor([1.0, 3.0, 2.0])  # by Kendall's tau it would be 1 / 3
    assert top_quarter_spearman(reference, other) == pytest.approx(0.5)


def test_a_loss_far_below_the_size_of_scores_is_still_seen():
    truth = torch.tensor([1e9, 1e9 + 1, 0.0], dtype=torch.float64)
    assert regret(truth, torch.tensor([2.0, 1.0, 0.0])) == 1
