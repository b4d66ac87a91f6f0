"""Images as graphs: every pixel a node, every image a grid of its own, so that per-pixel
classification is node classification.
"""

from __future__ import annotations

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
        "This needs `images` and `labels` as tensors, but found images ="
        f" {type(images).__name__!r}, labels = {type(labels).__name__!r}. Convert with"
        " torch.from_numpy.",
    )
    whole = not labels.is_floating_point() or bool(
        (labels.isfinite() & (labels == labels.floor())).all()
    )
    require(
        whole,
        f"This needs whole numbers as `labels`, but found dtype = {labels.dtype}. Classes from 0,"
        " -1 for unknown.",
    )
    fits = images.dim() == 4 and images.shape[:3] == labels.shape and images.is_floating_point()
    require(
        fits,
        "`images` must be floating, of shape [N, h, w, c], and `labels` of shape [N, h, w], but"
        f" found {images.dtype} {tuple(images.shape)} and {tuple(labels.shape)}. Put channels"
        " last.",
    )
    count = images.size(0)
    require(
        min(train, val) >= 1 and train + val < count,
        f"This needs images in every part, but found images = {count!r}, train = {train!r}, val ="
        f" {val!r}. Ask for fewer images.",
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
