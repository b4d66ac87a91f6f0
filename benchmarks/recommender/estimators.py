"""The estimators of the policy gradient, each beside a random set of its size, tail and pool."""

from __future__ import annotations

from benchmarks.recommender.setting import compare, condenser, parse, parser, store_of, variants

SETTING = "pool 1.3 |D|, tail 10"


def main() -> None:
    """Judge one row per estimator and its control."""
    command = parser(__doc__)
    command.add_argument("--variants", nargs="+", choices=list(variants(100)), default=None)
    options = parse(command)
    store = store_of(options, "estimators")
    for seed in options.seeds:
        for name in options.datasets:
            for label, settings in variants(options.steps).items():
                if options.variants is None or label in options.variants:
                    method = condenser(name, seed, options.ratios[0], **settings)
                    compare(store, name, method, label, SETTING, control_of=SETTING)


if __name__ == "__main__":
    main()
