"""Rows in a JSON file, one a line, each of which knows the code that made it.

A run that was stopped goes on where it was, and two runs may fill one table.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.digest import digest, made_by
from graphcond.data import write_atomically

RESULTS = Path(__file__).parent / "results"
RECOMMENDER = ("dataset", "method", "seed", "ratio", "setting")
Row = dict[str, Any]
Record = dict[str, Any]
"""What a file holds: ``command``; ``codes``, the roots of each digest; ``earlier``, what is known
of rows that were written before rows knew their code; and ``rows``.
"""


def read_record(path: Path) -> Record:
    """Return what a file holds."""
    found: Record = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_record(path: Path, record: Record) -> None:
    """Write a file, one row a line."""
    head = {name: value for name, value in record.items() if name != "rows"}
    lines = [f"{json.dumps(name)}: {_line(value)}," for name, value in head.items()]
    rows = ",\n".join(_line(row) for row in record["rows"])
    text = "\n".join(["{", *lines, '"rows": [', rows, "]}"])
    with write_atomically(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_stale(row: Row, codes: dict[str, list[str]]) -> bool:
    """Whether the code that made a row has changed, or is not known."""
    code = row.get("code")
    return code is None or code not in codes or digest(tuple(codes[code])) != code


def machine() -> str:
    """Return where a row was made."""
    parts = (
        platform.machine(),
        f"{os.cpu_count()} cores",
        f"{torch.get_num_threads()} threads",
        f"torch {torch.__version__}",
        f"python {platform.python_version()}",
    )
    return ", ".join(parts)


def add_usual(parser: argparse.ArgumentParser, *, quick: str) -> None:
    """Add the options of every script: where rows go, and which are computed.

    Args:
        parser: The script's parser.
        quick: What a quick run is made of.
    """
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--force", action="store_true", help="compute recorded rows again, too")
    parser.add_argument(
        "--stale", action="store_true", help="compute rows again whose code has changed"
    )


class Store:
    """The rows of one table or figure.

    Args:
        path: The JSON file.
        key: Fields that name a row.
        command: What makes the whole table; None: the module that runs, since narrower runs (fewer
            seeds, sets) are part of it.
        force: Whether recorded rows are computed again.
        stale: Whether those are whose code has changed.
    """

    def __init__(
        self,
        path: Path,
        key: Sequence[str],
        command: str | None = None,
        *,
        force: bool = False,
        stale: bool = False,
    ) -> None:
        spec = sys.modules["__main__"].__spec__
        module = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem
        self.path = Path(path)
        self.key = tuple(key)
        self.command = command or f"python -m {module}"
        self.force = force
        self.stale = stale
        self.rows: dict[tuple[Any, ...], Row] = {}
        self.codes: dict[str, list[str]] = {}
        self.earlier: dict[str, Any] | None = None
        self._seen: set[tuple[Any, ...]] = set()
        self._read()

    def _read(self) -> None:
        """Take in the rows of the file, those of other runs among them."""
        if not self.path.exists():
            return
        record = read_record(self.path)
        self.rows |= {self._place(row): row for row in record["rows"]}
        self.codes |= record.get("codes", {})
        self.earlier = record.get("earlier")

    def _place(self, row: Row) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.key)

    def has(self, **key: Any) -> bool:
        """Whether a row is there and stays, and say so the first time."""
        place = self._place(key)
        row = self.rows.get(place)
        if row is None or place in self._seen:
            return row is not None
        old = is_stale(row, self.codes)
        if self.force or (self.stale and old):
            return False
        self._seen.add(place)
        how = "with code that has changed (--stale or --force computes it" if old else "(--force"
        print(f"recorded {how} again): {_spoken(key)}", flush=True)
        return True

    def get(self, **key: Any) -> Row:
        """Return a row."""
        return self.rows[self._place(key)]

    def add(self, row: Row, *, code: Iterable[object], settings: object = None) -> None:
        """Add a row and write the file.

        Args:
            row: The row, with its key.
            code: What made it: the condenser with its settings, the judge, the data set's loader,
                for :func:`benchmarks.digest.made_by`; or names that it returned.
            settings: All settings of method and judge, as text.
        """
        self._read()
        names = [name for name in code if isinstance(name, str)]
        roots = tuple(
            sorted({*names, *made_by(*(thing for thing in code if not isinstance(thing, str)))})
        )
        mark = digest(roots)
        if mark is None:
            raise LookupError(f"The code of a row is not found: {roots}.")
        clean = {name: _clean(value) for name, value in row.items()}
        clean |= {
            "code": mark,
            "settings": None if settings is None else str(settings),
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
        }
        place = self._place(clean)
        self.rows[place] = clean
        self.codes[mark] = list(roots)
        self._seen.add(place)
        self._write()
        print(_spoken(clean), flush=True)

    def _write(self) -> None:
        def order(row: Row) -> str:
            return json.dumps(self._place(row), default=str)

        used = {row.get("code") for row in self.rows.values()}
        record: Record = {
            "command": self.command,
            "codes": {mark: roots for mark, roots in self.codes.items() if mark in used},
        }
        if self.earlier is not None and None in used:
            record["earlier"] = self.earlier
        write_record(self.path, record | {"rows": sorted(self.rows.values(), key=order)})


def _spoken(row: Row) -> str:
    quiet = ("code", "settings", "date", "machine")
    return " ".join(
        f"{name}={value}"
        for name, value in row.items()
        if name not in quiet and not isinstance(value, list)
    )


def _clean(value: Any) -> Any:
    """Round for reading; JSON has no NaN."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return [_clean(entry) for entry in value] if isinstance(value, list) else value


def migrated(old: Record) -> Record:
    """Return a record of the older form in today's: its rows unchanged, their code not known."""
    earlier = {name: old[name] for name in ("date", "machine", "note") if name in old}
    rows = [row if "code" in row else {**row, "code": None} for row in old["rows"]]
    return {"command": old["command"], "codes": {}, "earlier": earlier, "rows": rows}
