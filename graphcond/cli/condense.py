"""``graphcond condense``: condense, judge, write."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from graphcond.cli import folder as output
from graphcond.cli.judging import check, check_data, describe, judge_beside_random, write_rows
from graphcond.cli.methods import PROPOSING, PURPOSES, build, find, kind_of, preset
from graphcond.cli.options import Condense
from graphcond.cli.own_file import (
    count_proposals,
    payback,
    payback_line,
    proposals_line,
    write_own_file,
)
from graphcond.cli.source import load_original
from graphcond.condensers import Condensation, Condenser
from graphcond.data import content_digest, is_own_file, save
from graphcond.data.store import CONDENSED
from graphcond.errors import require
from graphcond.evaluation import Entry
from graphcond.typing import Record

FREE = ("root", "seeds", "candidates", "judge", "out", "parquet")
"""Options that may change when an interrupted run is taken up again. The folder is where it is,
however it is spelled.
"""

_SAID = ("min_rating", "rows_dropped", "ratings", "weights", "duplicates_merged", "k_core")
"""What the card of a user's data says that the card of the condensed set says again."""


def run(options: Condense) -> None:
    """Condense one data set; write and print what came out."""
    check(options)
    source = None
    if is_own_file(options.data) and Path(options.data).exists():
        source = content_digest(options.data)
    data = load_original(options)
    interactions = kind_of(data) == "interactions"
    require(
        not options.parquet or (interactions and source is not None and options.out is not None),
        f"--parquet writes a table of your own again, but the data are {options.data!r} and --out"
        f" is {options.out!r}. Leave it out, or give a file of interactions and a folder.",
    )
    if options.judge:
        check_data(data)
    method = _method(options, interactions)
    condenser = build(method, data, options, options.seed)
    written = ""
    with output.run_into(options.out, asdict(options), FREE) as folder:
        result, cpu_seconds = _condensed(condenser, data, folder)
        if interactions:
            _tell(data, result)
        named = preset(method, kind_of(data))
        if named is not None:
            result.data.card["method"] = named
            result.report["method"] = named
        if folder is not None:
            save(folder / CONDENSED, result.data)
            output.forget_last_result(folder)
            output.describe_result(folder, asdict(options), result.history)
            if interactions and source is not None:
                written = write_own_file(options, folder, data, result.data, source)
        rows = []
        if options.judge:
            rows = _judged(data, result, options)
        if interactions and rows:
            result.report["payback"] = payback(rows, cpu_seconds)
        if folder is not None:
            write_rows(folder, rows, result.report)
    # Printed last: a reader who has seen enough (`| head`) ends the process.
    _print(result, rows, interactions)
    if folder is not None:
        print(f"{written}\nwritten: {folder}")


def _print(result: Condensation, rows: list[Record], interactions: bool) -> None:
    for name, value in result.report.items():
        if name != "payback":
            print(f"{name:22} {_shown(value)}")
    if rows:
        print("\n" + describe(rows))
    if interactions:
        if rows:
            print(payback_line(result.report["payback"]))
        print(proposals_line(result.report["proposals"], result.report["num_edges"]))


def _condensed(condenser: Condenser, data: Any, folder: Path | None) -> tuple[Condensation, float]:
    """Return what came out, and the CPU seconds it took, those before an interruption included as
    wall-clock ones.
    """
    start = time.process_time()
    began = time.perf_counter()
    checkpoint = folder / "checkpoint.safetensors" if folder is not None else None
    result = condenser.condense(data, checkpoint=checkpoint)
    # Sums of floats differ in their last digits where another number of threads shares them.
    result.report["threads"] = torch.get_num_threads()
    earlier = max(result.report["seconds_condense"] - (time.perf_counter() - began), 0.0)
    return result, time.process_time() - start + earlier


def _method(options: Condense, interactions: bool) -> str:
    """Return the method to take: ``--method``, or else what serves the purpose."""
    if interactions:
        require(
            options.purpose is None,
            f"--for {options.purpose} is for graphs, but these are interactions. Leave it away.",
        )
        if options.proposals and options.method == "default":
            return PROPOSING
        return options.method
    require(
        not options.proposals,
        "--proposals is for interactions, but this is a graph. Leave it away.",
    )
    if options.purpose is None:
        return options.method
    serves = PURPOSES[options.purpose]
    if options.method == "default":
        return serves
    if find(options.method, "nodes") is not find(serves, "nodes"):
        warnings.warn(
            f"--method {options.method} is taken. Without it, --for {options.purpose} would take"
            f" {serves}.",
            stacklevel=2,
        )
    return options.method


def _tell(data: Any, result: Condensation) -> None:
    """Say in card and report how many interactions are proposals, and what was left out."""
    said = data.get("card") or {}
    facts = {name: said[name] for name in _SAID if name in said and name not in result.report}
    facts["proposals"] = count_proposals(data, result.data)
    result.data.card.update(facts)
    result.report.update(facts)


def _judged(data: Any, result: Condensation, options: Condense) -> list[Record]:
    seeds = range(options.seed, options.seed + options.seeds)
    entry = Entry(result.data, seeds, result.report["seconds_condense"])
    return judge_beside_random(data, entry, options, options)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):  # the split; its digests are for programs
        told = {key: each for key, each in value.items() if key != "digests"}
        return ", ".join(f"{key} {each}" for key, each in told.items() if each is not None)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
