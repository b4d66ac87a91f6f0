"""Data sets, splits and files.

What may come and how it is taken:

- **Repeated interactions** are merged, their weights added, the earliest split kept;
  ``card["duplicates_merged"]`` counts them.
- **Users with one interaction** keep it for training; users and items without any keep their ids
  and are left out of the means.
- **Isolated nodes** are ordinary nodes; ``statistics`` counts them.
- **Self-loops** stay; layers that add their own treat them as PyG does. ``statistics`` counts them.
- **Directed graphs** stay directed (row 0 source, row 1 target, as in PyG); undirected ones hold
  both directions.
- **Repeated edges** of node data stay and add up in message passing, as in PyG.
- **Unlabelled nodes** have y = -1, pass messages, and may not be in ``train_mask`` or ``val_mask``.
"""

from graphcond.data.atomic import check_writable, write_atomically
from graphcond.data.card import Card, find_card, names
from graphcond.data.checkpoint import Checkpoint, describe, digest
from graphcond.data.checks import check_nodes
from graphcond.data.columns import Columns
from graphcond.data.combine import parts, union
from graphcond.data.convert import from_hetero, from_networkx, to_hetero
from graphcond.data.core import k_core
from graphcond.data.edges import looped, sparsified
from graphcond.data.frames import from_frame
from graphcond.data.interactions import (
    EDGE,
    kept_interactions,
    make_interactions,
    num_items,
    num_users,
    numbered,
    train_edges,
    val_edges,
    with_interactions,
)
from graphcond.data.lightgcn import write_lightgcn
from graphcond.data.loading import load
from graphcond.data.ogb import NodeDataset, adapt, as_ogb, reset_caches
from graphcond.data.own_files import content_digest, is_own_file
from graphcond.data.pair_checks import check_interactions
from graphcond.data.pixels import from_images
from graphcond.data.planted import planted_graph, planted_interactions
from graphcond.data.provenance import check_apart, check_split, split_again, split_record
from graphcond.data.recbole import write_inter
from graphcond.data.split import Strategy, split_interactions, split_nodes, test_edges, without_test
from graphcond.data.statistics import statistics
from graphcond.data.store import load_state, read, save, save_state
from graphcond.data.tables import write_parquet
from graphcond.data.written_back import WrittenBack, kept_rows, write_back

__all__ = [
    "Card",
    "Checkpoint",
    "Columns",
    "EDGE",
    "NodeDataset",
    "Strategy",
    "WrittenBack",
    "adapt",
    "as_ogb",
    "check_apart",
    "check_interactions",
    "check_nodes",
    "check_split",
    "check_writable",
    "content_digest",
    "describe",
    "digest",
    "find_card",
    "from_frame",
    "from_hetero",
    "from_images",
    "from_networkx",
    "is_own_file",
    "k_core",
    "kept_interactions",
    "kept_rows",
    "load",
    "load_state",
    "looped",
    "make_interactions",
    "names",
    "num_items",
    "num_users",
    "numbered",
    "parts",
    "planted_graph",
    "planted_interactions",
    "read",
    "reset_caches",
    "save",
    "save_state",
    "sparsified",
    "split_again",
    "split_interactions",
    "split_nodes",
    "split_record",
    "statistics",
    "test_edges",
    "to_hetero",
    "train_edges",
    "union",
    "val_edges",
    "with_interactions",
    "without_test",
    "write_atomically",
    "write_back",
    "write_inter",
    "write_lightgcn",
    "write_parquet",
]
