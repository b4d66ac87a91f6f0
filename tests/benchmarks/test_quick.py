"""Every script of the benchmarks is known, and a quick run of it ends well."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.quick import INSTEAD, ROOT, command, scripts

SCRIPTS = scripts()
INDEX = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_scripts_are_found_by_what_they_do() -> None:
    assert {"benchmarks.device", "benchmarks.floor", "benchmarks.node.table2"} <= set(SCRIPTS)
    assert not {"benchmarks.store", "benchmarks.quick", "benchmarks.node.setting"} & set(SCRIPTS)
    assert set(INSTEAD) <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_index_names_every_script(script: str) -> None:
    last = script.rpartition(".")[2]
    assert f"`python -m {script}`" in INDEX or f"`…{last}`" in INDEX


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_quick_run_ends_well(script: str, tmp_path: Path) -> None:
    words = command(script, str(tmp_path))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
