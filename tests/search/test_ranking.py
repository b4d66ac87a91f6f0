"""Reports of rankings against scipy, and with candidates that failed."""

import csv
import math

import numpy as np
import pytest
import scipy.stats
import torch

from graphcond.errors import InputError
from graphcond.search import draw_history, history_rows, rank_report, search, write_history


def scores(m=40, noise=0.5, seed=0):
    stream = np.random.default_rng(seed)
    full = stream.normal(size=m)
    return (full + noise * stream.normal(size=m)).tolist(), full.tolist()


def test_figures_are_scipys_and_lie_in_their_intervals():
    small, full = scores()
    report = rank_report(small, full, top=8)
    assert report.spearman.value == pytest.approx(scipy.stats.spearmanr(small, full).statistic)
    assert report.kendall.value == pytest.approx(scipy.stats.kendalltau(small, full).statistic)
    best, picked = np.argsort(full)[::-1][:8], np.argsort(small)[::-1][:8]
    assert report.top_overlap.value == len(set(best) & set(picked)) / 8
    assert report.regret.value == pytest.approx(max(full) - full[picked[0]])
    assert report.regret_top.value == pytest.approx(max(full) - max(full[i] for i in picked))
    for figure in (report.spearman, report.kendall, report.top_overlap, report.regret):
        assert figure.low <= figure.value <= figure.high
        assert figure.low < figure.high
    noisy = rank_report(*scores(noise=3.0), top=8)
    assert noisy.spearman.value < report.spearman.value
    assert "Spearman" in str(report)


def test_the_interval_is_scipys_and_the_seed_fixes_it():
    small, full = scores()

    def statistic(first, second):
        return scipy.stats.spearmanr(first, second).statistic

    wanted = scipy.stats.bootstrap(
        (np.array(small), np.array(full)),
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=999,
        method="percentile",
        random_state=np.random.default_rng(5),
    ).confidence_interval
    found = rank_report(small, full, seed=5).spearman
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert rank_report(small, full, seed=6).spearman.low != found.low


def test_directions_and_failures():
    small, full = scores(m=12)
    turned = rank_report([-s for s in small], [-f for f in full], minimize=True, samples=9)
    straight = rank_report(small, full, samples=9)
    assert turned.regret.value == pytest.approx(straight.regret.value)
    assert turned.spearman.value == pytest.approx(straight.spearman.value)
    best = int(np.argmax(small))
    for hole in (math.nan, math.inf, -math.inf):
        holed = rank_report([hole if i == best else s for i, s in enumerate(small)], full)
        last = rank_report([-99.0 if i == best else s for i, s in enumerate(small)], full)
        assert holed.regret == last.regret


def test_a_study_brings_its_direction_and_its_failed_trials():
    def objective(trial):
        a = trial.suggest_int("a", 0, 7)
        return math.nan if a == 0 else (a - 3.0) ** 2

    with pytest.warns(UserWarning, match="1 of 8 trials failed"):
        study = search(objective, 8, finite=True, direction="minimize")
    truth = [abs(trial.params["a"] - 3.0) for trial in study.trials]
    report = rank_report(study, truth, top=2)
    assert report.regret.value == 0.0
    assert report.regret_top.value == 0.0
    chosen = {trial.number: value for trial, value in zip(study.trials, truth) if value > 0}
    part = rank_report(study, chosen, top=2)
    assert part.candidates == 7
    assert part.regret.value == 0.0
    backwards = rank_report(study, [-value for value in truth], top=2)
    assert backwards.spearman.value < 0


def test_wrong_lists_are_refused():
    with pytest.raises(InputError, match="at least 3 scores"):
        rank_report([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(InputError, match="`top` must be from 1 to 2"):
        rank_report(torch.rand(3), torch.rand(3), top=3)
    constant = rank_report([1.0] * 4, [1.0, 2.0, 3.0, 4.0], top=1)
    assert math.isnan(constant.spearman.value)


def test_the_history_is_a_table_and_a_picture(tmp_path):
    def objective(trial):
        a = trial.suggest_int("a", 0, 3)
        return math.nan if a == 2 else float(a)

    with pytest.warns(UserWarning, match="1 of 4"):
        study = search(objective, 4, finite=True, direction="minimize")
    rows = history_rows(study)
    assert [row["best"] for row in rows][-1] == 0.0
    best = [row["best"] for row in rows if row["best"] is not None]
    assert best == sorted(best, reverse=True)
    write_history(study, tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["a"] for row in read] == [str(trial.params["a"]) for trial in study.trials]
    failed = [row for row in read if row["a"] == "2"][0]
    assert failed["value"] == ""
    assert "returned nan" in failed["fault"]
    assert all(float(row["seconds"]) >= 0 for row in read)
    for name in ("one.png", "two.png"):
        draw_history(study, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
