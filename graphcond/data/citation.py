"""Readers of node-classification files: Planetoid, the Amazon / Coauthor archives, the heterophilous sets, ogbn-arxiv, Reddit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.io import read_npz, read_planetoid_data
from torch_geometric.utils import to_undirected

from graphcond.data.split import split_nodes


def planetoid(folder: Path, name: str) -> Data:
    """Read Cora, CiteSeer or PubMed with the public split; every feature row is divided by its sum.

    Args:
        folder: The folder with the eight ``ind.*`` files. They are pickles: :func:`load` checks their checksums first.
        name: ``"cora"``, ``"citeseer"`` or ``"pubmed"``.

    Source: Yang et al. 2016 (split); Kipf and Welling 2017 (row-normalised features).
    """
    data = read_planetoid_data(str(folder), name)
    data.x /= data.x.sum(1, keepdim=True).clamp_(min=1e-12)
    return data


def shchur(folder: Path, file: str) -> Data:
    """Read an Amazon or Coauthor archive as PyG does (undirected, binary features), with a seeded 20 per class / 500 / rest split.

    Args:
        folder: The folder with the archive.
        file: Its name.

    Source: Shchur et al. 2018; they draw 30 validation nodes per class, we draw 500 in all.
    """
    return split_nodes(read_npz(str(folder / file)), seed=0)


def heterophilous(folder: Path, file: str) -> Data:
    """Read a set of HeterophilousGraphDataset, undirected, with the first of its ten published splits.

    Args:
        folder: The folder with the archive.
        file: Its name.

    Source: Platonov et al. 2023.
    """
    with np.load(folder / file) as raw:
        edge_index = to_undirected(torch.from_numpy(raw["edges"]).t().contiguous())
        data = Data(x=torch.from_numpy(raw["node_features"]), y=torch.from_numpy(raw["node_labels"]), edge_index=edge_index)
        for part in ("train", "val", "test"):
            data[f"{part}_mask"] = torch.from_numpy(raw[f"{part}_masks"][0])
    return data
