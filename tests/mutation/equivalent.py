"""Survivors that change nothing a user could see, each with the reason."""

from __future__ import annotations

from tests.mutation.operators import Mutant

EQUIVALENT: dict[tuple[str, str, str], str] = {}
"""(file, function, change) -> why no test could, or should, tell the difference."""


def reason(mutant: Mutant) -> str | None:
    """Return why a mutant is equivalent, None where it is not."""
    return EQUIVALENT.get((mutant.file, mutant.function, mutant.change))
