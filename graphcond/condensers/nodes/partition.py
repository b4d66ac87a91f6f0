"""Training-free condensation: class-wise clusters of propagated features, each replaced by its
mean.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, final

import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.synthesis import NodeSynthesis
from graphcond.data import Checkpoint
from graphcond.errors import require, require_one_of
from graphcond.nn.filters import filter_features
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import synthetic_labels
from graphcond.nn.teacher import RidgeTeacher, propagate, propagation, sketch
from graphcond.seeding import derive
from graphcond.sparse import CSR, spmm
from graphcond.typing import Record

# Above it k-means goes by mini-batches, whose steps do not cost more with more points.
_MANY_POINTS = 5_000
# Clustering looks at a random projection of wider features, which keeps distances.
_CLUSTER_WIDTH = 256


def cluster(points: Tensor, members: LabelledNodes, labels: Tensor, seed: int) -> Tensor:
    """Return the cluster of every member: k-means within each class, as many clusters as ``labels``
    has of it.

    Args:
        points: What is clustered [m, e], a row per member.
        members: Classes and weights.
        labels: Sorted classes [c] of the condensed nodes.
        seed: Of k-means.

    Returns:
        Condensed node [m] in [0, c) of each member; -1 where no condensed node has its class.
    """
    out = torch.full_like(members.nodes, -1)
    for label, count in zip(*(part.tolist() for part in labels.unique(return_counts=True))):
        inside = (members.labels == label).nonzero()[:, 0]
        first = int((labels < label).sum())
        state = derive(seed, "cluster", label) % 2**32
        many = len(inside) > _MANY_POINTS
        if many:
            machine = MiniBatchKMeans(count, n_init=1, batch_size=4096, random_state=state)
        else:
            machine = KMeans(count, n_init=3, max_iter=50, random_state=state)
        # One thread: these problems are small, and OpenMP threads that wait for a busy core cost a
        # hundred times the work.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = machine.fit(
                points[inside].cpu().numpy(), sample_weight=members.weight[inside].cpu().numpy()
            ).labels_
        out[inside] = _fill(torch.from_numpy(found).long(), count).to(out.device) + first
    return out


def _fill(found: Tensor, count: int) -> Tensor:
    """Give clusters left empty, because points coincide, a member of the largest one."""
    sizes = found.bincount(minlength=count)
    for empty in (sizes == 0).nonzero()[:, 0].tolist():
        found[(found == sizes.argmax()).nonzero()[-1, 0]] = empty
        sizes = found.bincount(minlength=count)
    return found


def cluster_means(
    data: Data, members: LabelledNodes, assigned: Tensor, count: int, hops: int
) -> Tensor:
    """Return weighted means of Â^hops X over clusters, x'_j = Σ_i w_i (Â^hops X)_i / Σ_i w_i,
    propagating the narrower side.

    Args:
        data: The original.
        members: Nodes and weights [m].
        assigned: Cluster of each member [m], -1 for none.
        count: Number of clusters c.
        hops: Propagation steps.

    Returns:
        Features [c, d]; nothing of size n x max(c, d) is built beyond the input.
    """
    operator = propagation(data)
    used = assigned >= 0
    nodes = members.nodes[used]
    rows = assigned[used]
    weight = members.weight[used]
    weight = weight / weight.new_zeros(count).index_add(0, rows, weight)[rows]
    if count >= data.x.shape[1]:
        weighted = weight[:, None] * propagate(operator, data.x, hops)[nodes]
        means: Tensor = data.x.new_zeros(count, data.x.shape[1]).index_add(0, rows, weighted)
        return means
    averaging = data.x.new_zeros(int(data.num_nodes), count).index_put((nodes, rows), weight)
    return _transposed_product(data.x, propagate(operator.T, averaging, hops))


def _transposed_product(x: Tensor, averaging: Tensor) -> Tensor:
    features = filter_features(x)
    product: Tensor = (
        spmm(features.T, averaging).T.contiguous()
        if isinstance(features, CSR)
        else averaging.T @ features
    )
    return product


@final
@dataclass(frozen=True, kw_only=True)
class Partition(NodeSynthesis):
    r"""Replace class-wise clusters of nodes by the mean of their propagated features; no training,
    no edges.

    x'_j = Σ_{i ∈ cluster j} w_i (Â^hops X)_i / Σ w_i. With ``labels="teacher"`` all nodes are
    clustered, within the classes of :class:`graphcond.nn.teacher.RidgeTeacher` (learned from
    training labels in closed form, its setting chosen on validation labels), weighted by its
    margin, and class proportions are those of its classes. With ``labels="train"`` only training
    nodes are.

    Args:
        hops: Propagation steps of the features that are averaged, >= 0. A GCN propagates once
            before its first layer, so 1 fits it best.
        cluster_hops: Propagation steps of the features that are clustered, rows scaled to unit
            length, >= 0.
        labels: ``"teacher"`` or ``"train"``.
        teacher: Which teacher.

    Source: CGC (Gao et al., WWW 2025): class-wise partition of propagated features. Deviations:
    unlabelled nodes join by a closed-form teacher, with weights; k-means is scikit-learn's.

    Example:
        >>> from graphcond.data import load
        >>> Partition(num_nodes=4, num_val=2)(load("karate")).y.tolist()
        [0, 0, 1, 1, 0, 1]
    """

    hops: int = 1
    cluster_hops: int = 2
    labels: Literal["teacher", "train"] = "teacher"
    teacher: RidgeTeacher = RidgeTeacher()

    def __post_init__(self) -> None:
        require_one_of(("teacher", "train"), "Pick one.", labels=self.labels)
        for name, hops in (("hops", self.hops), ("cluster_hops", self.cluster_hops)):
            require(
                hops >= 0, f"`{name}` must be at least 0, but it is {hops}. It counts propagations."
            )

    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
        """Return the clusters' means as a graph without edges; there is no history."""
        if part == "train" and self.labels == "teacher":
            members = LabelledNodes.taught(data, self.teacher)
        else:
            members = LabelledNodes.of_part(data, part)
        features = sketch(data.x, _CLUSTER_WIDTH, entries=0, seed=self.seed)
        points = F.normalize(propagate(propagation(data), features, self.cluster_hops), dim=1)[
            members.nodes
        ]
        labels = synthetic_labels(members.labels, count)
        assigned = cluster(points, members, labels, derive(self.seed, part))
        x = cluster_means(data, members, assigned, count, self.hops)
        empty = torch.empty(2, 0, dtype=torch.long, device=x.device)
        return Data(x=x, y=labels, edge_index=empty, edge_weight=x.new_empty(0)), []
