"""Rows in a JSON file, merged by key, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from graphcond.data import write_atomically

KEY = ("dataset", "method", "seed", "ratio", "setting")


class Store:
    """The rows of one table or figure.

    Args:
        path: The JSON file.
        command: What was typed.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path, self.command = path, command
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        if path.exists():
            self.rows = {self._key(row): row for row in json.loads(path.read_text())["rows"]}

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in KEY)

    def has(self, **key: Any) -> bool:
        """Whether a row is there."""
        return self._key(key) in self.rows

    def get(self, **key: Any) -> dict[str, Any]:
        """Return a row."""
        return self.rows[self._key(key)]

    def add(self, row: dict[str, Any]) -> None:
        """Add a row and write the file."""
        self.rows[self._key(row)] = {name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()}
        machine = {
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        rows = sorted(self.rows.values(), key=lambda r: json.dumps([r.get(name) for name in KEY], default=str))
        record = {"command": self.command, "machine": machine, "date": datetime.date.today().isoformat(), "rows": rows}
        with write_atomically(self.path) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
        shown = {k: v for k, v in row.items() if k in (*KEY, "recall@10", "ndcg@10", "percent_of_full", "seconds_condense")}
        print(json.dumps(shown, default=str), flush=True)
