"""The linear polynomial-filter model in closed form: ridge regression on C_λ(A)^L X from sufficient
statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.nn.filters import Basis, Operator
from graphcond.sparse import CSR, chebyshev, powers


def compose(
    lam: Tensor, num_layers: int = 2, *, basis: Basis = "chebyshev", per_layer: bool = False
) -> Tensor:
    """Return the coefficients of the product of L polynomial filters, C_λ(A)^L, in the same basis.

    Args:
        lam: Coefficients λ [B, H].
        num_layers: Filters L that are multiplied, at least 1.
        basis: ``"chebyshev"``, where T_i T_j = (T_{i+j} + T_{|i-j|}) / 2, or ``"power"``.
        per_layer: Whether λ holds L rows of coefficients instead of one shared row.

    Returns:
        Coefficients [B, L · order + 1], differentiable in λ.

    Example:
        >>> compose(torch.tensor([[0.0, 1.0]])).tolist()
        [[0.5, 0.0, 0.5]]
    """
    order = lam.size(1) // (num_layers if per_layer else 1)
    layers = lam.split(order, 1) if per_layer else [lam] * num_layers
    product = layers[0]
    for layer in layers[1:]:
        pairs = product[:, :, None] * layer[:, None, :]
        i, j = torch.meshgrid(
            torch.arange(product.size(1)), torch.arange(layer.size(1)), indexing="ij"
        )
        i = i.to(lam.device)
        j = j.to(lam.device)
        out = lam.new_zeros(lam.size(0), product.size(1) + layer.size(1) - 1)
        flat = pairs.flatten(1)
        if basis == "power":
            product = out.index_add(1, (i + j).flatten(), flat)
        else:
            product = out.index_add(1, (i + j).flatten(), flat / 2).index_add(
                1, (i - j).abs().flatten(), flat / 2
            )
    return product


@dataclass(frozen=True)
class RidgeScores:
    """Validation results of B linear filters at R ridges.

    Attributes:
        loss: Mean squared error per validation node [R, B], differentiable in λ.
        accuracy: Share of validation nodes classified right [R, B].
    """

    loss: Tensor
    accuracy: Tensor

    @classmethod
    def of(cls, outputs: Tensor, target: Tensor) -> RidgeScores:
        """Return the scores of outputs [R, B, v, C] against centred one-hot labels [v, C]."""
        loss = (outputs - target).square().sum(-1).mean(-1)
        hits = outputs.argmax(-1) == target.argmax(-1)
        return cls(loss, hits.to(loss.dtype).mean(-1))


class ClosedFormFilters(Protocol):
    """A model that scores filters without training: :class:`RidgeFilters` or
    :class:`~graphcond.nn.RandomFilters`.
    """

    @property
    def ridges(self) -> tuple[float, ...]:
        """Return the ridges to choose from."""

    @property
    def chunk(self) -> int:
        """Return how many λ are differentiated at once."""

    def scores(self, lam: Tensor, ridges: Tensor) -> RidgeScores:
        """Return losses and accuracies [R, B] of filters λ [B, H] at ridges [R]."""


def best_ridge(
    model: ClosedFormFilters, lam: Tensor, ridges: Sequence[float] | None = None
) -> float:
    """Return the ridge with the lowest mean validation loss over about 20 of the filters.

    Args:
        model: The graph, made ready.
        lam: λ [B, H].
        ridges: Ridges to choose from; None: the model's own.
    """
    ridges = model.ridges if ridges is None else ridges
    # One ridge for all filters: a ridge each would change the order that the losses are for.
    sample = lam[:: max(1, lam.size(0) // 20)]
    return ridges[
        int(
            model.scores(sample, torch.tensor(list(ridges), dtype=torch.float64))
            .loss.mean(1)
            .argmin()
        )
    ]


def centred_labels(
    y: Tensor, masks: tuple[Tensor, Tensor], num_classes: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return one-hot labels less 1 / C of the training [s, C] and the validation nodes [v, C].

    Raises:
        InputError: If a mask is empty.
    """
    train, val = masks
    require(
        bool(train.any()) and bool(val.any()),
        f"This needs non-empty masks, but found train = {int(train.sum())!r}, val ="
        f" {int(val.sum())!r}. Give the graph training and validation nodes.",
    )
    # Centred in place of a bias, which polynomial filters would propagate as well.
    eye = torch.eye(num_classes, dtype=dtype, device=y.device) - 1 / num_classes
    return eye[y[train]], eye[y[val]]


@dataclass(frozen=True)
class RidgeFilters:
    """What a graph must be remembered by to fit any linear polynomial filter to it without touching
    it again.

    With Z = Σ_m c_m(λ) B_m, B_m = T_m(L̂) X and c = :func:`compose`, the weights W_ρ(λ) = argmin
    ‖Z_train W - Y‖² + ρ n_train ‖W‖² and their validation loss depend on the graph only through
    products of the B_m. They are stored between nodes (kernel form) where there are fewer training
    nodes than features, else between features (Gram form, whose size does not depend on n). A
    candidate then costs one Cholesky factor of the smaller side.

    Attributes:
        kernel: Whether the kernel form is stored.
        train: Products [M (M + 1) / 2, s, s] of training rows (kernel form, s nodes) or of their
            features (Gram form, s = d).
        val: Products [M (M + 1) / 2, v, s] of validation with training rows (kernel), or the
            validation rows' bases [M, v, d] (Gram).
        target: Centred one-hot labels [s, C] (kernel), or B_m' Y [M, d, C] (Gram).
        val_target: Centred one-hot labels [v, C].
        count: Training nodes.
        num_layers: Filters in a row L.
        basis: Polynomial basis.
        per_layer: Whether λ has coefficients for each layer.

    Source: HCDC appendix C.5 (linear convolution regression). Labels are centred by 1 / C, there is
    no bias.
    """

    kernel: bool
    train: Tensor
    val: Tensor
    target: Tensor
    val_target: Tensor
    count: int
    num_layers: int = 2
    basis: Basis = "chebyshev"
    per_layer: bool = False

    @property
    def ridges(self) -> tuple[float, ...]:
        """Ridges ρ to choose from."""
        return (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

    @property
    def chunk(self) -> int:
        """How many candidates are best differentiated at once."""
        return 16

    def scores(self, lam: Tensor, ridges: Tensor) -> RidgeScores:
        """Fit B candidates at R ridges and validate them.

        Args:
            lam: λ [B, H]; may require gradients.
            ridges: ρ [R] > 0.

        Returns:
            Losses and accuracies [R, B].
        """
        return RidgeScores.of(
            torch.stack([self.outputs(lam, ridge) for ridge in ridges]), self.val_target
        )

    def outputs(self, lam: Tensor, ridge: Tensor | float) -> Tensor:
        """Return the validation nodes' outputs [B, v, C] of the filters λ [B, H] at one ridge ρ >
        0.
        """
        c = compose(lam.to(self.train), self.num_layers, basis=self.basis, per_layer=self.per_layer)
        pairs = _pairs(c)
        size = self.train.size(1)
        system = (pairs @ self.train.flatten(1)).view(-1, size, size)
        system = system + (ridge * self.count) * torch.eye(
            size, dtype=system.dtype, device=system.device
        )
        if self.kernel:
            dual = torch.cholesky_solve(self.target, torch.linalg.cholesky(system))
            return (pairs @ self.val.flatten(1)).view(c.size(0), -1, size) @ dual
        right = torch.einsum("bm,mdc->bdc", c, self.target)
        weight = torch.cholesky_solve(right, torch.linalg.cholesky(system))
        return torch.einsum("bm,mvd,bdc->bvc", c, self.val, weight)


def ridge_filters(
    operator: Operator,
    x: Tensor,
    y: Tensor,
    masks: tuple[Tensor, Tensor],
    order: int,
    *,
    num_classes: int,
    num_layers: int = 2,
    basis: Basis = "chebyshev",
    per_layer: bool = False,
) -> RidgeFilters:
    """Return the sufficient statistics of a graph for linear polynomial filters.

    Args:
        operator: L̂ of the graph, CSR or dense [n, n].
        x: Features [n, d]; results are in float64 unless they require gradients.
        y: Classes [n].
        masks: Training and validation nodes, two [n] bool.
        order: Order K of one filter.
        num_classes: Classes C.
        num_layers: Filters in a row L.
        basis: Polynomial basis.
        per_layer: Whether λ has coefficients for each layer.

    Returns:
        The statistics. While they are made, L K + 1 bases of 256 features are held for all n nodes,
        and of all features for the nodes in the masks; where gradients flow, of all features for
        all nodes.

    Raises:
        InputError: If a mask is empty.
    """
    train, val = masks
    bases = _bases(operator, x, order * num_layers, basis, train | val)
    kept = train | val
    inner = bases[:, train[kept]]
    outer = bases[:, val[kept]]
    target, val_target = centred_labels(y, masks, num_classes, bases.dtype)
    # The smaller of nodes × nodes and features × features is stored and solved.
    kernel = inner.size(1) <= x.size(1)
    if kernel:
        products = _fold(torch.einsum("ind,jmd->ijnm", inner, inner))
        cross = _fold(torch.einsum("ivd,jmd->ijvm", outer, inner))
        return RidgeFilters(
            True, products, cross, target, val_target, inner.size(1), num_layers, basis, per_layer
        )
    grams = _fold(torch.einsum("ind,jne->ijde", inner, inner))
    right = torch.einsum("mnd,nc->mdc", inner, target)
    return RidgeFilters(
        False, grams, outer, right, val_target, inner.size(1), num_layers, basis, per_layer
    )


def _pairs(c: Tensor) -> Tensor:
    i, j = torch.triu_indices(c.size(1), c.size(1), device=c.device)
    return c[:, i] * c[:, j]


def _fold(products: Tensor) -> Tensor:
    """Add the two halves of a table of products [M, M, ...], which only ever enter with the same
    factor c_i c_j.
    """
    i, j = torch.triu_indices(products.size(0), products.size(0), device=products.device)
    twice = (i != j).to(products.dtype).view(-1, 1, 1)
    folded: Tensor = products[i, j] + twice * products[j, i]
    return folded


def _bases(operator: Operator, x: Tensor, order: int, basis: Basis, kept: Tensor) -> Tensor:
    """Return the kept rows of every basis, in float64 where no gradient flows; features in blocks
    to bound the memory.
    """
    recurrence = powers if basis == "power" else chebyshev
    if x.requires_grad or (isinstance(operator, Tensor) and operator.requires_grad):
        return torch.stack([term[kept] for term in recurrence(operator, x, order)])
    # Normal equations square the condition number, which single precision does not survive.
    exact: Operator = operator.double() if isinstance(operator, Tensor) else _double(operator)
    blocks = [
        torch.stack([term[kept] for term in recurrence(exact, block.double(), order)])
        for block in x.split(256, 1)
    ]
    return torch.cat(blocks, 2)


def _double(operator: CSR) -> CSR:
    value = operator.value
    if value is None:
        return operator
    return operator.with_value(value.double())
