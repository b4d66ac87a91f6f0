"""An Optuna objective of a user's own script."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_geometric.data import Data, HeteroData

from graphcond.errors import InputError, require

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class ScriptObjective:
    """A function of a script, called with a trial and, if it takes it, with data.

    It goes to worker processes by its name, so the script may define anything. The script is read
    as a module: what stands under ``if __name__ == "__main__":`` is not run.

    Args:
        source: ``"script.py:function"``.
        data: What the function gets as its argument ``data``; None: it gets the trial alone.

    Raises:
        InputError: If there is no such file or function, the script cannot be imported, or the
            function takes no ``data`` but some is given.
    """

    source: str
    data: Data | HeteroData | None = None

    def __post_init__(self) -> None:
        takes = "data" in inspect.signature(self._function()).parameters
        require(
            takes or self.data is None,
            f"{self.source!r} takes no argument `data`, but data are given."
            " Add the argument, or leave the data away.",
        )
        require(
            not takes or self.data is not None,
            f"{self.source!r} takes an argument `data`, but none are given. Add --data.",
        )

    def __call__(self, trial: BaseTrial) -> Any:
        """Return what the function returns.

        Args:
            trial: A trial.
        """
        function = self._function()
        return function(trial) if self.data is None else function(trial, data=self.data)

    def _function(self) -> Any:
        path, _, name = self.source.rpartition(":")
        require(
            path.endswith(".py") and name.isidentifier(),
            f"An objective is named as script.py:function, but it is {self.source!r}."
            " Name the file and the function.",
        )
        found = getattr(_module(str(Path(path).resolve())), name, None)
        require(callable(found), f"{path!r} has no function {name!r}. Name one that takes a trial.")
        return found


def is_script(text: str) -> bool:
    """Return whether a word on the command line names an objective of a script.

    Args:
        text: The word.
    """
    return text.rpartition(":")[0].endswith(".py")


@lru_cache
def _module(path: str) -> Any:
    require(Path(path).is_file(), f"There is no file {path!r}. Check the path of the script.")
    spec = importlib.util.spec_from_file_location(f"graphcond_script_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path!r} is no Python script. Give a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's script may raise anything
        raise InputError(
            f"The script {path!r} cannot be imported: {type(error).__name__}: {error}."
        ) from error
    return module
