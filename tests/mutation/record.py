"""What is kept of a mutation run: a row for each mutant, one a line, so that a diff can be read."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.mutation.equivalent import reason
from tests.mutation.guards import ROOT
from tests.mutation.operators import Mutant

RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
FIELDS = ("file", "line", "function", "operator", "change", "nth", "code", "outcome", "by")
COMMAND = "python -m tests.mutation"


class Record:
    """The rows of a file, by the name of their mutant.

    A killed mutant stays killed until its function changes; a survivor is tried again.

    Args:
        path: The JSON file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        if path.exists():
            for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
                self.rows[tuple(row[name] for name in FIELDS[:1] + FIELDS[2:6])] = row

    def settled(self, mutant: Mutant) -> bool:
        """Whether a mutant was killed, and its function is as it was."""
        row = self.rows.get(mutant.name)
        return row is not None and row["outcome"] == "killed" and row.get("code") == mutant.code

    def add(self, mutant: Mutant, killer: str | None) -> dict[str, Any]:
        """Add what came of a mutant."""
        outcome = "killed" if killer else "equivalent" if reason(mutant) else "survived"
        values = (
            *mutant.name[:1],
            mutant.line,
            *mutant.name[1:],
            mutant.code,
            outcome,
            killer or reason(mutant),
        )
        row = {name: value for name, value in zip(FIELDS, values) if value is not None}
        self.rows[mutant.name] = row
        return row

    def killers(self, mutant: Mutant, most: int = 4) -> list[str]:
        """Return tests that are likely to fail: the one that killed a mutant before, then those
        that killed others of its function.
        """
        rows = [row for row in self.rows.values() if row["file"] == mutant.file]
        rows = [row for row in rows if row["function"] == mutant.function]
        own = self.rows.get(mutant.name)
        found = [row["by"] for row in ([own] if own else []) + rows if row["outcome"] == "killed"]
        there = [place for test in found if (place := located(test)) is not None]
        return list(dict.fromkeys(there))[:most]

    def keep(self, known: Iterable[Mutant]) -> None:
        """Drop the rows of code that is no more.

        Args:
            known: All mutants of the listed files.
        """
        codes = {mutant.name: mutant.code for mutant in known}
        self.rows = {
            name: row for name, row in self.rows.items() if codes.get(name) == row.get("code")
        }

    def write(self) -> None:
        """Write the file."""
        head = {
            "command": COMMAND,
            "date": datetime.date.today().isoformat(),
            "machine": {"torch": torch.__version__, "python": platform.python_version()},
            "summary": self.summary(),
            "folders": self.by_folder(),
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

    def by_folder(self) -> dict[str, dict[str, int]]:
        """Return the same for each folder."""
        found: dict[str, dict[str, int]] = {}
        for row in self.rows.values():
            counts = found.setdefault(str(Path(row["file"]).parent), {})
            counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
        return {folder: dict(sorted(found[folder].items())) for folder in sorted(found)}


def located(test: str) -> str | None:
    """Return where a test is now: where it was, or in the one file that it has moved to; None where
    there is none of its name.
    """
    file, _, name = test.partition("::")
    homes = _homes().get(name.split("::")[0].split("[")[0], [])
    if file in homes or (name and file.startswith("graphcond/") and (ROOT / file).exists()):
        return test
    return f"{homes[0]}::{name}" if len(homes) == 1 else None


@cache
def _homes() -> dict[str, list[str]]:
    """Return the files that hold a test or a class of tests, by its name."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE):
            found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return found


def digest(path: Path) -> str:
    """Return a short digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
