"""Which split a condensed set was made from, and whether it may be judged on another one."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.data.interactions import EDGE, interaction_part, num_items, num_users, train_edges
from graphcond.data.split import split_interactions, split_nodes, test_edges
from graphcond.errors import require
from graphcond.pairs import pair_keys

_PARTS = ("train", "val", "test")
_EDGES = {"train": "edge_index", "val": "val_edge_index", "test": "test_edge_index"}


def split_record(data: Data | HeteroData) -> dict[str, Any]:
    """Return how a data set was split, with a digest of each part, for the card of a condensed set.

    Args:
        data: A split data set. Of a condensed set, the record of its original is returned.

    Returns:
        What the splitting function noted (``strategy``, ``seed``, …), or the strategy ``"own"``,
        and ``digests`` of the parts ``train``, ``val`` and ``test`` that are there. The order of
        interactions and the type of ids do not count. Nor do test nodes without a label.
    """
    card = data.get("card") or {}
    known = card.get("split")
    if "condenser" in card and isinstance(known, Mapping) and "digests" in known:
        return dict(known)
    if isinstance(known, Mapping):
        record = dict(known)
    else:
        record = {"strategy": "own"}
    digests = {name: _digest(data, name) for name in _PARTS}
    record["digests"] = {name: value for name, value in digests.items() if value is not None}
    return record


def split_again(data: Data | HeteroData, record: Mapping[str, Any]) -> Data | HeteroData:
    """Return unsplit data split as a record says.

    Args:
        data: The data set, as :func:`load` returns it.
        record: What :func:`split_record` returned.

    Returns:
        The split data; data with a split of their own stay as they are.
    """
    interactions = isinstance(data, HeteroData)
    own = "val_edge_index" in data[EDGE] if interactions else "train_mask" in data
    if own or record.get("strategy") == "own":
        return data
    split: Any = split_interactions if interactions else split_nodes
    known = inspect.signature(split).parameters
    told = {name: value for name, value in record.items() if name in known and value is not None}
    return split(data, **told)


def check_split(small: Data | HeteroData, full: Data | HeteroData) -> bool:
    """Raise if a condensed set was made from another split than the one it is to be judged on.

    Args:
        small: A set, whose card may hold a record.
        full: The original, split.

    Returns:
        Whether there was a record, which then agrees in every part that both have.

    Raises:
        InputError: If a part differs.
    """
    return check_split_record((small.get("card") or {}).get("split"), split_record(full))


def check_split_record(made_from: Any, judged_on: Mapping[str, Any]) -> bool:
    """Raise if two records of a split differ in a part that both have; see :func:`check_split`."""
    if not isinstance(made_from, Mapping) or "digests" not in made_from:
        return False
    ours = made_from["digests"]
    theirs = judged_on["digests"]
    other = [name for name in _PARTS if name in ours and name in theirs]
    other = [name for name in other if ours[name] != theirs[name]]
    require(
        not other,
        f"The set was made from another split: its {' and '.join(other)} parts differ from those of"
        f" the original given here. It was made from {_words(made_from)}, here is"
        f" {_words(judged_on)}. Judge it on the split it was made from (`split_again`): test"
        " answers may lie in what it was made of.",
    )
    return True


def check_apart(train: Data | HeteroData, test: Data | HeteroData) -> None:
    """Raise unless a set may be trained on and then judged on the test part of the original.

    Its split must be that of the original where its card records one. Without a record, no test
    interaction may be in it, and no labelled node may have the features of a test node alone.

    Args:
        train: The set to train on.
        test: The original with its three parts.

    Raises:
        InputError: If test answers are in the set.
    """
    if train is test:
        return
    same = check_split(train, test)
    if isinstance(test, HeteroData):
        _check_pairs(train, test, same)
    elif not same:
        _check_nodes(train, test)


def new_interactions(small: HeteroData, full: HeteroData) -> int:
    """Return how many interactions of a set are not training interactions of the original."""
    return int((~torch.isin(_keys(small, "train"), _keys(full, "train"))).sum())


def _check_pairs(train: HeteroData, test: HeteroData, same: bool) -> None:
    shared = int(torch.isin(_keys(train, "train"), _keys(test, "test")).sum())
    if shared and same:
        # A condenser may propose pairs that no one has seen; a few of them are in the test part.
        # It noted how many it proposed: more were added later.
        proposed = (train.get("card") or {}).get("num_new", 0)
        if proposed == new_interactions(train, test):
            return
    require(
        shared == 0,
        f"{shared} of the {test_edges(test).size(1)} test interactions are in the set of"
        f" {train_edges(train).size(1)} to train on. Judge it on the split it was made from, or"
        " take them out.",
    )


def _check_nodes(train: Data, test: Data) -> None:
    # Condensed nodes carry no ids: a copied node is known by its features. Features that a
    # training or validation node has as well show nothing.
    held = test.test_mask & (test.y >= 0)
    used = _rows(train.x[train.train_mask | train.val_mask])
    seen = set(_rows(test.x[test.train_mask | test.val_mask]))
    hidden = set(_rows(test.x[held])) - seen
    shared = sum(row in hidden for row in used)
    require(
        shared == 0,
        f"{shared} of the {len(used)} labelled nodes to train on have the features of test nodes of"
        " the original. Judge the set on the split it was made from.",
    )


def _rows(x: Tensor) -> list[bytes]:
    # + 0.0 turns -0.0 into 0.0
    return [row.tobytes() for row in (x.detach().cpu().float() + 0.0).numpy()]


def _keys(data: HeteroData, part: str) -> Tensor:
    pairs = interaction_part(data, _EDGES[part])
    return pair_keys(pairs[0], pairs[1], (num_users(data), num_items(data)))


def _digest(data: Data | HeteroData, part: str) -> str | None:
    if isinstance(data, HeteroData):
        if _EDGES[part] not in data[EDGE]:
            return None
        content = _keys(data, part).sort().values
    else:
        mask = data.get(f"{part}_mask")
        if not isinstance(mask, Tensor):
            return None
        content = (mask & (data.y >= 0)).nonzero().flatten()
    return hashlib.blake2b(content.cpu().numpy().tobytes(), digest_size=8).hexdigest()


def _words(record: Mapping[str, Any]) -> str:
    name = record.get("strategy") or record.get("source", "unknown")
    told = f", seed {record['seed']}" if record.get("seed") is not None else ""
    return f"the {name} split{told}"
