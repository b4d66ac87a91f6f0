"""The batched polynomial-filter GNN: B filters with B sets of weights in one run over one graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least, require_one_of
from graphcond.seeding import generator
from graphcond.sparse import CSR, apply, chebyshev, powers, scaled_laplacian, spmm
from graphcond.typing import Tensors

Basis: TypeAlias = Literal["chebyshev", "power"]
Operator: TypeAlias = CSR | Tensor

# Below so many nodes, or above this share of all pairs, a dense product is faster than a sparse
# one.
_DENSE_NODES = 128
_DENSE_SHARE = 0.25
# Share of non-zero features up to which a sparse first layer is faster.
_SPARSE_FEATURES = 0.1


@dataclass(frozen=True)
class PolynomialFilterNet:
    """Message passing with a polynomial convolution whose coefficients λ are an argument, batched
    over λ.

    Layer l computes, for each of the B hyperparameters b and with ReLU between layers,

    ``H_b ← Σ_k λ_bk T_k(L̂) H_b W_b + bias_b``, T_k the Chebyshev polynomials (or powers) of the
    operator L̂.

    Activations are laid out ``[n, B·h]``, so that one sparse product serves all B filters, and the
    narrower side of W is propagated unless the layer's bases are stored. Everything is
    differentiable, to any order, in parameters, λ, a dense operator and dense features.

    Args:
        num_features: Input features d.
        hidden: Width h of the hidden layers.
        num_classes: Classes C.
        num_layers: Layers, at least 1 (1: linear model).
        basis: ``"chebyshev"`` or ``"power"``.
        per_layer: Whether λ holds coefficients for each layer (H = num_layers · (order + 1)) or
            shared ones (H = order + 1).

    Source: HCDC section 5 and appendix C.3, Eq. 4; ChebNet (Defferrard et al., 2016), but with one
        W for all terms, as in the paper's C_λ(A) X W, and with a bias.

    Example:
        >>> net = PolynomialFilterNet(3, hidden=4, num_classes=2)
        >>> params = net.init(batch=5, seed=0)
        >>> net(params, torch.ones(5, 3), torch.eye(6), torch.ones(6, 3)).shape
        torch.Size([5, 6, 2])
    """

    num_features: int
    hidden: int = 64
    num_classes: int = 2
    num_layers: int = 2
    basis: Basis = "chebyshev"
    per_layer: bool = False

    def __post_init__(self) -> None:
        for name in ("num_features", "hidden", "num_classes", "num_layers"):
            value = getattr(self, name)
            require(
                isinstance(value, Integral) and int(value) >= 1,
                f"`{name}` must be a positive whole number, but it is {value!r}. It is a size.",
            )
        require_one_of(("chebyshev", "power"), "Pick one of the two.", basis=self.basis)

    @property
    def widths(self) -> list[tuple[int, int]]:
        """Input and output width of every layer."""
        sizes = [self.num_features, *[self.hidden] * (self.num_layers - 1), self.num_classes]
        return list(zip(sizes[:-1], sizes[1:]))

    def order(self, lam: Tensor) -> int:
        """Return the polynomial order that ``lam`` [B, H] means.

        Args:
            lam: Coefficients.

        Returns:
            H - 1 for shared, H / num_layers - 1 for per-layer coefficients.

        Raises:
            InputError: If ``lam`` is no matrix or H does not divide by the layers.
        """
        groups = 1
        if self.per_layer:
            groups = self.num_layers
        require(
            lam.dim() == 2 and lam.size(1) >= 1 and lam.size(1) % groups == 0,
            f"`lam` must be of shape [B, H], but its shape is {tuple(lam.shape)}. λ is a matrix,"
            " one row per filter, with (order + 1) coefficients (times num_layers if per_layer).",
        )
        return lam.size(1) // groups - 1

    def init(
        self,
        batch: int,
        seed: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensors:
        """Draw Glorot-uniform weights and zero biases for ``batch`` independent models.

        Args:
            batch: Number of models B, at least 1.
            seed: Seed; model b is the same for every batch larger than b.
            dtype: Floating type.
            device: Where the parameters live.

        Returns:
            ``{"weight0": [B, d, h], "bias0": [B, h], "weight1": …}``. Memory order is [d, B, h],
            which makes ``X @ W`` one product.
        """
        require_at_least(1, "It is the number of models trained at once.", batch=batch)
        params: Tensors = {}
        for layer, (fan_in, fan_out) in enumerate(self.widths):
            bound = math.sqrt(6 / (fan_in + fan_out))
            stream = generator(seed, "filters", layer)
            weight = (
                torch.rand(batch, fan_in, fan_out, generator=stream, dtype=dtype)
                .mul_(2 * bound)
                .sub_(bound)
            )
            # Laid out [d, B, h], so that X @ W of all models is one product without a copy.
            params[f"weight{layer}"] = (
                weight.to(device).transpose(0, 1).contiguous().transpose(0, 1)
            )
            params[f"bias{layer}"] = torch.zeros(batch, fan_out, dtype=dtype, device=device)
        return params

    def __call__(
        self,
        params: Tensors,
        lam: Tensor,
        operator: Operator,
        x: Tensor | CSR,
        *,
        dropout: float = 0.0,
        stream: torch.Generator | None = None,
    ) -> Tensor:
        """Return the logits of B models.

        Args:
            params: As :meth:`init` returns them, B models.
            lam: Coefficients [B, H].
            operator: Scaled Laplacian L̂, CSR or dense [n, n] (see :func:`filter_operator`).
            x: Features: dense [n, d], sparse CSR of n rows and d columns, or stored bases [order +
                1, n, d] (see :func:`stored_bases`).
            dropout: Probability of dropping a hidden activation, in [0, 1).
            stream: Generator of the dropout; required when ``dropout`` > 0.

        Returns:
            Logits [B, n, C].

        Raises:
            InputError: If the shapes do not fit together.
        """
        order = self.order(lam)
        batch = lam.size(0)
        self._check(params, batch, order, x)
        given: Tensor | CSR = x
        for layer, (_, width) in enumerate(self.widths):
            start = 0
            if self.per_layer:
                start = layer * (order + 1)
            coefficients = lam[:, start : start + order + 1]
            hidden = self._layer(params[f"weight{layer}"], coefficients, operator, given)
            given = hidden = hidden + params[f"bias{layer}"].reshape(1, batch * width)
            if layer < self.num_layers - 1:
                hidden = torch.relu(hidden)
                if dropout > 0:
                    given = _drop(hidden, dropout, stream)
                else:
                    given = hidden
        return hidden.view(-1, batch, self.num_classes).transpose(0, 1)

    def _layer(
        self, weight: Tensor, coefficients: Tensor, operator: Operator, x: Tensor | CSR
    ) -> Tensor:
        batch, fan_in, width = weight.shape
        flat = weight.transpose(0, 1).reshape(fan_in, batch * width)
        if isinstance(x, CSR):
            mixed = spmm(x, flat)
        elif x.dim() == 3:
            scaled = weight.unsqueeze(1) * coefficients[:, :, None, None]
            return x.transpose(0, 1).reshape(x.size(1), -1) @ scaled.permute(1, 2, 0, 3).reshape(
                -1, batch * width
            )
        elif (
            x.size(1) == batch * fan_in and fan_in < width
        ):  # a model's filter and weights commute: propagate the narrower side
            given = polynomial(
                operator, x, coefficients.repeat_interleave(fan_in, 0).T, basis=self.basis
            )
            return torch.einsum("nbi,bio->nbo", given.view(-1, batch, fan_in), weight).reshape(
                -1, batch * width
            )
        elif x.size(1) == fan_in:
            mixed = x @ flat
        else:
            mixed = torch.einsum("nbi,bio->nbo", x.view(-1, batch, fan_in), weight).reshape(
                -1, batch * width
            )
        return polynomial(
            operator, mixed, coefficients.repeat_interleave(width, 0).T, basis=self.basis
        )

    def _check(self, params: Tensors, batch: int, order: int, x: Tensor | CSR) -> None:
        found = {name: tuple(value.shape) for name, value in params.items()}
        wanted = {f"weight{layer}": (batch, *sizes) for layer, sizes in enumerate(self.widths)}
        require(
            all(found.get(name) == shape for name, shape in wanted.items()),
            f"`params` must be of `lam`'s batch and this network's sizes, but it is {found!r}. Call"
            " init(lam.size(0), seed).",
        )
        if isinstance(x, CSR):
            width = x.size[1]
        else:
            width = x.size(-1)
        require(
            width == self.num_features,
            f"`x` must have num_features columns, but found columns = {width!r}. Build the net with"
            " data.num_features.",
        )
        if not isinstance(x, CSR) and x.dim() == 3:
            require(
                x.size(0) == order + 1,
                f"This needs stored bases [order + 1, n, d], but found bases = {x.size(0)!r}, order"
                f" = {order!r}. Store them with the order of λ.",
            )


def polynomial(
    operator: Operator, x: Tensor, coefficients: Tensor, *, basis: Basis = "chebyshev"
) -> Tensor:
    """Return Σ_k c_k T_k(L̂) x by Clenshaw's (Horner's) recurrence, with K products of x's width
    and no stored basis.

    Args:
        operator: L̂, CSR or dense [n, n].
        x: Signals [n, w].
        coefficients: c [K + 1, w], one column per signal, or [K + 1, 1].
        basis: ``"chebyshev"``: T_k; ``"power"``: L̂^k.

    Returns:
        Filtered signals [n, w], differentiable in everything but a CSR's structure.

    Source: Clenshaw (1955). Same values as the recurrence over stored T_k(L̂)x.
    """
    last = coefficients.size(0) - 1
    now = coefficients[last] * x
    after = None
    for k in range(last - 1, -1, -1):
        step = 2.0
        if basis == "power" or k == 0:
            step = 1.0
        rest = coefficients[k] * x
        if basis == "chebyshev" and after is not None:
            rest = rest - after
        now, after = apply(operator, now, step, 1.0, rest), now
    return now


def stored_bases(
    operator: Operator, x: Tensor, order: int, *, basis: Basis = "chebyshev"
) -> Tensor:
    """Return T_0(L̂)x, …, T_K(L̂)x, for training many filters without propagating in layer 1.

    Args:
        operator: L̂, CSR or dense [n, n].
        x: Features [n, d].
        order: K >= 0.
        basis: ``"chebyshev"`` or ``"power"``.

    Returns:
        Bases [K + 1, n, d]; (K + 1) times the memory of x.
    """
    if basis == "power":
        bases = powers(operator, x, order)
    else:
        bases = chebyshev(operator, x, order)
    return torch.stack(bases)


def filter_operator(
    edge_index: Tensor,
    num_nodes: int,
    edge_weight: Tensor | None = None,
    lambda_max: float = 2.0,
    dtype: torch.dtype | None = None,
) -> Operator:
    """Return L̂ = 2L / λ_max - I of a graph, L = I - D^-1/2 A D^-1/2, dense where that is faster.

    Args:
        edge_index: Edges [2, m], both directions of an undirected graph.
        num_nodes: Number of nodes n.
        edge_weight: Weights [m] >= 0; None means 1.
        lambda_max: Largest eigenvalue of L that is assumed, in (0, 2].
        dtype: Type of the entries where there are no weights, that of the features; None: the
            default.

    Returns:
        A dense matrix [n, n] for at most 128 nodes or more than a quarter of all pairs, else a CSR.
    """
    require(
        0 < lambda_max <= 2,
        f"`lambda_max` must be in (0, 2], but it is {lambda_max!r}. 2 bounds it on every graph.",
    )
    dense = num_nodes <= _DENSE_NODES or edge_index.size(1) > _DENSE_SHARE * num_nodes**2
    if not dense:
        return scaled_laplacian(CSR.from_edge_index(edge_index, num_nodes, edge_weight), lambda_max)
    if edge_weight is None:
        weight = torch.ones(edge_index.size(1), dtype=dtype, device=edge_index.device)
    else:
        weight = edge_weight
    adjacency = weight.new_zeros(num_nodes, num_nodes).index_put(
        (edge_index[1], edge_index[0]), weight, accumulate=True
    )
    return dense_operator(adjacency, lambda_max)


def dense_operator(adjacency: Tensor, lambda_max: float = 2.0) -> Tensor:
    """Return L̂ = 2L / λ_max - I of a dense weighted adjacency, differentiable in it.

    Args:
        adjacency: A [n, n] with entries >= 0; nodes without edges have D^-1/2 = 0.
        lambda_max: Largest eigenvalue of L that is assumed, in (0, 2].

    Returns:
        Matrix [n, n].
    """
    degree = adjacency.sum(1)
    linked = degree > 0
    # The inner where keeps 0^-1/2 out of the graph: its infinite slope would make the gradient NaN
    # even where it is masked.
    scale = torch.where(
        linked,
        torch.where(linked, degree, torch.ones_like(degree)).rsqrt(),
        torch.zeros_like(degree),
    )
    # Isolated nodes keep the diagonal alone: L is the identity on them.
    eye = torch.eye(adjacency.size(0), dtype=adjacency.dtype, device=adjacency.device)
    return (2 / lambda_max - 1) * eye - (2 / lambda_max) * scale[:, None] * adjacency * scale[
        None, :
    ]


def filter_features(x: Tensor) -> Tensor | CSR:
    """Return features in the form that trains fastest: CSR when under 10 % of a large matrix is
    non-zero, else as they are.

    Args:
        x: Features [n, d].

    Returns:
        ``x`` or a CSR with its non-zeros.
    """
    if x.requires_grad or x.size(0) <= _DENSE_NODES:
        return x
    row, col = x.nonzero(as_tuple=True)
    if row.numel() > _SPARSE_FEATURES * x.numel():
        return x
    return CSR.from_edges(row, col, size=(x.size(0), x.size(1)), value=x[row, col])


def _drop(x: Tensor, probability: float, stream: torch.Generator | None) -> Tensor:
    require(
        0 < probability < 1 and stream is not None,
        f"`dropout` must be in [0, 1) with a generator, but it is {probability!r}. Pass"
        " stream=seeding.generator(seed, 'dropout', epoch).",
    )
    keep = torch.rand(x.shape, generator=stream, dtype=x.dtype, device=x.device) >= probability
    return x * keep.to(x.dtype).div_(1 - probability)
