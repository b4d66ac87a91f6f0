"""Write the tables of README.md and benchmarks/README.md from the records.

``python -m benchmarks.readme`` writes them, ``--check`` compares, ``--stale`` lists the rows whose
code has changed since they were made.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.node import nas_readme as nas
from benchmarks.node import page as node
from benchmarks.recommender import page as recommender
from benchmarks.store import RESULTS
from benchmarks.tables import NOTHING, NoRowsError, Row, record, source

ROOT = Path(__file__).parent.parent


def floor() -> str:
    """What the floor costs."""
    lines = ["| what | median seconds (min to max) | peak MiB |", "| --- | --- | --- |"]
    for row in record("floor.json")["rows"]:
        if "seconds" in row:
            spread = f"{row['seconds_min']:.2f} to {row['seconds_max']:.2f}"
            lines.append(
                f"| {row['what']} | {row['seconds']:.2f} ({spread}, {row['repeats']} repeats) |"
                f" {row['peak_mib']:,.0f} |"
            )
        else:
            lines.append(f"| {row['what']} | {row['accuracy']:.1f} ± {row['std']:.1f} % | |")
    return f"{source('floor.json')}\n\n" + "\n".join(lines)


def kernels() -> str:
    """Time of the rivals over ours."""
    rows = [row for row in record("kernels.json")["rows"] if row.get("times_ours") is not None]
    methods = [name for name in dict.fromkeys(row["method"] for row in rows) if name != "graphcond"]
    lines = [
        f"| graph | width | operation | ours, ms | {' | '.join(methods)} |",
        "| --- " * (4 + len(methods)) + "|",
    ]
    for where in dict.fromkeys((row["graph"], row["width"], row["op"]) for row in rows):
        here = (row for row in rows if (row["graph"], row["width"], row["op"]) == where)
        found = {row["method"]: row for row in here}
        if "graphcond" not in found:
            continue
        ratios = [f"{found[name]['times_ours']:.1f}" if name in found else "" for name in methods]
        cells = [*map(str, where), f"{found['graphcond']['ms']:.1f}", *ratios]
        lines.append(f"| {' | '.join(cells)} |")
    return f"{source('kernels.json')}\n\n" + "\n".join(lines)


def device() -> str:
    """What a GPU shows: products, inner products, condensations, tests."""
    found = record("device.json")
    rows = found["rows"]
    parts = [source("device.json"), f"On one {found['machine']['gpu']}.", _on_device(rows)]
    lines = ["| condensation | data | seconds on the GPU | on its host |", "| --- " * 4 + "|"]
    runs = [row for row in rows if row["section"] == "condensers" and "device" in row]
    for name, data in dict.fromkeys((row["method"], row["data"]) for row in runs):
        cells = [
            f"{row['seconds']:.1f}"
            for place in ("cuda", "cpu")
            for row in runs
            if (row["method"], row["data"], row["device"]) == (name, data, place)
        ]
        lines.append(f"| {name} | {data} | {' | '.join(cells)} |")
    outcomes = Counter(row.get("outcome") for row in rows if row["section"] == "tests")
    tests = f"Tests on the GPU: {outcomes['passed']} passed, {outcomes['failed']} failed."
    return "\n\n".join([*parts, "\n".join(lines), tests])


def _on_device(rows: list[Row]) -> str:
    """The table of kernels: microseconds of ours, and the rivals' over ours."""
    timed = [row for row in rows if "us" in row and row.get("right", True)]
    backends = ("graphcond:torch", "graphcond:triton")
    others = ("torch csr", "torch coo", "EdgeIndex", "scatter", "gather-multiply-sum")
    rivals = (*backends, *others)
    lines = [
        f"| graph | width | operation | ours, µs | share of copy | {' | '.join(rivals)} |",
        "| --- " * (5 + len(rivals)) + "|",
    ]
    for where in dict.fromkeys((row["graph"], row["width"], row["op"]) for row in timed):
        here = (row for row in timed if (row["graph"], row["width"], row["op"]) == where)
        methods = {row["method"]: row for row in here}
        if "graphcond" not in methods:
            continue
        own = methods["graphcond"]
        share = f"{own['share_of_copy']:.2f}" if "share_of_copy" in own else ""
        ratios = [
            f"{methods[name]['us'] / own['us']:.1f}" if name in methods else "" for name in rivals
        ]
        cells = [*map(str, where), f"{own['us']:.0f}", share, *ratios]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


SHORT: dict[str, Callable[[], str]] = {"recommender": recommender.short, "node": node.short}
"""The blocks of README.md: fresh rows only."""
LONG: dict[str, Callable[[], str]] = {
    "recommender": recommender.both_ratios,
    "everything": recommender.everything,
    "recommender-in-full": recommender.table2_in_full,
    "estimators": recommender.estimators,
    "ablation": recommender.ablation,
    "outer-steps": recommender.outer_steps,
    "sweeps": recommender.sweeps,
    "recommender-transfer": recommender.transfer,
    "judges": recommender.judges,
    "quarter": recommender.quarter,
    "configurations": recommender.configurations,
    "size": recommender.size,
    "ranking": node.ranking,
    "ranking-in-full": node.ranking_in_full,
    "architectures": node.architectures,
    "continuous-search": node.continuous_search,
    "node-ablations": node.ablations,
    "nas-bench-graph": nas.rankings,
    "supernets": nas.supernets,
    "purposes": nas.purposes,
    "accuracy": node.accuracy,
    "accuracy-in-full": node.accuracy_in_full,
    "node-transfer": node.transfer,
    "ogb-gnn": node.ogb_gnn,
    "cost": node.cost,
    "floor": floor,
    "kernels": kernels,
    "device": device,
}
PAGES = {ROOT / "README.md": SHORT, ROOT / "benchmarks" / "README.md": LONG}


def render(path: Path, sections: dict[str, Callable[[], str]]) -> str:
    """Return a page with every section between its markers written anew."""
    text = path.read_text(encoding="utf-8")
    for name, section in sections.items():
        begin, end = f"<!-- begin:{name} -->", f"<!-- end:{name} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise SystemExit(f"{path.name} has no markers {begin} … {end}")
        try:
            body = section()
        except NoRowsError:
            body = NOTHING
        text = f"{before}{begin}\n{body}\n{end}{after}"
    return text


def stale() -> list[str]:
    """Return a line per record and method that has rows made by code that has changed since."""
    lines = []
    for path in sorted(RESULTS.glob("*.json")):
        if path.name in ("published.json", "mutation.json") or "_quick" in path.stem:
            continue
        content = record(path.name)
        rows = content["rows"]
        old = Counter(_what(row) for row in rows if row["stale"])
        unknown = Counter(_what(row) for row in rows if row.get("code") is None)
        lines.append(f"{path.name}: {old.total()} of {len(rows)} rows; {content['command']}")
        for what, count in sorted(old.items()):
            known = f" ({unknown[what]} of unknown code)" if unknown[what] else ""
            lines.append(f"    {what}: {count}{known}")
    return lines


def _what(row: Row) -> str:
    names = ("dataset", "graph", "what", "method", "variant")
    return ", ".join(str(row[name]) for name in names if row.get(name) is not None)


def main() -> None:
    """Write both pages, or say whether they are what the records say."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument(
        "--check", action="store_true", help="exit with 1 if a page differs from the records"
    )
    command.add_argument(
        "--stale", action="store_true", help="list the rows whose code has changed"
    )
    options = command.parse_args()
    if options.stale:
        print("\n".join(stale()))
        return
    for path, sections in PAGES.items():
        new = render(path, sections)
        if not options.check:
            path.write_text(new, encoding="utf-8")
        elif new != path.read_text(encoding="utf-8"):
            sys.exit(
                f"{path.relative_to(ROOT)} is not what the records say: run python -m"
                " benchmarks.readme"
            )


if __name__ == "__main__":
    main()
