"""Classification accuracy, also for a batch of models."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.pairs import widened


def accuracy(logits: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the share of labelled nodes whose highest logit is their class.

    Args:
        logits: Scores [..., n, C]; leading dimensions are models.
        y: Classes [n]; nodes with y < 0 have no label and are not counted.
        mask: Nodes to count [n] bool; None means all.

    Returns:
        Shares [...] in [0, 1]; NaN for a model whose highest logit at a counted node is NaN or
        infinite, since that is no answer.

    Raises:
        InputError: If no labelled node is counted, or a shape or type is wrong.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
        tensor(0.5000)
    """
    require(
        isinstance(logits, Tensor) and isinstance(y, Tensor),
        f"Logits and labels must be tensors, but they are a {type(logits).__name__} and a"
        f" {type(y).__name__}. Convert them with `torch.as_tensor`.",
    )
    y = widened(y)
    require(
        y.dim() == 1 and logits.dim() >= 2 and logits.size(-2) == y.numel() and logits.size(-1) > 0,
        f"Logits [..., n, C] and labels [n] must agree in n, but they are {tuple(logits.shape)} and"
        f" {tuple(y.shape)}. Give a row of logits for each label.",
    )
    require(
        mask is None or (mask.dtype == torch.bool and mask.shape == y.shape),
        f"`mask` must be bool [n] with n = {y.numel()}, but it is {getattr(mask, 'dtype', None)}"
        f" {list(getattr(mask, 'shape', ()))}. Node ids become a mask by `index_to_mask`.",
    )
    if mask is None:
        counted = y >= 0
    else:
        counted = mask & (y >= 0)
    require(
        bool(counted.any()),
        "No labelled node is counted. Check the mask, and that y holds classes from 0.",
    )
    kept = logits[..., counted, :]
    classes = y[counted]
    if kept.is_floating_point():
        dtype = kept.dtype
    else:
        dtype = torch.float32
    share = (kept.argmax(-1) == classes).to(dtype).mean(-1)
    # A network that diverged: the highest of NaNs or infinite logits is no answer.
    answered = kept.amax(-1).isfinite().all(-1)
    return share.masked_fill(~answered, torch.nan)
