"""Every message of the library is two or three plain sentences."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import graphcond

ROOT = Path(graphcond.__file__).parent
ERRORS = {
    "BudgetError",
    "FileFormatError",
    "InputError",
    "NumericalError",
    "StorageError",
    "UnknownNameError",
}


def text(node: ast.AST) -> str | None:
    """Return a message with ``…`` where a value stands, None where it is not written in place."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) or "…" for part in node.values)
    return None


def messages() -> list[tuple[str, str]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = 1 if node.func.id == "require" else 0 if node.func.id in ERRORS else None
            if place is not None and len(node.args) > place:
                said = text(node.args[place])
                if said is not None:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", said))
    return found


HINT_AT = {
    "require_at_least": 1,
    "require_one_of": 1,
    "require_positive": 0,
    "require_range": 2,
    "require_share": 0,
}
"""Where the last sentence stands in the calls that write the first one themselves."""


def hints() -> list[tuple[str, str]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = (
                node.func.id
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                else ""
            )
            if isinstance(node, ast.Call) and name in HINT_AT:
                said = text(node.args[HINT_AT[name]])
                if said is not None:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", said))
    return found


MESSAGES = messages()
HINTS = hints()


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 100
    assert len(HINTS) > 80


@pytest.mark.parametrize(("place", "said"), HINTS, ids=[place for place, _ in HINTS])
def test_a_hint_is_a_sentence(place: str, said: str) -> None:
    assert said[0].isupper() or said[0].isdigit(), f"{place} starts like no sentence: {said}"
    assert said.endswith("."), f"{place} does not end: {said}"
    assert " " in said, f"{place}: no cure: {said}"


@pytest.mark.parametrize(("place", "said"), MESSAGES, ids=[place for place, _ in MESSAGES])
def test_a_message_is_sentences(place: str, said: str) -> None:
    assert said[0] in "`…-(|'" or said[0].isupper(), f"{place} starts like no sentence: {said}"
    assert said.rstrip()[-1] in ".…!)" or said.endswith("'"), f"{place} does not end: {said}"
    assert "must hold, but got" not in said, f"{place} has the old form: {said}"
    assert said.count(". ") + said.count(": ") + said.count("; ") >= 1, f"{place}: no cure: {said}"
