"""Uniform random interactions: the floor every other condenser has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.data import EDGE, Checkpoint, train_edges, with_interactions
from graphcond.seeding import generator


@final
@dataclass(frozen=True, kw_only=True)
class RandomInteractions(InteractionCondenser):
    r"""Keep :math:`\lfloor r |D| \rfloor` training interactions, drawn uniformly without replacement.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of the draw.

    Source: DConRec, section 4.1.2, "Random".

    Example:
        >>> from graphcond.data import load, split_interactions
        >>> data = split_interactions(load("southern-women"), seed=0)
        >>> small = RandomInteractions(ratio=0.5)(data)
        >>> small.card["ratio_actual"] <= 0.5
        True
    """

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        draw = generator(self.seed, "random")
        chosen = torch.randperm(train_edges(data).size(1), generator=draw)[: self.budget(data)]
        return Draft(subset(data, chosen))


def subset(data: HeteroData, chosen: Tensor) -> HeteroData:
    """Return the training interactions ``chosen``, with their weights where the data have some.

    Args:
        data: The original.
        chosen: Columns of its ``edge_index`` [E'], without repeats.

    Returns:
        A set with the same users and items and no validation or test interactions.
    """
    chosen = chosen.to(train_edges(data).device).sort().values
    weight = data[EDGE].get("edge_weight")
    return with_interactions(data, train_edges(data)[:, chosen], None if weight is None else weight[chosen])
