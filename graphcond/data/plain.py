"""A user's tensors as the library computes with them."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond.pairs import widened

Graph = TypeVar("Graph", Data, HeteroData)

_IDS = ("edge_index", "val_edge_index", "test_edge_index", "y")


def plain(data: Graph) -> Graph:
    """Return a data set whose tensors are ordinary ones, without a history of gradients.

    Ids and labels become int64. Parameters and results of a network are detached, tensors made in
    inference mode are copied (gradients cannot flow past them), subclasses such as PyG's
    ``EdgeIndex`` become tensors, and all lie in memory row by row.

    Args:
        data: Node data or interactions.

    Returns:
        ``data`` itself where nothing is to be done, else a shallow copy.
    """
    if not isinstance(data, (Data, HeteroData)):
        return data  # the checks that follow say what is wrong with it
    out = data
    for place, store in enumerate(data.stores):
        for name, value in store.items():
            if not isinstance(value, Tensor):
                continue
            changed = _plain(value, name)
            if changed is not value:
                out = copy.copy(data) if out is data else out
                out.stores[place][name] = changed
    return out


def _plain(value: Tensor, name: str) -> Tensor:
    if value.requires_grad:
        value = value.detach()
    if type(value) is not Tensor:
        value = value.as_subclass(Tensor)
    if value.is_inference():
        value = value.clone()
    if value.layout == torch.strided:
        value = value.contiguous()  # dropout draws in the order of memory
    if name in _IDS:
        return widened(value)
    return value
