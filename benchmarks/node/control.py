"""The same-label control of the accuracy table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch_geometric.data import Data

from graphcond.condensers.synthesis import NodeSynthesis
from graphcond.data import Checkpoint
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import synthetic_labels
from graphcond.nn.teacher import RidgeTeacher, propagate, propagation
from graphcond.seeding import generator
from graphcond.typing import Record


@final
@dataclass(frozen=True, kw_only=True)
class TaughtNodes(NodeSynthesis):
    """Random nodes with what Partition and KIP know: the teacher's classes, propagated features.

    Any node may be drawn, in the proportions of the teacher's classes. A condenser that uses both
    must beat this to have learned more than its teacher's labels.

    Args:
        hops: Propagation steps of the features, >= 0.
        teacher: Which teacher.
    """

    hops: int = 1
    teacher: RidgeTeacher = RidgeTeacher()

    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
        """Return drawn nodes as a graph without edges."""
        taught = part == "train"
        members = (
            LabelledNodes.taught(data, self.teacher)
            if taught
            else LabelledNodes.of_part(data, part)
        )
        labels = synthetic_labels(members.labels, count)
        stream = generator(self.seed, "taught nodes", part)
        chosen: list[int] = []
        for label in labels.tolist():
            inside = (members.labels == label).nonzero()[:, 0]
            inside = inside[~torch.isin(inside, torch.tensor(chosen, dtype=torch.long))]
            chosen.append(int(inside[torch.randint(len(inside), (), generator=stream)]))
        x = propagate(propagation(data), data.x, self.hops)[members.nodes[chosen]]
        empty = torch.empty(2, 0, dtype=torch.long, device=x.device)
        return Data(x=x, y=labels, edge_index=empty, edge_weight=x.new_empty(0)), []
