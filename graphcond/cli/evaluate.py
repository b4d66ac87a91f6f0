"""``graphcond evaluate``: judge a condensed set from a file."""

from __future__ import annotations

from graphcond.cli.judging import check, check_data, judge_beside_random, show
from graphcond.cli.methods import kind_of
from graphcond.cli.options import Budget, Evaluate
from graphcond.cli.source import load_original
from graphcond.data import read
from graphcond.errors import require
from graphcond.evaluation import Entry


def run(options: Evaluate) -> None:
    """Judge one file against its original, beside a random set of its size."""
    check(options)
    small = read(options.condensed)
    require(
        "condenser" in (small.get("card") or {}),
        f"This needs a condensed set with its card, but found path = {options.condensed!r}. Give a"
        " file that `graphcond condense --out` wrote.",
    )
    data = load_original(options, small)
    check_data(data)
    original = {"kind": kind_of(data), "dataset": (data.get("card") or {}).get("name", "unnamed")}
    made_of = {name: small.card.get(name) for name in original}
    require(
        made_of == original,
        f"This needs the data set that was condensed, but found condensed = {made_of!r}, original ="
        f" {original!r}. Name it.",
    )
    seeds = range(options.seed, options.seed + options.seeds)
    rows = judge_beside_random(data, Entry(small, seeds), Budget(options.data), options)
    show(rows, options.json)
