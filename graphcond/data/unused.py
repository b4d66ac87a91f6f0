"""What a graph brings that a condensed set of it does not have, said aloud."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.utils import is_undirected

from graphcond.data.interactions import EDGE

_USED = ("edge_index", "edge_weight")


def unused(data: Data | HeteroData, small: Data | HeteroData) -> list[str]:
    """Return what of a graph is not in the condensed set made from it.

    Args:
        data: The original.
        small: The condensed set.

    Returns:
        Names of attributes of edges that nothing here looks at, such as ``edge_attr``; other types
        of edges; ``edge_weight`` and ``"direction"`` where the set has edges without them.

    Example:
        >>> import torch
        >>> pairs = torch.tensor([[0, 1], [1, 0]])
        >>> full = Data(edge_index=pairs, edge_attr=torch.ones(2, 3))
        >>> unused(full, Data(edge_index=pairs))
        ['edge_attr']
    """
    if isinstance(data, HeteroData):
        others = [str(kind) for kind in data.edge_types if kind != EDGE]
        return others + _missing(data[EDGE], small[EDGE])
    return _missing(data, small) + _undirected(data, small)


def _missing(store: Any, small: Any) -> list[str]:
    names = [
        name
        for name, value in store.items()
        if name.startswith("edge_") and name not in _USED and isinstance(value, Tensor)
    ]
    weight = store.get("edge_weight")
    varied = weight is not None and weight.numel() > 0 and bool((weight != weight[0]).any())
    if varied and small.get("edge_weight") is None and small.edge_index.size(1) > 0:
        names.append("edge_weight")
    return names


def _undirected(data: Data, small: Data) -> list[str]:
    ends = small.edge_index
    if not bool((ends[0] != ends[1]).any()) or not is_undirected(ends):
        return []
    return [] if is_undirected(data.edge_index) else ["direction"]


def warn_of_unused(names: list[str], method: str) -> None:
    """Warn of what :func:`unused` found.

    Args:
        names: What it returned.
        method: The condenser.
    """
    if names:
        warnings.warn(
            f"{method}: the condensed set is without {', '.join(names)} of the original. Judge it"
            " on the original with care, or put into `x` and `edge_weight` what shall count.",
            stacklevel=4,
        )
