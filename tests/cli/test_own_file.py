"""The whole way with a user's own file: texts as ids, time stamps, ratings, other columns."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from graphcond.cli.main import main
from graphcond.cli.own_file import payback
from graphcond.data import load

HEADER = "zeit,benutzer,artikel,wert,notiz\r\n"
COLUMNS = ["--user", "benutzer", "--item", "artikel", "--time", "zeit", "--rating", "wert"]
QUICK = ["--seeds", "1", "--method", "random"]


def _shop(folder: Path) -> Path:
    """A small shop: five tastes, texts as ids, ISO time stamps, quoted notes."""
    draw = random.Random(3)
    rows = []
    for user in range(40):
        for item in draw.sample([i for i in range(60) if i % 5 == user % 5 or i % 7 == 0], 12):
            when = f"2024-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}T10:00:00Z"
            note = f'"sagt ""gut"", {user}"'
            rows.append(f'{when},"kunde {user:02}",art-{item},{draw.randint(1, 5)},{note}\r\n')
    file = folder / "ratings.csv"
    file.write_bytes("".join([HEADER, *rows]).encode())
    return file


def test_a_file_of_ones_own_comes_back_smaller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = _shop(tmp_path), tmp_path / "small"
    words = ["condense", str(file), *COLUMNS, "--min-rating", "2", "--split", "temporal"]
    assert main([*words, *QUICK, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "CPU seconds on everything" in printed
    assert "are interactions of the original" in printed
    lines = file.read_bytes().decode().splitlines(keepends=True)
    parts = {
        part: (out / f"ratings{part}.csv").read_bytes().decode().splitlines(keepends=True)
        for part in ("", ".valid", ".test")
    }
    for part in parts.values():
        assert part[0] == HEADER
        chosen = set(part[1:])
        assert part[1:] == [line for line in lines[1:] if line in chosen], "bytes and order"
    assert not set(parts[""][1:]) & set(parts[".test"][1:])
    newest = max(line.split(",")[0] for line in parts[""][1:])
    assert newest < min(line.split(",")[0] for line in parts[".test"][1:]), "learnt from the past"
    assert not any(line.split(",")[3] == "1" for part in parts.values() for line in part[1:])
    report = json.loads((out / "report.json").read_text())
    assert report["card"]["rows_dropped"] > 0
    assert report["card"]["proposals"] == 0
    assert report["card"]["num_edges"] == len(parts[""]) - 1
    assert report["card"]["payback"]["cpu_seconds_train_full"] > 0
    assert not (out / "leave_out.csv").exists()
    assert load(out / "condensed.safetensors").card["min_rating"] == 2


def test_the_default_keeps_interactions_and_proposals_are_a_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _shop(tmp_path)
    words = ["condense", str(file), *COLUMNS, "--judge", "false", "--out"]
    assert main([*words, str(tmp_path / "observed")]) == 0
    assert "TeacherChoice.observed" in capsys.readouterr().out
    report = json.loads((tmp_path / "observed" / "report.json").read_text())["card"]
    assert report["method"] == "TeacherChoice.observed"
    assert report["proposals"] == 0
    assert load(tmp_path / "observed" / "condensed.safetensors").card["method"] == report["method"]
    kept = (tmp_path / "observed" / "ratings.csv").read_text().splitlines()[1:]
    assert set(kept) <= set(file.read_text().splitlines())
    assert main([*words, str(tmp_path / "proposed"), "--proposals"]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "proposed" / "report.json").read_text())["card"]
    said = f"{report['proposals']} of {report['num_edges']} are proposals: leave out the original's"
    assert said in printed
    assert report["proposals"] > 0
    lines = (tmp_path / "proposed" / "ratings.csv").read_text().splitlines()
    assert lines[0] == HEADER.strip() + ",origin"
    assert sum(line.endswith(",proposal") for line in lines) == report["proposals"]
    listed = (tmp_path / "proposed" / "leave_out.csv").read_text().splitlines()
    held = (tmp_path / "proposed" / "ratings.test.csv").read_text().splitlines()[1:]
    for line in held:
        _, user, item, *_ = line.split(",")
        assert f"{user.strip(chr(34))},{item}" not in listed
    assert len(listed) - 1 + len(held) < 480


def test_a_split_that_comes_with_the_file_is_taken(tmp_path: Path) -> None:
    rows = [f"u{u},i{i},{'test' if i == u % 6 else 'train'}" for u in range(30) for i in range(6)]
    (tmp_path / "own.csv").write_text("\n".join(["user,item,split", *rows]) + "\n")
    out = tmp_path / "out"
    words = ["condense", str(tmp_path / "own.csv"), *QUICK, "--judge", "false", "--out", str(out)]
    assert main(words) == 0
    held = (out / "own.test.csv").read_text().splitlines()[1:]
    assert held == [row for row in rows if row.endswith("test")]
    assert main([*words, "--split", "per-user"]) == 0
    assert (out / "own.test.csv").read_text().splitlines()[1:] != held


def test_the_leak_of_leave_last_out_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = _shop(tmp_path), tmp_path / "small"
    words = ["condense", str(file), *COLUMNS, *QUICK, "--k-core", "3", "--out", str(out)]
    assert main([*words, "--judge", "false", "--split", "leave-last-out"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "has seen what other users did later" in lines[0]
    again = ["evaluate", str(out / "condensed.safetensors"), str(file), *COLUMNS, "--seeds", "1"]
    assert main([*again, "--json"]) == 0, "the split and the core are those of the card"
    assert json.loads(capsys.readouterr().out)[0]["method"] == "Full"


@pytest.mark.parametrize("data", ["karate", "southern-women"])
def test_parquet_without_a_table_of_ones_own_is_refused(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["condense", data, "--parquet", "--out", str(out)]) == 2
    assert "--parquet writes a table of your own" in capsys.readouterr().err
    assert not out.exists()


def test_parquet_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file, out = _shop(tmp_path), tmp_path / "out"
    words = ["condense", str(file), *COLUMNS, *QUICK, "--judge", "false", "--out", str(out)]
    assert main([*words, "--parquet"]) == 0
    table = parquet.read_table(out / "ratings.parquet")
    assert table.column_names == ["zeit", "benutzer", "artikel", "wert", "notiz"]
    assert table.num_rows == len((out / "ratings.csv").read_text().splitlines()) - 1
    capsys.readouterr()
    assert main(["info", str(out / "ratings.parquet"), *COLUMNS, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["statistics"]["edges"] == table.num_rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", "kunde"], "no column 'kunde'"),
        (COLUMNS[:4], "The header"),
        ([*COLUMNS, "--min-rating", "9"], "every row is rated too low"),
        ([*COLUMNS, "--k-core", "50"], "No interaction is left"),
        ([*COLUMNS, "--split", "published"], "gives no split"),
    ],
)
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _shop(tmp_path)
    if message == "The header":  # two columns claim to be the time
        file.write_text("time,date,benutzer,artikel\n1,2,a,b\n")
    assert main(["condense", str(file), *words, *QUICK, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out" / "ratings.csv").exists()


def test_columns_belong_to_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "southern-women", "--user", "woman"]) == 2
    assert main(["info", "karate", "--k-core", "3"]) == 2
    assert main(["condense", "karate", "--proposals"]) == 2
    assert "a data set with a card" in capsys.readouterr().err


def test_payback_counts_the_trainings() -> None:
    rows = [
        {"method": "Full", "cpu_seconds_train": 3.0},
        {"method": "Full", "cpu_seconds_train": 5.0},
        {"method": "SVPEasiest", "cpu_seconds_train": 1.0},
        {"method": "RandomInteractions", "cpu_seconds_train": 9.0},
    ]
    assert payback(rows, 7.0)["pays_from_trainings"] == 3, "7 s are saved by three times 3 s"
    assert payback(rows, 0.0)["pays_from_trainings"] == 0
    slower = [{**row, "cpu_seconds_train": 9.0} for row in rows]
    assert payback(slower, 7.0)["pays_from_trainings"] is None
    assert payback(rows[:2], 7.0) == {}
