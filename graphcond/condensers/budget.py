"""From a user's ratio to counts, without silent clamping."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Literal

from torch_geometric.data import Data

from graphcond.errors import BudgetError, require

Base = Literal["nodes", "train"]


@dataclass(frozen=True)
class NodeBudget:
    """How many training and validation nodes a condensed graph has.

    Attributes:
        num_train: Condensed training nodes, c_train.
        num_val: Condensed validation nodes, c_val.
        ratio: c_train / n, over all nodes of the original.
        ratio_train: c_train / the original's training nodes, which is what most published code
            calls the ratio.
    """

    num_train: int
    num_val: int
    ratio: float
    ratio_train: float


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, Python's or numpy's; True and False are not."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_ratio(ratio: float) -> None:
    """Raise :class:`BudgetError` unless ``ratio`` lies in (0, 1]."""
    number = isinstance(ratio, numbers.Real) and not isinstance(ratio, bool)
    require(
        number and 0 < ratio <= 1,
        f"`ratio` must be in (0, 1], but it is {ratio!r}. It is the share of the original to keep,"
        " for example ratio=0.25.",
        error=BudgetError,
    )


def interaction_budget(num_interactions: int, ratio: float) -> int:
    """Return the largest number of interactions a condensed set may have, ⌊ratio · |D|⌋.

    Args:
        num_interactions: |D|, distinct training interactions.
        ratio: Share to keep, in (0, 1].

    Returns:
        A count in [1, |D|].

    Raises:
        BudgetError: If ``ratio`` is outside (0, 1] or leaves no interaction.
    """
    check_ratio(ratio)
    budget = math.floor(ratio * num_interactions + 1e-9)
    require(
        budget >= 1,
        f"`ratio` must keep at least one interaction, but {ratio} of {num_interactions} is less."
        " Raise `ratio`.",
        error=BudgetError,
    )
    return budget


def node_budget(
    data: Data, *, ratio: float | None, num_nodes: int | None, of: Base, num_val: int | None
) -> NodeBudget:
    """Return the node counts a user asked for.

    Args:
        data: The original, with ``train_mask`` and ``val_mask``.
        ratio: Share of all nodes (``of="nodes"``) or of the training nodes (``of="train"``), in (0,
            1].
        num_nodes: Number of condensed training nodes; give this or ``ratio``, not both.
        of: What ``ratio`` is a share of.
        num_val: Number of condensed validation nodes; None means as many as training nodes.

    Returns:
        The counts, with both ratios.

    Raises:
        BudgetError: If the counts cannot be met exactly: fewer nodes than classes, or more than the
            original has. Nothing is clamped, because a clamped count makes two "rates" the same
            graph.
    """
    require(
        of in ("nodes", "train"),
        f"`of` must be 'nodes' or 'train', but it is {of!r}. It says what `ratio` is a share of.",
        error=BudgetError,
    )
    require(
        (ratio is None) != (num_nodes is None),
        "A budget is either `ratio` or `num_nodes`, but they are"
        f" {ratio!r} and {num_nodes!r}. Give exactly one of them.",
        error=BudgetError,
    )
    for name, value in (("num_nodes", num_nodes), ("num_val", num_val)):
        whole = value is None or is_whole(value)
        require(
            whole,
            f"`{name}` must be a whole number of nodes, but it is {value!r}. Give a share of the"
            " nodes as `ratio`.",
            error=BudgetError,
        )
    train = int(data.train_mask.sum())
    val = int(data.val_mask.sum())
    if ratio is not None:
        check_ratio(ratio)
    if num_nodes is not None:
        count = num_nodes
    else:
        count = round((ratio or 0.0) * (train if of == "train" else int(data.num_nodes or 0)))
    classes = int(data.y[data.train_mask].unique().numel())
    require(
        classes <= count <= train,
        f"The budget asks for {count} condensed training nodes, but the graph has {classes} classes"
        f" and {train} training nodes. Pick a `num_nodes` or `ratio` between one node per class and"
        " all training nodes.",
        error=BudgetError,
    )
    if num_val is None:
        held = count
    else:
        held = num_val
    seen = int(data.y[data.val_mask].unique().numel())
    require(
        seen <= held <= val,
        f"The budget asks for {held} condensed validation nodes, but they must be between {seen},"
        f" one per class, and {val}. Pass such a `num_val`.",
        error=BudgetError,
    )
    return NodeBudget(count, held, count / int(data.num_nodes or 1), count / train)
