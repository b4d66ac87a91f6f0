"""Seeded Bernoulli masks from a counter-based hash: the same (seed, stream, edge) gives the same bit everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require

_MASK64 = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLY = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_BLOCK = 1 << 15


def mix64(number: int) -> int:
    """Return the splitmix64 finaliser of an integer, in [0, 2^64).

    Source: Steele, Lea and Flood 2014; constants of variant 13 (Stafford).
    """
    number &= _MASK64
    number = ((number ^ (number >> 30)) * _MULTIPLY[0]) & _MASK64
    number = ((number ^ (number >> 27)) * _MULTIPLY[1]) & _MASK64
    return number ^ (number >> 31)


def stream_key(seed: int, stream: int) -> int:
    """Return the 64-bit key of a stream, as the signed integer that torch stores."""
    key = mix64(mix64(int(seed) + _GOLDEN) + (int(stream) + 1) * _GOLDEN)
    return _signed(key)


def _signed(number: int) -> int:
    number &= _MASK64
    return number - 2**64 if number >= 2**63 else number


def _hash_bits(key: int, ids: Tensor) -> Tensor:
    """Return the top 24 bits of the hash of each id, as int64; ``ids`` is overwritten."""
    bits = ids.add_(1).mul_(_signed(_GOLDEN)).add_(key)
    for shift, factor in zip((30, 27), _MULTIPLY, strict=True):
        bits.bitwise_xor_((bits >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(_signed(factor))
    bits.bitwise_xor_((bits >> 31).bitwise_and_((1 << 33) - 1))
    return bits.bitwise_right_shift_(40).bitwise_and_((1 << 24) - 1)


@torch.no_grad()
def sample_mask(probs: Tensor, seed: int, stream: int, edge_id: Tensor | None = None) -> Tensor:
    r"""Draw one Bernoulli mask: edge e is kept iff ``hash(seed, stream, edge_id[e]) >> 40 < p_e * 2^24``.

    The bit of an edge depends on nothing but its own probability and the three numbers: not on order, device, back end, number
    of processes, or which other edges are drawn.

    Args:
        probs: Probabilities ``[P]`` in [0, 1], resolved to 2^-24.
        seed: Any integer.
        stream: Any integer: the number of the sample (one for each of K masks, each step).
        edge_id: Ids ``[P]`` that enter the hash, for example of undirected edges, so that both directions share their fate;
            None numbers them 0 .. P - 1.

    Returns:
        ``[P]`` bool.

    Raises:
        InputError: If shapes do not match or ``probs`` is not of floating point.

    Example:
        >>> probs = torch.full((8,), 0.5)
        >>> bool((sample_mask(probs, 7, 0)[4:] == sample_mask(probs[4:], 7, 0, torch.arange(4, 8))).all())
        True
    """
    require(
        probs.dim() == 1 and probs.is_floating_point(), "`probs` of floating point, [P]", "Give one a candidate edge.", probs=probs.shape
    )
    require(
        edge_id is None or (edge_id.shape == probs.shape and not edge_id.is_floating_point()),
        "`edge_id` integer, of the shape of `probs`",
        "It names the edge that each probability belongs to.",
        edge_id=None if edge_id is None else tuple(edge_id.shape),
        probs=tuple(probs.shape),
    )
    key, count = stream_key(seed, stream), probs.numel()
    keep = torch.empty(count, dtype=torch.bool, device=probs.device)
    step = _BLOCK if probs.is_cpu else max(count, 1)
    for start in range(0, count, step):
        stop = min(start + step, count)
        ids = torch.arange(start, stop, device=probs.device) if edge_id is None else edge_id[start:stop].to(torch.int64, copy=True)
        torch.lt(_hash_bits(key, ids).float(), probs[start:stop].float() * 2.0**24, out=keep[start:stop])
    return keep
