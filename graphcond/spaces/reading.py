"""Reading a search space from JSON."""

from __future__ import annotations

import json
from typing import Any

from graphcond.errors import InputError, require
from graphcond.spaces.combined import Product
from graphcond.spaces.filters import PolynomialFilters
from graphcond.spaces.graph_nas import GraphNAS
from graphcond.spaces.models import ModelChoices
from graphcond.spaces.nas_bench_graph import NasBenchGraph
from graphcond.spaces.recommenders import Recommenders
from graphcond.spaces.space import SearchSpace, rebuild
from graphcond.spaces.training import TrainingRanges

_KINDS: tuple[type[SearchSpace], ...] = (
    GraphNAS,
    ModelChoices,
    NasBenchGraph,
    PolynomialFilters,
    Product,
    Recommenders,
    TrainingRanges,
)


def space_from_json(text: str) -> SearchSpace:
    """Return the space that :meth:`SearchSpace.to_json` wrote.

    Args:
        text: The JSON.

    Returns:
        An equal space.

    Raises:
        InputError: If the text is no JSON, or names no space or field of this library.

    Example:
        >>> space = PolynomialFilters(order=3)
        >>> space_from_json(space.to_json()) == space
        True
    """
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"The space is not JSON: {error}. Give what `to_json` returned."
        ) from error
    return _space(plain)


def _space(plain: Any) -> SearchSpace:
    require(isinstance(plain, dict), "The JSON is no space. Give what `to_json` returned.")
    fields = dict(plain)
    name = fields.pop("space", None)
    kinds = {kind.__name__: kind for kind in _KINDS}
    require(
        name in kinds,
        f"The JSON names the space {name!r}, which is not known."
        f" Known are {', '.join(sorted(kinds))}.",
    )
    if name == Product.__name__:
        parts = fields.get("spaces")
        if not isinstance(parts, list):
            raise InputError(
                "A product's `spaces` must be a list, but it is not. Write [..., ...]."
            )
        return Product(tuple(_space(part) for part in parts))
    return rebuild(kinds[str(name)], fields)
