"""Seeds and list lengths that a user gives to a judge."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

from graphcond.errors import require


def seeds_of(seeds: Iterable[int]) -> list[int]:
    """Return seeds as a list.

    Args:
        seeds: Whole numbers, at least one.

    Raises:
        InputError: If it is one number, empty, or holds something else.
    """
    require(
        isinstance(seeds, Iterable) and not isinstance(seeds, str),
        f"`seeds` must be several whole numbers, but it is {seeds!r}. Pass for example"
        " seeds=range(3).",
    )
    found = list(seeds)
    require(len(found) > 0, "There is no seed. Pass for example seeds=range(3).")
    _check_whole("seeds", found)
    return [int(seed) for seed in found]


def lengths_of(ks: Iterable[int]) -> tuple[int, ...]:
    """Return lengths of lists as a tuple.

    Args:
        ks: Whole numbers; their range is checked where the ranking is made.

    Raises:
        InputError: If it is one number or holds something else.
    """
    require(
        isinstance(ks, Iterable) and not isinstance(ks, str),
        f"`ks` must be several whole numbers, but it is {ks!r}. Pass for example ks=(10, 20).",
    )
    found = tuple(ks)
    _check_whole("ks", found)
    return tuple(int(k) for k in found)


def _check_whole(name: str, values: Iterable[object]) -> None:
    odd = [value for value in values if isinstance(value, bool) or not isinstance(value, Integral)]
    require(
        not odd,
        f"`{name}` must be whole numbers, but it holds {odd!r}. Pass numbers such as 0, 1, 2.",
    )
