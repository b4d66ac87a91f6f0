"""Condensers: PyG transforms from a graph data set to a much smaller one, one algorithm a file."""

from graphcond.condensers.base import Condensation, Condenser, Draft, InteractionCondenser, NodeCondenser
from graphcond.condensers.majority import Majority
from graphcond.condensers.random_interactions import RandomInteractions

__all__ = [
    "Condensation",
    "Condenser",
    "Draft",
    "InteractionCondenser",
    "Majority",
    "NodeCondenser",
    "RandomInteractions",
]
