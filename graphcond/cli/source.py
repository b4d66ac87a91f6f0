"""From a name or path on the command line to a data set that is split and ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_geometric.data import Data, HeteroData

from graphcond.data import EDGE, Strategy, load, split_again, split_interactions, split_nodes
from graphcond.errors import require


def load_split(
    name: str, root: str | None, split: Strategy | None, seed: int, condensed: Any = None
) -> Any:
    """Load a data set and split it where it is not split yet.

    Args:
        name: A data set's name or a file.
        root: Folder with raw data sets, or None.
        split: Which split of interactions to take; None: the one that ``condensed`` was made from,
            else random.
        seed: Seed of a random split.
        condensed: A condensed set that is to be used with these data, or None.

    Returns:
        ``Data`` with its masks, or ``HeteroData`` with training, validation and test interactions.
    """
    data = load(name, root)
    if condensed is not None and split is None:
        record = (condensed.get("card") or {}).get("split")
        data = split_again(data, record) if isinstance(record, Mapping) else data
    if isinstance(data, HeteroData):
        return (
            data
            if "val_edge_index" in data[EDGE]
            else split_interactions(data, seed=seed, strategy=split or "per-user")
        )
    require(
        split in (None, "per-user"),
        f"--split {split} is for interactions, but this is a graph. A graph keeps the split it"
        " comes with, or gets a seeded one: leave --split away.",
    )
    return data if "train_mask" in data else _split(data, seed)


def _split(data: Data, seed: int) -> Data:
    """Split as the citation graphs are, 20 nodes a class and 500; where that leaves less than half
    for testing, a tenth and a fifth.
    """
    labelled = data.y[data.y >= 0]
    usual = 2 * (20 * labelled.unique().numel() + 500) <= labelled.numel()
    return (
        split_nodes(data, seed=seed) if usual else split_nodes(data, seed=seed, train=0.1, val=0.2)
    )
