"""The discrete search space of graph networks: kind of layer, width and depth, with its continuous
relaxation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from graphcond.errors import require_positive
from graphcond.nn.zoo import GraphNet, Kind
from graphcond.spaces.discrete import DiscreteSpace, check_choices

# HCDC's table has every kind of the zoo but APPNP.
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "appnp")


@dataclass(frozen=True)
class ModelChoice:
    """One network of the space; call it to build the network.

    Args:
        kind: Kind of layer.
        hidden: Width.
        num_layers: Depth.

    Example:
        >>> net = ModelChoice("gcn", hidden=8, num_layers=2)(num_features=3, num_classes=2, seed=0)
        >>> len(net.layers)
        2
    """

    kind: Kind
    hidden: int
    num_layers: int

    def __call__(
        self, num_features: int, num_classes: int, seed: int = 0, dropout: float = 0.5
    ) -> GraphNet:
        """Return a network for a data set.

        Args:
            num_features: Input features.
            num_classes: Classes.
            seed: Seed of the weights.
            dropout: Share of a layer's inputs set to zero in training.
        """
        return GraphNet(
            num_features,
            num_classes,
            self.kind,
            self.hidden,
            self.num_layers,
            dropout=dropout,
            seed=seed,
        )


@dataclass(frozen=True)
class ModelChoices(DiscreteSpace):
    """All combinations of kinds, widths and depths; λ is one one-hot group for each, side by side.

    Args:
        kinds: Kinds of layers, distinct.
        widths: Hidden widths, distinct.
        depths: Numbers of layers, distinct.

    Source: HCDC appendix J: 10 kinds × width {128, 256} × depth {2, 4} = 40 models; relaxed as in
    GDAS (appendix G).

    Example:
        >>> space = ModelChoices()
        >>> len(space.all()), space.size, space.decode(space.all()[:1])
        (40, 14, [ModelChoice(kind='gcn', hidden=128, num_layers=2)])
    """

    kinds: tuple[Kind, ...] = KINDS
    widths: tuple[int, ...] = (128, 256)
    depths: tuple[int, ...] = (2, 4)

    def __post_init__(self) -> None:
        check_choices(kinds=self.kinds, widths=self.widths, depths=self.depths)

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """Kinds, widths and depths under the names that :class:`ModelChoice` gives them."""
        return {"kind": self.kinds, "hidden": self.widths, "num_layers": self.depths}

    def build(self, values: dict[str, Any]) -> ModelChoice:
        """Return the network with a kind, a width and a depth.

        Args:
            values: One choice of each name.
        """
        return ModelChoice(values["kind"], values["hidden"], values["num_layers"])

    def relax(
        self, lam: Tensor, temperature: float = 1.0, stream: torch.Generator | None = None
    ) -> Tensor:
        """Return mixture weights: (Gumbel-)softmax of every group, differentiable in ``lam``.

        Args:
            lam: Logits [n, H].
            temperature: Softmax temperature τ > 0.
            stream: Generator of the Gumbel noise; None adds none.

        Returns:
            Weights [n, H] that sum to 1 in every group.
        """
        require_positive("1.0 is usual; lower is nearer to one-hot.", temperature=temperature)
        if stream is not None:
            uniform = torch.rand(
                lam.shape, generator=stream, dtype=lam.dtype, device=lam.device
            ).clamp_min(1e-20)
            lam = lam - (-uniform.log()).clamp_min(1e-20).log()
        return torch.cat(
            [(group / temperature).softmax(1) for group in lam.split(list(self.groups), 1)], 1
        )
