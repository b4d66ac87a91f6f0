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
    assert Report(report.rows[:2]).std("accuracy") == pytest.approx(0.5**0.5)


def test_numbers_have_the_digits_of_their_column_and_hide_a_spread_that_none_shows() -> None:
    def cells(**values: float) -> list[str]:
        rows = [make_row(dataset="d", method="A", **values)]
        rows.append(make_row(dataset="d", method="A", **{k: v + 0.001 for k, v in values.items()}))
        line = format_table(rows, columns=list(values)).splitlines()[-1]
        return [each.strip() for each in line.strip("|").split("|")]

    assert cells(ratio_actual=0.12345, seconds_train=12.345) == ["0.124 ± 0.000707", "12.3"]
    assert cells(regret=1.26, accuracy=81.26) == ["1.3 ± 0.0", "81.3 ± 0.0"]
    assert cells(kendall_loss=0.5, num_edges=1234.0) == ["0.5005 ± 0.0007", "1,234 ± 0"]
    table = format_table([make_row(dataset="d", method="A", ratio=0.12345, seconds_train=1.0)])
    assert "| 0.123 " in table
