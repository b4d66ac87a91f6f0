"""Raw kernels behind :mod:`graphcond.sparse`, and the table that says which one serves
which case.
"""

from graphcond.sparse.backends.dispatch import Backend, available, choose, forced, use

__all__ = ["Backend", "available", "choose", "forced", "use"]
