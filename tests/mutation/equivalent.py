"""Survivors that change nothing a user could see, each with the reason."""

from __future__ import annotations

from tests.mutation.operators import Mutant

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._newton",
        "1e-15 → 2e-15",
    ): "the width at which bisection ends, in units of rounding; both are below what is tested",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._newton",
        "abs(excess) <= CLOSE * self.budget → abs(excess) > CLOSE * self.budget",
    ): "a precondition that saves a pass: the step is taken only where `_meets` finds it exact",
    (
        "graphcond/masks/bernoulli.py",
        "Draws.blocks",
        "self.mask.probs.detach() → self.mask.probs",
    ): "a comparison follows, which has no gradient",
    (
        "graphcond/nn/adjacency.py",
        "PairMLP.init",
        "1 → 2",
    ): "the spread of one vector of start weights, which are fitted to the start graph afterwards",
    (
        "graphcond/nn/graph_nas.py",
        "GraphNASNet.__init__",
        "0 → 1",
    ): "which seed is the default",
}
"""(file, function, change) -> why no test could, or should, tell the difference."""


def reason(mutant: Mutant) -> str | None:
    """Return why a mutant is equivalent, None where it is not."""
    return EQUIVALENT.get((mutant.file, mutant.function, mutant.change))
