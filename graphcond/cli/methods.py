"""Names of condensers on the command line; only here is a class found by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_geometric.data import HeteroData

from graphcond import condensers, pools
from graphcond.cli.options import Budget
from graphcond.condensers import Condenser
from graphcond.errors import UnknownNameError, require
from graphcond.nn import MF

Builder = Callable[..., Condenser]
"""Called with the data and the budget's fields as keywords."""

INTERACTIONS: dict[str, Builder] = {
    "random": lambda data, **budget: condensers.RandomInteractions(**budget),
    "majority": lambda data, **budget: condensers.Majority(**budget),
    "svp-easiest": lambda data, **budget: condensers.SVPEasiest(**budget),
    "svp-hardest": lambda data, **budget: condensers.SVPHardest(**budget),
    "doscond": lambda data, **budget: condensers.DosCondInteractions(**budget),
    "policy-gradient": lambda data, **budget: condensers.PolicyGradient(MF, _pool(), **budget),
    "policy-gradient-published": lambda data, **budget: condensers.PolicyGradient.published(
        MF, _pool(), **budget
    ),
    "teacher-choice": lambda data, **budget: condensers.TeacherChoice(**budget),
}
NODES: dict[str, Builder] = {
    "random": lambda data, **budget: condensers.RandomNodes(**budget),
    "herding": lambda data, **budget: condensers.Herding(**budget),
    "k-center": lambda data, **budget: condensers.KCenter(**budget),
    "partition": lambda data, **budget: condensers.Partition(**budget),
    "gcond": lambda data, **budget: condensers.GCond(**budget),
    "gcond-x": lambda data, **budget: condensers.GCondX(**budget),
    "doscond": lambda data, **budget: condensers.DosCond(**budget),
    "distribution-matching": lambda data, **budget: condensers.DistributionMatching(**budget),
    "kernel-inducing-points": lambda data, **budget: condensers.KernelInducingPoints(**budget),
    "trajectory-matching": lambda data, **budget: condensers.TrajectoryMatching(**budget),
    "hcdc": lambda data, **budget: condensers.HypergradientMatching(**budget),
}
DEFAULT = {"interactions": "teacher-choice", "nodes": "hcdc"}
"""What ``--method default`` means: the best on validation data over several data sets."""


def _pool() -> pools.PoolBuilder:
    return pools.Union(pools.Observed(), pools.ProxyTopK(MF, ratio=0.3))


def kind_of(data: Any) -> str:
    """Return the kind of a data set, as cards name it."""
    return "interactions" if isinstance(data, HeteroData) else "nodes"


def build(name: str, data: Any, options: Budget, seed: int, **changed: Any) -> Condenser:
    """Return the condenser called ``name`` for this kind of data.

    Args:
        name: A name of this module's tables, or ``"default"``.
        data: The data set, which decides the kind.
        options: The budget.
        seed: The condenser's seed.
        **changed: Budget entries that replace those of ``options``.

    Raises:
        UnknownNameError: If this kind of data has no such condenser.
        InputError: If an option has no meaning for this kind of data.
    """
    kind = kind_of(data)
    table = INTERACTIONS if kind == "interactions" else NODES
    builder = table.get(DEFAULT[kind] if name == "default" else name)
    if builder is None:
        known = ", ".join(sorted(table))
        raise UnknownNameError(
            f"a condenser of {kind} must hold, but got (method={name!r}). Known for {kind}:"
            f" default, {known}."
        )
    _check_options(kind, options)
    budget: dict[str, Any] = {
        "ratio": options.ratio if options.ratio is not None else 0.25,
        "seed": seed,
    }
    if kind == "nodes":
        share = (
            options.ratio if options.ratio is not None or options.num_nodes is not None else 0.05
        )
        budget |= {
            "ratio": share,
            "num_nodes": options.num_nodes,
            "of": options.of,
            "num_val": options.num_val,
        }
    return builder(data, **{**budget, **changed})


def _check_options(kind: str, options: Budget) -> None:
    nodes: dict[str, Any] = {
        "num_nodes": options.num_nodes,
        "num_val": options.num_val,
        "of": None if options.of == "nodes" else options.of,
    }
    if kind == "interactions":
        given = {name: value for name, value in nodes.items() if value is not None}
        require(
            not given,
            "a budget of interactions",
            "Interactions are counted by --ratio alone.",
            **given,
        )
    else:
        both = options.num_nodes is not None and options.of != "nodes"
        require(
            not both,
            "--of with --ratio",
            "--num_nodes is a count: leave --of away.",
            num_nodes=options.num_nodes,
            of=options.of,
        )


def control(data: Any, condensed: Any, options: Budget, seed: int) -> Condenser:
    """Return the random condenser of the same true size as ``condensed``.

    Args:
        data: The original.
        condensed: A condensed set with its card.
        options: The budget.
        seed: The control's seed.
    """
    card = condensed.card
    if isinstance(data, HeteroData):
        return build("random", data, options, seed, ratio=card["ratio_actual"])
    return build(
        "random",
        data,
        options,
        seed,
        ratio=None,
        num_nodes=card["num_train"],
        num_val=card["num_val"],
    )
