"""The README tells the truth: its programs run, its commands are CI's, its tables are the committed
benchmark records.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from graphcond.cli.parsing import COMMANDS, parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    found = re.search(rf"<!-- example:{name} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no example {name}"
    return found.group(1)


SMALLER = {
    'load("digits")': 'load("karate")',
    "num_classes=10": "num_classes=2",
    "ratio=0.05": "num_nodes=4",
}
"""The program on digits takes minutes; on the karate club the same lines take seconds."""


@pytest.mark.parametrize("name", ["interactions", "nodes"])
def test_both_programs_run(name: str, tmp_path: Path) -> None:
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = example(name)
    for long, short in SMALLER.items() if name == "nodes" else ():
        assert long in program
        program = program.replace(long, short)
    words = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(
        words, cwd=tmp_path, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert ("ndcg@10" if name == "interactions" else "spearman_loss") in done.stdout


@pytest.mark.parametrize("name", ["condense", "tests"])
def test_the_two_commands_are_single_lines_that_ci_runs(name: str) -> None:
    found = re.search(rf"<!-- command:{name} -->\n```sh\n([^\n]+)\n```", README)
    assert found, f"README has no command {name}"
    assert "-c .ci/constraints.txt" in found.group(1)
    assert f"readme_command {name}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_graphcond_command_line_parses() -> None:
    lines = [
        line for line in re.findall(r"^graphcond [^\n`]+", README, re.MULTILINE) if "…" not in line
    ]
    assert {line.split()[1] for line in lines} == set(COMMANDS)
    for line in lines:
        parser().parse_args(shlex.split(line, comments=True)[1:])


def test_tables_are_the_committed_records() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.readme", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_paths_that_readme_names_exist() -> None:
    for path in re.findall(r"`(benchmarks/[\w/.-]+)`", README):
        assert (ROOT / path).exists(), path
