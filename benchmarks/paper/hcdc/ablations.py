"""HCDC: the default against its parts, on held-out filters.

python -m benchmarks.paper.hcdc.ablations --root DATA [--quick] [--datasets cora,citeseer]
[--variants "default;pool 32"] [--seeds 5]

Every row condenses once, trains 80 filters that no condensation has seen on the condensed graph,
and compares their ranking with the original's. Rows are merged into benchmarks/results/hcdc.json by
(dataset, num_train, variant, seed): an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.paper.node.common import REFERENCE, candidates
from benchmarks.store import RESULTS, Store
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
from graphcond.data import load
from graphcond.evaluation import calibrate, reference
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG, Neumann
from graphcond.nn import PolynomialFilterNet

SIZES = {"cora": (24, 49, 97), "citeseer": (30, 60, 120), "digits": (90,)}
PAPER = Weights(hypergradient=1, value=0, accuracy=0)

VARIANTS: dict[str, Callable[[PolynomialFilterNet], dict[str, object]]] = {
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
    parser.add_argument("--root", default=None, help="folder with raw data sets")
    parser.add_argument(
        "--quick", action="store_true", help="digits, one size, one seed, three variants"
    )
    parser.add_argument("--datasets", default="cora,citeseer")
    parser.add_argument(
        "--sizes", default=None, help="condensed training nodes; default: the paper's three"
    )
    parser.add_argument(
        "--variants", default="default", help="names separated by semicolons, or all"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", default=str(Path.home() / ".cache" / "graphcond" / "references"))
    parser.add_argument("--out", default=str(RESULTS / "hcdc.json"))
    options = parser.parse_args()
    if options.quick:
        options.datasets, options.seeds, options.variants = (
            "digits",
            1,
            "default;hypergradient only;algorithm 1, 4 trajectories",
        )
    names = list(VARIANTS) if options.variants == "all" else options.variants.split(";")
    warnings.simplefilter("ignore")
    store = Store(Path(options.out), ("dataset", "num_train", "variant", "seed"))
    for seed in range(options.seeds):
        for dataset in options.datasets.split(","):
            sizes = (
                [int(size) for size in options.sizes.split(",")]
                if options.sizes
                else SIZES[dataset]
            )
            for size in sizes:
                for name in names:
                    run(store, options, dataset, (size, name, seed))


def run(
    store: Store, options: argparse.Namespace, dataset: str, what: tuple[int, str, int]
) -> None:
    """Condense and judge once, unless the row is there."""
    size, name, seed = what
    if store.has(dataset=dataset, num_train=size, variant=name, seed=seed):
        return
    data = load(dataset, root=options.root)
    net, lam = PolynomialFilterNet(data.num_features, 16, int(data.y.max()) + 1), candidates()
    whole = reference(net, lam, data, seeds=REFERENCE, cache=options.cache)
    made = HypergradientMatching(net, num_nodes=size, seed=seed, **VARIANTS[name](net)).condense(
        data
    )
    report = calibrate(net, lam, full=whole, condensed=made.data, seeds=(100 + seed,))
    own = {
        "variant": name,
        "seed": seed,
        "seconds_condense": made.report["seconds_condense"],
        "condenser": made.report["condenser"],
    }
    parts = {
        f"seconds_{entry['part']}": entry["seconds"] for entry in made.history if "seconds" in entry
    }
    store.add({**report.condensed_rows[0], **own, **parts})
    for row in report.rows[:2]:
        key = {
            "variant": row["method"],
            "seed": 0,
            "num_train": int(data.train_mask.sum()),
            "dataset": dataset,
        }
        if not store.has(**key):
            store.add({**row, **key})


if __name__ == "__main__":
    main()
