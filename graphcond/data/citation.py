"""Readers of node-classification files: Planetoid, the Amazon / Coauthor archives, the
heterophilous sets, ogbn-arxiv, Reddit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.io import read_planetoid_data
from torch_geometric.utils import coalesce, remove_self_loops, to_undirected

from graphcond.data.split import split_nodes
from graphcond.seeding import generator


def planetoid(folder: Path, name: str) -> Data:
    """Read Cora, CiteSeer or PubMed with the public split; every feature row is divided by its sum.

    Args:
        folder: The folder with the eight ``ind.*`` files. They are pickles: :func:`load` checks
            their checksums first.
        name: ``"cora"``, ``"citeseer"`` or ``"pubmed"``.

    Source: Yang et al. 2016 (split); Kipf and Welling 2017 (row-normalised features).
    """
    data = read_planetoid_data(str(folder), name)
    data.x /= data.x.sum(1, keepdim=True).clamp_(min=1e-12)
    return data


def shchur(file: Path) -> Data:
    """Read an Amazon or Coauthor archive as PyG does: undirected, binary features; with a seeded 20
    per class / 500 / rest split.

    Args:
        file: The ``.npz`` archive.

    Source: Shchur et al. 2018; they draw 30 validation nodes per class, we draw 500 in all.
    """
    with np.load(file) as raw:
        count, width = (int(size) for size in raw["attr_shape"])
        x = torch.zeros(count, width)
        row = np.repeat(np.arange(count), np.diff(raw["attr_indptr"]))
        x[torch.from_numpy(row), torch.from_numpy(raw["attr_indices"]).long()] = 1.0
        source = np.repeat(np.arange(count), np.diff(raw["adj_indptr"]))
        edges = torch.from_numpy(np.stack([source, raw["adj_indices"]]).astype(np.int64))
        y = torch.from_numpy(raw["labels"]).long()
    edge_index = to_undirected(remove_self_loops(edges)[0], num_nodes=count)
    return split_nodes(Data(x=x, edge_index=edge_index, y=y), seed=0)


def heterophilous(file: Path) -> Data:
    """Read a set of HeterophilousGraphDataset, undirected, with the first of its ten published
    splits.

    Args:
        file: The ``.npz`` archive.

    Source: Platonov et al. 2023.
    """
    with np.load(file) as raw:
        edge_index = to_undirected(torch.from_numpy(raw["edges"]).t().contiguous())
        data = Data(
            x=torch.from_numpy(raw["node_features"]).float(),
            y=torch.from_numpy(raw["node_labels"]).long(),
            edge_index=edge_index,
        )
        for part in ("train", "val", "test"):
            data[f"{part}_mask"] = torch.from_numpy(raw[f"{part}_masks"][0])
    return data


def reddit(folder: Path) -> Data:
    """Read Reddit posts with their published split by time.

    Args:
        folder: The folder with ``reddit_data.npz`` and ``reddit_graph.npz``.

    Source: Hamilton et al. 2017.
    """
    with np.load(folder / "reddit_data.npz") as raw:
        data = Data(
            x=torch.from_numpy(raw["feature"]).float(), y=torch.from_numpy(raw["label"]).long()
        )
        kind = torch.from_numpy(raw["node_types"])
    adjacency = sparse.coo_array(sparse.load_npz(folder / "reddit_graph.npz"))
    edges = torch.from_numpy(np.stack([adjacency.row, adjacency.col]).astype(np.int64))
    data.edge_index = coalesce(edges, num_nodes=data.x.size(0))
    data.train_mask = kind == 1
    data.val_mask = kind == 2
    data.test_mask = kind == 3
    return data


def arxiv(folder: Path) -> Data:
    """Read ogbn-arxiv from OGB's raw tables, symmetrised, with the published split by year.

    Args:
        folder: The folder with ``raw/edge.csv.gz``, ``raw/node-feat.csv.gz``,
            ``raw/node-label.csv.gz``, ``raw/node_year.csv.gz``.

    Source: Hu et al. 2020.
    """
    edges = torch.from_numpy(_table(folder / "raw/edge.csv.gz", np.int64)).t().contiguous()
    x = torch.from_numpy(_table(folder / "raw/node-feat.csv.gz", np.float32))
    y = torch.from_numpy(_table(folder / "raw/node-label.csv.gz", np.int64)).flatten()
    year = torch.from_numpy(_table(folder / "raw/node_year.csv.gz", np.int64)).flatten()
    return _by_year(Data(x=x, edge_index=to_undirected(edges, num_nodes=x.size(0)), y=y), year)


def arxiv_partial(file: Path) -> Data:
    """Read the graph, labels and years of ogbn-arxiv and make stand-ins for the features (see
    :func:`structural_features`).

    Args:
        file: ``graph.npz`` with ``indptr``, ``indices``, ``label``, ``year``.
    """
    with np.load(file) as raw:
        count = raw["label"].shape[0]
        source = np.repeat(np.arange(count), np.diff(raw["indptr"]))
        edges = torch.from_numpy(np.stack([source, raw["indices"]]).astype(np.int64))
        y = torch.from_numpy(raw["label"].astype(np.int64))
        year = torch.from_numpy(raw["year"].astype(np.int64))
    edge_index = to_undirected(edges, num_nodes=count)
    return _by_year(
        Data(x=structural_features(edge_index, count), edge_index=edge_index, y=y), year
    )


def structural_features(
    edge_index: Tensor, num_nodes: int, width: int = 128, steps: int = 8, seed: int = 0
) -> Tensor:
    """Return node features made from the graph alone; no label is used.

    x = row-normalised (C P)^steps R with P = D⁻¹A, a Gaussian R [n, width], and C taking away the
    degree-weighted mean of each column: a random projection of where random walks end, so that
    nodes of one neighbourhood have alike features.

    Args:
        edge_index: Undirected edges [2, m].
        num_nodes: Number of nodes n.
        width: Number of features.
        steps: Length of the walks.
        seed: Seed of R.

    Returns:
        Features [n, width], rows of unit length.

    Source: FastRP (Chen et al. 2019), section 4, with one long walk instead of a weighted sum of
    short ones and with C, which takes away what long walks have in common.
    """
    adjacency = sparse.csr_array(
        (np.ones(edge_index.size(1), np.float32), edge_index.numpy()), shape=(num_nodes, num_nodes)
    )
    degree = np.asarray(adjacency.sum(1), dtype=np.float32)
    walk = sparse.diags_array(1 / np.maximum(degree, 1)).tocsr().astype(np.float32) @ adjacency
    share = (degree / max(float(degree.sum()), 1.0))[None, :]
    block: Any = torch.randn(num_nodes, width, generator=generator(seed, "features")).numpy()
    for _ in range(steps):
        block = walk @ block
        block -= share @ block
    return torch.nn.functional.normalize(torch.from_numpy(block), dim=1)


def _by_year(data: Data, year: Tensor) -> Data:
    data.train_mask = year <= 2017
    data.val_mask = year == 2018
    data.test_mask = year >= 2019
    return data


def _table(file: Path, dtype: Any) -> np.ndarray:
    import pandas

    return np.array(pandas.read_csv(file, header=None).to_numpy(dtype=dtype), order="C")
