"""Transfer: sets condensed with MF or LightGCN train either model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.recommender.setting import parse, parser, store_of
from benchmarks.recommender.table2 import MODELS, Made, one_set, plain
from graphcond.condensers import RandomInteractions, TeacherChoice

METHODS: dict[str, Callable[[str, float, int], Made]] = {
    "RandomInteractions": partial(plain, RandomInteractions),
    "TeacherChoice": partial(plain, TeacherChoice),
    "TeacherChoice (LightGCN)": partial(
        plain, partial(TeacherChoice, recommender=MODELS["LightGCN"], ensemble=1)
    ),
}


def main() -> None:
    """Judge what is missing."""
    command = parser(__doc__)
    command.set_defaults(seeds=[0], ratios=[0.25])
    command.add_argument("--methods", nargs="+", choices=list(METHODS))
    options = parse(command)
    for name in options.datasets:
        for seed in options.seeds:
            store = store_of(options, f"transfer_{name}")
            one_set(store, name, seed, options, METHODS, ("MF", "LightGCN"))


if __name__ == "__main__":
    main()
