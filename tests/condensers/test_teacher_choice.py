"""TeacherChoice: which team of parts teaches, what reaches it, and what a stopped run keeps."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.condensers import TeacherChoice
from graphcond.condensers.interactions import teacher_choice
from graphcond.condensers.interactions.teacher_choice import Mixture, fit_teacher
from graphcond.data import load, split_interactions, train_edges, val_edges, without_test
from graphcond.errors import InputError
from graphcond.training import BPR, Fitted, RankingLooks, Recommender

MF = partial(nn.MF, dim=2)
QUICK = BPR(rounds=2, min_steps=2)


@pytest.fixture(scope="module")
def women():
    return split_interactions(load("southern-women"), seed=0)


@pytest.mark.parametrize(
    ("scores", "width"),
    [
        ({7: 0.5, 3: 0.4, 4: 0.3}, 7),  # together
        ({7: 0.4, 3: 0.5, 4: 0.3}, 3),
        ({7: 0.4, 3: 0.3, 4: 0.5}, 4),
        ({7: 0.5, 3: 0.5, 4: 0.5}, 7),  # of equals, all of them
    ],
)
def test_the_team_that_validates_best_teaches(women, monkeypatch, scores, width):
    """Factors of width 3 and a filter of rank 4, told apart by the width of their embeddings."""
    monkeypatch.setattr(RankingLooks, "__call__", lambda self, users, items: scores[users.size(1)])
    teacher = fit_teacher(without_test(women), MF, ensemble=0, factors=3, rank=4)
    assert teacher.users.size(1) == teacher.items.size(1) == width


def test_a_teachers_validation_looks_at_as_many_users_as_the_recipe_says(women, monkeypatch):
    data, counts, look = without_test(women), [], RankingLooks.__call__

    def spy(self, users, items):
        counts.append(self.users.numel())
        return look(self, users, items)

    monkeypatch.setattr(RankingLooks, "__call__", spy)
    fit_teacher(data, MF, ensemble=0, factors=3, rank=4, recipe=BPR(val_users=5))
    fit_teacher(data, MF, ensemble=0, factors=3, rank=4)
    assert counts == [5] * 3 + [val_edges(data)[0].unique().numel()] * 3


def test_settings_reach_the_teacher(women, monkeypatch):
    asked, fit = [], fit_teacher

    def spy(data, recommender, **named):
        asked.append((recommender, named))
        return fit(data, recommender, **named)

    monkeypatch.setattr(teacher_choice, "fit_teacher", spy)
    sizes = {"ensemble": 1, "factors": 3, "rank": 4}
    TeacherChoice(ratio=0.5, recommender=MF, recipe=QUICK, seed=5, **sizes)(women)
    assert asked == [(MF, {**sizes, "recipe": QUICK, "seed": 5})]


def test_a_run_goes_on_with_its_teacher_and_its_trials(women, monkeypatch, tmp_path):
    how = TeacherChoice(ratio=0.5, recommender=MF, recipe=QUICK, ensemble=0, factors=3, rank=4)
    first = how.condense(women, checkpoint=tmp_path / "run")
    for name in ("fit_teacher", "fit_recommender"):
        monkeypatch.setattr(teacher_choice, name, lambda *_, **__: pytest.fail("trained again"))
    again = how.condense(women, checkpoint=tmp_path / "run")
    assert torch.equal(train_edges(first.data), train_edges(again.data))
    assert first.history == again.history


@pytest.mark.parametrize(
    "mixtures",
    [(), *((Mixture(*each),) for each in ((float("nan"), 0.0), (0.0, -0.1), (0.0, float("inf"))))],
)
def test_mixtures_out_of_range_are_refused(mixtures):
    with pytest.raises(InputError, match="`mixtures` must be"):
        TeacherChoice(ratio=0.5, mixtures=mixtures)


@pytest.mark.parametrize("parts", [(0, 0, 0), (-1, 3, 4), (1, -1, 4), (1, 3, -1)])
def test_a_teacher_has_parts(parts):
    named = dict(zip(("ensemble", "factors", "rank"), parts, strict=True))
    with pytest.raises(InputError, match="at least one part"):
        TeacherChoice(ratio=0.5, **named)


def test_a_teacher_is_of_the_same_users_and_items(women):
    for users, items in ((17, 14), (18, 13)):
        teacher = Recommender(torch.ones(users, 2), torch.ones(items, 2), Fitted())
        with pytest.raises(InputError, match="same users and items"):
            TeacherChoice(ratio=0.5, teacher=teacher)(women)


def test_mixtures_that_propose_nothing_differ_in_their_prices_alone():
    assert tuple(Mixture(math.inf, t) for t in (0.0, 0.25, 0.5)) == TeacherChoice.OBSERVED_ONLY
