"""Arithmetic on vectors stored as dictionaries of tensors; one vector, or B of them along a leading
dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.typing import Tensors


def dot(a: Tensors, b: Tensors, batched: bool = False) -> Tensor:
    """Return <a, b>, summed over all entries and tensors.

    Args:
        a: Tensors, each ``[B, ...]`` if ``batched``.
        b: Tensors of the same names and shapes.
        batched: Whether the leading dimension counts vectors.

    Returns:
        ``[B]`` if ``batched``, else a scalar.
    """
    terms = [
        (a[name] * b[name]).flatten(1).sum(1) if batched else (a[name] * b[name]).sum()
        for name in a
    ]
    return torch.stack(terms).sum(0)


def norm(a: Tensors, batched: bool = False) -> Tensor:
    """Return the Euclidean norm of ``a``, ``[B]`` if ``batched``, else a scalar."""
    return dot(a, a, batched).sqrt()


def _align(factor: Tensor | float, tensor: Tensor) -> Tensor | float:
    """Give a factor ``[B]`` the trailing dimensions it needs to multiply ``tensor [B, ...]``."""
    if isinstance(factor, Tensor) and factor.dim() == 1:
        return factor.view(-1, *[1] * (tensor.dim() - 1))
    return factor


def scale(factor: Tensor | float, a: Tensors) -> Tensors:
    """Return factor · a; a factor ``[B]`` scales every vector by its own number."""
    return {name: _align(factor, tensor) * tensor for name, tensor in a.items()}


def add(a: Tensors, b: Tensors, factor: Tensor | float = 1.0) -> Tensors:
    """Return a + factor · b; a factor ``[B]`` belongs to the leading dimension."""
    return {name: tensor + _align(factor, tensor) * b[name] for name, tensor in a.items()}


def detach(a: Tensors) -> Tensors:
    """Return the same values outside every autograd graph."""
    return {name: tensor.detach() for name, tensor in a.items()}


def flatten(a: Tensors, batched: bool = False) -> Tensor:
    """Return the entries in one row, in the order of the names: ``[N]``, or ``[B, N]`` if
    ``batched``.
    """
    return torch.cat(
        [tensor.flatten(1) if batched else tensor.flatten() for tensor in a.values()], dim=-1
    )


def unflatten(flat: Tensor, like: Tensors, batched: bool = False) -> Tensors:
    """Undo :func:`flatten`.

    Args:
        flat: ``[N]``, or ``[B, N]`` if ``batched``.
        like: Tensors that give names, order and shapes.
        batched: Whether the leading dimension counts vectors.

    Returns:
        Tensors shaped as ``like``.
    """
    sizes = [tensor[0].numel() if batched else tensor.numel() for tensor in like.values()]
    pieces = flat.split(sizes, dim=-1)
    return {
        name: piece.reshape(tensor.shape) for (name, tensor), piece in zip(like.items(), pieces)
    }


def check_same_names(a: Tensors, b: Tensors) -> None:
    """Raise unless both vectors have the same names and shapes."""
    shapes = [{name: tuple(tensor.shape) for name, tensor in vector.items()} for vector in (a, b)]
    require(
        shapes[0] == shapes[1],
        "This needs same names and shapes of an operator and its vector, but found operator ="
        f" {shapes[0]!r}, vector = {shapes[1]!r}. Pass a dictionary shaped as the parameters.",
    )
