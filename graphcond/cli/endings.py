"""How ``graphcond search`` ends early: one line that says how to go on."""

from __future__ import annotations

import dataclasses
import shlex
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphcond.cli.options import Search

INTERRUPTED = 130
TERMINATED = 143
"""Exit statuses after Ctrl-C and SIGTERM, as shells give them."""


@contextmanager
def interruptible(options: Search) -> Iterator[None]:
    """End Ctrl-C and SIGTERM in one line that says how to go on.

    Args:
        options: The command that is running.

    Yields:
        Nothing.

    Raises:
        SystemExit: With status 130 after Ctrl-C, 143 after SIGTERM.
    """
    before = _handle(_terminate)
    try:
        yield
    except KeyboardInterrupt:
        print(_farewell(options), file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except _TerminatedError:
        print(_farewell(options), file=sys.stderr)
        raise SystemExit(TERMINATED) from None
    finally:
        _handle(before)


class _TerminatedError(BaseException):
    """SIGTERM; like Ctrl-C it gives the running trial back."""


def _terminate(number: int, frame: Any) -> None:
    raise _TerminatedError


def _handle(handler: Any) -> Any:
    """Set what SIGTERM does and return what it did; only the main thread may."""
    try:
        return signal.signal(signal.SIGTERM, handler)
    except ValueError:
        return None


def _farewell(options: Search) -> str:
    if options.out is None and options.storage is None:
        return "graphcond: interrupted; nothing was kept. With --out or --storage a search goes on."
    words = ["graphcond", "search", options.subject]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name == "subject":
            continue
        if value is True:
            words += [f"--{field.name}", "true"]
        elif value != field.default:
            words += [f"--{field.name}", str(value)]
    return f"graphcond: interrupted; go on with: {shlex.join(words)}"


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print what the library warns of as lines, without the place in its code."""

    def show(message: Any, *place: Any, **more: Any) -> None:
        print(f"graphcond: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
