"""How others multiply: each maker returns ``product(values, x) -> y`` for edge values in
CSR order.
"""

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor

from graphcond.sparse import CSR, spmm, to_sparse_tensor
from graphcond.sparse.backends import available, use
from graphcond.sparse.backends.dispatch import Backend

Product = Callable[[Tensor, Tensor], Tensor]


def ours(csr: CSR) -> Product:
    return lambda value, x: spmm(csr, x, value)


def forced(backend: Backend) -> Callable[[CSR], Product]:
    def make(csr: CSR) -> Product:
        def product(value: Tensor, x: Tensor) -> Tensor:
            with use(backend):
                return spmm(csr, x, value)

        return product

    return make


def scatter(csr: CSR) -> Product:
    from torch_geometric.utils import scatter as pyg_scatter

    row, col = csr.row.long(), csr.indices.long()
    return lambda value, x: pyg_scatter(
        value.unsqueeze(1) * x.index_select(0, col), row, dim=0, dim_size=csr.size[0], reduce="sum"
    )


def coo(csr: CSR) -> Product:
    index = torch.stack([csr.row.long(), csr.indices.long()])

    def product(value: Tensor, x: Tensor) -> Tensor:
        matrix = torch.sparse_coo_tensor(
            index, value, csr.size, check_invariants=False, is_coalesced=True
        )
        return matrix @ x

    return product


def torch_csr(csr: CSR) -> Product:
    indptr, indices = csr.indptr.long(), csr.indices.long()
    return lambda value, x: (
        torch.sparse_csr_tensor(indptr, indices, value, csr.size, check_invariants=False) @ x
    )


def edge_index(csr: CSR) -> Product:
    from torch_geometric import EdgeIndex

    index = EdgeIndex(
        torch.stack([csr.row.long(), csr.indices.long()]), sparse_size=csr.size, sort_order="row"
    ).fill_cache_()
    return lambda value, x: index.matmul(x, input_value=value)


def torch_sparse(csr: CSR) -> Product:
    from torch_sparse import matmul

    matrix = to_sparse_tensor(csr)
    return lambda value, x: matmul(matrix.set_value(value, layout="coo"), x)


def rivals() -> dict[str, Callable[[CSR], Product]]:
    """The methods that can run here, ours first."""
    found: dict[str, Callable[[CSR], Product]] = {
        "graphcond": ours,
        "scatter": scatter,
        "torch coo": coo,
        "torch csr": torch_csr,
        "EdgeIndex": edge_index,
    }
    if importlib.util.find_spec("torch_sparse"):
        found["torch-sparse"] = torch_sparse
    if torch.cuda.is_available():
        found |= {f"graphcond:{name}": forced(name) for name in available()}
    return found


def refusal(method: str, op: str, csr: CSR, width: int, limit: float) -> str | None:
    """Say why a method cannot be run within ``limit`` bytes, before it takes the machine down; None
    if it can.
    """
    to_values = op in ("backward", "hvp")
    if (
        method in ("torch coo", "torch csr")
        and to_values
        and 4.0 * csr.size[0] * csr.size[1] > limit
    ):
        return f"a dense n x n gradient of {4e-9 * csr.size[0] * csr.size[1]:.1f} GB"
    copies = {
        "forward": 2,
        "backward x": 3,
        "backward": 5,
        "hvp": 9,
        "chebyshev": 6,
        "sddmm": 3,
    }.get(op, 1)
    if method in ("scatter", "gather-multiply-sum") and 4.0 * copies * csr.nnz * width > limit:
        return f"{4e-9 * copies * csr.nnz * width:.1f} GB of edges x width copies"
    return None
