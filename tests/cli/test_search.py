"""``graphcond search`` with a user's own script, interrupted, and where candidates fail."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import FixedTrial

from graphcond.cli.main import main
from graphcond.data import (
    load,
    read,
    split_interactions,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.evaluation.recommender import rank_scores
from graphcond.search import RankerObjective
from graphcond.training import BPR, Contender

SCRIPT = """
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def plain(trial):
    return (trial.suggest_float("x", -1, 1) - 0.3) ** 2


def sized(trial, data):
    width = trial.suggest_int("width", 1, 1000)
    return -abs(width - 10 * data.num_nodes)


def failing(trial):
    return math.nan if trial.suggest_float("x", -1, 1) > 0 else 1.0


def hopeless(trial):
    raise RuntimeError("no such layer")


def stopped(trial):
    trial.suggest_float("x", -1, 1)
    once = HERE / "once"
    if trial.number == 2 and not once.exists():
        once.touch()
        os.kill(os.getpid(), getattr(signal, (HERE / "signal").read_text()))
    return trial.suggest_float("y", -1, 1)


if __name__ == "__main__":
    raise SystemExit("the script itself was run")
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "script.py").write_text(SCRIPT)
    return str(tmp_path / "script.py")


def test_an_objective_of_a_script(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["search", f"{script}:plain", "--direction", "minimize", "--trials", "12", "--top", "2"]
    assert main([*words, "--out", str(out), "--json", "true"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((out / "search.json").read_text())
    assert abs(found["best"]["x"] - 0.3) < 0.3
    names = {"history.csv", "history.png", "search.journal", "search.json"}
    assert {path.name for path in out.iterdir()} == names
    assert main([*words, "--storage", f"sqlite:///{tmp_path}/run.db", "--json", "true"]) == 0
    assert json.loads(capsys.readouterr().out) == found, "the storage changes nothing"


def test_data_go_to_the_objective_and_the_original_decides(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["condense", "karate", "--method", "random", "--num_nodes", "8", "--judge", "false"]
    main([*small, "--out", str(tmp_path)])
    capsys.readouterr()
    words = ["search", f"{script}:sized", "--data", str(tmp_path)]
    words += ["--full", "karate", "--trials", "10", "--top", "3"]
    assert main([*words, "--json", "true"]) == 0
    found = json.loads(capsys.readouterr().out)
    full = [each["full"] for each in found["promoted"]]
    assert full == sorted(full, reverse=True)
    assert full == [-abs(each["params"]["width"] - 340) for each in found["promoted"]]
    assert found["promoted"][0]["small"] > -1000


@pytest.fixture
def listening() -> Iterator[None]:
    """A shell starts background jobs with SIGINT ignored; a person at a terminal does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_search_says_how_to_go_on(
    name: str, status: int, script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "signal").write_text(name)
    words = ["search", f"{script}:stopped", "--trials", "5", "--top", "1"]
    (tmp_path / "once").touch()
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    (tmp_path / "once").unlink()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(tmp_path / "broken")])
    assert ended.value.code == status
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    command = shlex.split(told.partition("go on with: graphcond ")[2])
    assert main(command) == 0
    whole, broken = tmp_path / "whole" / "search.json", tmp_path / "broken" / "search.json"
    assert whole.read_bytes() == broken.read_bytes()


def test_failures_are_told(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", f"{script}:failing", "--trials", "6", "--top", "1"]) == 0
    told = capsys.readouterr()
    assert "of 6 trials failed" in told.err
    assert "site-packages" not in told.err
    assert "worth 1" in told.out
    assert main(["search", f"{script}:hopeless", "--trials", "3", "--top", "1"]) == 2
    assert "All 3 candidates failed. The first: RuntimeError: no such" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{}:nothing"], "no function 'nothing'"),
        (["{}:sized"], "takes an argument `data`"),
        (["{}:plain", "--data", "karate"], "takes no argument `data`"),
        (["{}:plain", "--condensed", "small.safetensors"], "gets its graph by --data"),
        (["{}:plain", "--workers", "2"], "need a storage"),
        (["{}x.py:plain"], "no file"),
        (["karate", "--data", "karate"], "belong to an objective of your own"),
        (["karate", "--top", "50"], "promote fewer"),
    ],
)
def test_wrong_commands(
    words: list[str], told: str, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *(word.format(script) for word in words)]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("space", ["graph-nas", "nas-bench-graph"])
def test_spaces_of_others(space: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["search", "karate", "--space", space, "--trials", "2", "--top", "1", "--epochs", "2"]
    assert main([*words, "--json", "true"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] == 2
    assert 0 <= found["accuracy"] <= 100


def test_ctrl_c_while_the_library_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphcond.cli.main.import_module", interrupted)
    assert main(["search", "karate", "--out", "runs"]) == 130
    assert "run it again" in capsys.readouterr().err


def test_ctrl_c_while_options_are_parsed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(words: Sequence[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphcond.cli.parsing.parsed", interrupted)
    assert main(["condense", "karate"]) == 130
    assert capsys.readouterr().err == "graphcond: interrupted; nothing was kept\n"
    # what takes long to import is imported where Ctrl-C is met
    code = "import sys, graphcond.cli.main; print('jsonargparse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_recommenders_are_searched_on_a_condensed_set_and_tested_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = "condense southern-women --method PopularCore --ratio 0.6 --judge false --seed 3 --out"
    assert main([*made.split(), str(tmp_path)]) == 0
    few = ["--trials", "3", "--top", "2", "--epochs", "2", "--seed", "3", "--condensed"]
    words = ["search", "southern-women", *few, str(tmp_path / "condensed.safetensors")]
    stopped: list[Any] = []
    fit = Contender.fit

    def watched(self: Contender, train: Any, held: Any, **given: Any) -> Any:
        stopped.append((self.recipe, held, given["exclude"]))
        return fit(self, train, held, **given)

    monkeypatch.setattr(Contender, "fit", watched)
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "found"), "--json", "true"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["winner"] == found["promoted"][0]["params"]
    assert 0 <= found["ndcg@10"] <= 1
    costs = json.loads((tmp_path / "found" / "cost.json").read_text())
    assert costs["cpu_seconds_full"] > 0
    whole = split_interactions(load("southern-women"), seed=3)
    seen, recipe = without_test(whole), BPR(rounds=2)
    small = read(tmp_path / "condensed.safetensors")
    on_small = RankerObjective(small, recipe=recipe, seed=3, validation=seen)
    on_full = RankerObjective(seen, recipe=recipe, seed=3)
    for each in found["promoted"]:
        trial = FixedTrial(each["params"])
        assert (each["small"], each["full"]) == (on_small(trial), on_full(trial))
    winner = on_full.choice(FixedTrial(found["winner"])).contender(recipe)
    held, exclude = val_edges(whole), train_edges(whole)
    ((used, *parts),) = stopped
    assert used == winner.recipe
    assert all(torch.equal(*each) for each in zip(parts, (held, exclude)))
    tested = rank_scores(winner.fit(whole, held, exclude=exclude, seed=3), whole, (10,))
    assert found["ndcg@10"] == tested["ndcg@10"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert f"reaches NDCG@10 {found['ndcg@10']:.4f}" in told
    rates = {name: value for name, value in found["winner"].items() if isinstance(value, float)}
    assert rates
    assert all(f"{name}={value:.3g}" in told.split() for name, value in rates.items())
    table = tmp_path / "sales.csv"
    pairs = [(f"c{i // 8}", f"a{i % 8}") for i in range(96) if (i // 8 + i) % 3]
    table.write_text("customer,article\n" + "".join(f"{a},{b}\n" for a, b in pairs))
    sales = [str(table), "--user", "customer", "--item", "article", "--k_core", "2"]
    out = ["--out", str(tmp_path / "sales")]
    assert main(["condense", *sales, "--method", "PopularCore", "--judge", "false", *out]) == 0
    assert main(["search", *sales, *few, str(tmp_path / "sales")]) == 0
    told = capsys.readouterr().out
    assert "reaches NDCG@10" in told
    assert "condensing pays" in told or "never pays" in told  # the report lay in the folder, too
    for data, space, usual in (
        ("southern-women", "filters", "recommenders"),
        ("karate", "recommenders", "models"),
    ):
        assert main(["search", data, "--space", space]) == 2
        assert f"{usual} are searched then" in capsys.readouterr().err
