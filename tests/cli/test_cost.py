"""What ``graphcond search`` says of its costs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from graphcond.cli.cost import SECONDS, Timed, cost, cost_line, pays_from, seconds_small
from graphcond.cli.main import main
from graphcond.search import search


@pytest.mark.parametrize(
    ("condense", "small", "full", "top"),
    [(10.0, 1.0, 3.0, 5), (0.0, 0.5, 4.0, 1), (100.0, 0.1, 0.2, 2), (0.0, 0.0, 1.0, 5)],
)
def test_condensing_pays_from_the_first_count_at_which_it_is_cheaper(
    condense: float, small: float, full: float, top: int
) -> None:
    def cheaper(count: int) -> bool:
        return condense + count * small + top * full <= count * full

    found = pays_from(condense, small, full, top)
    assert found == next(count for count in range(top, 10_000) if cheaper(count))


def test_condensing_never_pays_where_the_small_graph_is_no_faster() -> None:
    assert pays_from(1.0, 2.0, 2.0, 5) is None
    assert pays_from(0.0, 3.0, 2.0, 5) is None


def _busy(trial) -> float:
    until = time.process_time() + 0.02 * (1 + trial.number)
    while time.process_time() < until:
        pass
    if trial.number == 1:
        raise RuntimeError("no such layer")
    return trial.suggest_float("x", 0, 1)


@pytest.mark.filterwarnings("ignore:.*failed")
def test_every_trial_says_what_it_cost_also_one_that_failed(tmp_path: Path) -> None:
    study = search(Timed(_busy), 2, storage=f"journal:{tmp_path / 'run.log'}")
    costs = [trial.user_attrs[SECONDS] for trial in study.trials]
    assert 0.02 <= costs[0] < costs[1]
    assert seconds_small(study) == pytest.approx(sum(costs) / 2)
    (tmp_path / "report.json").write_text('{"card": {"seconds_condense": 7.5}}')
    found = cost(study, str(tmp_path / "condensed.safetensors"), 9.0, 1)
    assert found["seconds_condense"] == 7.5
    assert found["pays_from_candidates"] == 2
    assert "7.50: with the promotions, condensing pays from 2 candidates on" in cost_line(found)
    assert cost(study, str(tmp_path / "elsewhere" / "condensed.safetensors"), 9.0, 1) == {}


def test_the_report_of_a_search_says_from_when_condensing_pays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["condense", "karate", "--method", "random", "--num_nodes", "8", "--judge", "false"]
    assert main([*small, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    words = ["search", "karate", "--epochs", "3", "--trials", "3", "--top", "2"]
    words += ["--condensed", str(tmp_path / "condensed.safetensors")]
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "found")]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    costs = json.loads((tmp_path / "found" / "cost.json").read_text())
    assert told == cost_line(costs)
    assert costs["seconds_condense"] == report["card"]["seconds_condense"]
    assert costs["cpu_seconds_full"] > 0
    assert costs["cpu_seconds_small"] > 0
    (tmp_path / "report.json").unlink()
    assert main(words) == 0
    assert "condensing" not in capsys.readouterr().out
