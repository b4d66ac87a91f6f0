"""Type names that more than one package uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from torch import Tensor
from torch.nn import Module

Tensors: TypeAlias = dict[str, Tensor]
"""Parameters or any other named tensors, for example ``{"weight0": [B, d, h]}``."""

Record: TypeAlias = Mapping[str, "str | int | float | bool | None"]
"""One flat, JSON-ready record: a row of a table or a line of ``history.jsonl``."""


class NodeModelFactory(Protocol):
    """What makes a classifier, for example ``partial(nn.GraphNet, kind="gcn")`` or a
    ``spaces.ModelChoice``.
    """

    def __call__(self, num_features: int, num_classes: int, *, seed: int) -> Module:
        """Return a module that is called as ``module(x, edge_index, edge_weight)``."""
