"""Records know their code: what stales a row and what does not, and how files are written."""

from __future__ import annotations

import ast
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import readme, tables
from benchmarks.digest import closure, digest, made_by
from benchmarks.plain_code import normalise, text_of
from benchmarks.store import RESULTS, Store, is_stale, migrated, read_record, write_record
from graphcond import condensers, masks, nn, pools

RECORDS = sorted(path for path in RESULTS.glob("*.json") if "_quick" not in path.stem)

PLAIN = """
def scale(values, factor=2):
    total = values.sum()
    return factor * total
"""
SAME = {
    "comments, docstrings, annotations": '''
def scale(values: "Tensor", factor: int = 2) -> "Tensor":
    """Say what it does."""
    total = values.sum()  # a comment
    return factor * total
''',
    "another local name": PLAIN.replace("total", "whole"),
    "an error in other words": """
def scale(values, factor=2):
    try:
        total = values.sum()
    except ValueError as error:
        raise KeyError(factor) from error
    return factor * total
""",
    "facts for a message": """
def scale(values, factor=2):
    facts = {"factor": factor}
    if factor:
        cure = "Do."
    total = values.sum()
    return factor * total
""".replace("    if factor:\n        cure", "    cure"),
    "a check and what it says": PLAIN.replace(
        "    total", '    law = f"{factor}"\n    require(factor > 0, "No. Do.")\n    total'
    ),
}
OTHER = {
    "another operation": PLAIN.replace("factor * total", "factor + total"),
    "another constant": PLAIN.replace("factor=2", "factor=3"),
    "another method": PLAIN.replace(".sum()", ".mean()"),
    "another order": PLAIN.replace("factor * total", "total * factor"),
    "another name of a parameter": PLAIN.replace("factor", "times"),
}


def text(source: str) -> str:
    """Return a function as the digest sees it."""
    return text_of(normalise(ast.parse(source)))


@pytest.mark.parametrize("what", SAME)
def test_what_changes_no_number_changes_no_digest(what: str) -> None:
    assert text(SAME[what]) == text(PLAIN)


@pytest.mark.parametrize("what", OTHER)
def test_what_may_change_a_number_changes_the_digest(what: str) -> None:
    assert text(OTHER[what]) != text(PLAIN)


def test_packed_assignments_are_unpacked_unless_they_swap() -> None:
    packed, lines = "def f(x):\n    a, b = x, 1\n    return a + b\n", "    a = x\n    b = 1\n"
    assert text(packed) == text(f"def f(x):\n{lines}    return a + b\n")
    swap = "def f(a, b):\n    a, b = b, a\n    return a - b\n"
    assert text(swap) != text("def f(a, b):\n    a = b\n    b = a\n    return a - b\n")


def names(*roots: str) -> set[str]:
    """Return the names of all that roots reach."""
    return {place.name for place in closure(roots)}


def test_a_digest_reaches_through_calls_and_stops_at_what_is_not_used() -> None:
    found = names("graphcond.condensers.RandomInteractions")
    assert {"InteractionCondenser", "Condenser", "interaction_budget", "generator"} <= found
    assert not {"PolicyGradient", "TeacherChoice", "spmm"} & found
    policy = names("graphcond.condensers.PolicyGradient")
    assert {"systematic", "Reinforce"} <= policy
    assert "MeanBaseline" not in policy  # offered by the same package, never named
    assert "bpr_gradient" in names("graphcond.evaluation.evaluate_recommender")


def test_roots_are_public_names_with_what_fields_hold() -> None:
    mf = partial(nn.MF, dim=8)
    method = condensers.PolicyGradient(mf, pools.Observed(), ratio=0.5)
    assert set(made_by(method)) >= {
        "graphcond.condensers.PolicyGradient",
        "graphcond.condensers.Schedule",
        "graphcond.masks.OneStep",
        "graphcond.nn.MF",
        "graphcond.pools.Observed",
    }
    assert made_by(masks.Reinforce) == ("graphcond.masks.Reinforce",)
    assert digest(("graphcond.masks.NoSuchEstimator",)) is None


def test_a_row_is_stale_once_its_code_changes(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.json", ("name",))
    store.add({"name": "a", "value": 1.5}, code=(masks.Reinforce,), settings="none")
    store.add({"name": "b", "value": 2.5}, code=(masks.LeaveOneOut,))
    record = read_record(store.path)
    assert [is_stale(row, record["codes"]) for row in record["rows"]] == [False, False]
    assert {"code", "settings", "date", "machine"} <= set(record["rows"][0])
    altered = dict(record["rows"][0], code="0" * 12)
    assert is_stale(altered, {"0" * 12: ["graphcond.masks.Reinforce"]})
    assert is_stale(dict(altered, code=None), record["codes"])


def test_a_recorded_row_says_so_and_offers_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    Store(path, ("name",)).add({"name": "a"}, code=(masks.Reinforce,))
    assert Store(path, ("name",)).has(name="a")
    assert "recorded (--force" in capsys.readouterr().out
    again = Store(path, ("name",), force=True)
    assert not again.has(name="a")
    again.add({"name": "a", "value": 2}, code=(masks.Reinforce,))
    assert again.has(name="a")
    assert Store(path, ("name",), stale=True).has(name="a")
    record = read_record(path)
    record["rows"][0]["code"] = None
    write_record(path, record)
    assert not Store(path, ("name",), stale=True).has(name="a")


def test_old_records_keep_their_numbers(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"name": "ä", "value": 0.1 + 0.2, "list": [1e-17, None]}, {}]
    old = {"command": "python -m x", "date": "2026-11-01", "machine": {"cores": 2}, "rows": rows}
    path = tmp_path / "rows.json"
    write_record(path, migrated(old))
    found = read_record(path)
    assert [{k: v for k, v in row.items() if k != "code"} for row in found["rows"]] == rows
    assert all(row["code"] is None for row in found["rows"])
    assert found["earlier"] == {"date": "2026-11-01", "machine": {"cores": 2}}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_records_hold_one_row_a_line(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    record = read_record(path)
    parsed = [json.loads(line.rstrip(",")) for line in lines[-len(record["rows"]) - 1 : -1]]
    assert parsed == record["rows"]


def test_readme_quotes_no_stale_row(monkeypatch: pytest.MonkeyPatch) -> None:
    quoted: list[dict[str, Any]] = []

    def spy(rows: Any, *arguments: Any, **options: Any) -> str:
        quoted.extend(rows)
        return tables.several(rows, *arguments, **options)

    for page in (readme.recommender, readme.node):
        monkeypatch.setattr(page, "several", spy)
    for section in readme.SHORT.values():
        section()
    assert not [row for row in quoted if row["stale"]]


def test_the_long_page_marks_stale_rows() -> None:
    old = [row for row in tables.record("floor.json")["rows"] if row["stale"]]
    marked = tables.rows_of("recommender_table2_gowalla.json")
    assert all(row["method"].endswith(tables.MARK) == row["stale"] for row in marked)
    assert ("†" in tables.source("floor.json")) == bool(old)


def test_methods_of_one_table_have_digests_of_their_own() -> None:
    from benchmarks.recommender.table2 import METHODS

    marks = {label: digest(made_by(make)) for label, make in METHODS.items()}
    assert len(set(marks.values())) >= len(METHODS) - 1
    assert "TeacherChoice" not in names(*made_by(METHODS["RandomInteractions"]))
