"""The command: every section runs in a process of its own, within its time, and leaves its rows."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.device.rows import Row, Rows, machine, write

ROOT = Path(__file__).parents[2]

# Seconds a section may take, on a GPU (measured: 160 in all) and in the quick form.
SECTIONS = {"kernels": (60, 20), "condensers": (75, 30), "tests": (80, 60)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="a folder")
    parser.add_argument("--quick", action="store_true", help="small sizes, for CI on a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--section", choices=list(SECTIONS), help="run this one here, and only it")
    parser.add_argument("--seconds", type=float, help="time for each section")
    return parser.parse_args()


def main() -> None:
    """Run the sections one after another; a fault or a time-out in one leaves the others alone."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(options.out / "device.jsonl")
    if options.section:
        _section(options, rows)
        return
    rows.path.unlink(missing_ok=True)
    for name in options.sections:
        limit = options.seconds or SECTIONS[name][1 if options.quick else 0]
        _in_a_process(name, limit, options, rows)
        _finish(options, rows)
    failures = list(faults(rows.read()))
    if failures:
        raise SystemExit("\n".join(["These rows failed:", *failures]))


def faults(rows: list[Row]) -> Iterator[str]:
    """Yield what went wrong on our side; a rival that cannot do something is a result."""
    for row in rows:
        rival = "method" in row and row["section"] == "kernels" and "graphcond" not in row["method"]
        wrong = "error" in row or row.get("right") is False or row.get("exit", 0) != 0
        if wrong and not rival:
            facts = ("section", "test", "graph", "op", "width", "method", "device", "exit", "error")
            yield ", ".join(f"{name}={row[name]}" for name in facts if name in row)[:500]


def _finish(options: argparse.Namespace, rows: Rows) -> None:
    command = "python -m benchmarks.device" + (" --quick" if options.quick else "")
    found = machine(torch.device(options.device))
    write(options.out / "device.json", command, found, rows.read())


def _in_a_process(name: str, limit: float, options: argparse.Namespace, rows: Rows) -> None:
    command = [sys.executable, "-u", "-m", "benchmarks.device", "--section", name]
    command += ["--out", str(options.out), "--device", options.device, "--seconds", str(limit)]
    command += ["--quick"] if options.quick else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Long runs of small kernels wait for the host: its threads must not wait for one another.
    environment.setdefault("OMP_NUM_THREADS", "4")
    start = time.perf_counter()
    with rows.guarded(section=name, row="section") as row:
        # A process group of its own, so that workers end with it.
        child = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        try:
            row["exit"] = child.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            row["exit"] = "time is up"
            os.killpg(child.pid, 9)
            child.wait()
        finally:
            row["seconds"] = time.perf_counter() - start


def _section(options: argparse.Namespace, rows: Rows) -> None:
    device = torch.device(options.device)
    if options.section == "kernels":
        from benchmarks.device.kernels import run as kernels

        kernels(device, options.quick, rows)
    elif options.section == "condensers":
        from benchmarks.device.condensations import run as condensations

        condensations(device, options.quick, rows)
    else:
        from benchmarks.device.tests import run as tests

        tests(device, options.quick, rows)


if __name__ == "__main__":
    main()
