"""The kinds of small change: each turns one node of the syntax tree into others."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tests.mutation.by_hand import BY_HAND

Change: TypeAlias = Callable[[ast.AST], Iterator[ast.AST]]

ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
TWINS = (
    ("min", "max"),
    ("amin", "amax"),
    ("argmin", "argmax"),
    ("minimum", "maximum"),
    ("mean", "sum"),
    ("floor", "ceil"),
    ("add_", "sub_"),
    ("mul_", "div_"),
    ("sin", "cos"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("new_zeros", "new_ones"),
    ("softplus", "sigmoid"),
    ("users", "items"),
    ("num_users", "num_items"),
    ("train_mask", "val_mask"),
    ("train_edges", "val_edges"),
    ("train", "val"),
    ("inner", "outer"),
    ("any", "all"),
)
SWAPPED = {a: b for pair in TWINS for a, b in (pair, pair[::-1])} | {"test_mask": "val_mask"}
SWAPPED |= {
    "test_edges": "val_edges",
    "val_edge_index": "edge_index",
    "test_edge_index": "val_edge_index",
}
MODULES = {"torch", "math", "F", "np"}
HARMLESS = {"dtype", "device", "seed", "disable", "desc", "description", "leave", "stable"}
"""What a call may leave out: nothing to see comes of it on a CPU, whose sorts keep ties in order;
seeds have an operator of their own.
"""
SHOWN = {"require", "tqdm", "warn", "set_postfix", "close"}
BUILT_IN = {"min", "max", "sum", "any", "all"}
WRITTEN = "by hand"
DROPPED = {"detach", "abs", "clamp", "t", "square", "sqrt", "log", "exp", "clone", "contiguous"}


def sign(node: ast.AST) -> Iterator[ast.AST]:
    """``-x`` → ``x``; ``return f(x)`` → ``return -f(x)`` where a number may come back."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from () if isinstance(node.operand, ast.Constant) else (node.operand,)
    computed = isinstance(node, ast.Return) and isinstance(node.value, (ast.BinOp, ast.Call))
    if computed and getattr(node, "numeric", False):
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value))


def arithmetic(node: ast.AST) -> Iterator[ast.AST]:
    """``+`` ↔ ``-``, ``*`` ↔ ``/`` and the like, in place too; never between texts."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in ARITHMETIC:
        sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
        if not any(_text(side) for side in sides):
            yield _with(node, op=ARITHMETIC[type(node.op)]())


def comparison(node: ast.AST) -> Iterator[ast.AST]:
    """``<`` → ``<=`` and ``>``, ``==`` → ``!=``."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in COMPARISONS.get(type(node.ops[0]), ()):
            yield _with(node, ops=[other()])


def condition(node: ast.AST) -> Iterator[ast.AST]:
    """``if c`` → ``if not c``; ``not c`` → ``c``; ``and`` ↔ ``or``."""
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, ast.Compare):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        yield node.operand
    if isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


def constant(node: ast.AST) -> Iterator[ast.AST]:
    """``n`` → ``n + 1``, ``x`` → ``2 x``, ``True`` ↔ ``False``."""
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, bytes)):
        value = node.value
        if isinstance(value, bool):
            yield ast.Constant(not value)
        elif isinstance(value, int):
            yield ast.Constant(value + 1)
        elif isinstance(value, float):
            yield ast.Constant(2 * value if value else 1.0)


def twin(node: ast.AST) -> Iterator[ast.AST]:
    """``min`` ↔ ``max``, ``mean`` ↔ ``sum``, ``train_mask`` ↔ ``val_mask``, and the like."""
    if isinstance(node, ast.Attribute) and node.attr in SWAPPED:
        yield _with(node, attr=SWAPPED[node.attr])
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in SWAPPED:
        yield _with(node, id=SWAPPED[node.id])
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in SWAPPED:
        yield ast.Constant(SWAPPED[node.value])


def order(node: ast.AST) -> Iterator[ast.AST]:
    """Sorting, and taking the largest, the other way round."""
    if isinstance(node, ast.Call):
        flag = {"sort": "descending", "argsort": "descending", "topk": "largest"}.get(_called(node))
        if flag and flag not in {keyword.arg for keyword in node.keywords}:
            given = ast.keyword(flag, ast.Constant(flag == "descending"))
            yield _with(node, keywords=[*node.keywords, given])


def seed(node: ast.AST) -> Iterator[ast.AST]:
    """A seed that is always 0, or a stream that does not know its number."""
    if isinstance(node, ast.keyword) and node.arg == "seed":
        yield ast.keyword("seed", ast.Constant(0))
    if isinstance(node, ast.Call) and _called(node) in ("derive", "generator"):
        yield _with(node, args=[ast.Constant(0), *node.args[1:]])
        if len(node.args) > 2:
            yield _with(node, args=node.args[:2])


def dropped(node: ast.AST) -> Iterator[ast.AST]:
    """A statement that is left out, a call that does nothing, an argument that is not given."""
    if isinstance(node, ast.AugAssign):
        yield ast.Pass()
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()
    if isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute) and _called(node) in DROPPED
        if method and ast.unparse(node.func.value) not in MODULES:
            yield node.func.value
        for i, keyword in enumerate(node.keywords):
            if keyword.arg and keyword.arg not in HARMLESS:
                yield _with(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])


OPERATORS: tuple[Change, ...] = (
    sign,
    arithmetic,
    comparison,
    condition,
    constant,
    twin,
    order,
    seed,
    dropped,
)


@dataclass(frozen=True)
class Mutant:
    """One changed file.

    Args:
        file: Path from the root of the repository.
        function: The function or class that is changed, with dots.
        operator: The kind of change.
        change: What became what.
        nth: Which of equal changes in one function it is, from 0.
        line: Line of the changed statement.
        entry: First line of the function it is in; 0 where it acts when the file is imported.
        code: Digest of the function, or of the statement outside any, before the change.
    """

    file: str
    function: str
    operator: str
    change: str
    nth: int
    line: int
    entry: int
    code: str

    @property
    def name(self) -> tuple[str, str, str, str, int]:
        """What names it, wherever its line is."""
        return self.file, self.function, self.operator, self.change, self.nth


def mutants(file: str, text: str) -> list[Mutant]:
    """Return every mutant of a file.

    Args:
        file: Its path, for the name.
        text: Its content.
    """
    made = [mutant for mutant, _, _, _ in _all(file, text)]
    return made + [mutant for mutant, _ in _edited(file, text)]


def changed(mutant: Mutant, text: str) -> str | None:
    """Return the changed file, or None where the file has no such place any more."""
    if mutant.operator == WRITTEN:
        return next((new for other, new in _edited(mutant.file, text) if other == mutant), None)
    for other, place, new, tree in _all(mutant.file, text):
        if other.name == mutant.name:
            place.put(ast.copy_location(new, place.node))
            return ast.unparse(ast.fix_missing_locations(tree))
    return None


def _all(file: str, text: str) -> Iterator[tuple[Mutant, _Place, ast.AST, ast.AST]]:
    tree = ast.parse(text)
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | BUILT_IN
    seen: dict[tuple[str, ...], int] = {}
    for place in _places(tree, "", None, 0, ""):
        for operator in OPERATORS:
            for new in operator(place.node):
                if isinstance(new, ast.Name) and operator is twin and new.id not in known:
                    continue
                if ast.dump(new) == ast.dump(place.node):
                    continue
                key = (place.function, operator.__name__, f"{_short(place.node)} → {_short(new)}")
                nth = seen[key] = seen.get(key, -1) + 1
                at = (place.statement.lineno, place.entry, place.code)
                yield Mutant(file, *key, nth, *at), place, new, tree


def _edited(file: str, text: str) -> Iterator[tuple[Mutant, str]]:
    """Yield the mutants of a file that are written by hand, each with the changed file."""
    places = list(_places(ast.parse(text), "", None, 0, ""))
    for old, new in BY_HAND.get(file, ()):
        if text.count(old) != 1:
            continue
        line = text[: text.index(old)].count("\n") + 1
        here = [place for place in places if place.statement.lineno <= line]
        place = max(here, key=lambda place: place.statement.lineno)
        change = " ".join(f"{old} → {new}".split())
        at = (line, place.entry, place.code)
        yield Mutant(file, place.function, WRITTEN, change, 0, *at), text.replace(old, new)


@dataclass(frozen=True)
class _Place:
    """A node, where it hangs, and in what statement and function."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    function: str
    statement: ast.stmt
    entry: int
    code: str

    def put(self, new: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, new)
        else:
            getattr(self.parent, self.field)[self.index] = new


def _places(
    node: ast.AST, function: str, statement: ast.stmt | None, entry: int, code: str
) -> Iterator[_Place]:
    """Yield all nodes that may change, with what is no behaviour left out: annotations, decorators,
    checks of arguments and their messages, texts shown to users.
    """
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_comment", "bases"):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _unseen(child):
                continue
            here = child if isinstance(child, ast.stmt) else statement
            inside, start, source = function, entry, code
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inside = f"{function}.{child.name}".lstrip(".")
            if isinstance(node, ast.ClassDef):
                start = 0
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(word.lineno for word in node.decorator_list)])
                start = first if field == "body" else entry
                source = _digest(node)
            elif not isinstance(child, (ast.ClassDef, ast.FunctionDef)):
                source = code or _digest(child)
            if isinstance(child, ast.FunctionDef):
                _mark_numeric(child)
            if here is not None:
                at = index if isinstance(value, list) else None
                yield _Place(child, node, field, at, inside, here, start, source)
            yield from _places(child, inside, here, start, source)


def _unseen(node: ast.AST) -> bool:
    if isinstance(node, (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__"):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name):
        return node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _unseen(node.value)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id in ("cure", "law", "__all__", "facts", "bar")
    return isinstance(node, ast.Call) and _called(node) in SHOWN


def _digest(node: ast.AST) -> str:
    """Return a short digest of a function without its docstring, or of a statement."""
    text = ast.unparse(node)
    if isinstance(node, ast.FunctionDef):
        told = ast.get_docstring(node) is not None
        text = "\n".join(ast.unparse(part) for part in (node.args, *node.body[told:]))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _mark_numeric(function: ast.FunctionDef) -> None:
    """Mark the returns of a function that says that it returns a number or a tensor."""
    numeric = function.returns is not None and ast.unparse(function.returns) in ("Tensor", "float")
    for node in ast.walk(function):
        if isinstance(node, ast.Return):
            node.numeric = numeric  # type: ignore[attr-defined]


def _called(node: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _with(node: ast.AST, **changed: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in changed.items():
        setattr(new, name, value)
    return new


def _short(node: ast.AST, most: int = 110) -> str:
    if isinstance(node, (ast.If, ast.While)):
        return f"if {ast.unparse(node.test)}"[:most]
    return " ".join(ast.unparse(node).split())[:most] or "pass"
