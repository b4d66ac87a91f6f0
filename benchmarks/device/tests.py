"""The tests marked ``cuda``, one row each."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import pytest
import torch

from benchmarks.device.rows import Rows, without_paths


class Reporter:
    """Writes a row as each test ends."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note a finished test, or what broke before or after it."""
        if report.when != "call" and report.passed:
            return
        row = {
            "section": "tests",
            "test": report.nodeid.removeprefix("tests/cuda/"),
            "outcome": report.outcome,
            "seconds": report.duration,
        }
        if report.failed:
            row["error"] = without_paths(str(report.longrepr))[-1500:]
        self.rows.add(row)

    def pytest_collectreport(self, report: Any) -> None:
        """Note a file that could not be read."""
        if report.failed:
            self.rows.add(
                {
                    "section": "tests",
                    "test": report.nodeid,
                    "outcome": "failed",
                    "error": without_paths(str(report.longrepr))[-1500:],
                }
            )


def run(device: torch.device, quick: bool, rows: Rows) -> None:
    """Run the tests; several at a time where pytest-xdist is there, so that compiling overlaps.

    Args:
        device: Where they compute.
        quick: Only the files about sparse products.
        rows: Where results go.
    """
    os.environ["GRAPHCOND_TEST_DEVICE"] = device.type
    arguments = ["-q", "-m", "cuda", "-p", "no:cacheprovider", "--no-header", "--tb=short"]
    arguments += ["-W", "ignore", "--color=no"]
    if device.type == "cuda" and importlib.util.find_spec("xdist") is not None:
        arguments += ["-n", "8"]
    if importlib.util.find_spec("pytest_timeout") is not None:
        arguments += ["--timeout=60"]
    arguments += ["tests/cuda/test_sparse.py"]
    if not quick:
        arguments += ["tests/cuda/test_models.py", "tests/cuda/test_condensers.py"]
    raise SystemExit(int(pytest.main(arguments, plugins=[Reporter(rows)])))
