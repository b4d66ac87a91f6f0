"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real data sets; tests that need them skip without it."""
    folder = os.environ.get("GRAPHCOND_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("GRAPHCOND_DATA names no folder with the real data sets")
    return Path(folder)


@pytest.fixture
def tmp_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A writable root for raw files, with the cache beside it and no other place to look."""
    monkeypatch.delenv("GRAPHCOND_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    root.mkdir()
    return root
