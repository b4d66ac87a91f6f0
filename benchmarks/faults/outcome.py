"""What came of a try, and how tries are counted."""

from __future__ import annotations

import contextlib
import resource
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphcond.errors import GraphcondError

_SECONDS = 60
_MEMORY = 2 * 2**30


@dataclass
class Tally:
    """How many tries ended how.

    Attributes:
        ends: Counts of ``right``, ``refused`` and ``wrong``.
        wrong: What went wrong, once for each kind of error.
        ended: Whether there is nothing further of the kind to try.
        kills: How many runs were killed for it; a try can kill several.
    """

    ends: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    kills: int = 0

    def note(self, end: str, kind: str = "", story: str = "") -> None:
        """Count one try."""
        self.ends[end] += 1
        if end == "wrong":
            self.wrong.setdefault(kind, story)

    def row(self) -> dict[str, Any]:
        """Return the counts as a row of a record."""
        counts = {name: self.ends[name] for name in ("right", "refused", "wrong")}
        kills = {"kills": self.kills} if self.kills else {}
        return {"tried": sum(counts.values()), **counts, **kills}


def attempt(tally: Tally, story: str, call: Callable[[], object]) -> None:
    """Run one try within limits of time and memory and count its end.

    Args:
        tally: Where it is counted.
        story: What is tried, to find it again.
        call: Returns normally if the result is right, raises ``AssertionError`` if it is not, and
            anything else as the library does. Only a ``GraphcondError`` is a documented error.
    """
    try:
        with _limits(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
        tally.note("right")
    except GraphcondError:
        tally.note("refused")
    except Exception as error:  # every other error is the finding
        where = _place(error)
        tally.note("wrong", f"{type(error).__name__} at {where}", f"{story}: {error}"[:400])


def _place(error: BaseException) -> str:
    place, trace = "?", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "graphcond" in name and "benchmarks" not in name:
            place = f"{Path(name).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Turn a hang into ``TimeoutError`` and a memory bomb into ``MemoryError``."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {_SECONDS} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY, hard))
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
