"""Seeds and list lengths that a user gives to a judge."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

from graphcond.errors import require


def whole_numbers(name: str, values: Iterable[int], example: str) -> list[int]:
    """Return what a user gave as a list of whole numbers.

    Args:
        name: Of the argument.
        values: Whole numbers, at least one; their range is checked where they are used.
        example: What could be passed.

    Raises:
        InputError: If it is one number, empty, or holds something else.
    """
    require(
        isinstance(values, Iterable) and not isinstance(values, str),
        f"`{name}` must be several whole numbers, but it is {values!r}. Pass for example"
        f" {name}={example}.",
    )
    found = list(values)
    require(
        len(found) > 0,
        f"`{name}` must hold a whole number, but it is empty. Pass for example {name}={example}.",
    )
    odd = [value for value in found if isinstance(value, bool) or not isinstance(value, Integral)]
    require(
        not odd,
        f"`{name}` must be whole numbers, but it holds {odd!r}. Pass numbers such as 0, 1, 2.",
    )
    return [int(value) for value in found]
