"""Seeded Bernoulli masks from a counter-based hash: the same (seed, stream, edge) gives the same
bit everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require
from graphcond.sparse.pattern import on_host

_MASK64 = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLY = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_BLOCK = 1 << 15
_FIRST = (torch.arange(1, _BLOCK + 1, device="cpu") * (_GOLDEN - 2**64)).numpy().view("uint64")
"""What ids 0 .. block - 1 bring into the hash; those of later blocks differ by a constant."""


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
        bits.bitwise_xor_((bits >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(
            _signed(factor)
        )
    # The finaliser's last step changes the lower 33 bits alone.
    return bits.bitwise_right_shift_(40).bitwise_and_((1 << 24) - 1)


def _draw_on_host(key: int, probs: Tensor, edge_id: Tensor | None) -> Tensor:
    """Draw through NumPy's view of the tensors: its shifts are unsigned, where torch must mask, and
    its comparisons are 5 times faster.
    """
    keep = torch.empty(probs.numel(), dtype=torch.bool)
    kept, limits = keep.numpy(), probs.detach().float().numpy()
    ids = None if edge_id is None else edge_id.numpy()
    for start in range(0, limits.size, _BLOCK):
        here = slice(start, start + _BLOCK)
        if ids is None:
            words = _FIRST[: limits.size - start] + ((start * _GOLDEN + key) & _MASK64)
        else:
            words = (ids[here].astype("uint64") + 1) * _GOLDEN + (key & _MASK64)
        for shift, factor in zip((30, 27), _MULTIPLY, strict=True):
            words ^= words >> shift
            words *= factor
        kept[here] = (words >> 40).astype("float32") < limits[here] * 2.0**24
    return keep


@torch.no_grad()
def sample_mask(probs: Tensor, seed: int, stream: int, edge_id: Tensor | None = None) -> Tensor:
    r"""Draw one Bernoulli mask: edge e is kept iff ``hash(seed, stream, edge_id[e]) >> 40 < p_e *
    2^24``.

    The bit of an edge depends on nothing but its own probability and the three numbers: not on
    order, device, back end, number of processes, or which other edges are drawn.

    Args:
        probs: Probabilities ``[P]`` in [0, 1], resolved to 2^-24.
        seed: Any integer.
        stream: Any integer: the number of the sample (one for each of K masks, each step).
        edge_id: Ids ``[P]`` that enter the hash, for example of undirected edges, so that both
            directions share their fate; None numbers them 0 .. P - 1.

    Returns:
        ``[P]`` bool.

    Raises:
        InputError: If shapes do not match or ``probs`` is not of floating point.

    Example:
        >>> probs = torch.full((8,), 0.5)
        >>> shard = sample_mask(probs[4:], 7, 0, torch.arange(4, 8))
        >>> bool((sample_mask(probs, 7, 0)[4:] == shard).all())
        True
    """
    require(
        probs.dim() == 1 and probs.is_floating_point(),
        f"`probs` must be of floating point, [P], but it is {probs.shape!r}. Give one a candidate"
        " edge.",
    )
    require(
        edge_id is None or (edge_id.shape == probs.shape and not edge_id.is_floating_point()),
        "`edge_id` must be integer, of the shape of `probs`, but found edge_id ="
        f" {None if edge_id is None else tuple(edge_id.shape)!r}, probs = {tuple(probs.shape)!r}."
        " It names the edge that each probability belongs to.",
    )
    key = stream_key(seed, stream)
    if on_host(probs):
        return _draw_on_host(key, probs, edge_id)
    ids = (
        torch.arange(probs.numel(), device=probs.device)
        if edge_id is None
        else edge_id.to(torch.int64, copy=True)
    )
    return _hash_bits(key, ids).float() < probs.float() * 2.0**24
