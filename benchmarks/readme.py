"""Write the tables of README.md and benchmarks/README.md from the records: ``python -m
benchmarks.readme`` (``--check`` compares).
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.tables import Row, grid, long_table, place, record, several, shown_as, source

ROOT = Path(__file__).parent.parent
SETS = ("lastfm", "ciao", "dianping", "gowalla")
RANKED = (
    "digits",
    "cora",
    "citeseer",
    "pubmed",
    "amazon-photo",
    "coauthor-cs",
    "tolokers",
    "ogbn-arxiv-partial",
)
BY_SETTING = ("dataset", "method", "setting", "ratio")
PRINTED = ("Random", "Majority", "SVP", "DosCond", "DConRec")


def _recommender_rows() -> list[Row]:
    return [row for name in SETS for row in record(f"recommender_table2_{name}.json")["rows"]]


def recommender(ratio: float) -> str:
    """Table 2 of DConRec at one ratio: percent of Full in Recall@10 / NDCG@10, the paper's below
    ours.
    """
    rows = [row for row in _recommender_rows() if row["ratio"] in (1.0, ratio)]
    cells: dict[tuple[str, str], str] = {}
    for method in sorted({str(row["method"]) for row in rows}, key=place):
        for name in SETS:
            own = [row for row in rows if (row["dataset"], row["method"]) == (name, method)]
            names, digits = (
                (("recall@10", "ndcg@10"), (4, 4))
                if method == "Full"
                else (("percent_recall@10", "percent_ndcg@10"), (1, 1))
            )
            if own:
                cells["Full, absolute" if method == "Full" else method, name] = several(
                    own, names, digits
                )
    for row in _printed(2):
        if row["ratio"] == ratio and row["method"] in PRINTED:
            cells[f"*{row['method']}, as printed*", row["dataset"]] = _shares(row)
    records = source(*(f"recommender_table2_{name}.json" for name in SETS))
    return f"{records}\n\n{grid(f'r = {ratio}', cells, SETS)}"


def _printed(table: int) -> list[Row]:
    """Return the figures of a table of DConRec's paper, methods in its order."""
    return [
        row for row in record("published.json")["rows"] if row["table"] == f"DConRec, Table {table}"
    ]


def _shares(row: Row) -> str:
    """Return a printed row as percent of the printed Full: Recall@10 / NDCG@10."""
    (whole,) = (
        each
        for each in _printed(2)
        if (each["dataset"], each["ratio"], each["method"])
        == (row["dataset"], row["ratio"], "Full")
    )
    return " / ".join(
        f"{100 * row[metric] / whole[metric]:.0f}" for metric in ("recall@10", "ndcg@10")
    )


def _as_printed(table: int, cell: Callable[[Row], str]) -> str:
    """Return a printed table: a line per ratio and method, a column per data set."""
    rows = _printed(table)
    cells = {(f"{row['method']}, r = {row['ratio']}", row["dataset"]): cell(row) for row in rows}
    return grid("as printed", cells, list(dict.fromkeys(row["dataset"] for row in rows)))


def recommenders_in_full() -> str:
    """Every row of DConRec's Table 2."""
    columns = [
        "dataset",
        "method",
        "ratio",
        "seeds",
        "ratio_actual",
        "recall@10",
        "ndcg@10",
        "percent_recall@10",
        "percent_ndcg@10",
    ]
    return "\n\n".join(long_table(f"recommender_table2_{name}.json", columns) for name in SETS)


def estimators() -> str:
    """The estimators of the policy gradient, each beside its random control."""
    return long_table(
        "policy_gradient_estimators.json",
        ["dataset", "method", "ratio", "seeds", "recall@10", "ndcg@10", "percent_of_full"],
    )


def ablation() -> str:
    """DConRec's Table 4, and what it prints, as percent of its Full."""
    columns = [
        "dataset",
        "method",
        "setting",
        "ratio",
        "seeds",
        "ratio_actual",
        "recall@10",
        "ndcg@10",
        "percent_of_full",
    ]
    ours = long_table("policy_gradient_table4.json", columns, BY_SETTING)
    return f"{ours}\n\n{_as_printed(4, _shares)}"


def sweeps() -> str:
    """DConRec's Figures 4a and 4b: how much pseudo data, and up to which degree a user counts as
    tail.
    """
    columns = [
        "dataset",
        "method",
        "setting",
        "ratio",
        "seeds",
        "recall@10",
        "ndcg@10",
        "percent_of_full",
    ]
    return "\n\n".join(
        long_table(f"policy_gradient_figure4{part}.json", columns, BY_SETTING) for part in "ab"
    )


def recommender_transfer() -> str:
    """Sets condensed with MF or LightGCN train either."""
    columns = [
        "dataset",
        "method",
        "ratio",
        "setting",
        "seeds",
        "recall@10",
        "ndcg@10",
        "percent_recall@10",
        "percent_ndcg@10",
    ]
    return long_table("recommender_transfer_lastfm.json", columns, BY_SETTING)


def outer_steps() -> str:
    """DConRec's Table 3, seconds of 100 outer steps, and what it prints; then what a step, a
    projection and a pool cost on Gowalla.
    """
    ours = long_table(
        "policy_gradient_table3.json", ["dataset", "method", "ratio", "seconds", "cpu_seconds"]
    )
    columns = [
        "dataset",
        "method",
        "setting",
        "ratio",
        "seconds",
        "cpu_seconds",
        "num_pool",
        "bytes_per_interaction",
    ]
    parts = long_table(
        "policy_gradient_speed.json",
        [*columns, "cpu_nanoseconds_per_edge", "mib_above_data"],
        BY_SETTING,
    )
    theirs = _as_printed(3, lambda row: f"{row['seconds']:,} s")
    return f"{ours}\n\n{theirs}\n\n{parts}"


def _ranking_rows() -> list[Row]:
    rows = [row for row in record("node_table2.json")["rows"] if row.get("kind", "grid") == "grid"]
    larger = {True: ", larger S_val", False: ""}
    return [
        {**row, "method": shown_as(str(row["method"])) + larger[bool(row.get("count_val"))]}
        for row in rows
    ]


def ranking() -> str:
    """Table 2 of HCDC: the ranking of 80 held-out filters at three sizes, with the paper's
    correlation in brackets.
    """
    rows, found, names = _ranking_rows(), [], ("spearman_loss", "spearman_accuracy", "regret")
    paper = {
        (row["dataset"], row["num_train"], row["method"]): row
        for row in record("published.json")["rows"]
        if "num_train" in row
    }
    for name, own in _by_dataset(rows):
        sizes = sorted({row["count"] for row in own if row.get("count")})
        cells: dict[tuple[str, str], str] = {}
        for (method, size), some in _by_method(own, sizes):
            theirs = (
                f" [{paper[name, size, method]['correlation']:.2f}]"
                if (name, size, method) in paper
                else ""
            )
            cells[method, str(size)] = (
                several(some, names, (3, 3, 1), usual=5 if some[0].get("count") else 1) + theirs
            )
        found.append(grid(name, cells, [str(size) for size in sizes]))
    return f"{source('node_table2.json')}\n\n" + "\n\n".join(found)


def _by_dataset(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows of each data set, in the order of :data:`RANKED`."""
    return [
        (name, own) for name in RANKED if (own := [row for row in rows if row["dataset"] == name])
    ]


def _by_method(rows: list[Row], sizes: list[int]) -> list[tuple[tuple[str, int], list[Row]]]:
    """Return the rows of each method and size; what has no size, the original and its rivals,
    stands under the first.
    """
    places = {(str(row["method"]), row.get("count") or sizes[0]) for row in rows}
    order = sorted(places, key=lambda each: (place(each[0]), each[1]))
    return [
        (key, [row for row in rows if (row["method"], row.get("count") or sizes[0]) == key])
        for key in order
    ]


def ranking_in_full() -> str:
    """Every column of the ranking."""
    columns = [
        "dataset",
        "method",
        "num_train",
        "num_val",
        "seeds",
        "spearman_loss",
        "spearman_accuracy",
        "kendall_loss",
    ]
    columns += [
        "top_quarter_spearman",
        "regret",
        "regret_top5",
        "accuracy",
        "seconds_condense",
        "bytes",
    ]
    return long_table(
        "node_table2.json", columns, ("dataset", "num_train", "method"), _ranking_rows()
    )


def architectures() -> str:
    """How condensed graphs rank architectures, and CPU seconds of training them all there."""
    columns, found = (
        {"spearman": 3, "kendall": 3, "regret": 1, "regret_top5": 1, "cpu_seconds": 0},
        [],
    )
    judges = {None: "", "original": ", judged by the original"}
    rows = [
        {**row, "method": shown_as(row["method"]) + judges[row.get("judge")]}
        for row in record("node_architectures.json")["rows"]
    ]
    for name, own in _by_dataset(rows):
        sizes = sorted({row["count"] for row in own if row["count"]})
        cells: dict[tuple[str, str], str] = {}
        for (method, _), some in _by_method(own, sizes):
            cells |= {
                (method, column): several(some, (column,), (digits,))
                for column, digits in columns.items()
            }
        found.append(grid(f"{name}, {sizes[0]}", cells, list(columns)))
    return f"{source('node_architectures.json')}\n\n" + "\n\n".join(found)


def continuous_search() -> str:
    """HCDC's Perf.: the filter found by descending the hypergradient on a graph, trained on the
    original and tested.
    """
    rows = [row for row in record("node_table2.json")["rows"] if row["kind"] == "hpo"]
    rows = [
        {**row, "method": shown_as(str(row["method"])), "num_train": row.get("count")}
        for row in rows
    ]
    columns = ["dataset", "method", "num_train", "hpo_accuracy", "hpo_seconds"]
    return long_table("node_table2.json", columns, ("dataset", "num_train", "method"), rows)


def hcdc_ablation() -> str:
    """HCDC with one part changed at a time."""
    columns = [
        "dataset",
        "method",
        "num_train",
        "seeds",
        "spearman_loss",
        "spearman_accuracy",
        "top_quarter_spearman",
        "regret",
    ]
    rows = [{**row, "method": row["variant"]} for row in record("hcdc.json")["rows"]]
    return long_table(
        "hcdc.json", [*columns, "seconds_condense"], ("dataset", "num_train", "method"), rows
    )


def accuracy() -> str:
    """Accuracy of a GCN trained on the condensed graph, by size."""
    found = []
    for name, own in _by_dataset(record("accuracy.json")["rows"]):
        sizes = sorted({row["count"] for row in own if row["count"]})
        cells = {
            (method, str(size)): several(some, ("accuracy",), (1,))
            for (method, size), some in _by_method(own, sizes)
        }
        found.append(grid(name, cells, [str(size) for size in sizes]))
    return f"{source('accuracy.json')}\n\n" + "\n\n".join(found)


def accuracy_in_full() -> str:
    """Accuracy with what the graphs weigh and cost."""
    columns = [
        "dataset",
        "num_train",
        "method",
        "seeds",
        "accuracy",
        "num_edges",
        "bytes",
        "seconds_condense",
    ]
    return long_table("accuracy.json", columns, ("dataset", "num_train", "method"))


def node_transfer() -> str:
    """Accuracy of several networks trained on graphs condensed with a GCN."""
    found = []
    for name, own in _by_dataset(record("node_transfer.json")["rows"]):
        own.sort(key=lambda row: place(row["method"]))
        cells = {(shown_as(row["method"]), row["model"]): f"{row['accuracy']:.1f}" for row in own}
        found.append(
            grid(f"{name}, {own[-1]['count']}", cells, sorted({row["model"] for row in own}))
        )
    return f"{source('node_transfer.json')}\n\n" + "\n\n".join(found)


def cost() -> str:
    """What searching costs on the original and on the condensed graph, and from how many candidates
    on condensing pays.
    """
    lines = [
        "| graph, filters | condensed by, to | on the original, CPU s | GNN on S | linear on S |"
        " condensing, CPU s | pays from |"
    ]
    lines.append("| --- " * 7 + "|")
    for row in record("node_cost.json")["rows"]:
        if row["kind"] == "search":
            gains = f"{row['ratio_gnn']:.1f} × | {row['ratio_linear']:,.0f} ×"
            costs = f"{row['cpu_seconds_condense']:.1f} | {math.ceil(row['break_even_candidates'])}"
            what = f"{row['dataset']}, 80 | {shown_as(row['method'])}, {row['count']} nodes"
            lines.append(f"| {what} | {row['cpu_seconds_80_whole']:.0f} | {gains} | {costs} |")
    for row in record("hcdc_arxiv.json")["rows"]:
        gains = f"{row['ratio_search']:.0f} × | "
        costs = f"{row['cpu_seconds_condense']:.0f} | {math.ceil(row['break_even_candidates'])}"
        what = f"{row['dataset']}, {row['filters']} | HCDC, {row['num_train']} nodes"
        lines.append(f"| {what} | {row['cpu_seconds_original']:,.0f} | {gains} | {costs} |")
    for row in record("node_cost.json")["rows"]:
        for name, sizes in (
            ("slope_cpu_seconds_", "10^4 to 10^7"),
            ("slope_large_cpu_seconds_", "10^5 to 10^7"),
        ):
            found = [
                f"{key.removeprefix(name)} {value:.2f}"
                for key, value in row.items()
                if key.startswith(name)
            ]
            lines += [
                f"\nFitted exponent of CPU seconds in edges, {sizes}: {', '.join(found)}."
            ] * bool(found)
    return f"{source('node_cost.json', 'hcdc_arxiv.json')}\n\n" + "\n".join(lines)


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


def kernels(keep: Callable[[Row], bool] = lambda row: True) -> str:
    """Time of the rivals over ours."""
    rows = [
        row
        for row in record("kernels.json")["rows"]
        if row.get("times_ours") is not None and keep(row)
    ]
    methods = [name for name in dict.fromkeys(row["method"] for row in rows) if name != "graphcond"]
    lines = [
        "| graph | width | operation | ours, ms | " + " | ".join(methods) + " |",
        "| --- " * (4 + len(methods)) + "|",
    ]
    for where in dict.fromkeys((row["graph"], row["width"], row["op"]) for row in rows):
        found = {
            row["method"]: row for row in rows if (row["graph"], row["width"], row["op"]) == where
        }
        if "graphcond" in found:
            ratios = [
                f"{found[name]['times_ours']:.1f}" if name in found else "" for name in methods
            ]
            lines.append(
                f"| {where[0]} | {where[1]} | {where[2]} | {found['graphcond']['ms']:.1f} | "
                + " | ".join(ratios)
                + " |"
            )
    return f"{source('kernels.json')}\n\n" + "\n".join(lines)


SHORT: dict[str, Callable[[], str]] = {
    "recommender-quarter": lambda: recommender(0.25),
    "recommender-half": lambda: recommender(0.5),
    "ranking": ranking,
    "architectures": architectures,
    "accuracy": accuracy,
    "cost": cost,
    "kernels": lambda: kernels(lambda row: (row["graph"], row["width"]) == ("gowalla", 64)),
}
LONG: dict[str, Callable[[], str]] = {
    "recommender": recommenders_in_full,
    "estimators": estimators,
    "ablation": ablation,
    "outer-steps": outer_steps,
    "sweeps": sweeps,
    "recommender-transfer": recommender_transfer,
    "ranking": ranking_in_full,
    "continuous-search": continuous_search,
    "hcdc-ablation": hcdc_ablation,
    "accuracy": accuracy_in_full,
    "node-transfer": node_transfer,
    "floor": floor,
    "kernels": kernels,
}
PAGES = {ROOT / "README.md": SHORT, ROOT / "benchmarks" / "README.md": LONG}


def render(path: Path, sections: dict[str, Callable[[], str]]) -> str:
    """Return a page with every section between its markers written anew."""
    text = path.read_text(encoding="utf-8")
    for name, section in sections.items():
        begin, end = f"<!-- begin:{name} -->", f"<!-- end:{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{path.name} has no markers {begin} … {end}")
        content = f"{begin}\n{section()}\n{end}"
        text = pattern.sub(lambda _, content=content: content, text)
    return text


def main() -> None:
    """Write both pages, or say whether they are what the records say."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument(
        "--check", action="store_true", help="exit with 1 if a page differs from the records"
    )
    check = command.parse_args().check
    for path, sections in PAGES.items():
        new = render(path, sections)
        if not check:
            path.write_text(new, encoding="utf-8")
        elif new != path.read_text(encoding="utf-8"):
            sys.exit(
                f"{path.relative_to(ROOT)} is not what the records say: run python -m"
                " benchmarks.readme"
            )


if __name__ == "__main__":
    main()
