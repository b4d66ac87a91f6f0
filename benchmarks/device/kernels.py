"""Kernel rows: both back ends against cuSPARSE through torch, scatter and EdgeIndex."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from benchmarks.device.rows import Row, Rows
from benchmarks.kernels import cases
from benchmarks.kernels.graphs import GRAPHS, Graph, power_law
from benchmarks.kernels.rivals import refusal, rivals
from graphcond.nn import LightGCN, PolynomialFilterNet, Triplets
from graphcond.seeding import generator
from graphcond.sparse import CSR, scaled_laplacian, spmm
from graphcond.sparse.backends import available, use
from graphcond.sparse.backends.dispatch import Backend
from graphcond.training import BPR, BPRProgram, FilterGraph, FilterTraining, train_filters

Result = TypeVar("Result")
# Nodes and undirected edges of the sets whose shape is planted where their files are not at hand.
SHAPES = {"gowalla": (70_839, 810_128), "arxiv": (169_343, 1_166_243)}
USERS = {"gowalla": 29_858}
FILES = {"gowalla": "gowalla/interactions.npz", "arxiv": "ogbn-arxiv-partial/graph.npz"}
LIMIT_BYTES = 24e9
SHAPES_TRIED = ((1, 256), (1, 512), (1, 1024), (2, 512), (2, 1024), (4, 1024), (4, 2048))
"""Warps of a program, and the numbers that it gathers at once."""
FLUSHED = 1 << 28
"""Bytes overwritten before each call, more than any cache, so that every call starts cold. It also
keeps the GPU busy while the host prepares the call."""


class Clock:
    """Medians of microseconds, by events on a GPU and by the wall elsewhere.

    Args:
        device: Where the work is done.
        seconds: Most time for one median.
    """

    def __init__(self, device: torch.device, seconds: float) -> None:
        self.device, self.seconds = device, seconds
        self.cold = None
        if device.type == "cuda":
            self.cold = torch.empty(FLUSHED, dtype=torch.int8, device=device)

    def median(self, run: Callable[[], object]) -> tuple[float, int]:
        """Return the median of a call's microseconds, and of how many calls."""
        run()
        start = time.perf_counter()
        once = self._once(run)
        times = [once]
        while len(times) < 5 or (len(times) < 40 and time.perf_counter() - start < self.seconds):
            times.append(self._once(run))
            if time.perf_counter() - start > 4 * self.seconds:
                break
        return statistics.median(times), len(times)

    def _once(self, run: Callable[[], object]) -> float:
        if self.cold is None:
            start = time.perf_counter()
            run()
            return 1e6 * (time.perf_counter() - start)
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        self.cold.zero_()
        begin.record()
        run()
        end.record()
        end.synchronize()
        elapsed: float = begin.elapsed_time(end)
        return 1e3 * elapsed


def copy_bandwidth(clock: Clock, megabytes: int) -> float:
    """Return the bytes a second that a copy reads and writes."""
    one = torch.empty(megabytes << 18, device=clock.device)
    other = torch.empty_like(one)
    micros, _ = clock.median(lambda: other.copy_(one))
    return 2 * one.numel() * 4 / micros * 1e6


def forced(backend: Backend, run: Callable[[], Result]) -> Callable[[], Result]:
    """Return a call that computes with one back end."""

    def call() -> Result:
        with use(backend):
            return run()

    return call


def both(runs: cases.Runs) -> cases.Runs:
    """Return the runs with ours once more for each back end, besides the table's choice."""
    own = runs["graphcond"]
    return runs | {f"graphcond:{backend}": forced(backend, own) for backend in available()}


def graph_of(name: str, quick: bool) -> tuple[Graph, str]:
    """Return a graph of a data set's structure, planted where its file is not at hand."""
    nodes, edges = SHAPES[name]
    users = USERS.get(name, 0)
    if quick:
        return power_law(name, nodes // 64, edges // 64, 1 / 64, users // 64), "planted"
    if (Path(os.environ.get("GRAPHCOND_DATA", "")) / FILES[name]).is_file():
        return GRAPHS[name](1.0), "real"
    return power_law(name, nodes, edges, users=users), "planted"


class Bench:
    """The rows of one graph."""

    def __init__(self, name: str, device: torch.device, quick: bool, rows: Rows) -> None:
        self.rows, self.device = rows, device
        self.graph, self.source = graph_of(name, quick)
        size = (self.graph.nodes, self.graph.nodes)
        self.csr = CSR.from_edges(self.graph.row, self.graph.col, size).to(device)
        _ = self.csr.pattern.order
        self.clock = Clock(device, 0.002 if quick else 0.1)
        self.copy = copy_bandwidth(self.clock, 32 if quick else 1024)

    def features(self, width: int) -> Tensor:
        """Return the same features on every device."""
        make = torch.Generator().manual_seed(1)
        return torch.randn(self.graph.nodes, width, generator=make).to(self.device)

    def products(self, op: str, width: int) -> None:
        """Time a product, or it and its derivatives, by every method that fits."""
        able = {}
        for name, make in rivals().items():
            reason = refusal(name, op, self.csr, width, LIMIT_BYTES)
            if reason is None:
                able[name] = make(self.csr)
        maker = {"forward": cases.forward, "backward": cases.backward, "hvp": cases.hvp}[op]
        self._time(op, width, maker(self.csr, self.features(width), able))

    def half(self, width: int) -> None:
        """Time a product of features in bf16, added up in fp32."""
        x = self.features(width).bfloat16()
        value = torch.rand(self.csr.nnz, device=self.device).bfloat16()
        runs: cases.Runs = {"graphcond": lambda: spmm(self.csr, x, value)}
        row, col = self.csr.row.long(), self.csr.indices.long()

        def gathered() -> Tensor:
            return torch.zeros_like(x).index_add_(0, row, value[:, None] * x.index_select(0, col))

        self._time("forward bf16", width, {**both(runs), "scatter": gathered}, check=0.05)

    def inner(self, width: int) -> None:
        """Time inner products at the places of the matrix."""
        self._time("sddmm", width, both(cases.inner_products(self.csr, self.features(width))))

    def shapes(self, width: int) -> None:
        """Time Triton's product in other block shapes than its own."""
        if "triton" not in available():
            return
        from graphcond.sparse.backends import triton as backend

        x, value = self.features(width), torch.rand(self.csr.nnz, device=self.device)
        own = backend.shape
        runs: cases.Runs = {}
        for warps, numbers in SHAPES_TRIED:
            block = min(backend.next_power(width), 128)
            shape = {"BLOCK_F": block, "BLOCK_E": max(2, numbers // block), "num_warps": warps}

            def call(shape: dict[str, int] = shape) -> Tensor:
                backend.shape = lambda width: shape
                try:
                    return forced("triton", lambda: spmm(self.csr, x, value))()
                finally:
                    backend.shape = own

            runs[f"{warps} warps, {numbers} numbers"] = call
        self._time("forward, shapes", width, runs)

    def training(self) -> None:
        """Time whole steps: LightGCN on interactions, filters on a graph."""
        if self.graph.users:
            self._time("LightGCN step", 64, both({"graphcond": self._lightgcn()}), check=None)
        else:
            self._time("filters epoch", 16, both({"graphcond": self._filters()}), check=None)

    def _lightgcn(self) -> Callable[[], object]:
        users, items = self.graph.users, self.graph.nodes - self.graph.users
        half = self.graph.row.numel() // 2
        edges = torch.stack([self.graph.row[:half], self.graph.col[:half] - users])
        edges = edges.to(self.device)
        model = LightGCN(users, items, dim=64).to(self.device)
        program = BPRProgram(model, edges, None, BPR())
        draw = generator(0, "bench", device=self.device)
        others = program.negatives(edges[0, :8192], draw)
        batch = Triplets(edges[0, :8192], edges[1, :8192], others)
        return lambda: program.update(batch, draw)

    def _filters(self) -> Callable[[], object]:
        make = torch.Generator().manual_seed(0)
        y = torch.randint(0, 7, (self.graph.nodes,), generator=make).to(self.device)
        ids = torch.randperm(self.graph.nodes, generator=make).to(self.device)
        count = max(1, len(ids) // 10)
        task = FilterGraph(
            scaled_laplacian(self.csr), self.features(32), y, ids[:count], ids[count : 2 * count]
        )
        net, lam = PolynomialFilterNet(32, 16, 7), torch.rand(4, 3, generator=make)
        recipe = FilterTraining(epochs=2)
        return partial(train_filters, net, lam.to(self.device), task, recipe=recipe)

    def _time(self, op: str, width: int, runs: cases.Runs, check: float | None = 1e-3) -> None:
        wanted = None
        for name, run in runs.items():
            facts: Row = {
                "section": "kernels",
                "graph": self.graph.name,
                "source": self.source,
                "nodes": self.graph.nodes,
                "edges": self.csr.nnz,
                "op": op,
                "width": width,
                "method": name,
            }
            with self.rows.guarded(**facts) as row:
                got = run()
                if check is not None:
                    wanted = got if wanted is None else wanted
                    row["off"] = distance(got, wanted)
                    row["right"] = row["off"] <= check
                del got
                row["us"], row["samples"] = self.clock.median(run)
                row |= self._bandwidth(op, width, row["us"])

    def _bandwidth(self, op: str, width: int, micros: float) -> Row:
        """Return what a product moved a second: features of each entry, its column and value, and
        the rows that are written; caches can make that more than a copy moves.
        """
        sides = {"forward": 1, "sddmm": 2}.get(op)
        if sides is None:
            return {}
        moved = self.csr.nnz * (4 * width * sides + 8)
        if op == "forward":
            moved += 4 * width * self.graph.nodes
        speed = moved / micros * 1e6
        return {"gb_per_s": speed / 1e9, "share_of_copy": speed / self.copy}


def distance(got: object, wanted: object) -> float:
    """Return the largest difference, in units of the largest wanted number."""
    pairs = zip(_flat(got), _flat(wanted), strict=True)
    return max(float((a - b).abs().max()) / max(1e-12, float(b.abs().max())) for a, b in pairs)


def _flat(found: object) -> list[Tensor]:
    parts = found if isinstance(found, (tuple, list)) else (found,)
    return [part.detach().float() for part in parts if isinstance(part, Tensor)]


def run(device: torch.device, quick: bool, rows: Rows) -> None:
    """Time everything; what matters most comes first.

    Args:
        device: Where to compute.
        quick: Small graphs and widths.
        rows: Where results go.
    """
    torch.manual_seed(0)
    widths = (16, 16) if quick else (64, 16, 128, 256)
    benches = []
    for name in SHAPES:
        with rows.guarded(section="kernels", op="graph", graph=name) as row:
            bench = Bench(name, device, quick, rows)
            row |= {"source": bench.source, "copy_gb_per_s": bench.copy / 1e9}
            benches.append(bench)
    steps: list[Callable[[Bench], None]] = []
    steps += [partial(Bench.products, op="forward", width=width) for width in widths]
    steps += [partial(Bench.products, op="backward", width=width) for width in widths[:2]]
    steps += [Bench.training]
    steps += [partial(Bench.inner, width=width) for width in widths]
    steps += [partial(Bench.shapes, width=width) for width in widths]
    steps += [partial(Bench.half, width=width) for width in widths[:2]]
    steps += [partial(Bench.products, op="hvp", width=widths[0])]
    if quick:
        steps = list({repr(step): step for step in steps}.values())
    for step in steps:
        for bench in benches:
            with rows.guarded(section="kernels", op="done", graph=bench.graph.name):
                step(bench)
