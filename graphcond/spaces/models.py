"""The discrete search space of graph networks: kind of layer, width and depth, with its continuous
relaxation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.nn.zoo import GraphNet, Kind
from graphcond.seeding import generator

KINDS: tuple[Kind, ...] = (
    "gcn",
    "sage-mean",
    "sage-max",
    "gat",
    "gin-eps",
    "gin-0",
    "sgc-2",
    "sgc-3",
    "cheb-2",
    "cheb-3",
)


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

    def __call__(self, num_features: int, num_classes: int, seed: int = 0) -> GraphNet:
        """Return a network for a data set, with weights drawn from ``seed``."""
        return GraphNet(
            num_features, num_classes, self.kind, self.hidden, self.num_layers, seed=seed
        )


@dataclass(frozen=True)
class ModelChoices:
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
        for name in ("kinds", "widths", "depths"):
            values: Sequence[object] = getattr(self, name)
            require(
                len(values) > 0 and len(set(values)) == len(values),
                f"distinct `{name}`",
                "List every choice once.",
                found=tuple(values),
            )

    @property
    def groups(self) -> tuple[int, int, int]:
        """Sizes of the one-hot groups of λ."""
        return len(self.kinds), len(self.widths), len(self.depths)

    @property
    def size(self) -> int:
        """Length H of λ."""
        return sum(self.groups)

    def all(self) -> Tensor:
        """Return every candidate, one-hot [n, H]."""
        picks = torch.tensor(list(product(*(range(size) for size in self.groups))))
        return torch.cat(
            [torch.nn.functional.one_hot(picks[:, g], size) for g, size in enumerate(self.groups)],
            1,
        ).float()

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw ``n`` distinct candidates.

        Args:
            n: How many, at most the size of the space.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            One-hot λ [n, H].
        """
        every = self.all()
        require(
            1 <= n <= len(every),
            "1 <= `n` <= number of models",
            "Ask for fewer candidates.",
            n=n,
            models=len(every),
        )
        return every[torch.randperm(len(every), generator=generator(seed, "space"))[:n]]

    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows are one-hot in every group [n] bool.

        Args:
            lam: Candidates [n, H].
        """
        if lam.dim() != 2 or lam.size(1) != self.size:
            return torch.zeros(lam.size(0), dtype=torch.bool, device=lam.device)
        binary = ((lam == 0) | (lam == 1)).all(1)
        single = torch.stack([group.sum(1) == 1 for group in lam.split(list(self.groups), 1)]).all(
            0
        )
        return binary & single

    def decode(self, lam: Tensor) -> list[ModelChoice]:
        """Return the network that each row names, by the largest entry of every group.

        Args:
            lam: Candidates or relaxed candidates [n, H].
        """
        picks = [group.argmax(1).tolist() for group in lam.split(list(self.groups), 1)]
        return [
            ModelChoice(self.kinds[k], self.widths[w], self.depths[d]) for k, w, d in zip(*picks)
        ]

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
        require(
            temperature > 0,
            "`temperature` > 0",
            "1.0 is usual; lower is nearer to one-hot.",
            temperature=temperature,
        )
        if stream is not None:
            uniform = torch.rand(
                lam.shape, generator=stream, dtype=lam.dtype, device=lam.device
            ).clamp_min(1e-20)
            lam = lam - (-uniform.log()).clamp_min(1e-20).log()
        return torch.cat(
            [(group / temperature).softmax(1) for group in lam.split(list(self.groups), 1)], 1
        )
