"""``graphcond methods``, and names of condensers: only here is a class found by name."""

from __future__ import annotations

import inspect
import json
import os
import sys
import textwrap
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch_geometric.data import HeteroData

from graphcond import condensers, pools
from graphcond.cli.options import Budget, Methods
from graphcond.condensers import Condenser
from graphcond.errors import UnknownNameError, require
from graphcond.nn import MF

Builder = Callable[..., Condenser]
"""Called with the budget's fields as keywords."""


def _pool() -> pools.PoolBuilder:
    return pools.Union(pools.Observed(), pools.ProxyTopK(MF, ratio=0.3))


def policy_gradient(**budget: Any) -> Condenser:
    """Learn DConRec's mask, with our estimator, over D and a proxy's favourites."""
    return condensers.PolicyGradient(MF, _pool(), **budget)


def policy_gradient_published(**budget: Any) -> Condenser:
    """Learn DConRec's mask as printed, over D and a proxy's favourites."""
    return condensers.PolicyGradient.published(MF, _pool(), **budget)


def teacher_choice_observed(**budget: Any) -> Condenser:
    """Keep, for every user alike, those of its items that a teacher of several models ranks
    highest, less a price for crowded items.
    """
    return condensers.TeacherChoice(mixtures=condensers.TeacherChoice.OBSERVED_ONLY, **budget)


INTERACTIONS: dict[str, Builder] = {
    "RandomInteractions": condensers.RandomInteractions,
    "Majority": condensers.Majority,
    "PopularCore": condensers.PopularCore,
    "SVPEasiest": condensers.SVPEasiest,
    "SVPHardest": condensers.SVPHardest,
    "DosCondInteractions": condensers.DosCondInteractions,
    "TeacherChoice": condensers.TeacherChoice,
    "TeacherChoice.observed": teacher_choice_observed,
    "PolicyGradient": policy_gradient,
    "PolicyGradient.published": policy_gradient_published,
}
NODES: dict[str, Builder] = {
    "RandomNodes": condensers.RandomNodes,
    "SampledNeighbourhoods": condensers.SampledNeighbourhoods,
    "Herding": condensers.Herding,
    "KCenter": condensers.KCenter,
    "Partition": condensers.Partition,
    "Coarsening": condensers.Coarsening,
    "GCond": condensers.GCond,
    "GCondX": condensers.GCondX,
    "DosCond": condensers.DosCond,
    "DistributionMatching": condensers.DistributionMatching,
    "KernelInducingPoints": condensers.KernelInducingPoints,
    "TrajectoryMatching": condensers.TrajectoryMatching,
    "HypergradientMatching": condensers.HypergradientMatching,
    "SupernetMatching": condensers.SupernetMatching,
}
TABLES = {"interactions": INTERACTIONS, "nodes": NODES}
SHORT = {
    "interactions": {"random": "RandomInteractions", "doscond": "DosCondInteractions"},
    "nodes": {"random": "RandomNodes", "hcdc": "HypergradientMatching"},
}
"""Words that are shorter than the class they stand for."""

PURPOSES = {
    "accuracy": "Partition",
    "filters": "HypergradientMatching",
    "architectures": "SampledNeighbourhoods",
}
"""What ``--for`` takes for graphs. The figures behind it are those of the option's help, from the
tables of accuracy, of filters and of architectures."""

DEFAULT = {"interactions": "TeacherChoice.observed", "nodes": PURPOSES["accuracy"]}
"""What ``--method default`` means. For interactions it keeps some of those there are: a set for any
tool, also one that leaves out of a ranking just the items that it was given. On validation, with
just those left out, a quarter trains better than SVPEasiest's does, by 8 to 18 %: of Last.fm MF,
EASE and iALS, of ML-100K MF and EASE (one seed)."""

RATIO = {"interactions": 0.25, "nodes": 0.05}
"""What is kept where nothing is said. A quarter is DConRec's ratio."""

PROPOSING = "TeacherChoice"
"""What it means with ``--proposals``: the best where the original's items are left out."""


def kind_of(data: Any) -> str:
    """Return the kind of a data set, as cards name it."""
    return "interactions" if isinstance(data, HeteroData) else "nodes"


def find(name: str, kind: str) -> Builder:
    """Return what makes the condenser called ``name``.

    Args:
        name: A class of :mod:`graphcond.condensers`, in any case and with or without hyphens; a
            short form; ``"default"``; or a class of your own as ``package.module.Class``.
        kind: ``"interactions"`` or ``"nodes"``.

    Raises:
        UnknownNameError: If there is no such condenser for this kind of data.
    """
    table, short = TABLES[kind], SHORT[kind]
    named = isinstance(name, str)  # a file of options may say null
    require(named, f"`method` must be a name, but it is {name!r}. See `graphcond methods`.")
    chosen = {"default": DEFAULT[kind], **short}.get(name.lower(), name)
    known = {_plain(each): builder for each, builder in table.items()}
    if _plain(chosen) in known:
        return known[_plain(chosen)]
    module, _, attribute = name.rpartition(".")
    if module:
        return _own(module, attribute)
    raise UnknownNameError(
        f"There is no condenser {name!r} for {kind}. Take default, one of"
        f" {', '.join(sorted(table))}, or a class of your own as package.module.Class."
    )


def preset(name: str, kind: str) -> str | None:
    """Return the whole name of a preset of a class, for example ``TeacherChoice.observed``; None of
    anything else.

    Args:
        name: As :func:`find` takes it.
        kind: ``"interactions"`` or ``"nodes"``.
    """
    chosen = _plain(DEFAULT[kind] if name == "default" else name)
    return next((each for each in TABLES[kind] if "." in each and _plain(each) == chosen), None)


def _plain(name: str) -> str:
    """Return a name without what people write differently: case, hyphens, dots, underscores."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _own(module: str, attribute: str) -> Builder:
    """Import a user's condenser, from the current folder too."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UnknownNameError(
            f"The condenser {module}.{attribute} cannot be imported: {error}. Run the command where"
            " the module lies, or install its package."
        ) from error
    require(
        isinstance(found, type) and issubclass(found, Condenser),
        f"{module}.{attribute} must be a subclass of graphcond.condensers.Condenser, but it is"
        f" {found!r}. Derive it from NodeCondenser or InteractionCondenser.",
        error=UnknownNameError,
    )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    require(
        not missing,
        f"{module}.{attribute} is a base of condensers: it has no {', '.join(missing)}. Name a"
        " class that has.",
        error=UnknownNameError,
    )
    builder: Builder = found
    return builder


def build(name: str, data: Any, options: Budget, seed: int, **changed: Any) -> Condenser:
    """Return the condenser called ``name`` for this kind of data.

    Args:
        name: See :func:`find`.
        data: The data set, which decides the kind.
        options: The budget.
        seed: The condenser's seed.
        **changed: Budget entries that replace those of ``options``.

    Raises:
        UnknownNameError: If this kind of data has no such condenser.
        InputError: If an option has no meaning for this kind of data.
    """
    kind = kind_of(data)
    builder = find(name, kind)
    _check_options(kind, options)
    budget: dict[str, Any] = {"seed": seed, "ratio": options.ratio}
    if options.ratio is None and options.num_nodes is None:
        budget["ratio"] = RATIO[kind]
    if kind == "nodes":
        budget |= {"num_nodes": options.num_nodes, "of": options.of, "num_val": options.num_val}
    return builder(**{**budget, **changed})


def _check_options(kind: str, options: Budget) -> None:
    if kind == "nodes":
        require(
            options.num_nodes is None or options.of == "nodes",
            f"--of {options.of} goes with --ratio, but --num_nodes {options.num_nodes} is given."
            " A count needs no --of.",
        )
        return
    given = {
        "num_nodes": options.num_nodes,
        "num_val": options.num_val,
        "of": None if options.of == "nodes" else options.of,
    }
    words = " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)
    require(
        not words,
        f"{words} is for graphs, but these are interactions. They are counted by --ratio alone.",
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
    size = {"ratio": card.get("ratio_actual")}
    if kind_of(data) == "nodes":
        size = {"ratio": None, "num_nodes": card["num_train"], "num_val": card["num_val"]}
    return build("random", data, options, seed, **size)


def summaries() -> dict[str, dict[str, str]]:
    """Return what each condenser does in one sentence, by kind of data and by name."""
    return {
        kind: {name: _sentence(builder) for name, builder in sorted(table.items())}
        for kind, table in TABLES.items()
    }


def _sentence(builder: Builder) -> str:
    text = " ".join((inspect.getdoc(builder) or "").partition("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".") + "."


def run(options: Methods) -> None:
    """Print the condensers that the command line knows."""
    found = summaries()
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for kind, methods in found.items():
        print(f"{kind} (default: {DEFAULT[kind]})")
        if kind == "nodes":
            served = ", ".join(f"--for {purpose}: {name}" for purpose, name in PURPOSES.items())
            print(f"  {served}")
        for name, sentence in methods.items():
            first, *rest = textwrap.wrap(sentence, 70)
            print(f"  {name:26} {first}")
            for line in rest:
                print(f"  {'':26} {line}")
