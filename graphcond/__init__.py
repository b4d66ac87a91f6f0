"""Condense graph data sets and say honestly what that cost.

Subpackages are imported by name (``from graphcond import condensers``), so that ``import
graphcond`` stays instant.
"""

__version__ = "0.1.0"
