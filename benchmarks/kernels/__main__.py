"""The command: times what is asked for and merges the rows into the JSON of this machine."""

import argparse
import datetime
import os
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.digest import digest, made_by
from benchmarks.kernels import cases
from benchmarks.kernels.cases import Runs
from benchmarks.kernels.graphs import GRAPHS, Graph
from benchmarks.kernels.rivals import refusal, rivals
from benchmarks.kernels.timing import CLOCKS, medians, once
from benchmarks.store import Row, read_record, write_record
from graphcond.sparse import CSR

PRODUCTS = {
    "forward": cases.forward,
    "backward x": cases.backward_x,
    "backward": cases.backward,
    "hvp": cases.hvp,
    "chebyshev": cases.polynomial,
}
OPERATIONS = {**PRODUCTS, "sddmm": cases.inner_products}
OPS = list(OPERATIONS)
KEY = ("device", "threads", "graph", "share", "width", "op", "method")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--graphs", nargs="+", default=list(GRAPHS), choices=list(GRAPHS))
    parser.add_argument("--widths", nargs="+", type=int, default=[16, 64, 256])
    parser.add_argument("--ops", nargs="+", default=OPS, choices=OPS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="time for the rounds of one method"
    )
    parser.add_argument(
        "--clock", choices=list(CLOCKS), default="wall", help="cpu for one thread on a busy machine"
    )
    parser.add_argument(
        "--share",
        type=float,
        default=None,
        help="share of Reddit's nodes and edges; 1 on CUDA, 1/16 on CPU",
    )
    parser.add_argument(
        "--limit-gb",
        type=float,
        default=5.0,
        help="methods that need more are skipped, and the row says so",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/kernels.json"))
    return parser.parse_args()


def _close(got: object, wanted: object) -> bool:
    pairs = zip(
        *[part if isinstance(part, tuple) else (part,) for part in (got, wanted)], strict=True
    )
    return all(bool((a - b).abs().max() <= 1e-3 * b.abs().max().clamp(min=1e-6)) for a, b in pairs)


def _able(runs: Runs, clock: str) -> tuple[Runs, dict[str, float], dict[str, str]]:
    """Run each once; keep those that finish with our result, with their first times, and say what
    became of the others.
    """
    wanted, able, first, notes = runs["graphcond"](), {}, {}, {}
    for name, run in runs.items():
        got: list[object] = []

        def kept(run: Callable[[], object] = run, got: list[object] = got) -> None:
            got.append(run())

        try:
            first[name] = once(kept, clock)
            if _close(got[0], wanted):
                able[name] = run
            else:
                notes[name] = "wrong result"
        except (RuntimeError, NotImplementedError, ValueError) as error:
            notes[name] = str(error).splitlines()[0][:160]
    return able, first, notes


def _prepare(op: str, csr: CSR, x: Tensor, limit: float) -> tuple[Runs, dict[str, str]]:
    """Return what can be run within the limit, and why the rest is skipped."""
    width, skipped = x.size(1), {}
    if op in PRODUCTS:
        makers = rivals()
        skipped = {
            name: reason for name in makers if (reason := refusal(name, op, csr, width, limit))
        }
        runs = PRODUCTS[op](
            csr, x, {name: make(csr) for name, make in makers.items() if name not in skipped}
        )
    else:
        runs = cases.inner_products(csr, x)
    skipped |= {name: reason for name in runs if (reason := refusal(name, op, csr, width, limit))}
    return {name: run for name, run in runs.items() if name not in skipped}, skipped


def _rows(op: str, graph: Graph, csr: CSR, width: int, options: argparse.Namespace) -> list[Row]:
    x = torch.randn(graph.nodes, width, generator=torch.Generator().manual_seed(1)).to(
        options.device
    )
    runs, skipped = _prepare(op, csr, x, 1e9 * options.limit_gb)
    able, first, notes = _able(runs, options.clock)
    if op in ("forward", "sddmm"):
        for name, run in cases.ceilings(op, csr, x).items():
            able[name], first[name] = run, once(run, options.clock)
    found = medians(able, first, options.seconds, options.clock)
    base: Row = {
        "device": options.device,
        "threads": torch.get_num_threads(),
        "clock": options.clock,
        "graph": graph.name,
    }
    base |= {"share": graph.share, "nodes": graph.nodes, "edges": csr.nnz, "width": width, "op": op}
    own = found["graphcond"][0]
    rows = [
        {
            **base,
            "method": name,
            "ms": round(ms, 3),
            "times_ours": round(ms / own, 3),
            "samples": samples,
            "note": None,
        }
        for name, (ms, samples) in found.items()
    ]
    missing = {**skipped, **notes}.items()
    return rows + [
        {**base, "method": name, "ms": None, "times_ours": None, "samples": 0, "note": note}
        for name, note in missing
    ]


def _machine() -> Row:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    copy = torch.empty(64 * 2**20 // 4)
    other = torch.empty_like(copy)
    ms = statistics.median(once(lambda: other.copy_(copy), "cpu") for _ in range(9))
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "copy_gb_per_s": round(2 * 64 * 2**20 / ms / 1e6, 2),
    }


def _merge(path: Path, rows: list[Row]) -> None:
    old = read_record(path) if path.exists() else {"codes": {}, "rows": []}
    machine = _machine()
    for row in rows:
        roots = made_by(OPERATIONS[str(row["op"])])
        row["code"] = digest(roots)
        row["date"] = datetime.date.today().isoformat()
        row["machine"] = machine
        old["codes"][row["code"]] = list(roots)
        if row["op"] == "forward" and row["ms"]:
            # What a product reads: each entry's features, its column and its value.
            speed = row["edges"] * (4 * row["width"] + 8) / row["ms"] / 1e6
            row |= {
                "gb_per_s": round(speed, 2),
                "share_of_copy": round(speed / machine["copy_gb_per_s"], 3),
            }
    fresh = {tuple(row[key] for key in KEY): row for row in [*old["rows"], *rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"command": "python -m benchmarks.kernels " + " ".join(sys.argv[1:])}
    write_record(path, {**old, **head, "rows": list(fresh.values())})


def main() -> None:
    """Time and write; rows are saved after every comparison, so a stopped run keeps what it has."""
    options = _options()
    share = (
        options.share
        if options.share is not None
        else (1.0 if options.device == "cuda" else 1 / 16)
    )
    for name in options.graphs:
        graph = GRAPHS[name](share)
        csr = CSR.from_edges(graph.row, graph.col, (graph.nodes, graph.nodes)).to(options.device)
        _ = csr.pattern.order
        for width in options.widths:
            for op in options.ops:
                rows = _rows(op, graph, csr, width, options)
                _merge(options.out, rows)
                for row in rows:
                    found = (
                        row["note"]
                        if row["ms"] is None
                        else f"{row['ms']:10.3f} ms {row['times_ours']:8.2f}"
                    )
                    print(
                        f"{row['graph']:8} {row['width']:4} {row['op']:11} {row['method']:34}"
                        f" {found}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
