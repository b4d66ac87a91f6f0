"""Data sets, splits and files."""

from graphcond.data.card import Card, find_card, names
from graphcond.data.checks import check_interactions, check_nodes
from graphcond.data.combine import parts, union
from graphcond.data.interactions import EDGE, make_interactions, num_items, num_users, train_edges, val_edges
from graphcond.data.load import load
from graphcond.data.split import split_interactions, split_nodes, test_edges, without_test
from graphcond.data.statistics import statistics
from graphcond.data.store import load_state, read, save, save_state, write_atomically

__all__ = [
    "EDGE",
    "Card",
    "check_interactions",
    "check_nodes",
    "find_card",
    "load",
    "load_state",
    "make_interactions",
    "names",
    "num_items",
    "num_users",
    "parts",
    "read",
    "save",
    "save_state",
    "split_interactions",
    "split_nodes",
    "statistics",
    "test_edges",
    "train_edges",
    "union",
    "val_edges",
    "without_test",
    "write_atomically",
]
