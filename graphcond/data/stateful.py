"""The one protocol of what can be kept and resumed: named tensors, live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from graphcond.errors import FileFormatError, require
from graphcond.typing import Tensors


class Stateful(ABC):
    """Something that a resumed run continues: a subclass names its tensors, the rest is here.

    The methods are torch's, for modules and optimisers. The names are flat, so that the state is
    what a checkpoint file holds.
    """

    @abstractmethod
    def state_dict(self) -> Tensors:
        """Return everything that a resumed run needs, by name and live."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy a kept state into the tensors in place.

        Args:
            state: What :meth:`state_dict` returned, of the same names and shapes.

        Raises:
            FileFormatError: If it is the state of something else.
        """
        live = self.state_dict()
        other = {name for name in live.keys() | state.keys() if not _alike(live, state, name)}
        require(
            not other,
            "A checkpoint must hold the tensors of the same model, sizes and optimiser, but it"
            f" differs in {sorted(other)}. Delete the file or give another path.",
            error=FileFormatError,
        )
        # In place: graphs, optimisers and views hold these very tensors.
        with torch.no_grad():
            for name, value in live.items():
                value.copy_(state[name])


def _alike(live: Tensors, state: Mapping[str, Tensor], name: str) -> bool:
    return name in live and name in state and live[name].shape == state[name].shape


def joined(**parts: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors of several parts under ``part.name``, without their autograd graph.

    Args:
        **parts: Named tensors of each part.

    Example:
        >>> list(joined(now={"x": torch.ones(1)}, best={"x": torch.ones(1)}))
        ['now.x', 'best.x']
    """
    return {
        f"{part}.{name}": value.detach()
        for part, values in parts.items()
        for name, value in values.items()
    }


def part_of(tensors: Mapping[str, Tensor], part: str) -> Tensors:
    """Return the tensors of one part of what :func:`joined` made, under their own names.

    Args:
        tensors: All parts.
        part: Which one; empty if it is not there.
    """
    start = f"{part}."
    return {
        name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)
    }
