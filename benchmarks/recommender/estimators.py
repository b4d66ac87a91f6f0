"""The estimators of the policy gradient, each beside a random set of its size, tail and pool."""

from __future__ import annotations

from benchmarks.recommender.setting import (
    PRINTED,
    compare,
    condenser,
    parse,
    parser,
    printed,
    store_of,
    variants,
)

SETTING = "pool 1.3 |D|, tail 10"


def main() -> None:
    """Judge one row per estimator and its control."""
    command = parser(__doc__)
    names = [PRINTED, *variants(100)]
    command.add_argument("--variants", nargs="+", choices=names, default=names)
    command.set_defaults(ratios=[0.25])
    options = parse(command)
    store = store_of(options, "estimators")
    for seed in options.seeds:
        for name in options.datasets:
            for ratio in options.ratios:
                for label, settings in variants(options.steps).items():
                    if label in options.variants:
                        method = condenser(name, seed, ratio, **settings)
                        compare(store, name, method, label, SETTING, control_of=SETTING)
                if PRINTED in options.variants:
                    steps = 5 if options.quick else 1000
                    method = printed(name, seed, ratio, steps=steps)
                    compare(store, name, method, PRINTED, "as printed", control_of="as printed")


if __name__ == "__main__":
    main()
