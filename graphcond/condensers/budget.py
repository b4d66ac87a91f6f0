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
    cure = "It is the share of the original to keep, for example ratio=0.25."
    number = isinstance(ratio, numbers.Real) and not isinstance(ratio, bool)
    require(number and 0 < ratio <= 1, "`ratio` in (0, 1]", cure, error=BudgetError, ratio=ratio)


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
    cure = "Raise `ratio`: not one interaction would be kept."
    require(
        budget >= 1,
        "`ratio` · |D| ≥ 1",
        cure,
        error=BudgetError,
        ratio=ratio,
        interactions=num_interactions,
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
        "`of` in {'nodes', 'train'}",
        "It says what `ratio` is a share of.",
        error=BudgetError,
        of=of,
    )
    cure = "Give `ratio` or `num_nodes`, exactly one of them."
    require(
        (ratio is None) != (num_nodes is None),
        "one budget",
        cure,
        error=BudgetError,
        ratio=ratio,
        num_nodes=num_nodes,
    )
    for name, value in (("num_nodes", num_nodes), ("num_val", num_val)):
        whole = value is None or is_whole(value)
        require(
            whole,
            f"`{name}` a whole number of nodes",
            "Give a share of the nodes as `ratio`.",
            error=BudgetError,
            **{name: value},
        )
    train, val = int(data.train_mask.sum()), int(data.val_mask.sum())
    if ratio is not None:
        check_ratio(ratio)
    count = (
        num_nodes
        if num_nodes is not None
        else round((ratio or 0.0) * (train if of == "train" else int(data.num_nodes or 0)))
    )
    classes = int(data.y[data.train_mask].unique().numel())
    cure = f"Pick a budget between {classes} (one node per class) and {train} training nodes."
    facts = {"num_nodes": count, "ratio": ratio, "of": of}
    require(
        classes <= count <= train,
        "classes ≤ condensed training nodes ≤ training nodes",
        cure,
        error=BudgetError,
        **facts,
    )
    held = count if num_val is None else num_val
    seen = int(data.y[data.val_mask].unique().numel())
    cure = f"Pass `num_val` between {seen} (one node per class) and {val} validation nodes."
    require(
        seen <= held <= val,
        "classes ≤ condensed validation nodes ≤ validation nodes",
        cure,
        error=BudgetError,
        num_val=held,
    )
    return NodeBudget(count, held, count / int(data.num_nodes or 1), count / train)
