"""The operations to time; each returns one callable a method, all computing the same thing."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.kernels.rivals import Product
from graphcond.sparse import CSR, chebyshev, scaled_laplacian, sddmm

Runs = dict[str, Callable[[], object]]
ORDER = 4


def forward(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    value = torch.rand(csr.nnz, device=x.device)
    return {name: partial(product, value, x) for name, product in products.items()}


def _energy(product: Product, value: Tensor, x: Tensor) -> Tensor:
    return 0.5 * product(value, x).square().sum()


def backward_x(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    value, leaf = torch.rand(csr.nnz, device=x.device), x.clone().requires_grad_()

    def run(product: Product) -> tuple[Tensor, ...]:
        return torch.autograd.grad(_energy(product, value, leaf), leaf)

    return {name: partial(run, product) for name, product in products.items()}


def backward(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    value, leaf = torch.rand(csr.nnz, device=x.device).requires_grad_(), x.clone().requires_grad_()

    def run(product: Product) -> tuple[Tensor, ...]:
        return torch.autograd.grad(_energy(product, value, leaf), (value, leaf))

    return {name: partial(run, product) for name, product in products.items()}


def hvp(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    """The joint Hessian-vector product in values and features, the first pass included."""
    value, leaf = torch.rand(csr.nnz, device=x.device).requires_grad_(), x.clone().requires_grad_()
    along = (torch.rand_like(value), torch.rand_like(leaf))

    def run(product: Product) -> tuple[Tensor, ...]:
        first = torch.autograd.grad(_energy(product, value, leaf), (value, leaf), create_graph=True)
        if not all(part.requires_grad for part in first):
            raise RuntimeError("wrong: a first-order gradient cannot be differentiated")
        return torch.autograd.grad(first, (value, leaf), along)

    return {name: partial(run, product) for name, product in products.items()}


def polynomial(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    """T_0 .. T_4 of the scaled Laplacian and the gradient to the features."""
    leaf, operator = x.clone().requires_grad_(), scaled_laplacian(csr)
    value = operator.value
    if value is None:
        raise RuntimeError("a scaled Laplacian has entries")

    def energy(terms: list[Tensor]) -> Tensor:
        return torch.stack([term.square().sum() for term in terms]).sum()

    def plain(product: Product) -> object:
        terms = [leaf, product(value, leaf)]
        for _ in range(ORDER - 1):
            terms.append(2 * product(value, terms[-1]) - terms[-2])
        return torch.autograd.grad(energy(terms), leaf)

    def own() -> object:
        return torch.autograd.grad(energy(chebyshev(operator, leaf, ORDER)), leaf)

    rivals: Runs = {name: partial(plain, product) for name, product in products.items()}
    return rivals | {"graphcond": own}


def inner_products(csr: CSR, x: Tensor) -> Runs:
    """SDDMM against gathering both sides."""
    other, row, col = torch.randn_like(x), csr.row.long(), csr.indices.long()

    def blocks() -> Tensor:
        parts = [
            (x[row[s : s + 65_536]] * other[col[s : s + 65_536]]).sum(1)
            for s in range(0, csr.nnz, 65_536)
        ]
        return torch.cat(parts)

    return {
        "graphcond": lambda: sddmm(csr, x, other),
        "gather-multiply-sum": lambda: (x[row] * other[col]).sum(1),
        "gather-multiply-sum, 64k blocks": blocks,
    }


def ceilings(op: str, csr: CSR, x: Tensor) -> Runs:
    """Read the rows that a product reads, in its order, and do nothing but add them in bags of 64,
    by the fastest gather of torch.

    The second ceiling does the rest that cannot be left out: a product also writes a row for every
    node into new memory, whose pages the system clears first; inner products also read the other
    side, row by row.
    """
    bags = torch.arange(0, csr.nnz + 1, 64, device=x.device, dtype=csr.indices.dtype)

    def gather(places: Tensor) -> object:
        return torch.embedding_bag(x, places, bags, False, 0, False, None, False)[0]

    found: Runs = {"gather ceiling": lambda: gather(csr.indices)}
    if op == "forward":
        found["gather and write"] = lambda: (gather(csr.indices), torch.empty_like(x).fill_(1.0))
    else:
        found["gather both sides"] = lambda: (gather(csr.indices), gather(csr.row))
    return found
