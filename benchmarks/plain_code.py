"""A definition without what changes no number, as text: two that differ in a comment, a message or
the name of a local variable come out equal.
"""

from __future__ import annotations

import ast

SPOKEN = (
    "require",
    "require_at_least",
    "require_kind",
    "require_one_of",
    "require_positive",
    "require_range",
    "require_share",
    "warn",
)
"""Calls that only speak to the user."""


def text_of(node: object) -> str:
    """Return a syntax tree as text that does not depend on the version of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(text_of, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    skipped = ("ctx", "kind", "type_comment", "type_params")
    parts = ((field, getattr(node, field, None)) for field in node._fields if field not in skipped)
    inner = (f"{field}={text_of(value)}" for field, value in parts if value not in (None, []))
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
        set_here = names_in(target)
        if set_here & names_in(value) or not all(isinstance(p, ast.Name) for p in target.elts):
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


def names_in(node: ast.AST) -> set[str]:
    """Return the names of a syntax tree."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_unread(statement: ast.stmt, loaded: set[str]) -> bool:
    """Whether a statement keeps what nothing reads, once ``require`` is gone."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    text = isinstance(statement.value, ast.Constant | ast.JoinedStr)
    calls = any(isinstance(part, ast.Call) for part in ast.walk(statement.value))
    return (text or not calls) and statement.targets[0].id not in loaded


def normalise(tree: ast.Module) -> ast.Module:
    """Take off a file's statements what changes no number, and number local variables."""
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
