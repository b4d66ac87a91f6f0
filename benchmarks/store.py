"""Rows in a JSON file, merged by key: a run that was stopped goes on where it was, and two runs may
fill one table.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from graphcond.data import write_atomically

RESULTS = Path(__file__).parent / "results"
RECOMMENDER = ("dataset", "method", "seed", "ratio", "setting")


class Store:
    """The rows of one table or figure.

    Args:
        path: The JSON file.
        key: Fields that name a row.
        command: What makes the whole table; None: the module that runs, since narrower runs (fewer
            seeds, sets) are part of it.
    """

    def __init__(self, path: Path, key: Sequence[str], command: str | None = None) -> None:
        spec = sys.modules["__main__"].__spec__
        module = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem
        self.path, self.key, self.command = Path(path), tuple(key), command or f"python -m {module}"
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._read()

    def _read(self) -> None:
        """Take in the rows of the file, those of other runs among them."""
        if self.path.exists():
            self.rows |= {
                self._place(row): row
                for row in json.loads(self.path.read_text(encoding="utf-8"))["rows"]
            }

    def _place(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.key)

    def has(self, **key: Any) -> bool:
        """Whether a row is there."""
        return self._place(key) in self.rows

    def get(self, **key: Any) -> dict[str, Any]:
        """Return a row."""
        return self.rows[self._place(key)]

    def add(self, row: dict[str, Any]) -> None:
        """Add a row and write the file."""
        self._read()
        clean = {name: _clean(value) for name, value in row.items()}
        self.rows[self._place(clean)] = clean
        machine = {
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cpu": platform.machine(),
        }
        rows = sorted(
            self.rows.values(), key=lambda each: json.dumps(self._place(each), default=str)
        )
        record = {
            "command": self.command,
            "machine": machine,
            "date": datetime.date.today().isoformat(),
            "rows": rows,
        }
        with write_atomically(self.path) as beside:
            beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(
            " ".join(
                f"{name}={value}" for name, value in clean.items() if not isinstance(value, list)
            ),
            flush=True,
        )


def _clean(value: Any) -> Any:
    """Round for reading; JSON has no NaN."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return [_clean(entry) for entry in value] if isinstance(value, list) else value
