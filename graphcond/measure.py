"""Wall-clock seconds and peak memory of a block of code."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Measure:
    """Time a block and record the peak resident memory of the process while it ran.

    On Linux the kernel's high-water mark is reset on entry, so the peak belongs to the block.
    Elsewhere it is the process's peak so far, an upper bound.

    Attributes:
        seconds: Wall-clock seconds of the block, so far or in total.
        peak_mib: Peak resident memory in MiB, the interpreter and its libraries included.

    Example:
        >>> with Measure() as cost:
        ...     _ = sum(range(1000))
        >>> cost.seconds >= 0 and cost.peak_mib > 0
        True
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._end: float | None = None
        self.peak_mib = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since entry, or of the whole block once it has ended."""
        return (time.perf_counter() if self._end is None else self._end) - self._start

    def __enter__(self) -> Measure:
        with contextlib.suppress(
            OSError
        ):  # no such file (macOS, Windows) or not allowed: the peak is then the process's
            _CLEAR.write_text("5")
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end = time.perf_counter()
        self.peak_mib = _peak_mib()


def _peak_mib() -> float:
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
