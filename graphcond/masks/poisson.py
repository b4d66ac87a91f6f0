"""Independent Bernoulli variables conditioned on their sum, sampled exactly with a tree of
counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphcond.seeding import generator

# Variables that one leaf of the tree holds. Within a leaf draws are tried until the count fits.
LEAF = 256
# Up to here inclusion probabilities are summed exactly, in P² numbers; above, expanded.
EXACT = 512
# Most draws held at once for all leaves together.
TRIALS = 4096

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConditionalPoisson:
    """Bernoulli variables with probabilities ``working``, given that exactly ``size`` of them are
    one.

    Args:
        working: Working probabilities ``[P]``, float64 on the CPU, strictly between 0 and 1.
        size: The number of ones, 0 < size < P.

    Source:
        Hájek, 1964.
    """

    working: Tensor
    size: int

    @classmethod
    def with_inclusion(cls, inclusion: Tensor, size: int) -> ConditionalPoisson:
        """Return the design whose inclusion probabilities are given.

        Args:
            inclusion: ``[P]`` float64, strictly between 0 and 1, summing to ``size``.
            size: The number of ones.

        Returns:
            The design; exact to 1e-9 for P <= 512, to first order in 1 / d above.
        """
        # A fixed point in logits: move each by what its inclusion misses. There is no closed form.
        target = torch.logit(inclusion)
        working = inclusion
        # An expansion is not exact, so that more than a few rounds correct nothing.
        rounds = 200 if inclusion.numel() <= EXACT else 4
        for _ in range(rounds):
            now = cls(working, size).inclusion()
            working = torch.sigmoid(
                torch.logit(working) + target - torch.logit(now.clamp(1e-12, 1 - 1e-12))
            )
            if float((now - inclusion).abs().max()) < 1e-10:
                break
        return cls(working, size)

    def inclusion(self) -> Tensor:
        """Return the inclusion probabilities ``[P]``: exact for P <= 512, by Hájek's expansion
        above.
        """
        p = self.working
        if p.numel() > EXACT:
            spread = p * (1 - p)
            mean = float((p * spread).sum() / spread.sum())
            gap = (self.size - float(p.sum())) / float(spread.sum())
            return p + spread * gap + spread * (p - mean) / float(spread.sum())
        before = _prefix(p.numpy(), self.size)
        after = _prefix(p.numpy()[::-1], self.size)[::-1]
        without = np.array(
            [before[i][: self.size] @ after[i + 1][self.size - 1 :: -1] for i in range(len(p))]
        )
        whole = before[-1][self.size]
        exact: Tensor = p * torch.from_numpy(without) / whole
        return exact

    @property
    def meets_size(self) -> bool:
        """Whether independent draws have the size often enough, in about 1 of 10,000 at least, to
        be tried until they do.
        """
        p = self.working
        spread = float((p * (1 - p)).sum()) ** 0.5
        return bool(torch.isfinite(p).all()) and abs(self.size - float(p.sum())) < max(
            0.5, 3.5 * spread
        )

    def sample(self, seed: int) -> Tensor:
        """Return one exact draw ``[P]``, bool.

        Args:
            seed: The same seed gives the same draw.

        Returns:
            A mask with exactly ``size`` True.
        """
        stream = generator(seed, "conditional-poisson")
        count = self.working.numel()
        width = min(LEAF, count)
        table = torch.nn.functional.pad(self.working.double(), (0, -count % width)).view(-1, width)
        leaves = _leaves(table.numpy())
        wanted = torch.from_numpy(_split(leaves, self.size, np.random.default_rng(_word(stream))))
        kept = torch.zeros(table.shape, dtype=torch.bool)
        rows = torch.arange(len(table))
        # A count near its mean is met once in about 2.5 σ draws; leaves that were lucky drop out,
        # and those left may try more often in the same memory.
        times = 4
        while rows.numel():
            times = max(1, min(2 * times, TRIALS // rows.numel()))
            trial = (
                torch.rand(
                    times, rows.numel(), table.size(1), generator=stream, dtype=torch.float64
                )
                < table[rows]
            )
            good, first = (trial.sum(2) == wanted[rows]).max(0)
            kept[rows[good]] = trial[first[good], good.nonzero().squeeze(1)]
            rows = rows[~good]
        return kept.view(-1)[: self.working.numel()]


def _word(stream: torch.Generator) -> int:
    # NumPy's generator draws the counts, seeded from torch's, so that one seed says both.
    return int(torch.randint(1 << 62, (), generator=stream))


def _prefix(p: Floats, size: int) -> Floats:
    """Return ``[P + 1, size + 1]``: the distribution of the sum of the first i variables, cut at
    ``size``.
    """
    table = np.zeros((len(p) + 1, size + 1))
    table[0, 0] = 1.0
    for i, prob in enumerate(p):
        table[i + 1] = table[i] * (1 - prob)
        table[i + 1, 1:] += table[i, :-1] * prob
    return table


def _leaves(blocks: Floats) -> list[Floats]:
    """Return the distribution of the sum of every block of variables [blocks, width]."""
    table = np.zeros((len(blocks), blocks.shape[1] + 1))
    table[:, 0] = 1.0
    # All leaves advance by one variable at a time; their columns are laid out one after another.
    for i, column in enumerate(np.ascontiguousarray(blocks.T)[:, :, None]):
        now = table[:, : i + 2]
        moved = now[:, :-1] * column
        now[:, :-1] -= moved
        now[:, 1:] += moved
    return list(table)


def _split(leaves: list[Floats], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Split the total over the leaves from the root of a binary tree down, each count given its
    parent's.
    """
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        merged = [_convolve(one, other) for one, other in zip(below[::2], below[1::2])]
        if len(below) % 2:
            merged.append(below[-1])  # the odd one out waits a level
        levels.append(merged)
    counts = [size]
    for below in reversed(levels[:-1]):
        split: list[int] = []
        for parent, total in enumerate(counts):
            if 2 * parent + 1 == len(below):  # it has no sibling
                split.append(total)
                continue
            left = _left(below[2 * parent], below[2 * parent + 1], total, rng)
            split += [left, total - left]
        counts = split
    return np.array(counts, dtype=np.int64)


def _left(left: Floats, right: Floats, total: int, rng: np.random.Generator) -> int:
    low = max(0, total - len(right) + 1)
    high = min(len(left) - 1, total)
    weights = left[low : high + 1] * right[total - high : total - low + 1][::-1]
    return low + int(rng.choice(len(weights), p=weights / weights.sum()))


def _convolve(a: Floats, b: Floats) -> Floats:
    """Convolve two distributions, multiplying only where they are not negligible."""
    (i, a), (j, b), size = _support(a), _support(b), len(a) + len(b) - 1
    whole = np.zeros(size)
    whole[i + j : i + j + len(a) + len(b) - 1] = np.convolve(a, b)
    return whole


def _support(p: Floats) -> tuple[int, Floats]:
    # A count as unlikely as that is never drawn: the generator has 53 bits.
    inside = np.flatnonzero(p > 1e-18)
    return int(inside[0]), p[inside[0] : inside[-1] + 1]
