"""Runs tests in a forked child, with one file changed on its way in: nothing on disk changes.

The parent has imported everything, so that a mutant costs its tests and little else: in the child a
changed function gets its new code in place. What acts at import is imported anew instead.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import os
import pkgutil
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from tests.mutation.guards import ROOT

HEAVY = (
    "torch",
    "torch_geometric",
    "torch_geometric.transforms",
    "torch_geometric.datasets",
    "scipy",
    "scipy.stats",
    "sklearn",
    "sklearn.linear_model",
    "networkx",
    "pandas",
    "optuna",
    "matplotlib",
    "hypothesis",
    "jsonargparse",
    "safetensors.torch",
    "tqdm",
    "torch.func",
)
MEMORY = 16 << 30
FUNCTIONS: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
"""(file, name, first line) -> the functions of the package that were imported."""


def preload() -> None:
    """Import what graphcond and its tests import, and let hypothesis draw the same every time."""
    for name in HEAVY:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    import hypothesis
    import torch

    hypothesis.settings.register_profile("mutation", derandomize=True, database=None)
    hypothesis.settings.load_profile("mutation")
    torch.set_num_threads(1)
    for found in pkgutil.walk_packages([str(ROOT / "graphcond")], "graphcond."):
        if "triton" not in found.name and "__main__" not in found.name:
            importlib.import_module(found.name)
    gc.collect()
    package = str(ROOT / "graphcond")
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename.startswith(package):
            code = thing.__code__
            FUNCTIONS[code.co_filename, code.co_name, code.co_firstlineno].append(thing)
    # What is here stays: a child's collector need not look at it again.
    gc.freeze()


class FirstFailure:
    """A pytest plugin that ends the process with the first test that fails.

    Args:
        answer: Receives the name of the test.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], object]) -> None:
        self.answer = answer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.answer({"code": 1, "test": report.nodeid})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.answer({"code": 2, "test": f"{report.nodeid} (collection)"})


class Reach:
    """A pytest plugin that keeps the CPU time of each test and which functions of the package it
    enters, by name: so what it found holds where code is edited or moved.

    What is entered while fixtures are made counts for every test of the file, since a fixture may
    serve them all.
    """

    def __init__(self) -> None:
        self.entered: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = defaultdict(float)
        self._seen: set[CodeType] = set()
        self._package = str(ROOT / "graphcond")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Any:
        return (yield from self._watched(item.nodeid.split("::")[0]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        start = time.process_time()
        result = yield from self._watched(item.nodeid)
        self.seconds[item.nodeid] += time.process_time() - start
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self.entered.pop(report.nodeid, None)

    def _watched(self, owner: str) -> Any:
        self._seen = set()
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            into = self.entered.setdefault(owner, set())
            inside = (code for code in self._seen if code.co_filename.startswith(self._package))
            into.update(_name(code) for code in inside)

    def _enter(self, frame: FrameType, event: str, arg: object) -> None:
        self._seen.add(frame.f_code)

    def record(self) -> dict[str, Any]:
        """Return tests with their seconds and functions, in JSON's types."""
        return {
            test: {"seconds": round(self.seconds.get(test, 0.0), 3), "entered": sorted(names)}
            for test, names in self.entered.items()
        }


def _name(code: CodeType) -> str:
    """Return a function's name with those that it is in, as mutants are named."""
    return getattr(code, "co_qualname", code.co_name).replace("<locals>.", "")


def run(
    tests: Sequence[str],
    cpu_seconds: float,
    changed: tuple[str, str] | None,
    *,
    reach: bool = False,
) -> dict[str, Any]:
    """Run tests in a child.

    Args:
        tests: Paths or node ids.
        cpu_seconds: The child is stopped after these.
        changed: Path of a file and what is imported in its place.
        reach: Whether functions are recorded instead of stopping at the first failure.

    Returns:
        ``{"code": pytest's exit code, "test": first failure, "reach": …}``; code -1 where the child
        was stopped or died.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(tests, cpu_seconds, changed, reach, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"code": -1, "test": "(time or memory)"}


def _child(
    tests: Sequence[str],
    cpu_seconds: float,
    changed: tuple[str, str] | None,
    reach: bool,
    write: int,
) -> None:
    def answer(found: dict[str, Any]) -> None:
        with os.fdopen(write, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)

    try:
        seconds = int(cpu_seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.dont_write_bytecode = True
        if changed is not None:
            _import_instead(*changed)
        entered = Reach()
        # Rewritten asserts would be read from the file, past what is imported in its place.
        words = ["-q", "-p", "no:cacheprovider", "-p", "no:benchmark", "--assert=plain"]
        plugins = [entered] if reach else [FirstFailure(answer)]
        code = int(pytest.main([*words, "-W", "ignore", *tests], plugins=plugins))
        answer({"code": code, "test": None, "reach": entered.record()})
    finally:
        os._exit(1)


def _import_instead(file: str, source: str) -> None:
    """Let what is imported from now on see a file's new source, functions that are imported too."""
    path, plain = str(ROOT / file), SourceFileLoader.get_code
    new = compile(source, path, "exec", dont_inherit=True)
    old = compile((ROOT / file).read_text(encoding="utf-8"), path, "exec", dont_inherit=True)
    pairs = list(_differing(old, new))
    functions = [FUNCTIONS.get((path, was.co_name, was.co_firstlineno), []) for was, _ in pairs]
    if pairs and all(functions):
        for (_, code), found in zip(pairs, functions):
            for function in found:
                function.__code__ = code
        return
    for name in [name for name in sys.modules if name.split(".")[0] == "graphcond"]:
        del sys.modules[name]

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        if str(Path(self.path).resolve()) == path:
            return compile(source, path, "exec", dont_inherit=True)
        return plain(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def _differing(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield the outermost functions that differ, old and new; a module or a class whose own body
    does is one, of which there is no function.
    """
    inner, other = ([c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new))
    function = bool(old.co_flags & inspect.CO_OPTIMIZED)
    if function or len(inner) != len(other):
        if _body(old, deep=True) != _body(new, deep=True):
            yield old, new
        return
    if _body(old) != _body(new):
        yield old, new
    for one, two in zip(inner, other):
        yield from _differing(one, two)


def _body(code: CodeType, *, deep: bool = False) -> tuple[object, ...]:
    """Return what a code does, wherever its lines are; with what is nested in it, or without."""
    constants = [
        (_body(each, deep=True) if deep else each.co_name)
        if isinstance(each, CodeType)
        else (type(each), repr(each))
        for each in code.co_consts
    ]
    return code.co_code, tuple(constants), code.co_names, code.co_varnames, code.co_freevars
