"""Real nodes with some of their real neighbours: what local structure does to networks stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.selection import NodeSelection, induced
from graphcond.errors import require_at_least
from graphcond.seeding import generator
from graphcond.sparse import CSR


@final
@dataclass(frozen=True, kw_only=True)
class SampledNeighbourhoods(NodeSelection):
    """Keep labelled nodes and a sample of what surrounds them, to rank architectures.

    The budget counts labelled nodes, drawn within classes. Around each come up to ``fan_out``
    neighbours, and up to as many of theirs for every further hop, with all edges among them. These
    have no label: they are in no mask, their ``y`` is 0, and the card's ``num_context`` counts
    them. Accuracy of what is trained here is not the aim; its order over architectures is.

    Two hops are the default, since networks of several layers rank by what they see. On 60 networks
    of NAS-Bench-Graph one hop gave Spearman .69 on Cora and .15 on PubMed, two hops .77 and .38; on
    120 others two hops gave .50 and .36 (mean of three seeds).

    Args:
        ratio: Share of nodes for the training graph, in (0, 1]; or give ``num_nodes``.
        num_nodes: Number of labelled training nodes.
        of: What ``ratio`` is a share of.
        num_val: Number of labelled validation nodes; None: as many as training nodes.
        seed: Seed of the draws.
        hops: How far from a labelled node neighbours are taken, >= 1.
        fan_out: Most neighbours taken of one node, >= 1.

    Source: ours, after the neighbour sampling of GraphSAGE (Hamilton et al. 2017). Each node is
    sampled once, and the sample stays.

    Example:
        >>> from graphcond.data import load
        >>> small = SampledNeighbourhoods(num_nodes=4, num_val=4)(load("karate"))
        >>> int(small.train_mask.sum()), small.card["num_context"] == small.num_nodes - 8
        (4, True)
    """

    hops: int = 2
    fan_out: int = 5

    def __post_init__(self) -> None:
        require_at_least(1, "Or take RandomNodes.", hops=self.hops, fan_out=self.fan_out)

    def _choose(self, points: Tensor, count: int, stream: torch.Generator) -> Tensor:
        return torch.randperm(len(points), generator=stream)[:count].to(points.device)

    def _graph(self, data: Data, nodes: Tensor, part: str) -> Data:
        stream = generator(self.seed, type(self).__name__, part, "neighbours")
        around = sampled_neighbours(data, nodes, self.hops, self.fan_out, stream)
        graph = induced(data, torch.cat([nodes, around]))
        labelled = torch.arange(len(graph.x), device=nodes.device) < len(nodes)
        # The labels around are nobody's to see: some are the test split's.
        graph.y[~labelled] = 0
        graph[f"{part}_mask"] = labelled
        return graph

    def _facts(self, graphs: list[Data]) -> dict[str, float]:
        total = sum(int(graph.num_nodes or 0) for graph in graphs)
        labelled = int(graphs[0].train_mask.sum()) + int(graphs[1].val_mask.sum())
        return {"num_context": total - labelled}


def sampled_neighbours(
    data: Data, nodes: Tensor, hops: int, fan_out: int, stream: torch.Generator
) -> Tensor:
    """Return the nodes around others that a sample reaches.

    Args:
        data: The graph.
        nodes: Where to start, distinct [m].
        hops: How many steps to go.
        fan_out: Most neighbours that one node adds.
        stream: Generator of the draws.

    Returns:
        Distinct nodes that are not among ``nodes``, in the order in which they are reached.
    """
    csr = CSR.from_edge_index(data.edge_index, int(data.num_nodes or 0))
    start, sources = csr.indptr.tolist(), csr.indices
    reached = dict.fromkeys(nodes.tolist())
    border = list(reached)
    for _ in range(hops):
        added = dict[int, None]()
        for node in border:
            near = sources[start[node] : start[node + 1]]
            if len(near) > fan_out:
                near = near[torch.randperm(len(near), generator=stream)[:fan_out].to(near.device)]
            added.update((each, None) for each in near.tolist() if each not in reached)
        reached.update(added)
        border = list(added)
    return torch.tensor(list(reached)[len(nodes) :], dtype=torch.long, device=nodes.device)
