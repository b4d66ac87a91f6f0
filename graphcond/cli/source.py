"""From a name or path on the command line to a data set that is split and ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch_geometric.data import Data, HeteroData

from graphcond.cli.options import Protocol
from graphcond.cli.own_file import columns_of
from graphcond.data import (
    EDGE,
    Columns,
    Strategy,
    is_own_file,
    k_core,
    load,
    split_again,
    split_interactions,
    split_nodes,
)
from graphcond.errors import require


def load_split(
    name: str,
    root: str | None,
    split: Strategy | Literal["random"] | None,
    seed: int,
    condensed: Any = None,
    columns: Columns | None = None,
    core: int | None = None,
) -> Any:
    """Load a data set and split it where it is not split yet.

    Args:
        name: A data set's name or a file.
        root: Folder with raw data sets, or None.
        split: Which split of interactions to take; None: the one that ``condensed`` was made from,
            or that comes with a user's own file, else a random one per user.
        seed: Seed of a random split.
        condensed: A condensed set that is to be used with these data, or None.
        columns: Names of the columns of a user's own file.
        core: Leave out users and items with fewer interactions than this; None takes what the
            condensed set was made with.

    Returns:
        ``Data`` with its masks, or ``HeteroData`` with training, validation and test interactions.
    """
    if split == "random":  # what "per-user" was called before
        split = "per-user"
    data = load(name, root, columns)
    made: Mapping[str, Any] = {}
    if condensed is not None:
        made = condensed.get("card") or {}
    if core is None and isinstance(made.get("k_core"), Mapping):
        core = made["k_core"]["k"]
    if core is not None:
        data = k_core(data, core)
    if split is None and isinstance(made.get("split"), Mapping):
        data = split_again(data, made["split"])
    if isinstance(data, HeteroData):
        if "val_edge_index" in data[EDGE]:
            return data
        if split is None:
            given = is_own_file(name) and "split" in data[EDGE]
            split = "published" if given else "per-user"
        return split_interactions(data, seed=seed, strategy=split)
    require(
        split in (None, "per-user"),
        f"--split {split} is for interactions, but this is a graph. A graph keeps the split it"
        " comes with, or gets a seeded one: leave --split away.",
    )
    return data if "train_mask" in data else _split(data, seed)


def load_original(options: Protocol, condensed: Any = None) -> Any:
    """Load and split the data set that options name.

    Args:
        options: Of a command that judges.
        condensed: As for :func:`load_split`.
    """
    chosen = (options.data, options.root, options.split, options.seed)
    return load_split(*chosen, condensed, columns_of(options), options.k_core)


def _split(data: Data, seed: int) -> Data:
    """Split as the citation graphs are, 20 nodes a class and 500; where that leaves less than half
    for testing, a tenth and a fifth.
    """
    labelled = data.y[data.y >= 0]
    usual = 2 * (20 * labelled.unique().numel() + 500) <= labelled.numel()
    if usual:
        return split_nodes(data, seed=seed)
    return split_nodes(data, seed=seed, train=0.1, val=0.2)
