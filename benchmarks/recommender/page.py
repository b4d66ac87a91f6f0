"""The recommender half's tables, for README.md and benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.store import RESULTS
from benchmarks.tables import (
    MARK,
    SEEDS,
    NoRowsError,
    Row,
    grid,
    long_table,
    methods_of,
    printed,
    rows_of,
    several,
    source,
    winners,
)

SETS = ("lastfm", "ciao", "dianping", "gowalla")
TABLE2 = tuple(f"recommender_table2_{name}.json" for name in SETS)
BY_SETTING = ("dataset", "method", "setting", "ratio")
PRINTED = ("Random", "Majority", "SVP", "DosCond", "DConRec")

LONG_ONLY = (
    "EASE (condenses nothing)",
    "Graph filter (condenses nothing)",
    "Majority",
    "SVPHardest",
    "DosCondInteractions (ours)",
)
"""Rows that README leaves to the long page: behind others of their kind."""


def short() -> str:
    """Table 2 at a quarter, for README.md: who wins, then all methods, fresh rows only."""
    fresh = [row for row in rows_of(*TABLE2, fresh=True) if row["ratio"] in (1.0, 0.25)]
    names = [name for name in SETS if _of(fresh, name)]
    if not names:
        raise NoRowsError
    first = " ".join(_winners(name, _of(fresh, name)) for name in names)
    table = table2(0.25, [row for row in fresh if row["method"] not in LONG_ONLY])
    files = [f"recommender_table2_{name}.json" for name in names]
    return f"{first}\n\n{source(*files, fresh=True)}\n\n{table}"


def _winners(name: str, rows: Sequence[Row]) -> str:
    """Say who wins on a set: of what sees everything, then of the condensed sets."""
    everything = [row for row in rows if row["ratio"] == 1.0 and row["method"] != "Full"]
    condensed = [row for row in rows if row["ratio"] != 1.0]
    said = winners(condensed, "percent_ndcg@10", f"With a quarter of {name}")
    if not everything:
        return said
    return f"{winners(everything, 'percent_ndcg@10', f'With all of {name}')} {said}"


BARS = {
    "graph filter": "GF-CF .1849 / .1518",
    "EASE": "EASE .1765 / .1467",
    "MF softmax": "MF-BPR .1627 / .1378",
    "MF BPR": "MF-BPR .1627 / .1378",
    "LightGCN softmax": "LightGCN .1820 / .1547",
    "LightGCN BPR": "LightGCN .1820 / .1547",
    "LightGCN full softmax": "LightGCN .1820 / .1547",
}
"""What the public leaderboard prints for Gowalla, Recall@20 / NDCG@20."""
_FULL_SOFTMAX = "recommender_full_softmax_gowalla.json"
_ON_EVERYTHING = ("recommender_bars_gowalla.json", _FULL_SOFTMAX)


def everything() -> str:
    """Recommenders trained on all of Gowalla, beside the public leaderboard; the best first."""
    rows = [row for row in rows_of(*_ON_EVERYTHING) if row["ratio"] == 1.0 and "ndcg@20" in row]
    lines = ["| trained on everything | Recall@20 / NDCG@20 | BARS prints |", "| --- | --- | --- |"]
    found = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        # A kind was searched twice; the second search, with the larger number, knew the first.
        last = max((row["setting"] for row in own), key=lambda name: int(name.split()[1]))
        kept = [row for row in own if row["setting"] == last]
        worth = sum(row["ndcg@20"] for row in kept) / len(kept)
        shown = several(kept, ("recall@20", "ndcg@20"), (4, 4))
        public = BARS.get(method.removesuffix(MARK), "")
        found.append((worth, f"| {method} | {shown} | {public} |"))
    lines += [line for _, line in sorted(found, reverse=True)]
    return f"{source(*_ON_EVERYTHING)}\n\n" + "\n".join(lines)


def _of(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if row["dataset"] == name]


def table2(ratio: float, rows: Sequence[Row] | None = None) -> str:
    """Table 2 at one ratio: percent of Full in Recall@10 / NDCG@10, the paper's below ours."""
    shown = rows_of(*TABLE2) if rows is None else rows
    shown = [row for row in shown if row["ratio"] in (1.0, ratio)]
    names = [name for name in SETS if _of(shown, name)]
    cells: dict[tuple[str, str], str] = {}
    for method in methods_of(shown):
        for name in names:
            own = [row for row in _of(shown, name) if row["method"] == method]
            if not own:
                continue
            if method.removesuffix(MARK) == "Full":
                label = f"{method}, absolute"
                cells[label, name] = several(own, ("recall@10", "ndcg@10"), (4, 4), SEEDS)
            else:
                columns = ("percent_recall@10", "percent_ndcg@10")
                cells[method, name] = several(own, columns, (1, 1))
    for row in printed("DConRec, Table 2"):
        if row["ratio"] == ratio and row["method"] in PRINTED and row["dataset"] in names:
            cells[f"*{row['method']}, the paper's figure*", row["dataset"]] = _shares(row)
    return grid(f"r = {ratio}", cells, names)


def _shares(row: Row) -> str:
    """Return a printed row as percent of the printed Full: Recall@10 / NDCG@10."""
    (full,) = (
        each
        for each in printed("DConRec, Table 2")
        if (each["dataset"], each["ratio"], each["method"])
        == (row["dataset"], row["ratio"], "Full")
    )
    shares = (100 * row[metric] / full[metric] for metric in ("recall@10", "ndcg@10"))
    return " / ".join(f"{share:.0f}" for share in shares)


def _as_printed(table: str, cell: Callable[[Row], str]) -> str:
    """Return a printed table: a line per ratio and method, a column per data set."""
    rows = printed(table)
    cells = {(f"{row['method']}, r = {row['ratio']}", row["dataset"]): cell(row) for row in rows}
    return grid("the paper's figures", cells, list(dict.fromkeys(row["dataset"] for row in rows)))


def both_ratios() -> str:
    """Table 2 at both ratios."""
    return f"{source(*TABLE2)}\n\n{table2(0.25)}\n\n{table2(0.5)}"


def table2_in_full() -> str:
    """Every column of Table 2."""
    columns = ["dataset", "method", "ratio", "seeds", "ratio_actual", "num_tail"]
    columns += ["recall@10", "ndcg@10", "percent_recall@10", "percent_ndcg@10"]
    return "\n\n".join(long_table(name, columns) for name in TABLE2)


def estimators() -> str:
    """The estimators of the policy gradient, each beside its random control."""
    columns = ["dataset", "method", "ratio", "seeds", "num_tail"]
    columns += ["outer_loss_untrained", "outer_loss_first", "outer_loss_last"]
    columns += ["recall@10", "ndcg@10", "percent_of_full", "percent_of_control"]
    return long_table("recommender_estimators.json", columns)


def ablation() -> str:
    """DConRec's Table 4, and what it prints, as percent of its Full."""
    columns = ["dataset", "method", "setting", "ratio", "seeds", "ratio_actual", "num_tail"]
    columns += ["recall@10", "ndcg@10", "percent_of_full"]
    table = long_table("recommender_table4.json", columns, BY_SETTING)
    return f"{table}\n\n{_as_printed('DConRec, Table 4', _shares)}"


def sweeps() -> str:
    """DConRec's Figure 4: how much pseudo data, and up to which degree a user is tail."""
    columns = ["dataset", "method", "setting", "ratio", "seeds", "num_tail"]
    columns += ["recall@10", "ndcg@10", "percent_of_full"]
    names = [f"recommender_figure4{part}.json" for part in "ab"]
    return "\n\n".join(long_table(name, columns, BY_SETTING) for name in names)


def transfer() -> str:
    """Sets condensed with MF or LightGCN train either."""
    columns = ["dataset", "method", "ratio", "setting", "seeds"]
    columns += ["recall@10", "ndcg@10", "percent_recall@10", "percent_ndcg@10"]
    return long_table("recommender_transfer_lastfm.json", columns, BY_SETTING)


def outer_steps() -> str:
    """DConRec's Table 3, seconds of 100 outer steps; then what a step costs on Gowalla."""
    columns = ["dataset", "method", "ratio", "seconds", "cpu_seconds"]
    ours = long_table("recommender_table3.json", columns)
    columns = ["dataset", "method", "setting", "ratio", "seconds", "cpu_seconds", "num_pool"]
    columns += ["bytes_per_interaction", "cpu_nanoseconds_per_edge", "mib_above_data"]
    parts = long_table("recommender_speed.json", columns, BY_SETTING)
    theirs = _as_printed("DConRec, Table 3", lambda row: f"{row['seconds']:,} s")
    return f"{ours}\n\n{theirs}\n\n{parts}"


JUDGES = ("MF", "LightGCN", "EASE", "iALS")
_BESIDE = ("graph filter", "popularity", "teacher")
"""Settings of rows that stand beside the judges: what ranks well on everything."""


def _records(start: str) -> list[str]:
    """Return the records of a script, a data set each.

    Raises:
        NoRowsError: If there are none.
    """
    found = sorted(path.name for path in RESULTS.glob(f"{start}_*.json"))
    names = [name for name in found if "_quick" not in name]
    if not names:
        raise NoRowsError
    return names


def judges() -> str:
    """Sets of a quarter, judged by four recommenders: NDCG@10 and percent of the same on Full."""
    parts = []
    for name in _records("recommender_judges"):
        rows = rows_of(name)
        shared = _judged(rows, "NDCG@10", ("ndcg@10", "percent_ndcg@10"))
        own = _judged(rows, "its own items left out", ("ndcg@10_own", "percent_ndcg@10_own"))
        parts += [source(name), shared, own]
    return "\n\n".join(parts)


def _judged(rows: Sequence[Row], corner: str, columns: tuple[str, str]) -> str:
    """Return a line for each method and a column for each judge."""
    cells: dict[tuple[str, str], str] = {}
    for method in methods_of(rows):
        for judge in JUDGES:
            own = [row for row in rows if (row["method"], row["setting"]) == (method, judge)]
            if own:
                cells[method, judge] = several(own, columns, (4, 1))
    for setting in _BESIDE:
        own = [row for row in rows if row["setting"] == setting and columns[0] in row]
        if own:
            label = str(own[0]["method"]) if setting == "teacher" else f"Full by a {setting}"
            cells[f"*{label.replace('a popularity', 'popularity')}*", JUDGES[0]] = several(
                own, columns[:1], (4,)
            )
    return grid(f"{rows[0]['dataset']}: {corner}", cells, JUDGES)


def quarter() -> str:
    """A quarter of Gowalla's public split under the judges of the leaderboard."""
    names = ("recommender_quarter_gowalla.json", _FULL_SOFTMAX)
    # The second has one judge, whose name stands where the first has the condenser's.
    rows = rows_of(names[0]) + [
        row | {"method": str(row["setting"]).split()[0], "setting": row["method"]}
        for row in rows_of(names[1])
        if "ndcg@20" in row
    ]
    columns = ("recall@20", "ndcg@20", "percent_recall@20", "percent_ndcg@20")
    cells = {}
    for method in methods_of(rows):
        for judge in dict.fromkeys(str(row["setting"]) for row in rows):
            own = [row for row in rows if (row["method"], row["setting"]) == (method, judge)]
            if own:
                cells[method, judge] = several(own, columns, (4, 4, 1, 1))
    judges_shown = list(dict.fromkeys(judge for _, judge in cells))
    return f"{source(*names)}\n\n{grid('a quarter of gowalla', cells, judges_shown)}"


def configurations() -> str:
    """How configurations rank on a quarter, beside rivals of the same cost."""
    columns = ["dataset", "method", "setting", "ratio", "seeds", "configurations", "spearman"]
    columns += ["spearman_low", "spearman_high", "kendall", "percent_regret", "percent_regret_top"]
    columns += ["times_cheaper_60"]
    parts = []
    for name in _records("recommender_ranking"):
        rows = [row for row in rows_of(name) if "spearman" in row]
        parts.append(long_table(name, columns, BY_SETTING, rows))
    return "\n\n".join(parts)


def size() -> str:
    """What planted sets of a million and of ten million interactions cost, stage by stage."""
    rows = rows_of("recommender_size.json")
    settings = sorted({str(row["setting"]) for row in rows})
    stages = dict.fromkeys(row["method"] for row in sorted(rows, key=lambda row: row["place"]))
    cells = {
        (str(row["method"]), str(row["setting"])): (
            f"{row['seconds']:,.0f} / {row['cpu_seconds']:,.0f} s, {row['peak_mib'] / 1024:.1f} GiB"
        )
        for stage in stages
        for row in rows
        if row["method"] == stage
    }
    table = grid("stage: seconds / CPU seconds, peak memory", cells, settings)
    return f"{source('recommender_size.json')}\n\n{table}"
