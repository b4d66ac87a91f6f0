"""Write the README's tables from the committed records: ``python -m benchmarks.readme`` (``--check`` only compares)."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from graphcond.evaluation import format_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def record(name: str) -> dict[str, Any]:
    """Return one committed JSON record."""
    content: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return content


def table(name: str, columns: Sequence[str], keep: Callable[[dict[str, Any]], bool] = lambda row: True) -> str:
    """Return rows of a record as a Markdown table under the command that wrote it."""
    content = record(name)
    rows = [row for row in content["rows"] if keep(row)]
    return f"`{content['command']}` → `benchmarks/results/{name}` ({content['date']})\n\n{format_table(rows, columns)}"


SECTIONS: dict[str, Callable[[], str]] = {}


def render(text: str) -> str:
    """Return the README with every section between its markers written anew."""
    for name, section in SECTIONS.items():
        begin, end = f"<!-- begin:{name} -->", f"<!-- end:{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no markers {begin} … {end}")
        content = f"{begin}\n{section()}\n{end}"
        text = pattern.sub(lambda _, content=content: content, text)
    return text


def main() -> None:
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--check", action="store_true", help="exit with 1 if README.md differs from the records")
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = render(old)
    if command.parse_args().check:
        sys.exit("README.md is not what the records say: run python -m benchmarks.readme" if new != old else 0)
    path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
