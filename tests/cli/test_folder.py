"""A folder that tells one story, however a run ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphcond.cli.folder import UNFINISHED, held
from graphcond.cli.main import main
from graphcond.errors import StorageError

RANDOM = ["condense", "karate", "--method", "random", "--judge", "false"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_refused_run_leaves_the_last_result_and_its_options(tmp_path: Path) -> None:
    assert main([*RANDOM, "--num_nodes", "4", "--out", str(tmp_path)]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"condensed.safetensors", "config.yaml", "history.jsonl", "report.json"}
    assert main([*RANDOM, "--num_nodes", "4000", "--out", str(tmp_path)]) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_picture_of_the_last_report_stays(tmp_path: Path) -> None:
    (tmp_path / "comparison.png").write_bytes(b"of the run before")
    (tmp_path / "notes.txt").write_text("the user's own")
    assert main([*RANDOM, "--num_nodes", "4", "--out", str(tmp_path)]) == 0
    assert "comparison.png" not in names(tmp_path)
    assert "notes.txt" in names(tmp_path)
    assert json.loads((tmp_path / "config.yaml").read_text())["num_nodes"] == 4


def test_a_refused_first_run_leaves_no_folder(tmp_path: Path) -> None:
    assert main([*RANDOM, "--num_nodes", "4000", "--out", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


def test_an_interrupted_run_goes_on_however_its_folder_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphcond.condensers import RandomNodes

    condense = RandomNodes.condense

    def stops(self: RandomNodes, data: object, *, checkpoint: Path | None = None) -> None:
        assert checkpoint is not None
        checkpoint.write_bytes(b"so far")
        raise KeyboardInterrupt

    monkeypatch.setattr(RandomNodes, "condense", stops)
    out = tmp_path / "run"
    words = [*RANDOM, "--num_nodes", "4", "--out"]
    assert main([*words, str(out)]) == 130
    assert names(out) == {UNFINISHED, "checkpoint.safetensors"}
    assert main([*RANDOM, "--num_nodes", "6", "--out", str(out)]) == 2
    assert main(["condense", "--config", str(out / UNFINISHED)]) == 130
    monkeypatch.setattr(RandomNodes, "condense", condense)
    monkeypatch.chdir(out)
    assert main([*words, f"..{os.sep}run{os.sep}."]) == 0
    assert names(out) == {"condensed.safetensors", "config.yaml", "history.jsonl", "report.json"}


def test_two_processes_do_not_share_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(tmp_path):
        before = names(tmp_path)
        with pytest.raises(StorageError, match=f"Another process .{os.getpid()}"), held(tmp_path):
            raise AssertionError
        for command in (RANDOM, ["compare", "karate", "--methods", "random"]):
            words = [*command, "--num_nodes", "4", "--out", f"{tmp_path}{os.sep}."]
            assert main(words) == 2
            assert "is writing into" in capsys.readouterr().err
        assert names(tmp_path) == before
    with held(tmp_path):
        pass
    assert names(tmp_path) == set()


_DIES = "import os, sys; from pathlib import Path; from graphcond.cli.folder import held\n"
_DIES += "with held(Path(sys.argv[1])): os._exit(9)"


def test_the_death_of_a_process_lets_go_of_its_folder(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False)
    assert names(tmp_path) == {".graphcond.lock"}
    with held(tmp_path):
        pass
    assert names(tmp_path) == set()


@pytest.mark.parametrize("how", ["a reader who leaves", "an ASCII terminal"])
def test_the_report_is_there_whatever_becomes_of_the_print(tmp_path: Path, how: str) -> None:
    judged = ["condense", "karate", "--method", "random", "--num_nodes", "4", "--seeds", "1"]
    judged += ["--candidates", "0", "--out", str(tmp_path)]
    words = [sys.executable, "-m", "graphcond.cli", *judged]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    if how == "an ASCII terminal":
        ended = subprocess.run(words, env=environment, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
    else:
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.wait() == 0
    assert len(json.loads((tmp_path / "report.json").read_text())["rows"]) == 2
    assert UNFINISHED not in names(tmp_path)


def test_home_is_found_where_no_shell_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["condense", "karate", "--method", "random", "--num_nodes", "4", "--judge", "false"]
    assert main([*words, "--out=~/run"]) == 0
    assert (tmp_path / "run" / "report.json").is_file()
