"""``graphcond evaluate``: judge a condensed set from a file."""

from __future__ import annotations

from graphcond.cli.judging import check, check_data, judge, show
from graphcond.cli.methods import control, kind_of
from graphcond.cli.options import Budget, Evaluate
from graphcond.cli.own_file import columns_of
from graphcond.cli.source import load_split
from graphcond.data import read
from graphcond.errors import InputError, require
from graphcond.evaluation import Entry


def run(options: Evaluate) -> None:
    """Judge one file against its original, beside a random set of its size."""
    check(options)
    small = read(options.condensed)
    require(
        "condenser" in (small.get("card") or {}),
        f"This needs a condensed set with its card, but found path = {options.condensed!r}. Give a"
        " file that `graphcond condense --out` wrote.",
        error=InputError,
    )
    data = load_split(
        options.data,
        options.root,
        options.split,
        options.seed,
        small,
        columns_of(options),
        options.k_core,
    )
    check_data(data)
    original = {
        "kind": kind_of(data),
        "dataset": (data.get("card") or {}).get("name", "unnamed"),
    }
    made_of = {name: small.card.get(name) for name in original}
    require(
        made_of == original,
        f"This needs the data set that was condensed, but found condensed = {made_of!r}, original ="
        f" {original!r}. Name it.",
    )
    seeds = range(options.seed, options.seed + options.seeds)
    entries = [Entry(small, seeds)]
    if not small.card["method"].startswith("Random"):
        random = control(data, small, Budget(options.data), options.seed).condense(data)
        entries.append(Entry(random.data, seeds, random.report["seconds_condense"]))
    rows = judge(data, entries, options)
    show(rows, options.json)
