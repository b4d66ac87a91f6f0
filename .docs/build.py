"""Write the pages of the public interface from the docstrings; a warning is an error.

``python .docs/build.py`` writes them to ``build/docs``, which is not committed.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import pkgutil
import sys
import typing
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / ".docs" / "tutorials").glob("*.md"))
# Kernels that need Triton to be imported, and a file that only starts the command line.
NOT_IMPORTED = ("graphcond.sparse.backends.triton", "graphcond.cli.__main__")

sys.path.insert(0, str(ROOT))  # this checkout is documented, whatever copy is installed

import pdoc.render  # noqa: E402
from pdoc.doc_types import resolve_annotations  # noqa: E402

import graphcond  # noqa: E402


def modules() -> list[ModuleType]:
    """Return every module of the package, imported."""
    found = pkgutil.walk_packages(graphcond.__path__, "graphcond.")
    return [import_module(info.name) for info in found if not info.name.startswith(NOT_IMPORTED)]


def resolve_constructor(cls: type) -> None:
    """Replace the names in the annotations of a generated constructor by what they mean.

    Python writes the constructors of dataclasses and named tuples itself. It copies the
    annotations of inherited fields as text, which only the module of the parent can read.
    """
    constructor = cls.__init__ if dataclasses.is_dataclass(cls) else cls.__new__
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("graphcond"):
            fields = base.__dict__.get("__annotations__", {})
            module = sys.modules[base.__module__]
            known = resolve_annotations(fields, module, None, base.__qualname__)
            taken = {name: known[name] for name in known if name in constructor.__annotations__}
            constructor.__annotations__.update(taken)


def generated(value: object) -> typing.TypeGuard[type]:
    """Whether Python wrote the constructor of a class of ours."""
    ours = inspect.isclass(value) and value.__module__.startswith("graphcond")
    return ours and (dataclasses.is_dataclass(value) or hasattr(value, "_fields"))


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs", metavar="FOLDER")
    out = parser.parse_args().out
    warnings.filterwarnings("error", module="pdoc")
    for module in modules():
        for value in list(vars(module).values()):
            if generated(value) and value.__module__ == module.__name__:
                resolve_constructor(value)
    introduction = [str(graphcond.__doc__), *(path.read_text() for path in TUTORIALS)]
    graphcond.__doc__ = "\n\n".join(introduction)
    pdoc.render.configure(docformat="google", search=True)
    pdoc.pdoc("graphcond", output_directory=out)
    print(f"{sum(1 for _ in out.rglob('*.html'))} pages in {out}")


if __name__ == "__main__":
    main()
