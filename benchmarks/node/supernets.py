"""GDAS and DARTS-PT against random search of the same CPU seconds, on planted graphs.

The space holds the 256 networks of one tree with four places and four operations. Edges say more
than features, so that operations matter. What a search chose is trained from scratch; random search
trains as many networks as the search's seconds pay for, and takes the best by validation::

    python -m benchmarks.node.supernets
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch_geometric.data import Data

from benchmarks.store import Store, add_usual
from graphcond.data import planted_graph
from graphcond.metrics import accuracy
from graphcond.nn import Operation, OperationTree
from graphcond.search import DARTSPT, GDAS
from graphcond.search.supernet import SupernetSearch
from graphcond.seeding import generator
from graphcond.training import AdamTraining, ClassifierTraining, infer, train_classifier

LINKS = (0, 1, 2, 0)
OPERATIONS: tuple[Operation, ...] = ("fc", "gcn", "sage", "skip")
HIDDEN = 8
NETWORKS = 128
"""Networks that are trained: the mean of all is a random network's, random search draws of them."""
DRAWS = 1000
RECIPE = ClassifierTraining(epochs=40, learning_rate=0.02)
SHARED = {"links": LINKS, "operations": OPERATIONS, "hidden": HIDDEN}
SEARCHES: dict[str, type[SupernetSearch]] = {"GDAS": GDAS, "DARTSPT": DARTSPT}
Worth = tuple[float, float]


def planted(seed: int) -> Data:
    """Return a graph whose features are too noisy to do without its edges."""
    data = planted_graph(num_nodes=300, num_classes=3, num_features=8, degree=8.0, seed=seed)
    noise = torch.randn(data.x.shape, generator=generator(seed, "supernets", "noise"))
    data.x = data.x + 1.5 * noise
    return data


def trained(operations: tuple[Operation, ...], data: Data) -> Worth:
    """Return validation and test accuracy in percent of one network, trained from scratch."""
    net = OperationTree(data.num_features, 3, LINKS, operations, hidden=HIDDEN, pre=True, post=True)
    train_classifier(net, data, data, recipe=RECIPE)
    logits = infer(net, data)
    val, test = (accuracy(logits, data.y, data[f"{part}_mask"]) for part in ("val", "test"))
    return 100 * float(val), 100 * float(test)


def at_random(data: Data, seed: int) -> tuple[np.ndarray, float]:
    """Return validation and test accuracies [networks, 2] and CPU seconds of one training."""
    stream = np.random.default_rng(seed)
    drawn = stream.choice(len(OPERATIONS) ** len(LINKS), NETWORKS, replace=False)
    picks = np.stack(np.unravel_index(drawn, (len(OPERATIONS),) * len(LINKS)), 1)
    start = time.process_time()
    worth = [trained(tuple(OPERATIONS[pick] for pick in row), data) for row in picks]
    return np.array(worth), (time.process_time() - start) / NETWORKS


def random_search(worth: np.ndarray, trainings: int, seed: int) -> float:
    """Return the mean test accuracy of the best by validation of so many random networks."""
    stream = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        drawn = worth[stream.choice(len(worth), min(trainings, len(worth)), replace=False)]
        found.append(drawn[drawn[:, 0].argmax(), 1])
    return float(np.mean(found))


def fill(store: Store, seed: int, epochs: int) -> None:
    """Search with every method on one graph, unless it is there."""
    keys = {name: {"method": name, "seed": seed} for name in SEARCHES}
    if all(store.has(**key) for key in keys.values()):
        return
    data = planted(seed)
    worth, each = at_random(data, seed)
    for name, key in keys.items():
        method = SEARCHES[name](
            **SHARED,  # type: ignore[arg-type]
            recipe=AdamTraining(epochs=epochs, learning_rate=0.02),
            seed=seed,
        )
        start = time.process_time()
        found = method(data)
        seconds = time.process_time() - start
        trainings = max(1, round(seconds / each))
        row = {
            "operations": list(found.operations),
            "test": trained(found.operations, data)[1],
            "mean_network": float(worth[:, 1].mean()),
            "trainings": trainings,
            "random_search": random_search(worth, trainings, seed),
            "cpu_seconds": seconds,
        }
        store.add(key | row, code=(SEARCHES[name], planted, trained), settings=method)


def main() -> None:
    """Search what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--epochs", type=int, default=200, help="of a supernet")
    add_usual(parser, quick="one seed, few epochs: a smoke test")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.epochs = [0], 10
    path = options.out / f"node_supernets{'_quick' if options.quick else ''}.json"
    store = Store(path, ("method", "seed"), force=options.force, stale=options.stale)
    for seed in options.seeds:
        fill(store, seed, options.epochs)


if __name__ == "__main__":
    main()
