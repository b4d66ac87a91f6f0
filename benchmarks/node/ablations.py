"""One part of hypergradient matching changed at a time, on held-out filters.

Every row condenses once, trains 80 filters that no condensation has seen on the condensed graph,
and compares their ranking with the original's. An interrupted run resumes.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch_geometric.data import Data

from benchmarks.node.setting import JUDGE, PRINTED, SPACE, network, original_rankings, store_of
from benchmarks.store import RESULTS, Store, add_usual
from graphcond.condensers import (
    GradientMatching,
    HypergradientMatching,
    Partition,
    Pool,
    RandomNodes,
    SharedTeacher,
    TrainedTeacher,
    Trajectories,
    Weights,
)
from graphcond.data import digest, load
from graphcond.evaluation import Reference, calibrate
from graphcond.hypergrad import Implicit, cosine_distance
from graphcond.linalg import CG, Neumann
from graphcond.nn import PolynomialFilterNet
from graphcond.training import FilterTraining, filter_graph, train_filters
from graphcond.training.filter_problem import FilterProblem, network_gradients

SIZES = {"cora": (24, 49, 97), "citeseer": (30, 60, 120), "digits": (90,)}
PAPER = Weights(hypergradient=1, value=0, accuracy=0)

VARIANTS: dict[str, Callable[[PolynomialFilterNet], dict[str, Any]]] = {
    "default": lambda net: {},
    "teacher trained": lambda net: {"teacher": TrainedTeacher()},
    "teacher shared": lambda net: {"teacher": SharedTeacher()},
    "value only": lambda net: {"over": Pool(weights=Weights(0, 1, 0))},
    "value and accuracy": lambda net: {"over": Pool(weights=Weights(0, 1, 0.5))},
    "hypergradient only": lambda net: {"over": Pool(weights=PAPER)},
    "hypergradient only, trained": lambda net: {
        "over": Pool(weights=PAPER),
        "teacher": TrainedTeacher(),
    },
    "hypergradient only, trained, no direct term": lambda net: {
        "over": Pool(weights=PAPER),
        "teacher": TrainedTeacher(),
        "hypergradient": Implicit(CG(10), direct=False),
    },
    "hypergradient only, CG 3": lambda net: {
        "over": Pool(weights=PAPER),
        "hypergradient": Implicit(CG(3)),
    },
    "hypergradient only, CG 30": lambda net: {
        "over": Pool(weights=PAPER),
        "hypergradient": Implicit(CG(30)),
    },
    "hypergradient only, Neumann 5": lambda net: {
        "over": Pool(weights=PAPER),
        "hypergradient": Implicit(Neumann(5)),
    },
    "hypergradient only, Neumann 20": lambda net: {
        "over": Pool(weights=PAPER),
        "hypergradient": Implicit(Neumann(20)),
    },
    "log losses": lambda net: {"over": Pool(weights=Weights(ranks=False))},
    "pool 32": lambda net: {"over": Pool(size=32, batch=20)},
    "pool 64": lambda net: {"over": Pool(size=64)},
    "one copy": lambda net: {"over": Pool(copies=1)},
    "no noise": lambda net: {"over": Pool(noise=0.0)},
    "training random": lambda net: {"training": RandomNodes()},
    "training without edges": lambda net: {
        "training": Partition(hops=0, labels="train"),
        "links": 0,
    },
    "training gradient matching": lambda net: {
        "training": GradientMatching(net, adjacency="learned")
    },
    "algorithm 1, 4 trajectories": lambda net: {"over": Trajectories(starts=4)},
    "algorithm 1, 16 trajectories": lambda net: {"over": Trajectories(starts=16)},
}


def main() -> None:
    """Run what is missing and write every row as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument("--datasets", nargs="+", default=["cora", "citeseer"], choices=list(SIZES))
    parser.add_argument(
        "--sizes", nargs="+", type=int, help="condensed training nodes; default: the smallest"
    )
    names = [PRINTED, *VARIANTS]
    parser.add_argument("--variants", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", default=str(RESULTS / ".cache"))
    add_usual(parser, quick="digits, one size, one seed, three variants")
    options = parser.parse_args()
    if options.quick:
        options.datasets = ["digits"]
        options.seeds = 1
        options.variants = ["default", PRINTED, "algorithm 1, 4 trajectories"]
    warnings.simplefilter("ignore")
    store = store_of(options, "ablations", ("dataset", "num_train", "variant", "seed"))
    for dataset in options.datasets:
        data = load(dataset, root=options.root)
        whole = original_rankings(data, options.cache, quick=options.quick)
        originals(store, dataset, data, whole)
        slopes = hypergradients(data, network(data))
        for seed in range(options.seeds):
            for size in options.sizes or SIZES[dataset][:1]:
                for name in options.variants:
                    run(store, data, whole, slopes, (size, name, seed))


def hypergradients(data: Data, net: PolynomialFilterNet) -> Tensor:
    """Return ∇L*(λ) [20, 3] of networks trained on a graph, at 20 held-out filters."""
    lam = SPACE.sample(20, seed=4)
    graph = filter_graph(data)
    recipe = FilterTraining()
    params = train_filters(net, lam, graph, recipe=recipe, seed=0).params
    problem = FilterProblem(net, graph, recipe.weight_decay)
    return network_gradients(problem, params, lam, Implicit(CG(max_steps=10)))


def run(
    store: Store, data: Data, whole: Reference, slopes: Tensor, what: tuple[int, str, int]
) -> None:
    """Condense and judge once, unless the row is there."""
    size, name, seed = what
    dataset = data.card["name"]
    if store.has(dataset=dataset, num_train=size, variant=name, seed=seed):
        return
    net = network(data)
    if name == PRINTED:
        condenser = HypergradientMatching.published(net, num_nodes=size, seed=seed)
    else:
        condenser = HypergradientMatching(net, num_nodes=size, seed=seed, **VARIANTS[name](net))
    made = condenser.condense(data)
    report = calibrate(net, whole.lam, full=whole, condensed=made.data, seeds=(100 + seed,))
    own = {
        "variant": name,
        "seed": seed,
        "seconds_condense": made.report["seconds_condense"],
        "data": digest(data),
        "condenser": made.report["condenser"],
        "cosine_distance": float(cosine_distance(hypergradients(made.data, net), slopes).mean()),
    }
    parts = {
        f"seconds_{entry['part']}": entry["seconds"] for entry in made.history if "seconds" in entry
    }
    row = {**report.condensed_rows[0], **own, **parts}
    store.add(row, code=(*JUDGE, hypergradients, condenser), settings=made.report["condenser"])


def originals(store: Store, dataset: str, data: Data, whole: Reference) -> None:
    """Add the original's own rows."""
    size = int(data.train_mask.sum())
    for row in whole.rows(dataset):
        key = {"variant": row["method"], "seed": 0, "num_train": size, "dataset": dataset}
        if not store.has(**key):
            store.add({**row, **key}, code=JUDGE, settings=whole.recipe)


if __name__ == "__main__":
    main()
