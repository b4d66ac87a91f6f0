"""Commands that are killed, interrupted or short of disk: run again, they end as if never harmed.

Every run is a forked child of a parent that has imported everything, so that a kill costs the
work alone.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import graphcond.cli.compare
import graphcond.cli.condense
import graphcond.cli.main as command_line
import graphcond.cli.search
import graphcond.evaluation.judge
from benchmarks.faults.outcome import Tally
from graphcond import condensers
from graphcond.cli import parsing
from graphcond.evaluation import evaluate_node
from graphcond.training import ClassifierTraining

_KILLED = 137
_CRASHED = 99
_HUNG = 124
_SECONDS = 600
_EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.mkdir")
_CLOCKED = (b"seconds", b"peak_mib", b"pays_from")
_UNLIKE = (".png", ".journal", ".csv")
"""Files that hold times in between: a picture of them, the search's log and its table."""


@dataclass(frozen=True, kw_only=True)
class Quick(condensers.GCondX):  # type: ignore[misc]  # final; only its defaults differ
    """A condenser that writes checkpoints and ends soon."""

    num_seeds: int = 3
    steps: int = 4


COMMANDS = {
    "condense": (
        "condense", "karate", "--method", f"{__name__}.Quick", "--num_nodes", "4",
        "--judge", "false",
    ),
    "compare": (
        "compare", "karate", "--methods", f"{__name__}.Quick,herding", "--num_nodes", "4",
        "--seeds", "1", "--candidates", "0",
    ),
    "search": ("search", "karate", "--trials", "3", "--top", "1", "--epochs", "2"),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What happens to a run.

    Args:
        name: What it is, as records name it.
        operation: Number of the file operation where it happens; 0: none.
        full: Whether that operation and all later ones find the disk full, instead of a kill.
        sent: The signal that is sent; 0: none.
        after: Seconds after which it is sent.
        more: Seconds after which later runs of the same command are sent it, too, one each.
        size: Bytes beyond which no file can grow; 0: no limit.
        twin: Whether the same command runs beside it.
    """

    name: str
    operation: int = 0
    full: bool = False
    sent: int = 0
    after: float = 0.0
    more: tuple[float, ...] = ()
    size: int = 0
    twin: bool = False


UNHARMED = Fault("none")
KINDS = (
    "kill at a file operation",
    "kill at a random time",
    "SIGTERM at a random time",
    "Ctrl-C at a random time",
    "disk full from a file operation on",
    "no file may grow beyond a size",
    "two processes on one --out",
    "four kills at random times, a run each",
)


def try_kills(kind: str, command: str, numbers: range, seed: int = 0) -> Tally:
    """Harm a command, run it again, and compare with a run that was not harmed.

    Args:
        kind: One of ``KINDS``.
        command: A key of ``COMMANDS``.
        numbers: Which tries: the number of the file operation, or of the seeded accident.
        seed: Seed of the accidents.

    Returns:
        ``right`` where the second run left the same bytes as an unharmed one, and nothing more.
        Tries whose fault came too late, after the run's end, are not counted.
    """
    _warm()
    tally = Tally()
    with tempfile.TemporaryDirectory() as root:
        whole = Path(root) / "unharmed"
        begun = time.perf_counter()
        want = _ended(whole, command, _call(whole, command, UNHARMED))
        seconds = time.perf_counter() - begun
        for number in numbers:
            stream = random.Random(f"{seed} {kind} {command} {number}")
            fault = _fault(kind, number, stream, seconds)
            folder = Path(root) / f"harmed-{number}" / "out"
            folder.parent.mkdir()
            status, told = _call(folder, command, fault)
            if fault.operation and status == 0:
                tally.ended = True  # unharmed: there are no further operations
                break
            if fault.sent and status == 0:
                shutil.rmtree(folder.parent)
                continue
            tally.kills += _was_killed(status)
            for after in fault.more:
                again, _ = _call(folder, command, replace(fault, after=after))
                tally.kills += _was_killed(again)
            judge_end(tally, fault, status, told, folder, command, want)
            shutil.rmtree(folder.parent)
    return tally


def judge_end(
    tally: Tally,
    fault: Fault,
    status: int,
    told: str,
    folder: Path,
    command: str,
    want: dict[str, bytes],
) -> None:
    """Count how a harmed run and the run after it ended.

    Args:
        tally: Where it is counted.
        fault: What befell it.
        status: Its exit status.
        told: The last of its words.
        folder: Its output folder.
        command: A key of ``COMMANDS``.
        want: What an unharmed run leaves.
    """
    story = f"{command}, {fault}"
    if status not in (0, 2, 130, 143, _KILLED, -signal.SIGKILL, -signal.SIGTERM):
        tally.note("wrong", f"status {status}", f"{story}: {told}")
        return
    if "Traceback" in told:
        tally.note("wrong", f"a traceback at status {status}", f"{story}: {told}")
        return
    got = _ended(folder, command, _call(folder, command, UNHARMED))
    odd = sorted(name for name in {*got, *want} if got.get(name) != want.get(name))
    if not odd:
        tally.note("right")
        return
    ended = got.get("status", b"0").decode()
    tally.note("wrong", f"another end: {odd}", f"{story}, then {ended}")


def _fault(kind: str, number: int, stream: random.Random, seconds: float) -> Fault:
    late = stream.uniform(0.0, seconds)
    if kind == KINDS[0]:
        return Fault(kind, operation=number + 1)
    if kind == KINDS[1]:
        return Fault(kind, sent=signal.SIGKILL, after=late)
    if kind == KINDS[2]:
        return Fault(kind, sent=signal.SIGTERM, after=late)
    if kind == KINDS[3]:
        return Fault(kind, sent=signal.SIGINT, after=late)
    if kind == KINDS[4]:
        return Fault(kind, operation=number + 1, full=True)
    if kind == KINDS[5]:
        return Fault(kind, size=stream.randrange(1024, 16_384))
    if kind == KINDS[6]:
        return Fault(kind, twin=True, after=late / 4)
    more = tuple(stream.uniform(0.0, seconds) for _ in range(3))
    return Fault(kind, sent=signal.SIGKILL, after=late, more=more)


def _was_killed(status: int) -> bool:
    return status in (_KILLED, -signal.SIGKILL)


@functools.cache
def _warm() -> None:
    """Make children cheap: one parser for all, a judge that trains shortly."""
    parser = parsing.parser()
    parsing.parser = lambda: parser

    short = functools.partial(evaluate_node, recipe=ClassifierTraining(epochs=2))
    graphcond.evaluation.judge.evaluate_node = short  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(None):
        for command in COMMANDS:
            _here(Path(root) / command, command)


def _here(folder: Path, command: str) -> int:
    return command_line.main([*COMMANDS[command], "--out", str(folder)])


def _ended(folder: Path, command: str, end: tuple[int, str]) -> dict[str, bytes]:
    """Return all files of a folder; of text, without the lines that a clock or a meter wrote."""
    status, told = end
    if status != 0:
        return {"status": f"{status} {told}".encode()}
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes().replace(str(folder).encode(), b"OUT")
        if path.suffix in (".json", ".jsonl"):
            lines = content.split(b"\n")
            content = b"\n".join(
                line for line in lines if not any(word in line for word in _CLOCKED)
            )
        if path.suffix in _UNLIKE:
            content = b"there"
        found[path.name] = content
    return found


def _call(folder: Path, command: str, fault: Fault) -> tuple[int, str]:
    """Run a command in a child process that a fault befalls; return its status and its words."""
    told = folder.parent / f"{folder.name}.log"
    child = _start(folder, command, fault, told)
    twin = None
    if fault.twin:
        time.sleep(fault.after)
        twin = _start(folder, command, UNHARMED, folder.parent / f"{folder.name}.twin")
    if fault.sent:
        time.sleep(fault.after)
        os.kill(child, fault.sent)
    status = _wait(child)
    if twin is not None:
        status = max(status, _wait(twin), key=lambda each: abs(each) not in (0, 2))
    return status, told.read_text(encoding="utf-8")[-600:]


def _wait(child: int) -> int:
    """Return the exit status of a process, -9 after SIGKILL; one that hangs is ended."""
    late = time.monotonic() + _SECONDS
    while time.monotonic() < late:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _HUNG


def _start(folder: Path, command: str, fault: Fault, told: Path) -> int:
    told.touch()
    child = os.fork()
    if child:
        return child
    status = _CRASHED
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it
        # tqdm's own lock is one for all forked processes, and a killed one never gives it back
        tqdm.set_lock(threading.RLock())
        with told.open("w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        if fault.size:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.size, fault.size))
        if fault.operation:
            sys.addaudithook(_harming(str(folder), fault))
        status = _here(folder, command)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else _CRASHED
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _harming(folder: str, fault: Fault) -> Callable[[str, tuple[Any, ...]], None]:
    count = 0

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in _EVENTS or not isinstance(arguments[0], (str, os.PathLike)):
            return
        place = os.path.abspath(arguments[0])
        if place != folder and not place.startswith(folder + os.sep):
            return
        if fault.full and not _takes_space(event, arguments):
            return
        count += 1
        if count < fault.operation:
            return
        if fault.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)
        os._exit(_KILLED)

    return listen


def _takes_space(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an operation needs room on the disk."""
    if event == "os.mkdir":
        return True
    if event != "open":
        return False
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wxa+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
