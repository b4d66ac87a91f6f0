"""Sparse message passing: one matrix by rows, two products that are each other's derivatives, and
what is built on them.

Other libraries' matrices are accepted and returned (:mod:`~graphcond.sparse.interop`), never
computed with: torch-sparse has no double backward and is silently wrong inside bilevel programs,
torch's sparse tensors build dense n x n gradients to their entries, and gathering and scattering,
PyG's default, moves edges x width numbers several times. :mod:`~graphcond.sparse.backends` says
what runs.
"""

from graphcond.sparse.csr import CSR
from graphcond.sparse.interop import (
    as_csr,
    to_data,
    to_edge_index,
    to_pyg_edge_index,
    to_scipy,
    to_sparse_tensor,
    to_torch,
)
from graphcond.sparse.normalize import (
    add_self_loops,
    bipartite_norm,
    degree,
    gcn_norm,
    scale,
    scaled_laplacian,
)
from graphcond.sparse.polynomial import apply, chebyshev, powers
from graphcond.sparse.sddmm import sddmm
from graphcond.sparse.spmm import spmm
from graphcond.sparse.topk import topk

__all__ = [
    "CSR",
    "add_self_loops",
    "apply",
    "as_csr",
    "bipartite_norm",
    "chebyshev",
    "degree",
    "gcn_norm",
    "powers",
    "scale",
    "scaled_laplacian",
    "sddmm",
    "spmm",
    "to_data",
    "to_edge_index",
    "to_pyg_edge_index",
    "to_scipy",
    "to_sparse_tensor",
    "to_torch",
    "topk",
]
