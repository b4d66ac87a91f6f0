"""No default and no constant changes by the way."""

from __future__ import annotations

from tests.defaults import WRITTEN, defaults

CURE = "Where that is meant, run `python -m tests.defaults` and read the diff."


def test_defaults_and_constants_are_those_written_down():
    written = WRITTEN.read_text(encoding="utf-8").splitlines()
    found = defaults()
    new = [line for line in found if line not in written]
    gone = [line for line in written if line not in found]
    assert (new, gone) == ([], []), CURE
