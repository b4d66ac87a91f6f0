"""Type names that more than one package uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from torch import Tensor

Tensors: TypeAlias = dict[str, Tensor]
"""Parameters or any other named tensors, for example ``{"weight0": [B, d, h]}``."""

Record: TypeAlias = Mapping[str, "str | int | float | bool | None"]
"""One flat, JSON-ready record: a row of a table or a line of ``history.jsonl``."""
