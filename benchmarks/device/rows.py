"""Rows that survive a time-out: one JSON object a line, written as it is found."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import platform
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.digest import digest, made_by
from benchmarks.store import write_record
from graphcond.sparse import sddmm, spmm

Row = dict[str, Any]


class Rows:
    """A file of rows in the making.

    Args:
        path: The file; rows are added to what it holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: Row) -> None:
        """Write a row to the disk and show it."""
        line = json.dumps({key: _clean(value) for key, value in row.items()}, default=str)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(line[:400], flush=True)

    @contextlib.contextmanager
    def guarded(self, **facts: Any) -> Iterator[Row]:
        """Give a row to fill; an exception becomes its message, and the next row has its turn."""
        row: Row = dict(facts)
        try:
            yield row
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs into the record
            row["error"] = f"{type(error).__name__}: {error}"[:600]
            row["trace"] = without_paths(traceback.format_exc())[-1500:]
        self.add(row)

    def read(self) -> list[Row]:
        """Return all rows so far."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


def without_paths(text: str) -> str:
    """Return a traceback with folders of this machine left out."""
    return re.sub(r"(?:/[\w.+-]+)+/(?=(?:graphcond|benchmarks|tests|site-packages)/)", "", text)


def _clean(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def machine(device: torch.device) -> Row:
    """Return what the figures were measured on."""
    found: Row = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }
    if device.type == "cuda":
        import importlib.metadata

        properties = torch.cuda.get_device_properties(device)
        found["gpu"] = properties.name
        found["gpu_gib"] = round(properties.total_memory / 2**30, 1)
        found["multiprocessors"] = properties.multi_processor_count
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found["triton"] = importlib.metadata.version("triton")
    return found


def write(path: Path, command: str, found: Row, rows: list[Row]) -> None:
    """Write the JSON: the machine and the code above, one row a line below."""
    codes: dict[str, list[str]] = {}
    for row in rows:
        roots = _roots(row)
        row["code"] = digest(roots)
        row["date"] = found["date"]
        if row["code"] is not None:
            codes[row["code"]] = list(roots)
    write_record(path, {"command": command, "machine": found, "codes": codes, "rows": rows})


def _roots(row: Row) -> tuple[str, ...]:
    """Return the definitions that made a row."""
    if row["section"] == "condensers" and "method" in row:
        return (f"graphcond.condensers.{row['method'].split(',')[0]}",)
    return made_by(sddmm, spmm)
