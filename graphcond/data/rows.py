"""Which rows of a table are in a condensed set, and what it holds besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.data.frames import Table
from graphcond.data.ids import Ids
from graphcond.data.interactions import num_items, train_edges, val_edges
from graphcond.data.split import test_edges
from graphcond.data.tables import KINDS
from graphcond.errors import require


@final
@dataclass(frozen=True)
class Rows:
    """The rows of a table that go into each file, and the pairs that no row has.

    Attributes:
        kept: Rows of the condensed set [R], bool.
        valid: Rows held out for validation [R].
        test: Rows held out for testing [R].
        proposals: Pairs of the condensed set that are no interactions of the input: ids as users
            know them.
    """

    kept: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    proposals: tuple[tuple[Any, Any], ...]

    @property
    def held_out(self) -> dict[str, np.ndarray]:
        """The held-out parts that have rows, by name."""
        parts = {"valid": self.valid, "test": self.test}
        return {name: rows for name, rows in parts.items() if rows.any()}


def rows_of(table: Table, data: HeteroData, small: HeteroData) -> Rows:
    """Divide the rows of a table as its interactions were divided.

    All rows of a pair go where the pair goes, so that reading the files again gives the same
    interactions with the same times, ratings and weights.

    Args:
        table: The rows that ``data`` were made of.
        data: The split original.
        small: What a condenser made of it.

    Returns:
        The rows of each part.

    Raises:
        InputError: If the two sets do not share users and items.
    """
    require(
        (num_items(data), data["user"].num_nodes) == (num_items(small), small["user"].num_nodes),
        "The condensed set has other users or items than the original. Give the two that belong"
        " together.",
    )
    user, item = place_of(table.user, data, "user"), place_of(table.item, data, "item")
    known = table.kept & (user >= 0) & (item >= 0)
    keys = torch.from_numpy(user) * num_items(data) + torch.from_numpy(item)

    def inside(pairs: Tensor) -> np.ndarray:
        wanted = pairs[0].cpu() * num_items(data) + pairs[1].cpu()
        return np.asarray(known & torch.isin(keys, wanted).numpy())

    made = train_edges(small).cpu()
    original = train_edges(data).cpu()
    new = ~torch.isin(
        made[0] * num_items(data) + made[1], original[0] * num_items(data) + original[1]
    )
    proposals = zip(*(name_of(row, data, kind) for row, kind in zip(made[:, new], KINDS)))
    return Rows(
        kept=inside(made[:, ~new]),
        valid=inside(val_edges(data)),
        test=inside(test_edges(data)),
        proposals=tuple(proposals),
    )


def place_of(ids: Ids, data: HeteroData, kind: str) -> np.ndarray:
    """Return the number that each row's id has in the data [R]; -1 where it has none.

    Args:
        ids: The ids of a table.
        data: Data that were made of the table.
        kind: ``"user"`` or ``"item"``.
    """
    original = data[kind].get("original_id")
    if isinstance(original, list):
        place = {word: i for i, word in enumerate(original)}
        known = ids.known if ids.known is not None else range(ids.size)
        places = np.array([place.get(word, -1) for word in known], dtype=np.int64)
        return np.asarray(places[ids.codes])
    numbers = ids.codes if ids.known is None else np.asarray(ids.known)[ids.codes]
    if original is None:
        return np.where(numbers < int(data[kind].num_nodes), numbers, -1)
    order = torch.argsort(original).numpy()
    ordered = original.numpy()[order]
    at = np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)
    return np.asarray(np.where(ordered[at] == numbers, order[at], -1))


def name_of(index: Tensor, data: HeteroData, kind: str) -> list[Any]:
    """Return the ids that users know of some numbers.

    Args:
        index: Numbers of users or items.
        data: The data with ``original_id``, if any.
        kind: ``"user"`` or ``"item"``.
    """
    original = data[kind].get("original_id")
    if original is None:
        return list(index.tolist())
    if isinstance(original, Tensor):
        return list(original[index.cpu()].tolist())
    return [original[i] for i in index.tolist()]
