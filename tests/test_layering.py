"""The house stands: imports go down only, files stay readable, public names are documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import graphcond

ROOT = Path(graphcond.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAYERS = [
    {"errors", "typing", "seeding", "distributed", "measure", "pairs", "ambient"},
    {"sparse", "linalg", "metrics"},
    {"masks", "hypergrad"},
    {"data"},
    {"nn"},
    {"training"},
    {"pools", "spaces"},
    {"search"},
    {"condensers", "evaluation"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
SAME_LEVEL = {"errors", "typing", "seeding", "distributed", "measure", "pairs", "ambient"}
TORCH_ONLY = {"sparse", "linalg", "metrics"}
TEST_SPLIT = {"data", "evaluation", "testing", "cli"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever the statement stands, except under ``if
    TYPE_CHECKING``.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "graphcond":
                names.update(f"graphcond.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    here = room(path)
    if here in ("testing", "__init__"):
        pytest.skip("testing may see everything")
    for name in imported(path):
        if name.startswith("graphcond."):
            other = name.split(".")[1]
            allowed = (
                other == here
                or LEVEL.get(other, -1) < LEVEL[here]
                or {other, here} <= SAME_LEVEL
                or other == "__version__"
            )
            assert allowed, f"{path.name}: layer {LEVEL[here]} ({here}) imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) in TORCH_ONLY],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_lowest_layer_needs_torch_only(path: Path) -> None:
    optional = {"interop.py"}
    foreign = {name.split(".")[0] for name in imported(path)} - {"torch", "graphcond", "triton"}
    third_party = foreign & {
        "torch_geometric",
        "torch_sparse",
        "torch_scatter",
        "sklearn",
        "networkx",
        "scipy",
    }
    assert not third_party or path.name in optional, third_party


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) not in TEST_SPLIT],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_test_split_cannot_be_named(path: Path) -> None:
    words = {"test_mask", "test_edge_index", "test_edges"}
    for node in ast.walk(ast.parse(path.read_text())):
        found = (
            node.attr
            if isinstance(node, ast.Attribute)
            else node.id
            if isinstance(node, ast.Name)
            else None
        )
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words:
            found = node.value
        assert found not in words, f"{path.name} names the test split ({found})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    """Not a reason to compress: a file or function that fails here wants to be split."""
    text = path.read_text()
    assert len(text.splitlines()) <= 500, f"{path.name} is more than one idea"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) and len(node.body) > 1
            first = node.body[1].lineno if documented else node.lineno
            assert node.end_lineno - first < 75, f"{path.name}: {node.name} is more than one step"


CONDENSERS = ROOT / "condensers"
ROOMS = ("nodes", "interactions", "dconrec", "hcdc")


def imports_between(files: list[Path], room: str) -> list[str]:
    start = f"graphcond.condensers.{room}"
    return [name for path in files for name in imported(path) if name.startswith(start)]


@pytest.mark.parametrize("here", ROOMS)
def test_rooms_of_condensers_are_apart(here: str) -> None:
    """Only hcdc may import another room, and only nodes; what is below imports no room."""
    files = sorted((CONDENSERS / here).glob("*.py"))
    allowed = {here} | ({"nodes"} if here == "hcdc" else set())
    for other in ROOMS:
        if other not in allowed:
            assert not imports_between(files, other), f"{here} imports {other}"
    below = [path for path in CONDENSERS.glob("*.py") if path.name != "__init__.py"]
    assert not imports_between(below, here)


def test_siblings_of_a_room_import_each_other_rarely() -> None:
    total = 0
    for room in ROOMS:
        files = [path for path in (CONDENSERS / room).glob("*.py") if path.name != "__init__.py"]
        total += len(imports_between(files, room + "."))
    assert total <= 21, f"{total} imports between the files of one room"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) != "testing"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_forbidden_words(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f"{path.name}: assert is no input check"
        called = (
            node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        )
        assert called not in {"eval", "exec"}, f"{path.name} calls {called}"
        assert called != "print" or room(path) == "cli", f"{path.name} prints"
        assert not (
            isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        ), f"{path.name}: import *"


def test_two_classes_never_share_a_name() -> None:
    """Private ones too: cards and errors name a class without its module."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def modules() -> list[str]:
    found = [info.name for info in pkgutil.walk_packages([str(ROOT)], "graphcond.")]
    return [name for name in found if "triton" not in name and not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_public_names_have_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} says nothing of itself"
    for key, item in vars(module).items():
        if (
            key.startswith("_")
            or getattr(item, "__module__", None) != name
            or not (inspect.isclass(item) or inspect.isfunction(item))
        ):
            continue
        assert inspect.getdoc(item), f"{name}.{key} has no docstring"


@pytest.mark.parametrize(
    "name",
    [name for name in modules() if name.count(".") == 1 and (ROOT / name.split(".")[1]).is_dir()],
)
def test_exported_functions_explain_their_arguments(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert exported == sorted(exported, key=str), f"{name}.__all__ is not sorted"
    for key in exported:
        item, doc = getattr(module, key), inspect.getdoc(getattr(module, key)) or ""
        if inspect.isfunction(item) and len(inspect.signature(item).parameters) > 1:
            assert "Args:" in doc, f"{name}.{key} does not explain its arguments"
            silent = inspect.signature(item).return_annotation in (None, "None")
            assert silent or "Return" in doc or "Yields:" in doc, f"{name}.{key}: what comes back?"
