"""Independent random streams from one seed, split by name; torch's global generator is left
alone.
"""

from __future__ import annotations

import hashlib
from numbers import Integral

import torch

from graphcond.errors import require


def derive(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream called ``names`` under ``seed``.

    Args:
        seed: Any integer.
        *names: The stream's name, for example ``"negatives", epoch``.

    Returns:
        An integer in [0, 2^63), the same on every machine and Python version.

    Raises:
        InputError: If the seed is no whole number: 1.5 and 1 would be one stream.

    Example:
        >>> derive(0, "split") == derive(0, "split"), derive(0, "split") == derive(0, "init")
        (True, False)
    """
    require(
        isinstance(seed, Integral),
        f"`seed` must be a whole number, but it is {seed!r}. Any will do; it makes the run"
        " repeatable.",
    )
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator for the stream called ``names`` under ``seed`` (see :func:`derive`).

    Args:
        seed: Any integer.
        *names: The stream's name.
        device: Where the random numbers are drawn.

    Returns:
        A generator of its own.
    """
    return torch.Generator(device=device).manual_seed(derive(seed, *names))
