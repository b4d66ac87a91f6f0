"""The tutorials run as they are printed: their files, programs and commands, from top to bottom."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from graphcond.cli.main import main

FOLDER = Path(__file__).parent.parent / ".docs" / "tutorials"
PAGES = sorted(FOLDER.glob("*.md"))
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(python|sh)\n(.*?)```", re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, from which modules can be imported while the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - loaded:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


def run_command(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "pytest":
        status = pytest.main([*words, "-p", "no:cacheprovider", "-c", "/dev/null"])
    else:
        assert program == "graphcond", line
        status = main(words)
    assert status == 0, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore")
def test_tutorials_run(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "tutorial"}
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for file, language, text in blocks:
        if file:
            (folder / file).write_text(text, encoding="utf-8")
            importlib.invalidate_caches()
        elif language == "python":
            exec(compile(text, f"{page.name}", "exec"), names)
        else:
            for line in text.splitlines():
                run_command(line)


def test_every_tutorial_is_named_where_people_look() -> None:
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    assert PAGES
    for page in PAGES:
        assert f".docs/tutorials/{page.name}" in readme
