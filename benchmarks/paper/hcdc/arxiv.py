"""HCDC on ogbn-arxiv's real graph (stand-in features): seconds, memory, and the agreement on filters kept back.

python -m benchmarks.paper.hcdc.arxiv --root DATA [--quick]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.store import RESULTS, Store
from graphcond.condensers import HypergradientMatching, Pool
from graphcond.data import load


def main() -> None:
    """Condense once and write the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=None, help="folder with raw data sets")
    parser.add_argument("--quick", action="store_true", help="ten filters, five steps")
    parser.add_argument("--ratio", type=float, default=0.0025)
    parser.add_argument("--out", default=str(RESULTS / "hcdc_arxiv.json"))
    options = parser.parse_args()
    data = load("ogbn-arxiv-partial", root=options.root)
    over = Pool(size=10, batch=8, steps=5) if options.quick else Pool()
    start = time.process_time()
    made = HypergradientMatching(ratio=options.ratio, over=over).condense(data)
    cpu = time.process_time() - start
    parts = {f"seconds_{entry['part']}": entry["seconds"] for entry in made.history if "seconds" in entry}
    row = {**made.report, **parts, "seconds_cpu": round(cpu, 1)}
    Store(Path(options.out), ("dataset", "condenser")).add(row)


if __name__ == "__main__":
    main()
