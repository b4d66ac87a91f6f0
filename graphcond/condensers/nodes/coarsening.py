"""Coarsening: linked nodes of one class are merged, and the edges between the groups are kept."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_scipy_sparse_matrix

from graphcond.condensers.synthesis import NodeSynthesis
from graphcond.data import Checkpoint
from graphcond.errors import require_at_least
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import synthetic_labels
from graphcond.nn.teacher import RidgeTeacher, propagate, propagation, sketch
from graphcond.typing import Record

# Clustering looks at a random projection of wider features: Ward's distances survive it.
_CLUSTER_WIDTH = 64


@final
@dataclass(frozen=True, kw_only=True)
class Coarsening(NodeSynthesis):
    r"""Merge linked nodes of one class until the budget is met; no training, edges are kept.

    With P the group of every node, x' = P̄ᵀ X (means) and
    A'_jk = E_jk / √((E_jj + n_j) (E_kk + n_k)), E = Pᵀ A P. A model adds self-loops of weight 1,
    which then stand for the n_j + E_jj links inside a group.

    Args:
        hops: Propagation steps of the features that decide who is merged, >= 0.
        teacher: Gives unlabelled nodes a class, for the training graph.

    Source: Huang et al., KDD 2021 (graph coarsening for training). Deviations: groups stay within
    a class, of the node or of a closed-form teacher; they are scikit-learn's Ward clusters that
    may only grow along edges.

    Example:
        >>> from graphcond.data import load
        >>> Coarsening(num_nodes=4, num_val=2)(load("karate")).num_nodes
        6
    """

    hops: int = 2
    teacher: RidgeTeacher = RidgeTeacher()

    def __post_init__(self) -> None:
        require_at_least(0, "It counts propagations.", hops=self.hops)

    def part(
        self, data: Data, part: str, count: int, checkpoint: Checkpoint | None = None
    ) -> tuple[Data, list[Record]]:
        """Return the graph of the groups; there is no history."""
        if part == "train":
            members = LabelledNodes.taught(data, self.teacher)
        else:
            members = LabelledNodes.of_part(data, part)
        labels = synthetic_labels(members.labels, count)
        features = sketch(data.x, _CLUSTER_WIDTH, entries=0, seed=self.seed)
        points = propagate(propagation(data), features, self.hops)[members.nodes]
        links = _links(data, members.nodes)
        group = groups(points.cpu().numpy(), links, members.labels.cpu(), labels.cpu())
        return quotient(data.x, members.nodes, links, group, labels), []


def _links(data: Data, nodes: Tensor) -> sp.csr_matrix:
    """Return the undirected links among some nodes as a symmetric 0/1 matrix [m, m]."""
    matrix = to_scipy_sparse_matrix(data.edge_index.cpu(), num_nodes=data.num_nodes).tocsr()
    index = nodes.cpu().numpy()
    inside = matrix[index][:, index]
    both = (inside + inside.T).astype(bool).astype(np.float64)
    both.setdiag(0)
    both.eliminate_zeros()
    return both.tocsr()


def groups(points: np.ndarray, links: sp.csr_matrix, classes: Tensor, labels: Tensor) -> Tensor:
    """Return the group of every node: Ward clusters within each class that grow along links.

    Args:
        points: What is compared [m, e].
        links: Who may be merged [m, m].
        classes: Class of every node [m].
        labels: Sorted classes [c] of the groups.

    Returns:
        Group [m] in [0, c) of every node; -1 where no group has its class.
    """
    out = torch.full((len(classes),), -1)
    for label, count in zip(*(part.tolist() for part in labels.unique(return_counts=True))):
        inside = (classes == label).nonzero()[:, 0]
        first = int((labels < label).sum())
        rows = inside.numpy()
        if count == len(rows):
            out[inside] = torch.arange(count) + first
            continue
        machine = AgglomerativeClustering(count, connectivity=links[rows][:, rows])
        with warnings.catch_warnings():
            # A class falls into several connected parts; scikit-learn joins them and says so.
            warnings.simplefilter("ignore", UserWarning)
            found = machine.fit(points[rows]).labels_
        out[inside] = torch.from_numpy(found).long() + first
    return out


def quotient(x: Tensor, nodes: Tensor, links: sp.csr_matrix, group: Tensor, labels: Tensor) -> Data:
    """Return the graph whose nodes are groups.

    Args:
        x: Features of all nodes [n, d].
        nodes: The grouped nodes [m].
        links: Links among them [m, m].
        group: Group of each [m], -1 for none.
        labels: Class of every group [c].

    Returns:
        ``Data(x [c, d], y [c], edge_index, edge_weight)``, symmetric, without self-loops.
    """
    count = len(labels)
    used = (group >= 0).nonzero()[:, 0]
    home = group[used].numpy()
    ones = np.ones(len(home))
    place = sp.csr_matrix((ones, (used.numpy(), home)), shape=(len(group), count))
    between = (place.T @ links @ place).tocoo()
    size = np.asarray(place.sum(0)).ravel()
    scale = 1 / np.sqrt(between.tocsr().diagonal() + size)
    outside = between.row != between.col
    row, col = between.row[outside], between.col[outside]
    weight = between.data[outside] * scale[row] * scale[col]
    where = torch.from_numpy(home).to(x.device)
    sums = x.new_zeros(count, x.size(1)).index_add(0, where, x[nodes[used.to(nodes.device)]])
    return Data(
        x=sums / torch.from_numpy(size).to(x)[:, None],
        y=labels.to(x.device),
        edge_index=torch.from_numpy(np.stack([row, col])).long().to(x.device),
        edge_weight=torch.from_numpy(weight).to(x),
    )
