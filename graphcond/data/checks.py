"""Checks of the graphs that users bring: each error says the law, the facts and the cure."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset

from graphcond.errors import InputError, require

_FEW_CLASSES = 1000
"""Labels below this pass on any graph: a sample of a larger one may have few of its classes."""


def check_nodes(data: Data) -> None:
    """Raise unless the data can be used for node classification.

    Allowed: isolated nodes, self-loops, directed and repeated edges, unlabelled nodes (y = -1)
    outside the splits.

    Args:
        data: ``Data`` with ``x`` [n, d], ``edge_index`` [2, m], ``y`` [n], ``train_mask`` and
            ``val_mask`` [n].

    Raises:
        InputError: Otherwise; the message names the law, what was found, and the cure.
    """
    check_graph(data)
    for name in ("train_mask", "val_mask"):
        _check_is_mask(data, name)
    for name in ("train_mask", "val_mask", "test_mask"):
        if name in data:
            _check_mask(data[name], name, data.y)
    masks = [name for name in ("train_mask", "val_mask", "test_mask") if name in data]
    for one, other in itertools.combinations(masks, 2):
        shared = int((data[one] & data[other]).sum())
        require(
            shared == 0,
            f"This needs no node in both `{one}` and `{other}`, but found shared = {shared!r}."
            " Split again, for example with `split_nodes`.",
        )


def check_graph(data: Data) -> None:
    """Raise unless the data are a graph with features and labels; splits are not looked at.

    Args:
        data: ``Data`` with ``x`` [n, d], ``edge_index`` [2, m], ``y`` [n], perhaps ``edge_weight``
            [m] ≥ 0 of the type of ``x``.

    Raises:
        InputError: Otherwise; the message names the law, what was found, and the cure.
    """
    check_is_graph(data)
    for name in ("x", "edge_index", "y"):
        cure = f"Set `data.{name}`."
        if name == "edge_index" and data.get("adj_t") is not None:
            cure = (
                "`adj_t` holds the transposed edges: set `data.edge_index ="
                " torch_geometric.utils.to_edge_index(data.adj_t.t())[0]`."
            )
        require(
            isinstance(data.get(name), Tensor),
            f"`data` must have a tensor `{name}`, but it is a {type(data.get(name)).__name__}."
            f" {_as_tensor(data.get(name), name) or cure}",
        )
        require(
            not (data[name].is_meta or data[name].is_nested),
            f"`{name}` must be a tensor of numbers in rows and columns, but it is a"
            f" {'meta' if data[name].is_meta else 'nested'} tensor. Make an ordinary one.",
        )
    x = data.x
    y = data.y
    count = x.size(0) if x.dim() else 0
    cure = "Give every node at least one feature."
    if x.dim() == 1:
        cure = "One feature per node is a column: `data.x[:, None]`."
    require(
        x.dim() == 2 and x.numel() > 0,
        f"Features `x` must be of shape [n, d], but they are {list(x.shape)}. {cure}",
    )
    require(
        int(data.num_nodes or 0) == count,
        f"`x` must have a row per node, but it has {count} rows, and `num_nodes` is"
        f" {data.num_nodes}. Set `data.num_nodes = None`, or give every node its features.",
    )
    exact = x.dtype in (torch.float32, torch.float64)
    cure = "`data.x.float()`"
    if x.is_complex():
        cure = "`torch.view_as_real(data.x).flatten(1)`, which has both parts side by side"
    elif x.is_quantized:
        cure = "`data.x.dequantize()`"
    require(
        exact,
        f"This needs features `x` of float32 or float64, but found dtype = {str(x.dtype)}. Convert"
        f" with {cure}.",
    )
    require(
        x.layout == torch.strided,
        f"This needs dense features `x`, but found layout = {str(x.layout)!r}. Convert with"
        " `data.x.to_dense()`.",
    )
    _check_finite(x, "features `x`", "nodes")
    _check_edges(data, count)
    check_labels(y, count, made="condenser" in (data.get("card") or {}))
    devices = {data[name].device for name in ("x", "edge_index", "y")}
    require(
        len(devices) == 1,
        "`x`, `edge_index` and `y` must be on one device, but they are on"
        f" {', '.join(sorted(map(str, devices)))}. Move them with `data.to(device)`.",
    )


def check_is_graph(data: object) -> None:
    """Raise unless ``data`` is one PyG graph with one type of nodes."""
    cure = "Interactions are a `HeteroData`, graphs a `Data`."
    if isinstance(data, Dataset):
        cure = "It is a data set of graphs: pass one of them, `dataset[0]`."
    require(
        isinstance(data, Data),
        f"Node data must be a PyG `Data`, but they are a {type(data).__name__}. {cure}",
    )
    check_card(data)


def check_card(data: Any) -> None:
    """Raise if the attribute that tells where a data set comes from holds something else.

    Args:
        data: A graph or interactions.
    """
    card = data.get("card")
    require(
        card is None or isinstance(card, dict),
        f"`data.card` must be a dictionary, but it is a {type(card).__name__}. It tells where data"
        " come from and how they were split: give your own attribute another name.",
    )


def _as_tensor(value: object, name: str) -> str:
    """Return how what is no tensor becomes one, nothing where it cannot."""
    if isinstance(value, (np.ndarray, list, tuple)):
        return f"Convert it: `data.{name} = torch.as_tensor(data.{name})`."
    return ""


def _check_is_mask(data: Data, name: str) -> None:
    value = data.get(name)
    cure = "Use `split_nodes(data, seed=0)`."
    if isinstance(value, (range, slice)):
        cure = (
            f"Make a mask of it: `mask = torch.zeros({data.num_nodes}, dtype=torch.bool)`, then"
            " `mask[ids] = True`."
        )
    require(
        isinstance(value, Tensor),
        f"`data` must have a tensor `{name}`, but it is a {type(value).__name__}."
        f" {_as_tensor(value, name) or cure}",
    )


def check_labels(y: Any, count: int, made: bool = False) -> None:
    """Raise unless labels are classes, one per node.

    Args:
        y: Labels [n] of an integer type, -1 for none.
        count: n.
        made: Whether the graph is condensed; its few nodes may be of many classes.

    Raises:
        InputError: Otherwise; the message says how to make classes of what was found.
    """
    require(
        isinstance(y, Tensor),
        f"`data` must have a tensor `y`, but it is a {type(y).__name__}. Set `data.y`: classes from"
        " 0, -1 for unknown.",
    )
    cure = "Give one class per node."
    if tuple(y.shape) == (count, 1):
        cure = "Drop the second dimension: `data.y.squeeze(1)`."
    elif y.dim() == 2 and y.size(0) == count:
        cure = "Of one-hot rows take `data.y.argmax(1)`; several labels per node have no class."
    require(
        y.dim() == 1 and y.size(0) == count,
        f"Labels `y` must be of shape [n], one class per node, but they are {list(y.shape)} for"
        f" {count} nodes. {cure}",
    )
    cure = "Convert with `data.y.long()`."
    if y.is_floating_point():
        known = y[~y.isnan()]
        if not bool((known == known.round()).all()):
            cure = "They are real numbers, and only classes can be condensed: put them into bins."
        elif known.numel() < y.numel():
            cure = "NaN means no label: `torch.where(y.isnan(), -1, y).long()`."
    whole = not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool)
    require(whole, f"Labels `y` must be of an integer type, as int64, but are of {y.dtype}. {cure}")
    low, high = (int(value) for value in torch.aminmax(y))
    require(
        low >= -1,
        f"Labels `y` must be ≥ 0, or -1 for unlabelled, but the smallest is {low}. Number the"
        " classes from 0; of unknown ones make `torch.where(data.y < 0, -1, data.y)`.",
    )
    # A network has an output for every number up to the largest label. A condensed graph may hold
    # few nodes of many classes.
    most = max(count, _FEW_CLASSES)
    require(
        made or high < most,
        f"The largest label is {high}, which would make {high + 1} classes of {count} nodes."
        " Number the classes without gaps: `torch.unique(y, return_inverse=True)[1]`.",
    )


def check_part(data: Data, part: str) -> None:
    """Raise unless the data are a graph with a mask of one part; see :func:`check_nodes`.

    Args:
        data: A graph.
        part: ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        InputError: Otherwise.
    """
    check_graph(data)
    name = f"{part}_mask"
    _check_is_mask(data, name)
    _check_mask(data[name], name, data.y)


def _check_edges(data: Data, count: int) -> None:
    edge_index = data.edge_index
    shape = tuple(edge_index.shape)
    kind = str(edge_index.dtype)
    cure = "Sources in row 0, targets in row 1."
    if edge_index.layout != torch.strided:
        cure = "Of a sparse matrix take `matrix.to_sparse_coo().coalesce().indices()`."
    elif len(shape) == 2 and shape[1] == 2:
        cure = "Transpose it: `data.edge_index.t()`."
    require(
        len(shape) == 2 and shape[0] == 2 and edge_index.layout == torch.strided,
        f"`edge_index` must be of shape [2, m], but its shape is {shape}. {cure}",
    )
    # uint8 indices would be taken for a mask
    whole = edge_index.dtype in (torch.int64, torch.int32, torch.int16)
    require(
        whole,
        f"`edge_index` must be of an integer type, but its dtype is {kind}. Convert with `.long()`"
        " after checking that no id was rounded.",
    )
    if edge_index.numel():
        low, high = (int(value) for value in torch.aminmax(edge_index))
        require(
            low >= 0 and high < count,
            f"This needs node ids of `edge_index` in [0, n), but found smallest = {low!r}, largest"
            f" = {high!r}, n = {count!r}. Check that `x` has a row per node.",
        )
    weight = data.get("edge_weight")
    check_weight(weight, shape[1])
    same = weight is None or weight.dtype == data.x.dtype
    require(
        same,
        "`edge_weight` must be of the type of `x`, but found edge_weight ="
        f" {getattr(weight, 'dtype', None)!r}, x = {data.x.dtype!r}. Convert with"
        " `data.edge_weight.to(data.x.dtype)`.",
    )


def check_weight(weight: Tensor | None, count: int) -> None:
    """Raise unless weights are finite, at least 0, and one for each edge; there may be none.

    Args:
        weight: Weights [m], or None.
        count: m.
    """
    if weight is not None:
        require(
            isinstance(weight, Tensor) and weight.layout == torch.strided,
            "`edge_weight` must be a dense tensor, but it is a"
            f" {getattr(weight, 'layout', type(weight).__name__)}."
            f" {_as_tensor(weight, 'edge_weight') or 'Give every edge a number.'}",
        )
        require(
            tuple(weight.shape) == (count,),
            f"`edge_weight` must have one entry per edge, but found shape = {tuple(weight.shape)},"
            f" edges = {count!r}. Leave it out or mend its length.",
        )
        _check_finite(weight, "edge weights", "edges")
        negative = int((weight < 0).sum())
        require(
            negative == 0,
            f"This needs edge weights ≥ 0, but found negative = {negative!r}. They say how strong"
            " an edge is; drop or shift them.",
        )


def _check_mask(mask: Any, name: str, y: Tensor) -> None:
    known = isinstance(mask, Tensor) and mask.dtype == torch.bool
    cure = _as_tensor(mask, name) or "It has one truth value per node."
    if isinstance(mask, Tensor) and not known:
        flags = mask.shape == y.shape and bool(((mask == 0) | (mask == 1)).all())
        cure = "Convert with `.bool()`."
        if not flags:
            cure = (
                f"It holds node ids: `torch_geometric.utils.index_to_mask(ids, size={len(y)})`"
                " makes a mask of them."
            )
    require(
        known,
        f"`{name}` must be of type bool, but it is"
        f" {getattr(mask, 'dtype', type(mask).__name__)}. {cure}",
    )
    cure = "It must have a truth value for each node of these data."
    if mask.dim() == 2 and len(mask) == len(y):
        cure = "Choose one split, for example `mask[:, 0]`."
    require(
        mask.shape == y.shape,
        f"This needs `{name}` of shape [n], but found shape = {tuple(mask.shape)}, n = {len(y)!r}."
        f" {cure}",
    )
    require(
        bool(mask.any()), f"This needs a node in `{name}`. The split is empty; use `split_nodes`."
    )
    if name == "test_mask":
        require(
            bool((y[mask] >= 0).any()),
            "No node in `test_mask` has a label, so nothing can be tested. Set their labels, or"
            " leave the mask out.",
        )
    else:
        missing = int((y[mask] < 0).sum())
        require(
            missing == 0,
            f"This needs labelled nodes in `{name}`, but found unlabelled = {missing!r}. Take"
            " unlabelled nodes (y = -1) out of the split.",
        )


def _check_finite(value: Tensor, what: str, unit: str) -> None:
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        rows = torch.nonzero(~(finite if value.dim() == 1 else finite.all(1))).flatten()
        raise InputError(
            f"This needs finite {what}, but {len(rows)} are not, first among them"
            f" {unit} {rows[:5].tolist()}. Replace NaN and infinite values."
        )
