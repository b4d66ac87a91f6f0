"""Show that every script runs: each one with ``--quick``, in a process and a folder of its own.

``python -m benchmarks.quick`` takes minutes; names of scripts run those alone. CPU seconds are told
beside those of the clock: on a machine with other work only they say what a script takes.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NO_TABLE = ("benchmarks.quick", "benchmarks.readme")
"""What runs, or writes the pages of, the others."""

INSTEAD = {
    "benchmarks.faults": "--count 2 --inputs 1 --faults 1 --kills 1 --minutes 0.5 --out {out}",
    "benchmarks.kernels": (
        "--graphs reddit --share 0.002 --widths 8 --seconds 0.05 --out {out}/kernels.json"
    ),
    "benchmarks.reinforce": "--trials 3 --seeds 1",
}
"""Options of the scripts that have no ``--quick``."""


def scripts() -> list[str]:
    """Return the modules that can be run, sorted."""
    found = []
    for path in (ROOT / "benchmarks").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__main__":
            found.append(".".join(parts[:-1]))
        elif _runs(path):
            found.append(".".join(parts))
    return sorted(set(found) - set(NO_TABLE))


def _runs(path: Path) -> bool:
    """Whether a file does something when it is run."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            return True
    return False


def command(script: str, out: str) -> list[str]:
    """Return the words that run a script quickly and write into a folder.

    Args:
        script: Its module.
        out: The folder.
    """
    options = INSTEAD.get(script, "--quick --out {out}")
    return [sys.executable, "-m", script, *options.format(out=out).split()]


def _cpu_seconds() -> float:
    """Return the CPU seconds of all scripts so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def main() -> int:
    """Run them, and return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    known = scripts()
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(known)}")
    parser.add_argument("--seconds", type=float, default=600, help="most time for one script")
    options = parser.parse_args()
    failed = 0
    # Later scripts read what earlier ones recorded, pictures for example.
    with tempfile.TemporaryDirectory() as out:
        for script in options.scripts or known:
            start = time.perf_counter()
            start_cpu = _cpu_seconds()
            try:
                done = subprocess.run(
                    command(script, out),
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    timeout=options.seconds,
                    check=False,
                )
                told = done.stderr[-2000:] if done.returncode else ""
            except subprocess.TimeoutExpired:
                told = f"still running after {options.seconds:.0f} s"
            failed += bool(told)
            mark = "FAILED" if told else "ok"
            taken = f"{time.perf_counter() - start:7.1f} s,{_cpu_seconds() - start_cpu:7.1f} CPU s"
            print(f"{mark:7}{script:40}{taken}", flush=True)
            if told:
                print(told, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
