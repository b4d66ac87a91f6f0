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
    "graphcond.data.checkpoint",
    "graphcond.data.checks",
    "graphcond.data.store",
    "graphcond.errors",
    "graphcond.evaluation.table",
    "graphcond.measure",
    "graphcond.typing",
    "benchmarks.digest",
    "benchmarks.readme",
    "benchmarks.store",
    "benchmarks.tables",
)
"""Modules that check, keep or report, and make no number of a result."""
_OUTSIDE = tuple(f"{name}." for name in OUTSIDE)
SPOKEN = ("require", "warn")
"""Calls that only speak to the user."""


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
    for statement in _normalise(tree).body:
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
    if isinstance(statement, ast.If) and "__name__" in _names(statement.test):
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
    texts = sorted({_text(statement) for body in found.values() for statement in body})
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _text(node: object) -> str:
    """Return a syntax tree as text that does not depend on the version of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    skipped = ("ctx", "kind", "type_comment", "type_params")
    parts = ((field, getattr(node, field, None)) for field in node._fields if field not in skipped)
    inner = (f"{field}={_text(value)}" for field, value in parts if value not in (None, []))
    return f"{type(node).__name__}({','.join(inner)})"


class _Plain(ast.NodeTransformer):
    """Takes off what changes no number."""

    def visit_Import(self, node: ast.Import) -> None:  # noqa: N802
        """Drop an import: what it binds is resolved, wherever it comes from."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:  # noqa: N802
        """Drop an import."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # noqa: N802
        """Drop docstrings, and calls that only speak to the user."""
        if isinstance(node.value, ast.Constant):
            return None
        if isinstance(node.value, ast.Call) and _last_name(node.value.func) in SPOKEN:
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:  # noqa: N802
        """Drop what an error says."""
        return ast.Raise(exc=None, cause=None)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:  # noqa: N802
        """Drop an annotation; a field without a value keeps its place in the order."""
        value = ast.Name("field", ctx=ast.Load()) if node.value is None else self.visit(node.value)
        return ast.Assign(targets=[self.visit(node.target)], value=value)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop a parameter's annotation."""
        return ast.arg(arg=node.arg, annotation=None)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:  # noqa: N802
        """Write one assignment a line."""
        self.generic_visit(node)
        target, value = node.targets[0], node.value
        if len(node.targets) > 1 or not isinstance(target, ast.Tuple):
            return node
        if not isinstance(value, ast.Tuple) or len(target.elts) != len(value.elts):
            return node
        parts = [*target.elts, *value.elts]
        if any(isinstance(part, ast.Starred) for part in parts):
            return node
        set_here = _names(target)
        if set_here & _names(value) or not all(isinstance(p, ast.Name) for p in target.elts):
            return node
        return [
            ast.Assign(targets=[one], value=other)
            for one, other in zip(target.elts, value.elts, strict=True)
        ]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: N802
        """Drop the return type, empty bodies' docstrings, and unread messages."""
        node.returns = None
        node.decorator_list = [each for each in node.decorator_list if _last_name(each) != "final"]
        self.generic_visit(node)
        loaded = {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
        }
        for part in ast.walk(node):
            for name in ("body", "orelse"):
                inside = getattr(part, name, None)
                if isinstance(inside, list):
                    kept = [each for each in inside if not _is_unread(each, loaded)]
                    setattr(part, name, kept or ([ast.Pass()] if name == "body" else []))
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST | list[ast.stmt]:  # noqa: N802
        """Drop handlers that only raise an error in other words."""
        self.generic_visit(node)
        bare = all(len(each.body) == 1 for each in node.handlers)
        raised = all(isinstance(each.body[0], ast.Raise) for each in node.handlers)
        if node.orelse or node.finalbody or not (bare and raised):
            return node
        return node.body

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:  # noqa: N802
        """As for functions."""
        node.decorator_list = [each for each in node.decorator_list if _last_name(each) != "final"]
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_unread(statement: ast.stmt, loaded: set[str]) -> bool:
    """Whether a statement keeps what nothing reads, once ``require`` is gone."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    text = isinstance(statement.value, ast.Constant | ast.JoinedStr)
    calls = any(isinstance(part, ast.Call) for part in ast.walk(statement.value))
    return (text or not calls) and statement.targets[0].id not in loaded


def _normalise(tree: ast.Module) -> ast.Module:
    plain: ast.Module = _Plain().visit(tree)
    for node in ast.walk(plain):
        if isinstance(node, ast.FunctionDef):
            _rename_locals(node)
    return plain


def _rename_locals(function: ast.FunctionDef) -> None:
    """Number the local variables of a function in the order in which they come."""
    taken = {part.arg for part in ast.walk(function) if isinstance(part, ast.arg)}
    for part in ast.walk(function):
        if isinstance(part, ast.Global | ast.Nonlocal):
            taken |= set(part.names)
    stored = {
        part.id
        for part in ast.walk(function)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
    order: dict[str, str] = {}
    for part in ast.walk(function):
        if isinstance(part, ast.Name) and part.id in stored - taken:
            part.id = order.setdefault(part.id, f"local {len(order)}")


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

        where = __main__.__spec__.name.removesuffix(".__main__")
    place = resolve(where, name) if where.split(".")[0] in PACKAGES else None
    if place is None:
        return
    parts = place.module.split(".")
    for length in range(1, len(parts) + 1):
        parent = ".".join(parts[:length])
        if resolve(parent, name) == place:
            yield f"{parent}.{name}"
            return
