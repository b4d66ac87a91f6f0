"""Images as graphs: every pixel a node, every image a grid of its own, so that per-pixel
classification is node classification.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.errors import require
from graphcond.seeding import generator


def from_images(images: Tensor, labels: Tensor, *, train: int, val: int, seed: int = 0) -> Data:
    """Return labelled images as one graph of disjoint grids; a filter of order K is then a
    convolution of width 2K + 1.

    Whole images are drawn for training and validation, the others are for testing, so that no part
    sees pixels of another's images.

    Args:
        images: Pixel values [N, h, w, c], floating.
        labels: Class of every pixel [N, h, w], or -1 where it is unknown.
        train: Images for training, at least 1.
        val: Images for validation, at least 1.
        seed: Seed of the draw of images.

    Returns:
        ``Data`` of n = N·h·w nodes, image by image and row by row: ``x`` [n, c], ``y`` [n],
        ``edge_index`` between each pixel and its up to four neighbours in both directions, and the
        three masks [n], which leave out unknown pixels.

    Raises:
        InputError: If shapes do not fit or the parts leave no image for testing.

    Source: HCDC, appendix C.2; the adjacency there is any assumed one, ours the grid of four
    neighbours.

    Example:
        >>> images, labels = torch.rand(3, 2, 2, 1), torch.zeros(3, 2, 2, dtype=torch.long)
        >>> data = from_images(images, labels, train=1, val=1)
        >>> data.num_nodes, data.num_edges, int(data.train_mask.sum())
        (12, 24, 4)
    """
    tensors = isinstance(images, Tensor) and isinstance(labels, Tensor)
    require(
        tensors,
        "`images` and `labels` as tensors",
        "Convert with torch.from_numpy.",
        images=type(images).__name__,
        labels=type(labels).__name__,
    )
    whole = not labels.is_floating_point() or bool(
        (labels.isfinite() & (labels == labels.floor())).all()
    )
    require(
        whole, "whole numbers as `labels`", "Classes from 0, -1 for unknown.", dtype=labels.dtype
    )
    fits = images.dim() == 4 and images.shape[:3] == labels.shape and images.is_floating_point()
    shapes: dict[str, Any] = {
        "images": tuple(images.shape),
        "labels": tuple(labels.shape),
        "dtype": images.dtype,
    }
    require(
        fits,
        "floating `images` [N, h, w, c] and `labels` [N, h, w]",
        "Put channels last.",
        **shapes,
    )
    count = images.size(0)
    cure = "Ask for fewer images."
    require(
        min(train, val) >= 1 and train + val < count,
        "images in every part",
        cure,
        images=count,
        train=train,
        val=val,
    )
    place = torch.arange(labels.numel(), device=images.device).view(labels.shape)
    right = torch.stack([place[:, :, :-1].flatten(), place[:, :, 1:].flatten()])
    down = torch.stack([place[:, :-1].flatten(), place[:, 1:].flatten()])
    pairs = torch.cat([right, down], dim=1)
    data = Data(
        x=images.flatten(0, 2),
        y=labels.flatten().long(),
        edge_index=torch.cat([pairs, pairs.flip(0)], dim=1),
    )
    part = torch.empty(count, dtype=torch.long)
    part[torch.randperm(count, generator=generator(seed, "split", "images"))] = torch.arange(count)
    number = part.to(images.device).repeat_interleave(labels[0].numel())
    known = data.y >= 0
    data.train_mask = known & (number < train)
    data.val_mask = known & (number >= train) & (number < train + val)
    data.test_mask = known & (number >= train + val)
    record = {
        "source": "random images",
        "seed": seed,
        "train": train,
        "val": val,
        "test": count - train - val,
    }
    data.card = {"name": "images", "image_size": list(labels.shape[1:]), "split": record}
    return data
