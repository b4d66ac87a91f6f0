"""What is kept of a mutation run: a row for each mutant, one a line, so that a diff can be read."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import torch

from tests.mutation.equivalent import reason
from tests.mutation.guards import ROOT
from tests.mutation.operators import Mutant

RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
FIELDS = ("file", "line", "function", "operator", "change", "nth", "outcome", "by")
COMMAND = "python -m tests.mutation"


class Record:
    """The rows of a file, by the name of their mutant.

    A killed mutant stays killed until its file changes; a survivor is tried again.

    Args:
        path: The JSON file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.digests = path, {}, {}
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            self.digests: dict[str, str] = kept["files"]
            for row in kept["rows"]:
                self.rows[tuple(row[name] for name in FIELDS[:1] + FIELDS[2:6])] = row

    def settled(self, mutant: Mutant) -> bool:
        """Whether a mutant was killed, and its file is as it was."""
        row = self.rows.get(mutant.name)
        return row is not None and row["outcome"] == "killed" and self._fresh(mutant.file)

    def _fresh(self, file: str) -> bool:
        return self.digests.get(file) == digest(ROOT / file)

    def add(self, mutant: Mutant, killer: str | None) -> dict[str, Any]:
        """Add what came of a mutant; the rows of an older state of its file are dropped."""
        if not self._fresh(mutant.file):
            self.rows = {name: row for name, row in self.rows.items() if name[0] != mutant.file}
            self.digests[mutant.file] = digest(ROOT / mutant.file)
        outcome = "killed" if killer else "equivalent" if reason(mutant) else "survived"
        values = (
            *mutant.name[:1],
            mutant.line,
            *mutant.name[1:],
            outcome,
            killer or reason(mutant),
        )
        row = {name: value for name, value in zip(FIELDS, values) if value is not None}
        self.rows[mutant.name] = row
        return row

    def write(self) -> None:
        """Write the file."""
        head = {
            "command": COMMAND,
            "date": datetime.date.today().isoformat(),
            "machine": {"torch": torch.__version__, "python": platform.python_version()},
            "summary": self.summary(),
            "files": dict(sorted(self.digests.items())),
        }
        rows = sorted(self.rows.values(), key=lambda row: (row["file"], row["line"], row["change"]))
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        text = json.dumps(head, indent=1)[:-2] + f',\n "rows": [\n{lines}\n]}}\n'
        self.path.write_text(text, encoding="utf-8")

    def summary(self) -> dict[str, Any]:
        """Return how many mutants were tried and what came of them."""
        outcomes = [row["outcome"] for row in self.rows.values()]
        counts = {name: outcomes.count(name) for name in ("killed", "survived", "equivalent")}
        unequal = max(counts["killed"] + counts["survived"], 1)
        percent = round(100 * counts["survived"] / unequal, 2)
        return {"tried": len(outcomes), **counts, "percent_survived": percent}


def digest(path: Path) -> str:
    """Return a short digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
