"""The operations to time; each returns one callable a method, all computing the same thing."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.kernels.graphs import Graph
from benchmarks.kernels.rivals import Product
from graphcond.sparse import (
    CSR,
    block_diagonal,
    bpr_losses,
    chebyshev,
    compact,
    polynomial_filter,
    sample_mask,
    scaled_laplacian,
    sddmm,
    spmm,
)

Runs = dict[str, Callable[[], object]]
ORDER = 4
BATCH = 65_536


def forward(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    value = torch.rand(csr.nnz, device=x.device)
    return {name: lambda product=product: product(value, x) for name, product in products.items()}


def _energy(product: Product, value: Tensor, x: Tensor) -> Tensor:
    return 0.5 * product(value, x).square().sum()


def backward_x(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    value, leaf = torch.rand(csr.nnz, device=x.device), x.clone().requires_grad_()
    return {
        name: lambda product=product: torch.autograd.grad(_energy(product, value, leaf), leaf)
        for name, product in products.items()
    }


def backward(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    value, leaf = torch.rand(csr.nnz, device=x.device).requires_grad_(), x.clone().requires_grad_()
    return {
        name: lambda product=product: torch.autograd.grad(
            _energy(product, value, leaf), (value, leaf)
        )
        for name, product in products.items()
    }


def hvp(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    """The joint Hessian-vector product in values and features, the first pass included."""
    value, leaf = torch.rand(csr.nnz, device=x.device).requires_grad_(), x.clone().requires_grad_()
    along = (torch.rand_like(value), torch.rand_like(leaf))

    def run(product: Product) -> tuple[Tensor, ...]:
        first = torch.autograd.grad(_energy(product, value, leaf), (value, leaf), create_graph=True)
        if not all(part.requires_grad for part in first):
            raise RuntimeError("wrong: a first-order gradient cannot be differentiated")
        return torch.autograd.grad(first, (value, leaf), along)

    return {name: lambda product=product: run(product) for name, product in products.items()}


def polynomial(csr: CSR, x: Tensor, products: dict[str, Product]) -> Runs:
    """T_0 .. T_4 of the scaled Laplacian and the gradient to the features."""
    leaf, operator = x.clone().requires_grad_(), scaled_laplacian(csr)
    value = operator.value

    def plain(product: Product) -> object:
        terms = [leaf, product(value, leaf)]
        for _ in range(ORDER - 1):
            terms.append(2 * product(value, terms[-1]) - terms[-2])
        return torch.autograd.grad(sum(term.square().sum() for term in terms), leaf)

    def own() -> object:
        return torch.autograd.grad(
            sum(term.square().sum() for term in chebyshev(operator, leaf, ORDER)), leaf
        )

    return {
        name: own if name == "graphcond" else lambda product=product: plain(product)
        for name, product in products.items()
    }


def masked(graph: Graph, csr: CSR, x: Tensor) -> Runs:
    """Draw a mask at p = .3, propagate three layers and back: six passes."""
    probs, leaf = (
        torch.full((int(graph.undirected.max()) + 1,), 0.3, device=x.device),
        x.clone().requires_grad_(),
    )
    row, col, ids = graph.row.to(x.device), graph.col.to(x.device), graph.undirected.to(x.device)

    def finish(hidden: list[Tensor]) -> object:
        return torch.autograd.grad(sum(layer.square().sum() for layer in hidden), leaf)

    named = csr.named(ids)

    def own() -> object:
        kept = compact(named, sample_mask(probs, 0, 0))
        hidden = [leaf]
        for _ in range(3):
            hidden.append(spmm(kept, hidden[-1]))
        return finish(hidden)

    def boolean(redraw: bool) -> object:
        keep = sample_mask(probs, 0, 0)[ids]
        targets, sources = row[keep], col[keep]
        hidden = [leaf]
        for _ in range(3):
            if redraw:
                targets, sources = row[keep], col[keep]
            hidden.append(torch.zeros_like(leaf).index_add(0, targets, hidden[-1][sources]))
        return finish(hidden)

    return {
        "graphcond": own,
        "boolean edge_index": lambda: boolean(True),
        "boolean edge_index, once": lambda: boolean(False),
    }


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


def bpr(graph: Graph, width: int, device: torch.device) -> Runs:
    """Losses of one batch of 65,536 triples and both tables' gradients."""
    make, items = torch.Generator().manual_seed(0), graph.nodes - graph.users
    pick = torch.randint(0, graph.row.numel() // 2, (BATCH,), generator=make)
    negatives = torch.randint(0, items, (BATCH,), generator=make)
    triples = tuple(
        part.to(device) for part in (graph.row[pick], graph.col[pick] - graph.users, negatives)
    )
    tables = tuple(
        (0.1 * torch.randn(rows, width, generator=make)).to(device).requires_grad_()
        for rows in (graph.users, items)
    )

    def own(deterministic: bool) -> object:
        return torch.autograd.grad(bpr_losses(*tables, triples, deterministic).mean(), tables)

    def embedding() -> object:
        rows, liked, other = (
            torch.nn.functional.embedding(i, t)
            for i, t in zip(triples, (tables[0], tables[1], tables[1]), strict=True)
        )
        losses = torch.nn.functional.softplus((rows * other).sum(1) - (rows * liked).sum(1))
        return torch.autograd.grad(losses.mean(), tables)

    return {
        "graphcond": lambda: own(True),
        "graphcond, not deterministic": lambda: own(False),
        "nn.Embedding": embedding,
    }


def filters(csr: CSR, x: Tensor) -> Runs:
    """Eight filters of order 4 and the gradients to features and coefficients: fused, from kept
    terms, and one by one.
    """
    operator, leaf = scaled_laplacian(csr), x.clone().requires_grad_()
    lam = (
        torch.linspace(-1, 1, 8 * (ORDER + 1), device=x.device).view(8, ORDER + 1).requires_grad_()
    )

    def finish(out: Tensor) -> object:
        return torch.autograd.grad(0.5 * out.square().sum(), (leaf, lam))

    def kept() -> object:
        return finish(
            torch.einsum("knf,bk->nbf", torch.stack(chebyshev(operator, leaf, ORDER)), lam)
        )

    def single() -> object:
        parts = [
            sum(c * term for c, term in zip(row, chebyshev(operator, leaf, ORDER), strict=True))
            for row in lam
        ]
        return finish(torch.stack(parts, dim=1))

    return {
        "graphcond": lambda: finish(polynomial_filter(operator, leaf, lam)),
        "terms kept": kept,
        "one by one": single,
    }


def small_graphs(width: int, device: torch.device) -> Runs:
    """80 graphs of 200 nodes and 1,600 entries: one block-diagonal product, and one by one; forward
    and backward to features.
    """
    make = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 200, (80, 2, 1_600), generator=make)
    graphs = [
        CSR.from_edges(row, col, (200, 200), torch.rand(1_600, generator=make)).to(device)
        for row, col in ends
    ]
    together = block_diagonal(graphs)
    leaf = torch.randn(16_000, width, generator=make).to(device).requires_grad_()

    def batched() -> object:
        return torch.autograd.grad(0.5 * spmm(together, leaf).square().sum(), leaf)

    def single() -> object:
        out = torch.cat(
            [spmm(graph, part) for graph, part in zip(graphs, leaf.split(200), strict=True)]
        )
        return torch.autograd.grad(0.5 * out.square().sum(), leaf)

    return {"graphcond": batched, "one by one": single}


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
