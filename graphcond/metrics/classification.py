"""Classification accuracy, also for a batch of models."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require


def accuracy(logits: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the share of nodes whose highest logit is their class.

    Args:
        logits: Scores [..., n, C]; leading dimensions are models.
        y: Classes [n].
        mask: Nodes to count [n] bool; None means all.

    Returns:
        Shares [...] in [0, 1].

    Raises:
        InputError: If no node is counted or the shapes differ.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
        tensor(0.5000)
    """
    count = y.numel() if mask is None else int(mask.sum())
    fits = logits.size(-2) == y.numel()
    require(
        fits and count > 0,
        "This needs one label per node and at least one node, but found logits ="
        f" {tuple(logits.shape)!r}, counted = {count!r}. Check the mask.",
    )
    hits = logits.argmax(-1) == y
    kept = hits if mask is None else hits[..., mask]
    return kept.to(logits.dtype if logits.is_floating_point() else torch.float32).mean(-1)
