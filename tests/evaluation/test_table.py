from __future__ import annotations

import math

import pytest

from graphcond.errors import UnknownNameError
from graphcond.evaluation import COLUMNS, format_table, make_row, summarise
from graphcond.evaluation.table import Report


def test_rows_have_one_vocabulary() -> None:
    row = make_row(method="Random", dataset="cora", recall_at_10=0.5, ratio=None)
    assert list(row) == ["dataset", "method", "recall@10"]
    assert set(row) <= set(COLUMNS)
    with pytest.raises(UnknownNameError, match="recal@10"):
        make_row(**{"recal@10": 0.5})


def test_mean_and_sample_deviation_over_seeds() -> None:
    rows = [
        make_row(dataset="d", method="A", ratio=0.5, seed=s, accuracy=value)
        for s, value in enumerate((1.0, 2.0, 3.0))
    ]
    rows.append(make_row(dataset="d", method="B", accuracy=7.0))
    first, second = summarise(rows)
    assert first["seeds"] == 3
    assert first["accuracy"] == (2.0, 1.0)
    assert "ratio" not in second
    assert second["accuracy"] == (7.0, 0.0)


def test_the_table_is_markdown_and_hides_empty_columns() -> None:
    text = format_table(
        [
            make_row(dataset="d", method="A", accuracy=81.234),
            make_row(dataset="d", method="A", accuracy=math.nan),
        ]
    )
    header, rule, line = text.splitlines()
    assert header.split(" | ")[0].strip("| ") == "dataset"
    assert set(rule) <= set("|- ")
    assert "recall@10" not in header
    assert "nan" in line


def test_a_report_has_the_mean_and_the_sample_deviation_of_its_rows() -> None:
    report = Report(({"accuracy": 1.0}, {"accuracy": 2.0}, {"accuracy": 6.0}))
    assert report.mean("accuracy") == pytest.approx(3.0)
    assert report.std("accuracy") == pytest.approx(7.0**0.5)
    assert Report(report.rows[:1]).std("accuracy") == 0
