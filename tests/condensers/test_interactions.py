import copy
import math
from dataclasses import replace

import pytest
import torch

from graphcond.condensers import (
    DosCondInteractions,
    Majority,
    PopularCore,
    RandomInteractions,
    SVPEasiest,
    SVPHardest,
    TeacherChoice,
)
from graphcond.condensers.dconrec.condenser import PolicyGradient
from graphcond.condensers.dconrec.outer_loop import Schedule
from graphcond.condensers.interactions import teacher_choice
from graphcond.condensers.interactions.doscond import _OneStep
from graphcond.condensers.interactions.teacher_choice import Mixture, fit_teacher
from graphcond.data import EDGE, load, num_users, split_interactions, train_edges, without_test
from graphcond.errors import BudgetError, FileFormatError, InputError
from graphcond.nn import MF
from graphcond.pools import Observed
from graphcond.testing.contracts import CondenserContract
from graphcond.training import BPR, Fitted, Recommender, UniformNegatives


class OnSouthernWomen(CondenserContract):
    def data(self):
        return split_interactions(load("southern-women"), seed=0)


class TestRandomInteractions(OnSouthernWomen):
    def condenser(self, seed):
        return RandomInteractions(ratio=0.4, seed=seed)


class TestMajority(OnSouthernWomen):
    def condenser(self, seed):
        return Majority(ratio=0.4, seed=seed)


class TestPopularCore(OnSouthernWomen):
    def condenser(self, seed):
        return PopularCore(ratio=0.4, seed=seed)


def test_majority_covers_the_most_users():
    data = split_interactions(load("southern-women"), seed=0)
    kept = torch.bincount(train_edges(Majority(ratio=0.5)(data))[0], minlength=num_users(data))
    degree = torch.bincount(train_edges(data)[0], minlength=num_users(data))
    whole = degree[kept == degree]
    assert (kept > 0).sum() >= (
        torch.sort(degree).values.cumsum(0) <= int(0.5 * degree.sum())
    ).sum()
    assert whole.max() <= degree[kept < degree].min()


@pytest.mark.parametrize("ratio", [0.0, 1.4, -1])
def test_ratio_out_of_range(ratio):
    data = split_interactions(load("southern-women"), seed=0)
    with pytest.raises(BudgetError, match="ratio"):
        RandomInteractions(ratio=ratio)(data)


def test_node_graphs_are_refused():
    with pytest.raises(InputError, match="HeteroData"):
        RandomInteractions(ratio=0.5)(load("karate"))


class TestSVPHardest(OnSouthernWomen):
    def condenser(self, seed):
        return SVPHardest(ratio=0.4, seed=seed, recipe=BPR(rounds=2))


class TestSVPEasiest(OnSouthernWomen):
    def condenser(self, seed):
        return SVPEasiest(ratio=0.4, seed=seed, recipe=BPR(rounds=2))


class TestDosCondInteractions(OnSouthernWomen):
    def condenser(self, seed):
        return DosCondInteractions(ratio=0.4, seed=seed, steps=3)


class TestTeacherChoice(OnSouthernWomen):
    reads_validation = True

    def condenser(self, seed):
        # The last mixture, of observed items, is best whatever the validation part says.
        return TeacherChoice(
            ratio=0.6,
            seed=seed,
            ensemble=1,
            rank=4,
            recipe=BPR(rounds=2),
            mixtures=TeacherChoice.mixtures[:-1],
        )


def test_svp_easiest_and_hardest_are_opposite_ends():
    data = split_interactions(load("southern-women"), seed=0)
    ends = [
        set(zip(*train_edges(end(ratio=0.5)(data)).tolist())) for end in (SVPHardest, SVPEasiest)
    ]
    assert not ends[0] & ends[1]


def test_doscond_gradient_is_autograds():
    data = split_interactions(load("southern-women"), seed=0)
    edges = train_edges(data)
    model = MF(18, 14, dim=3)
    negatives = UniformNegatives(edges, 18, 14)(edges[0], torch.Generator().manual_seed(0))
    one = _OneStep(model, edges, negatives, 0.3, torch.Generator().manual_seed(1))
    users, items = one.users.clone().requires_grad_(), one.items.clone().requires_grad_()
    mask = torch.rand(edges.size(1), generator=torch.Generator().manual_seed(2), requires_grad=True)
    gap = items[edges[1]] - items[negatives]
    losses = torch.nn.functional.softplus(-(users[edges[0]] * gap).sum(1))
    want = torch.autograd.grad((mask * losses).sum(), [users, items], create_graph=True)
    for ours, theirs in zip(one.gradient(mask.detach()), want):
        torch.testing.assert_close(ours, theirs.detach())
    sides = (
        torch.ones_like(users),
        torch.randn(items.shape, generator=torch.Generator().manual_seed(3)),
    )
    credit = torch.autograd.grad(sum((a * b).sum() for a, b in zip(want, sides)), mask)[0]
    torch.testing.assert_close(one.credit(sides), credit, rtol=1e-4, atol=1e-6)


def test_doscond_resumes_to_the_same_set(tmp_path, monkeypatch):
    data, how = (
        split_interactions(load("southern-women"), seed=0),
        DosCondInteractions(ratio=0.5, steps=4),
    )
    whole, match, calls = how(data), DosCondInteractions._match, []

    def stops(self, *args):
        calls.append(args[-1])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return match(self, *args)

    monkeypatch.setattr(DosCondInteractions, "_match", stops)
    with pytest.raises(KeyboardInterrupt):
        how.condense(data, checkpoint=tmp_path / "c")
    again = how.condense(data, checkpoint=tmp_path / "c")
    assert calls == [0, 1, 2, 2, 3]
    assert torch.equal(train_edges(whole), train_edges(again.data))
    assert [record["step"] for record in again.history] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "how",
    [
        DosCondInteractions(ratio=0.5, steps=2),
        TeacherChoice(ratio=0.5, ensemble=0, factors=0, rank=4, recipe=BPR(rounds=2)),
    ],
    ids=lambda how: type(how).__name__,
)
def test_a_checkpoint_of_another_seed_or_other_data_is_refused(how, tmp_path):
    data = split_interactions(load("southern-women"), seed=0)
    how.condense(data, checkpoint=tmp_path / "c")
    with pytest.raises(FileFormatError, match="same settings and data"):
        replace(how, seed=1).condense(data, checkpoint=tmp_path / "c")
    other = copy.copy(data)
    other[EDGE].val_edge_index, other[EDGE].test_edge_index = (
        other[EDGE].test_edge_index,
        other[EDGE].val_edge_index,
    )
    with pytest.raises(FileFormatError, match="same settings and data"):
        how.condense(other, checkpoint=tmp_path / "c")


def test_a_bad_path_fails_before_the_teacher_is_trained(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(
        teacher_choice, "fit_teacher", lambda *_, **__: pytest.fail("the teacher was trained")
    )
    with pytest.raises(InputError, match="folder"):
        TeacherChoice(ratio=0.5).condense(
            split_interactions(load("southern-women"), seed=0), checkpoint=tmp_path / "file" / "c"
        )


def test_teacher_choice_without_observed_interactions():
    data = split_interactions(load("southern-women"), seed=0)
    observed = set(zip(*train_edges(data).tolist()))
    small = TeacherChoice(
        ratio=0.6, ensemble=0, factors=0, rank=4, mixtures=(Mixture(-math.inf, 0.0),)
    )(data)
    pairs = set(zip(*train_edges(small).tolist()))
    assert not pairs & observed
    assert len(pairs) == small.card["num_pseudo"] == int(0.6 * len(observed))
    assert small.card["num_observed"] == 0


def test_teacher_choice_with_a_high_bonus_keeps_observed_interactions():
    data = split_interactions(load("southern-women"), seed=0)
    observed = set(zip(*train_edges(data).tolist()))
    small = TeacherChoice(
        ratio=0.3, ensemble=0, factors=4, rank=0, mixtures=(Mixture(100.0, 0.0),)
    )(data)
    assert set(zip(*train_edges(small).tolist())) <= observed
    assert (
        torch.bincount(train_edges(small)[0]).unique().numel() <= 2
    )  # all users alike, up to the remainder


def test_teacher_choice_of_observed_interactions_keeps_the_favourites_and_their_weights():
    data = split_interactions(load("southern-women"), seed=0)
    edges = train_edges(data)
    data[EDGE].edge_weight = torch.arange(edges.size(1)) + 1.0
    draw = torch.Generator().manual_seed(0)
    teacher = Recommender(
        torch.randn(18, 3, generator=draw), torch.randn(14, 3, generator=draw), Fitted()
    )
    how = TeacherChoice(ratio=0.4, teacher=teacher, mixtures=TeacherChoice.OBSERVED_ONLY[:1])
    small = how(data)
    assert small.card["num_pseudo"] == 0
    assert small.card["num_observed"] == train_edges(small).size(1) == int(0.4 * edges.size(1))
    assert small.card["weights"] == "kept, not used"
    weight = {tuple(pair): at + 1.0 for at, pair in enumerate(edges.T.tolist())}
    kept = [tuple(pair) for pair in train_edges(small).T.tolist()]
    assert small[EDGE].edge_weight.tolist() == [weight[pair] for pair in kept]
    score = teacher.users @ teacher.items.T
    for user in range(18):
        own = edges[1, edges[0] == user].tolist()
        taken = [item for each, item in kept if each == user]
        favourites = sorted(own, key=lambda item: -float(score[user, item]))
        assert set(taken) == set(favourites[: len(taken)])
    proposing = TeacherChoice(ratio=0.4, teacher=teacher, mixtures=(Mixture(-1.0, 0.0),))(data)
    assert proposing.card["weights"] == "left out"


def test_teacher_choice_of_observed_interactions_fills_the_budget_of_uneven_users():
    data = split_interactions(load("southern-women"), seed=0)
    how = TeacherChoice(
        ratio=0.8, ensemble=0, factors=0, rank=4, mixtures=TeacherChoice.OBSERVED_ONLY[-1:], seed=1
    )
    observed = set(zip(*train_edges(data).tolist()))
    pairs = set(zip(*train_edges(how(data)).tolist()))
    assert pairs <= observed
    assert len(pairs) == int(0.8 * len(observed))


def test_teacher_choice_resumes_without_repeating_what_is_done(tmp_path, monkeypatch):
    data, path = split_interactions(load("southern-women"), seed=0), tmp_path / "state"
    condenser = TeacherChoice(ratio=0.4, ensemble=1, factors=4, rank=0, recipe=BPR(rounds=2))
    whole, trial, calls = condenser.condense(data), TeacherChoice._trial, []

    def stops(self, *args):
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return trial(self, *args)

    monkeypatch.setattr(TeacherChoice, "_trial", stops)
    with pytest.raises(KeyboardInterrupt):
        condenser.condense(data, checkpoint=path)
    monkeypatch.setattr(teacher_choice, "fit_teacher", None)  # a second fit would raise
    again = condenser.condense(data, checkpoint=path)
    assert len(calls) == 5  # two before, the three that were missing after
    assert torch.equal(train_edges(whole.data), train_edges(again.data))
    assert whole.history == again.history
    teacher = Recommender(torch.ones(18, 2), torch.ones(14, 2), Fitted())
    for other in (TeacherChoice(ratio=0.5), replace(condenser, teacher=teacher)):
        with pytest.raises(FileFormatError, match="same settings and data"):
            other.condense(data, checkpoint=path)


def test_teacher_choice_takes_a_fitted_teacher():
    data = without_test(split_interactions(load("southern-women"), seed=0))
    teacher = fit_teacher(data, MF, ensemble=1, factors=4, rank=4, recipe=BPR(rounds=2), seed=3)
    options = {
        "ratio": 0.4,
        "seed": 3,
        "ensemble": 1,
        "factors": 4,
        "rank": 4,
        "recipe": BPR(rounds=2),
    }
    given, own = TeacherChoice(teacher=teacher, **options)(data), TeacherChoice(**options)(data)
    assert torch.equal(train_edges(given), train_edges(own))
    other = Recommender(teacher.users[:-1], teacher.items, teacher.history)
    with pytest.raises(InputError, match="same users and items"):
        TeacherChoice(teacher=other, **options)(data)


@pytest.mark.parametrize(
    "how",
    [
        TeacherChoice(ratio=0.3, ensemble=0, rank=0),
        RandomInteractions(ratio=0.3),
        Majority(ratio=0.3),
        SVPEasiest(ratio=0.3, recipe=BPR(rounds=2)),
        DosCondInteractions(ratio=0.3, steps=2),
        PolicyGradient(MF, Observed(), ratio=0.3, schedule=Schedule(steps=1), control=0),
    ],
    ids=lambda how: type(how).__name__,
)
def test_condensed_sets_keep_original_ids(how):
    data = split_interactions(load("southern-women"), seed=0)
    data["user"].original_id = torch.arange(18) + 100
    assert torch.equal(how(data)["user"].original_id, data["user"].original_id)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"temperature": -1.0}, {"init_std": 0.0}]
)
def test_doscond_arguments(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DosCondInteractions(ratio=0.5, **wrong)


def test_svp_needs_a_negative():
    with pytest.raises(InputError, match="repeats"):
        SVPEasiest(ratio=0.5, repeats=0)


def test_teacher_choice_returns_the_mixture_that_validates_best():
    data = split_interactions(load("southern-women"), seed=0)
    tried = (Mixture(-math.inf, 0.0), Mixture(10.0, 0.0), Mixture(10.0, 1.0))
    result = TeacherChoice(
        ratio=0.6, ensemble=0, rank=4, mixtures=tried, recipe=BPR(rounds=5)
    ).condense(data)
    scores = [record["val_ndcg@10"] for record in result.history]
    best = tried[scores.index(max(scores))]
    assert (result.report["bonus"], result.report["evenness"]) == (
        str(best.bonus) if math.isinf(best.bonus) else best.bonus,
        best.evenness,
    )
    alone = TeacherChoice(ratio=0.6, ensemble=0, rank=4, mixtures=(best,))(data)
    assert torch.equal(train_edges(alone), train_edges(result.data))


def test_teacher_choice_may_end_without_proposals(monkeypatch):
    data = split_interactions(load("southern-women"), seed=0)

    def observed_share(self, data, small):
        edges = [set(zip(*train_edges(each).tolist())) for each in (data, small)]
        return len(edges[0] & edges[1]) / len(edges[1])

    monkeypatch.setattr(TeacherChoice, "_trial", observed_share)
    result = TeacherChoice(ratio=0.4, ensemble=0, factors=0, rank=4).condense(data)
    assert [record["num_pseudo"] == 0 for record in result.history] == [False, False, False, True]
    assert result.report["num_pseudo"] == 0


def test_teacher_choice_arguments():
    for wrong in (
        {"ensemble": 0, "factors": 0, "rank": 0},
        {"mixtures": ()},
        {"mixtures": (Mixture(0.0, -1.0),)},
        {"mixtures": (Mixture(math.nan, 0.0),)},
    ):
        with pytest.raises(InputError, match="[Mm]ust"):
            TeacherChoice(ratio=0.5, **wrong)
