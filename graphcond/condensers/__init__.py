"""Condensers: PyG transforms from a graph data set to a much smaller one, one algorithm a file."""

from graphcond.condensers.base import Condensation, Condenser, Draft, InteractionCondenser, NodeCondenser

__all__ = [
    "Condensation",
    "Condenser",
    "Draft",
    "InteractionCondenser",
    "NodeCondenser",
]
