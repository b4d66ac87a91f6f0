"""Polynomial filter networks with random hidden layers and ridge regression as the last:
non-linear, and nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from graphcond.errors import require_at_least
from graphcond.nn.filters import Basis, Operator, filter_features, polynomial, stored_bases
from graphcond.nn.linear_filters import RidgeScores, centred_labels
from graphcond.seeding import generator
from graphcond.sparse import CSR, spmm

# At most so many numbers [n, h] a term, 44 MB in single precision, with h from 64 to 512.
_NUMBERS = 11_000_000
_WIDTH = (64, 512)


@final
@dataclass(frozen=True)
class RandomFilters:
    """A graph made ready to score filters by Z = C_λ(A) relu(C_λ(A) X R), W = argmin ‖Z_train W -
    Y‖² + ρ n_train ‖W‖².

    A linear model sees a graph through its features alone; where these are few, or what they say is
    not linear, networks rank filters otherwise than it does. One candidate costs two filters of
    width h and a system of the smaller of h and the training nodes.

    Attributes:
        operator: L̂, CSR or dense [n, n].
        bases: T_k(L̂) X R for k = 0..K [K + 1, n, h], scaled to a mean square of 1 at k = 0.
        mixes: R of every further hidden layer [h, h].
        train: Training nodes, ids [s].
        val: Validation nodes, ids [v].
        target: Centred one-hot labels of the training nodes [s, C].
        val_target: Those of the validation nodes [v, C].
        basis: Polynomial basis.
        per_layer: Whether λ has coefficients for each layer.

    Source: random features (Rahimi and Recht, 2008) for the networks of HCDC section 5. Labels are
    centred by 1 / C, there is no bias.
    """

    operator: Operator
    bases: Tensor
    mixes: tuple[Tensor, ...]
    train: Tensor
    val: Tensor
    target: Tensor
    val_target: Tensor
    basis: Basis = "chebyshev"
    per_layer: bool = False

    @property
    def ridges(self) -> tuple[float, ...]:
        """Ridges ρ to choose from, larger than a linear model's: relu(T_0(L̂) X R) is of size 1,
        not of that of X.
        """
        return (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2)

    @property
    def chunk(self) -> int:
        """How many candidates are best differentiated at once: one, whose activations are large."""
        return 1

    def features(self, lam: Tensor) -> Tensor:
        """Return Z [n, h] of one filter λ [H], differentiable in it."""
        layers = len(self.mixes) + 2
        rows = lam.to(self.bases).view(layers if self.per_layer else 1, -1)
        coefficients = [rows[layer if self.per_layer else 0] for layer in range(layers)]
        hidden = torch.einsum("k,knh->nh", coefficients[0], self.bases).relu()
        for mix, own in zip(self.mixes, coefficients[1:]):
            hidden = polynomial(self.operator, hidden @ mix, own[:, None], basis=self.basis).relu()
        return polynomial(self.operator, hidden, coefficients[-1][:, None], basis=self.basis)

    def scores(self, lam: Tensor, ridges: Tensor) -> RidgeScores:
        """Fit B candidates at R ridges and validate them.

        Args:
            lam: λ [B, H]; may require gradients.
            ridges: ρ [R] > 0.

        Returns:
            Losses (mean squared errors) and accuracies [R, B].
        """
        return RidgeScores.of(
            torch.stack([self._outputs(row, ridges) for row in lam], 1), self.val_target
        )

    def _outputs(self, lam: Tensor, ridges: Tensor) -> Tensor:
        """Return the validation nodes' outputs [R, v, C] of one filter, from the smaller of the two
        systems.
        """
        features = self.features(lam)
        inner = features[self.train].double()
        outer = features[self.val].double()
        dual = inner.size(0) <= inner.size(1)
        system = inner @ inner.T if dual else inner.T @ inner
        eye = torch.eye(system.size(0), dtype=system.dtype, device=system.device)
        factor = torch.linalg.cholesky(
            system + (ridges.to(system) * inner.size(0)).view(-1, 1, 1) * eye
        )
        right = self.target if dual else inner.T @ self.target
        weight = torch.cholesky_solve(right.expand(len(ridges), -1, -1), factor)
        return (outer @ inner.T if dual else outer) @ weight


def random_filters(
    operator: Operator,
    x: Tensor,
    y: Tensor,
    masks: tuple[Tensor, Tensor],
    order: int,
    *,
    num_classes: int,
    seed: int,
    num_layers: int = 2,
    basis: Basis = "chebyshev",
    per_layer: bool = False,
) -> RandomFilters:
    """Return a graph made ready for filters with random hidden layers.

    Args:
        operator: L̂ of the graph, CSR or dense [n, n].
        x: Features [n, d].
        y: Classes [n].
        masks: Training and validation nodes, two [n] bool.
        order: Order K of one filter.
        num_classes: Classes C.
        seed: Seed of the random layers.
        num_layers: Layers, at least 2.
        basis: Polynomial basis.
        per_layer: Whether λ has coefficients for each layer.

    Returns:
        The features that all candidates share; (K + 1) · n · h numbers, h = 512 or as many (at
        least 64) as make 11 million of n · h.

    Raises:
        InputError: If a mask is empty or there is no hidden layer.
    """
    target, val_target = centred_labels(y, masks, num_classes, torch.float64)
    require_at_least(
        2, "Without a hidden layer the model is linear: ridge_filters.", num_layers=num_layers
    )
    width = max(_WIDTH[0], min(_WIDTH[1], _NUMBERS // x.size(0)))
    features = filter_features(x)
    draw = torch.randn(
        x.size(1), width, generator=generator(seed, "random filters", 0), dtype=x.dtype
    ).to(x.device)
    mixed = spmm(features, draw) if isinstance(features, CSR) else features @ draw
    # Of size 1, so that one list of ridges suits counts of words and pixels alike.
    mixed = mixed / mixed.square().mean().sqrt().clamp(min=1e-12)
    mixes = [
        torch.randn(width, width, generator=generator(seed, "random filters", layer), dtype=x.dtype)
        for layer in range(1, num_layers - 1)
    ]
    return RandomFilters(
        operator,
        stored_bases(operator, mixed, order, basis=basis),
        # He's scale: half of the inputs of a ReLU layer are 0.
        tuple((mix * (2 / width) ** 0.5).to(x.device) for mix in mixes),
        masks[0].nonzero()[:, 0],
        masks[1].nonzero()[:, 0],
        target,
        val_target,
        basis,
        per_layer,
    )
