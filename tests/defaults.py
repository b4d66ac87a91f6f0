"""What a user gets who names nothing, written down twice: in the code and in ``defaults.txt``.

A default decides results as much as a formula does, so that changing one is a change of two files.
``python -m tests.defaults`` writes the second anew; read its diff.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import graphcond

WRITTEN = Path(__file__).with_name("defaults.txt")
PACKAGE = Path(graphcond.__file__).parent
LEFT_OUT = ("graphcond.cli", "graphcond.testing", "graphcond.sparse.backends")
"""The command line's defaults are in its help; kernels and test helpers decide no result."""


def defaults() -> list[str]:
    """Return a line for every constant and every default of a function, method or class, sorted."""
    return sorted(line for module in _modules() for line in _of_module(module))


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(graphcond.__path__, "graphcond."):
        if not found.name.startswith(LEFT_OUT):
            yield importlib.import_module(found.name)


def _of_module(module: ModuleType) -> Iterator[str]:
    start = module.__name__.removeprefix("graphcond.")
    for name in _constants(module):
        value = getattr(module, name)
        several = value if isinstance(value, tuple) else (value,)
        if all(
            isinstance(each, (int, float)) or dataclasses.is_dataclass(each) for each in several
        ):
            yield f"{start}.{name} = {_shown(value)}"
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield from _of_call(f"{start}.{name}", value)
        elif inspect.isclass(value):
            yield from _of_class(f"{start}.{name}", value)


def _constants(module: ModuleType) -> Iterator[str]:
    """Yield the names in capitals that a module sets itself."""
    for statement in ast.parse(inspect.getsource(module)).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name) and target.id.isupper():
                yield target.id


def _of_class(place: str, kind: type) -> Iterator[str]:
    own = vars(kind).get("__annotations__", {})
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    for field in fields:
        if field.name not in own:
            continue
        if field.default is not dataclasses.MISSING:
            yield f"{place}.{field.name} = {_shown(field.default)}"
        elif field.default_factory is not dataclasses.MISSING:
            yield f"{place}.{field.name} = {_shown(field.default_factory())}"
    names = {field.name for field in fields}
    for name, value in vars(kind).items():
        plain = isinstance(value, (bool, int, float, str))
        # What typing puts into a protocol, `_is_protocol` and the like, depends on the Python.
        if plain and not name.startswith(("__", "_is_")) and name not in names:
            yield f"{place}.{name} = {_shown(value)}"
        call = getattr(value, "__func__", value)
        made = dataclasses.is_dataclass(kind) and name == "__init__"
        if inspect.isfunction(call) and _is_ours(call) and not made:
            yield from _of_call(f"{place}.{name}", call)


def _is_ours(call: Callable[..., Any]) -> bool:
    """Whether a function stands in the package: PyG writes `propagate` while layers are made."""
    return call.__name__ == "__new__" or Path(
        inspect.unwrap(call).__code__.co_filename
    ).is_relative_to(PACKAGE)


def _of_call(place: str, call: Callable[..., Any]) -> Iterator[str]:
    for parameter in inspect.signature(call).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            yield f"{place}({parameter.name}) = {_shown(parameter.default)}"


def _shown(value: object) -> str:
    """Return a value's text, without addresses."""
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__qualname__
    return repr(value)


if __name__ == "__main__":
    WRITTEN.write_text("\n".join(defaults()) + "\n", encoding="utf-8")
