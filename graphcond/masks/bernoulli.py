"""The Bernoulli mask over candidate edges: a distribution that is sampled by seed and never
stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least
from graphcond.seeding import generator

BLOCK = 1 << 16
"""Edges that share one random stream; a block of all samples fits in the cache."""

CLAMP = 1e-6
"""Distance that probabilities keep from 0 and 1 inside the score, and only there."""


@dataclass(frozen=True, eq=False)
class BernoulliMask:
    r"""Independent Bernoulli variables, one per candidate edge.

    .. math:: p(M \mid S) = \prod_p s_p^{m_p} (1 - s_p)^{1 - m_p}

    Args:
        probs: Probabilities S ``[P]``, floating point, in [0, 1].

    Raises:
        InputError: If ``probs`` is not a vector of probabilities.

    Source:
        DConRec, Eq. 8-9.

    Example:
        >>> mask = BernoulliMask(torch.tensor([0.0, 1.0, 0.5]))
        >>> mask.sample(2, seed=0)[:, :2].tolist()
        [[False, True], [False, True]]
        >>> mask.score(torch.tensor([[False, True, True]])).round().tolist()
        [[-1.0, 1.0, 2.0]]
    """

    probs: Tensor

    def __post_init__(self) -> None:
        shaped = self.probs.dim() == 1 and self.probs.is_floating_point()
        require(
            shaped,
            "`probs` must be a floating-point vector [P], but found shape ="
            f" {tuple(self.probs.shape)}, dtype = {self.probs.dtype}. Give one probability per"
            " edge.",
        )
        if self.probs.numel():
            low, high = (float(v) for v in torch.aminmax(self.probs.detach()))
            require(
                0.0 <= low <= high <= 1.0,
                f"`probs` must be in [0, 1], but found min = {low!r}, max = {high!r}. Project onto"
                " the capped simplex first.",
            )

    def sample(self, samples: int, *, seed: int) -> Tensor:
        """Draw masks.

        Args:
            samples: How many, K >= 1.
            seed: The same seed gives the same masks.

        Returns:
            Masks ``[K, P]``, bool.
        """
        return torch.stack(list(self.draws(samples, seed=seed)))

    def draws(self, samples: int, *, seed: int) -> Draws:
        """Return the masks of :meth:`sample` as a sequence that draws the k-th again at each
        access.

        Args:
            samples: How many, K >= 1.
            seed: The same seed gives the same masks.

        Returns:
            A sequence of K masks ``[P]``.
        """
        require_at_least(1, "It is the number K of masks per step.", samples=samples)
        return Draws(self, samples, seed)

    def log_prob(self, masks: Tensor) -> Tensor:
        """Return the log-probability of masks.

        Args:
            masks: Masks ``[K, P]``, bool or 0 / 1.

        Returns:
            ``[K]``; minus infinity where a mask is impossible.
        """
        kept = masks.to(self.probs.dtype)
        logs: Tensor = torch.special.xlogy(kept, self.probs) + torch.special.xlog1py(
            1 - kept, -self.probs
        )
        return logs.sum(-1)

    def score(self, masks: Tensor) -> Tensor:
        r"""Return the score, the gradient of the log-probability in S.

        .. math:: \nabla_{s_p} \ln p = \frac{m_p - s_p}{s_p (1 - s_p)}

        Args:
            masks: Masks ``[K, P]``, bool or 0 / 1.

        Returns:
            ``[K, P]``, finite: s is clamped to [1e-6, 1 - 1e-6] for this alone.

        Source:
            DConRec, Eq. 15; the clamp is ours.
        """
        safe = self.probs.clamp(CLAMP, 1 - CLAMP)
        return (masks.to(safe.dtype) - safe) / (safe * (1 - safe))


@dataclass(frozen=True, eq=False)
class Draws(Sequence[Tensor]):
    """K masks of one distribution and seed, drawn again at each access, so that none is kept.

    Args:
        mask: The distribution over P edges.
        samples: K.
        seed: Sample k of block b comes from the stream ``("mask", k, b)`` of this seed.
    """

    mask: BernoulliMask
    samples: int
    seed: int

    def __len__(self) -> int:
        return self.samples

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...

    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(self.samples))]
        if not -self.samples <= index < self.samples:
            raise IndexError(index)
        k = index % self.samples
        probs = self.mask.probs.detach()
        kept = torch.empty(probs.numel(), dtype=torch.bool, device=probs.device)
        for block, start in enumerate(range(0, probs.numel(), BLOCK)):
            part = probs[start : start + BLOCK]
            # u in [0, 1) is below s with probability s: never at 0, always at 1.
            torch.lt(self._uniform(k, block, part), part, out=kept[start : start + BLOCK])
        return kept

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield all K masks block by block, as (edges, masks ``[K, block]`` in the dtype of S)."""
        probs = self.mask.probs.detach()
        for block, start in enumerate(range(0, probs.numel(), BLOCK)):
            part = probs[start : start + BLOCK]
            kept = torch.stack(
                [self._uniform(k, block, part).lt_(part) for k in range(self.samples)]
            )
            yield slice(start, start + part.numel()), kept

    def _uniform(self, k: int, block: int, like: Tensor) -> Tensor:
        stream = generator(self.seed, "mask", k, block, device=like.device)
        return torch.rand(like.numel(), generator=stream, device=like.device, dtype=like.dtype)
