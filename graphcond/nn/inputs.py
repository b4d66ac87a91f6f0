"""What was wrong with a model's input, once torch has refused it: looked at only then."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require


def check_ids(ids: Tensor, count: int, what: str, device: torch.device) -> None:
    """Raise unless ids lie in [0, count) and on the model's device.

    Args:
        ids: Ids of any shape.
        count: How many there are.
        what: What they are ids of, in the plural.
        device: Where the model is.

    Raises:
        InputError: Otherwise.
    """
    require(
        ids.device == device,
        f"The model is on {device}, but the ids of {what} are on {ids.device}. Move them with"
        f" `.to({str(device)!r})`.",
    )
    require(
        not (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool),
        f"The ids of {what} must be whole numbers, but they are of {ids.dtype}."
        " Convert them with `.long()`.",
    )
    low, high = (int(ids.min()), int(ids.max())) if ids.numel() else (0, 0)
    require(
        low >= 0 and high < count,
        f"The ids of {what} must lie in [0, {count}), but they go from {low} to {high}. Check that"
        " the model was made for these data.",
    )


def check_graph_inputs(
    x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, like: Tensor, width: int
) -> None:
    """Raise unless a graph network can be called with these features and edges.

    Args:
        x: Features.
        edge_index: Edges.
        edge_weight: Weights or None.
        like: A parameter of the model.
        width: Features that it takes.

    Raises:
        InputError: Otherwise.
    """
    require(
        x.dim() == 2 and x.size(1) == width,
        f"The network takes features [n, {width}], but they are {list(x.shape)}. Make it with"
        " `num_features` of the data.",
    )
    for name, value in (("x", x), ("edge_weight", edge_weight)):
        if value is not None:
            require(
                value.dtype == like.dtype and value.device == like.device,
                f"The network is of {like.dtype} on {like.device}, but `{name}` is of {value.dtype}"
                f" on {value.device}. Move one with `.to(...)`.",
            )
    require(
        edge_index.dim() == 2 and edge_index.size(0) == 2,
        f"`edge_index` must be of shape [2, m], but it is {list(edge_index.shape)}."
        " Row 0 holds the sources.",
    )
    require(
        edge_weight is None or tuple(edge_weight.shape) == (edge_index.size(1),),
        f"`edge_weight` must have an entry for each of the {edge_index.size(1)} edges."
        " Leave it out or mend its length.",
    )
    check_ids(edge_index, x.size(0), "nodes", like.device)
