"""``python -m benchmarks.faults --count 1000``: how many faults were tried, and how they ended."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.faults.files import mutate_files
from benchmarks.faults.graphs import try_condensers
from benchmarks.faults.kills import kill_condense
from benchmarks.faults.outcome import Tally
from benchmarks.store import RESULTS, Store
from graphcond import condensers, data


def main() -> None:
    """Try, and write the counts into ``results/faults.json``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000, help="malformed files of each format")
    parser.add_argument("--inputs", type=int, default=100, help="awkward inputs per condenser")
    parser.add_argument("--kills", type=int, default=40, help="most kills of condense")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    asked = parser.parse_args()
    store = Store(asked.out / "faults.json", ("of", "what"))

    def note(of: str, tallies: Iterable[tuple[str, Tally]]) -> None:
        for what, tally in tallies:
            row = {"of": of, "what": what, "seed": asked.seed, **tally.row()}
            row["errors"] = [f"{kind}: {story}" for kind, story in tally.wrong.items()]
            store.add(row, code=[data.load, condensers.Condenser])

    with tempfile.TemporaryDirectory() as folder:
        note("malformed file", mutate_files(asked.count, Path(folder), asked.seed))
    note("awkward input", try_condensers(asked.inputs, asked.seed))
    note("kill at a file operation", [("condense", kill_condense(asked.kills))])


if __name__ == "__main__":
    main()
