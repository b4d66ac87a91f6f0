"""How well one list of scores ranks like another: rank correlations with ties, and what a wrong
pick costs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import InputError, require
from graphcond.pairs import widened


def ranks(values: Tensor) -> Tensor:
    """Return ascending ranks from 1, ties sharing their mean rank.

    Args:
        values: Scores [m].

    Returns:
        Ranks [m] in float64.

    Example:
        >>> ranks(torch.tensor([3.0, 1.0, 3.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    values = widened(values)
    _, group, count = torch.unique(values, return_inverse=True, return_counts=True)
    # The last rank of a group of equals, less half of what the group is wider than one.
    mean: Tensor = count.cumsum(0).double() - (count.double() - 1) / 2
    return mean[group]


def spearman(first: Tensor, second: Tensor) -> float:
    """Return Spearman's rank correlation, the Pearson correlation of the ranks.

    Args:
        first: Scores [m] of m >= 2 candidates.
        second: Scores [m] of the same candidates.

    Returns:
        A number in [-1, 1]; NaN where one list is constant (it ranks nothing).

    Raises:
        InputError: If the lists differ in length, are shorter than 2, or hold NaN.

    Source: Spearman (1904); ties as in ``scipy.stats.spearmanr``.

    Example:
        >>> spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 30.0, 20.0]))
        0.5
    """
    first, second = _checked(first, second)
    a = ranks(first)
    b = ranks(second)
    a = a - a.mean()
    b = b - b.mean()
    scale = (a.square().sum() * b.square().sum()).sqrt()
    if scale > 0:
        return float((a * b).sum() / scale)
    return float("nan")


def kendall(first: Tensor, second: Tensor) -> float:
    """Return Kendall's tau-b: concordant minus discordant pairs over the geometric mean of untied
    ones.

    Args:
        first: Scores [m] of m >= 2 candidates; m² pairs are compared.
        second: Scores [m].

    Returns:
        A number in [-1, 1]; NaN where one list is constant.

    Raises:
        InputError: As :func:`spearman`.

    Source: Kendall (1945), tau-b, as in ``scipy.stats.kendalltau``.
    """
    first, second = _checked(first, second)
    # Differences of ranks: those of the scores wrap around in unsigned integers, and inf - inf is
    # NaN.
    a = ranks(first)
    b = ranks(second)
    a = (a[:, None] - a).sign()
    b = (b[:, None] - b).sign()
    scale = (a.abs().sum() * b.abs().sum()).sqrt()
    if scale > 0:
        return float((a * b).sum() / scale)
    return float("nan")


def top_quarter_spearman(reference: Tensor, other: Tensor) -> float:
    """Return Spearman's correlation among the best quarter by ``reference``, where it is hardest
    and matters most.

    Args:
        reference: Scores [m] of the original, higher is better, m >= 5.
        other: Scores [m] of the stand-in, higher is better.

    Returns:
        A number in [-1, 1], or NaN; over max(2, ⌈m / 4⌉) candidates.

    Raises:
        InputError: As :func:`spearman`.
    """
    reference, other = _checked(reference, other)
    # Rounded up, and never fewer than the two that a correlation needs.
    count = max(2, -(-reference.numel() // 4))
    best = ranks(reference).topk(count).indices
    return spearman(reference[best], other[best])


def regret(truth: Tensor, chooser: Tensor) -> float:
    """Return what is lost by trusting ``chooser``: max(truth) - truth[argmax(chooser)].

    Args:
        truth: What a candidate is worth [m], higher is better.
        chooser: The scores that pick [m], higher is better; a tie for the best is resolved by its
            mean worth.

    Returns:
        A number >= 0, in ``truth``'s unit; NaN where a chooser is constant, since it picks nothing.

    Raises:
        InputError: As :func:`spearman`.

    Example:
        >>> regret(torch.tensor([70.0, 80.0, 82.0]), torch.tensor([0.1, 0.9, 0.5]))
        2.0
    """
    truth, chooser = _checked(truth, chooser)
    picked = chooser == chooser.max()
    truth = truth.double()
    if bool(picked.all()):
        return float("nan")
    return float(truth.max() - truth[picked].mean())


def _checked(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return two score lists that can be compared, of types that torch computes with."""
    try:
        first = widened(torch.as_tensor(first))
        second = widened(torch.as_tensor(second))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"Scores must be numbers, but: {error}. Pass two tensors.") from error
    require(
        not (first.is_complex() or second.is_complex()),
        "Scores must be real numbers, but some are complex. Take their real part.",
    )
    fits = first.dim() == 1 and first.shape == second.shape and first.numel() >= 2
    require(
        fits,
        f"This needs two score lists of one length >= 2, but found first = {tuple(first.shape)!r},"
        f" second = {tuple(second.shape)!r}. Score the same candidates twice.",
    )
    numbers = not bool(torch.isnan(first).any() or torch.isnan(second).any())
    require(
        numbers,
        "This needs scores that are numbers. A candidate diverged: drop it or lower the learning"
        " rate.",
    )
    return first, second
