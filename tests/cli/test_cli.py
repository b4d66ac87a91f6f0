from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphcond.cli.judging import as_json
from graphcond.cli.main import main
from graphcond.cli.methods import INTERACTIONS, NODES, build
from graphcond.cli.options import Budget
from graphcond.cli.parsing import COMMANDS
from graphcond.condensers.nodes.learner import Learner
from graphcond.data import load
from graphcond.evaluation import COLUMNS

RANDOM = "condense karate --method random --num_nodes 4"
QUICK = "--seeds 1 --candidates 5"


def run(*parts: str | Path) -> int:
    """Run a command: texts are split as a shell does, paths are words of their own."""
    words: list[str] = []
    for part in parts:
        words += [str(part)] if isinstance(part, Path) else shlex.split(part)
    return main(words)


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_neither_torch_nor_ogb(words: list[str]) -> None:
    code = (
        f"import sys\nfrom graphcond.cli.main import main\ntry: main({words!r})\nexcept SystemExit"
        " as stop: assert stop.code == 0\nheavy = {'torch', 'torch_geometric', 'ogb',"
        " 'matplotlib', 'sklearn'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: graphcond" in done.stdout


def test_condense_writes_everything_it_promises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"{RANDOM} {QUICK} --out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "Full" in printed
    assert "RandomNodes" in printed
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "config.yaml",
        "condensed.safetensors",
        "report.json",
        "history.jsonl",
        "comparison.png",
    }
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["card"]["num_train"] == 4
    assert all(set(row) <= set(COLUMNS) for row in report["rows"])
    assert (tmp_path / "out" / "comparison.png").read_bytes()[:4] == b"\x89PNG"


def test_evaluate_judges_the_written_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("condense southern-women --method random --ratio 0.5 --judge false --out", tmp_path)
    capsys.readouterr()
    written = tmp_path / "condensed.safetensors"
    assert run("evaluate", written, "southern-women --seeds 1 --json true") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"Full", "RandomInteractions"} <= {row["method"] for row in rows}
    assert all(0 <= row["recall@10"] <= 1 for row in rows)


def test_another_runs_unfinished_folder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ["--judge", "false", "--out", str(tmp_path)]
    update, calls = Learner.update, []

    def stops(self: Learner, *args: object) -> float:
        calls.append(1)
        if len(calls) == 320:
            raise KeyboardInterrupt
        return update(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "update", stops)
    interrupted = ["condense", "karate", "--method", "gcond-x", "--num_nodes", "4", *out]
    assert main(interrupted) == 130
    monkeypatch.setattr(Learner, "update", update)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "checkpoint.train.safetensors" in before
    for other in (
        ["karate", "--method", "gcond-x", "--num_nodes", "6"],
        ["southern-women", "--method", "random"],
    ):
        assert main(["condense", *other, *out]) == 2
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main(interrupted) == 0
    assert not list(tmp_path.glob("checkpoint*"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["card"]["seed"] == 0


def test_evaluate_wants_the_condensed_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(f"{RANDOM} --judge false --out", tmp_path)
    for other in ("southern-women", "digits"):
        assert run("evaluate", tmp_path / "condensed.safetensors", other) == 2
        assert "the data set that was condensed" in capsys.readouterr().err


def test_presets_of_one_class_have_columns_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    line = "compare karate --methods random,random,herding,gcond-x,doscond --num_nodes 4 --seeds 1"
    assert run(f"{line} --candidates 0 --json true") == 0
    methods = [row["method"] for row in json.loads(capsys.readouterr().out)]
    assert sorted(methods) == ["DosCond", "Full", "GCondX", "Herding", "RandomNodes"]


def test_a_report_is_json_without_nan(tmp_path: Path) -> None:
    run(f"{RANDOM} {QUICK} --out", tmp_path)

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert as_json({"a": [float("nan"), 1.0]}) == json.dumps({"a": [None, 1.0]}, indent=2)


def test_a_missing_matplotlib_costs_the_picture_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(f"{RANDOM} {QUICK} --out", tmp_path) == 0
    assert {"report.json", "condensed.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "comparison.png").exists()


def test_the_module_returns_the_commands_status() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "graphcond.cli", "info", "no-such-set"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2


def test_a_small_graph_of_ones_own_is_split_by_shares(tmp_path: Path) -> None:
    y = np.arange(60) % 3
    edges = np.stack([np.arange(60), (np.arange(60) + 3) % 60])
    np.savez(tmp_path / "own.npz", x=np.eye(3, dtype=np.float32)[y], edge_index=edges, y=y)
    assert run("condense", tmp_path / "own.npz", "--method random --num_nodes 3", QUICK) == 0


def test_search_on_a_condensed_graph_promotes_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("condense karate --method random --num_nodes 8 --judge false --out", tmp_path)
    small = tmp_path / "condensed.safetensors"
    words = shlex.split("search karate --epochs 3 --top 2 --json true --condensed")
    words += [str(small), "--out", str(tmp_path / "found")]
    capsys.readouterr()
    assert main([*words, "--trials", "3"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first == json.loads((tmp_path / "found" / "search.json").read_text())
    assert first["winner"] == first["promoted"][0]["params"]
    assert 0 <= first["accuracy"] <= 100
    assert main([*words, "--trials", "4"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 4
    run("condense karate --method k-center --num_nodes 6 --judge false --out", tmp_path)
    capsys.readouterr()
    assert main([*words, "--trials", "3"]) == 2
    assert "another search in this place, with graph" in capsys.readouterr().err
    (tmp_path / "found" / "search.journal").write_text("no journal\n")
    assert main([*words, "--trials", "3"]) == 2
    assert "not a journal of Optuna" in capsys.readouterr().err
    assert run("search karate --space filters --trials 3 --top 1 --epochs 3") == 0
    assert "reaches accuracy" in capsys.readouterr().out


def test_compare_prints_the_rows_alone_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    line = "compare southern-women --methods random,majority --ratio 0.5 --seeds 2"
    assert run(line, "--json true") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["seed"] for row in rows} == {0, 1}
    assert {"Full", "RandomInteractions", "Majority"} <= {row["method"] for row in rows}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("condense karate --ratio 1.4", "`ratio` must be in (0, 1]"),
        ("condense southern-women --ratio 0", "`ratio` must be in (0, 1]"),
        ("condense no-such-set", "Known are"),
        ("condense no-such-file.csv", "There is no file 'no-such-file.csv'"),
        ("condense karate --candidates 3", "`candidates` must be 0 or at least 5"),
        ("compare karate --seeds 0", "`seeds` must be at least 1"),
        ("condense karate --method no-such-method --num_nodes 4", "no-such-method"),
        ("compare karate --methods random,majority --num_nodes 4", "majority"),
        ("evaluate no-such-file.safetensors karate", "no-such-file"),
        (
            "condense karate --method random --num_nodes 4 --seeds 1 --out /proc/graphcond",
            "writable folder",
        ),
        ("compare karate --methods random --num_nodes 4 --out /proc/graphcond", "writable folder"),
        ("search karate --out /proc/graphcond", "writable folder"),
        ("condense southern-women --num_nodes 5", "counted by --ratio alone"),
        ("condense southern-women --of train", "counted by --ratio alone"),
        ("condense karate --num_nodes 4 --of train", "--of train goes with --ratio"),
        ("condense karate --split published", "--split published is for interactions"),
        ("condense karate --num_nodes 4 --out ''", "a folder as --out"),
        ("info southern-women --plot women.png", "node data"),
        ("info karate --plot ''", "a path of a file"),
    ],
)
def test_bad_input_is_one_clear_line(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("graphcond: ")
    assert captured.out == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "expected"),
        ("condens karate", "invalid choice: 'condens'"),
        ("condense", "required: data"),
        ("condense karate --method", "--method: expected one argument"),
        (
            "condense karate --ratio much",
            "--ratio cannot be 'much'. See `graphcond condense --help`",
        ),
        ("condense karate --of edges", "--of cannot be 'edges'"),
        ("condense karate --speed 3", "unrecognized arguments: --speed 3"),
        ("search karate --config no-such-file.yaml", "--config: File does not exist"),
    ],
)
def test_wrong_options_are_one_line(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(line)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in told
    assert told.startswith("graphcond: ")
    assert told.count("\n") == 1


def test_config_round_trip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("info karate --json true --print_config")
    (tmp_path / "run.yaml").write_text(capsys.readouterr().out)
    assert run("info --config", tmp_path / "run.yaml") == 0
    assert json.loads(capsys.readouterr().out)["statistics"]["nodes"] == 34


def test_info_draws_a_small_graph(tmp_path: Path) -> None:
    assert run("info karate --plot", tmp_path / "karate.png") == 0
    assert (tmp_path / "karate.png").read_bytes()[:4] == b"\x89PNG"


def test_datasets_lists_every_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("datasets --json true") == 0
    cards = json.loads(capsys.readouterr().out)
    assert {"digits", "karate", "southern-women", "cora", "gowalla"} <= {
        card["name"] for card in cards
    }
    assert all(card["licence"] and card["source"] for card in cards)


@pytest.mark.parametrize("kind", ["southern-women", "karate"])
def test_every_named_method_is_built(kind: str) -> None:
    data = load(kind)
    table = INTERACTIONS if kind == "southern-women" else NODES
    built = [build(name, data, Budget(kind, ratio=0.5), 3) for name in [*table, "default"]]
    assert all(condenser.seed == 3 for condenser in built)
    assert len({repr(condenser) for condenser in built}) == len(table)
