"""Which code made a row: a digest of the definitions that it can reach.

The digest is blind to what cannot change a number: file moves, imports, comments, docstrings,
annotations, error messages, the names of local variables. Any other change of a definition that a
row's method, judge or data use, through any number of calls, makes the row stale.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from benchmarks.plain_code import names_in, normalise, text_of

ROOT = Path(__file__).parent.parent
PACKAGES = ("graphcond", "benchmarks")
READERS = tuple(
    f"graphcond.data.{name}"
    for name in (
        "card",
        "citation",
        "columns",
        "convert",
        "embedded",
        "frames",
        "ids",
        "lightgcn",
        "loading",
        "ogb",
        "pixels",
        "raw",
        "recbole",
        "recommendation",
        "records",
        "tables",
        "times",
    )
)
"""Modules that read files. Rows carry a digest of the data that came out, in ``data``."""
OUTSIDE = (
    *READERS,
    "graphcond.cli",
    "graphcond.data.atomic",
    "graphcond.data.checkpoint",
    "graphcond.data.checks",
    "graphcond.data.packed",
    "graphcond.data.pair_checks",
    "graphcond.data.store",
    "graphcond.errors",
    "graphcond.evaluation.table",
    "graphcond.measure",
    "graphcond.typing",
    "benchmarks.digest",
    "benchmarks.plain_code",
    "benchmarks.readme",
    "benchmarks.store",
    "benchmarks.tables",
)
"""Modules that check, keep or report, and make no number of a result."""
_OUTSIDE = tuple(f"{name}." for name in OUTSIDE)


class Place(NamedTuple):
    """A top-level definition."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Module:
    """What a file defines and what it imports.

    Attributes:
        definitions: Name to the statements that define it; ``""`` holds the other statements.
        imports: Local name to a module, or to a name in one.
    """

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, Place]


@cache
def module(name: str) -> Module | None:
    """Return a module of this repository, None if there is none of that name."""
    if name.split(".")[0] not in PACKAGES or f"{name}.".startswith(_OUTSIDE):
        return None
    path = ROOT / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.exists():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = dict(_imports(tree))
    definitions: dict[str, list[ast.stmt]] = {}
    for statement in normalise(tree).body:
        for defined in _defined(statement):
            definitions.setdefault(defined, []).append(statement)
    return Module(definitions, imports)


def _imports(tree: ast.AST) -> Iterator[tuple[str, Place]]:
    """Yield what each import binds, those inside functions among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, Place(node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or bound, Place(bound, "")


def _defined(statement: ast.stmt) -> list[str]:
    """Return the names that a top-level statement defines, ``""`` for none."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        # `_` is the usual name of what only its decorator registers.
        return ["" if statement.name == "_" else statement.name]
    if isinstance(statement, ast.Assign):
        names = [
            node.id
            for target in statement.targets
            for node in ast.walk(target)
            if isinstance(node, ast.Name)
        ]
        return [] if names == ["__all__"] else names
    if isinstance(statement, ast.If) and "__name__" in names_in(statement.test):
        return []
    if isinstance(statement, ast.If | ast.Try | ast.With):
        inner = [name for part in statement.body for name in _defined(part)]
        return list(dict.fromkeys(inner or [""]))
    return [""]


def resolve(where: str, name: str) -> Place | None:
    """Return where a name that a module can see is defined; ``Place(module, "")`` for a module."""
    found = module(where)
    if found is None:
        return None
    if name in found.definitions:
        return Place(where, name)
    target = found.imports.get(name)
    if target is None:
        below = f"{where}.{name}"
        return Place(below, "") if module(below) else None
    if not target.name:
        return target if module(target.module) else None
    return resolve(target.module, target.name)


def _uses(where: str, statement: ast.stmt) -> Iterator[Place]:
    """Yield the definitions that a statement names."""
    attributes = {
        id(node.value): node.attr
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    for node in ast.walk(statement):
        if not isinstance(node, ast.Name):
            continue
        place = resolve(where, node.id)
        if place is None or place.name.startswith("__"):
            continue
        if place.name:
            yield place
        elif id(node) in attributes:
            inner = resolve(place.module, attributes[id(node)])
            if inner is not None and inner.name:
                yield inner
        else:
            # A module that is handed on as a value: all that it offers may be used.
            whole = module(place.module)
            names = (*whole.definitions, *whole.imports) if whole else ()
            offers = (resolve(place.module, name) for name in names if name)
            yield from (each for each in offers if each is not None and each.name)


def closure(names: Iterable[str]) -> dict[Place, list[ast.stmt]]:
    """Return every definition that the named ones can reach, themselves among them.

    Raises:
        LookupError: If a name is not defined any more.
    """
    left = [_find(name) for name in names]
    found: dict[Place, list[ast.stmt]] = {}
    while left:
        place = left.pop()
        if place in found:
            continue
        definitions = module(place.module).definitions  # type: ignore[union-attr]
        found[place] = definitions.get(place.name, [])
        for statement in found[place]:
            left += _uses(place.module, statement)
        left.append(Place(place.module, ""))
    return found


def _find(name: str) -> Place:
    where, _, last = name.rpartition(".")
    place = resolve(where, last)
    if place is None or not place.name:
        raise LookupError(f"{name} is not defined any more.")
    return place


@cache
def digest(names: tuple[str, ...]) -> str | None:
    """Return the digest of all that the named definitions reach, None if one is gone."""
    try:
        found = closure(names)
    except LookupError:
        return None
    texts = sorted({text_of(statement) for body in found.values() for statement in body})
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def made_by(*things: object) -> tuple[str, ...]:
    """Return the names of the definitions behind objects, for :func:`digest`.

    Args:
        *things: Functions, classes, partials, frozen dataclasses with their fields, containers of
            such; all else, data and numbers, is passed over.

    Returns:
        Public names, sorted.
    """
    found: set[str] = set()
    for thing in things:
        found |= set(_named(thing))
    return tuple(sorted(found))


def _named(thing: object) -> Iterator[str]:
    if isinstance(thing, partial):
        yield from _named((thing.func, thing.args, thing.keywords))
    elif isinstance(thing, dict):
        yield from _named(tuple(thing.values()))
    elif isinstance(thing, Sequence | set | frozenset) and not isinstance(thing, str | bytes):
        for each in thing:
            yield from _named(each)
    elif isinstance(thing, type) or (callable(thing) and hasattr(thing, "__qualname__")):
        yield from _public(str(thing.__module__), thing.__qualname__.split(".")[0])
    elif not isinstance(thing, ModuleType):
        kind = type(thing)
        yield from _public(kind.__module__, kind.__qualname__)
        if dataclasses.is_dataclass(thing):
            values = (getattr(thing, field.name, None) for field in dataclasses.fields(thing))
            yield from _named(tuple(values))


def _public(where: str, name: str) -> Iterator[str]:
    """Yield the shortest name under which a definition is offered."""
    if where == "__main__":
        import __main__

        where = getattr(__main__.__spec__, "name", where).removesuffix(".__main__")
    place = resolve(where, name) if where.split(".")[0] in PACKAGES else None
    if place is None:
        return
    parts = place.module.split(".")
    for length in range(1, len(parts) + 1):
        parent = ".".join(parts[:length])
        if resolve(parent, name) == place:
            yield f"{parent}.{name}"
            return
