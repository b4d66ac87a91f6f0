"""REINFORCE against random search at equal budget, on planted spaces of GraphNAS's size.

A network's worth in [0, 1] adds up over its choices, with normal weights. Prints the mean over
seeds of the best worth, and of the mean worth of the last quarter of the trials.

Run: python -m benchmarks.reinforce --trials 100 200 --seeds 8 (about 10 minutes on one core).
"""

from __future__ import annotations

import argparse

import numpy as np
import optuna

from graphcond.search import search
from graphcond.search.reinforce import ReinforceSampler
from graphcond.spaces import GraphNAS

SPACE = GraphNAS()
RATES = (3.5e-4, 3e-3, 1e-2, 3e-2)


class Planted:
    """The worth of a network that adds up over its choices."""

    def __init__(self, seed: int) -> None:
        stream = np.random.default_rng(seed)
        self.table = {name: stream.normal(size=len(each)) for name, each in SPACE.options.items()}
        self.low = sum(each.min() for each in self.table.values())
        self.high = sum(each.max() for each in self.table.values())

    def __call__(self, trial: optuna.trial.BaseTrial) -> float:
        """Return the worth of what a trial chooses."""
        total = 0.0
        for name, choices in SPACE.options.items():
            total += self.table[name][choices.index(trial.suggest_categorical(name, choices))]
        return float((total - self.low) / (self.high - self.low))


def main() -> None:
    """Run and print one line a sampler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    for trials in options.trials:
        for rate in (None, *RATES):
            best, late = [], []
            for seed in range(options.seeds):
                sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
                if rate is not None:
                    sampler = ReinforceSampler(SPACE, seed=seed, learning_rate=rate)
                study = search(Planted(seed), trials, sampler=sampler)
                values = [trial.value for trial in study.trials if trial.value is not None]
                best.append(max(values))
                late.append(np.mean(values[-trials // 4 :]))
            name = "random" if rate is None else f"REINFORCE, learning rate {rate:g}"
            error = np.std(best, ddof=1) / len(best) ** 0.5
            print(
                f"{trials} trials, {name}: best {np.mean(best):.3f} ± {error:.3f},"
                f" last quarter {np.mean(late):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
