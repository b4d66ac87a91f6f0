"""Write the README's tables from the committed records: ``python -m benchmarks.readme`` (``--check`` only compares)."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from graphcond.evaluation import format_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def record(name: str) -> dict[str, Any]:
    """Return one committed JSON record."""
    content: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return content


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    """Order of a table's lines: the original, rivals that condense nothing, the random control, then methods by name and size."""
    method = str(row.get("method"))
    first = ("Full", "Whole", "Linear surrogate", "Random")
    rank = first.index(method) if method in first else len(first)
    return str(row.get("dataset")), rank, method, row.get("ratio") or 0, row.get("num_train") or 0


def table(
    name: str,
    columns: Sequence[str],
    keep: Callable[[dict[str, Any]], bool] = lambda row: True,
    by: Sequence[str] = ("dataset", "method", "ratio"),
    more: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: {},
) -> str:
    """Return rows of a record, each with ``more`` columns, as a Markdown table under the command that wrote it."""
    content = record(name)
    rows = sorted(({**row, **more(row)} for row in content["rows"] if keep(row)), key=_place)
    return f"`{content['command']}` → `benchmarks/results/{name}` ({content['date']})\n\n{format_table(rows, columns, by)}"


def recommender() -> str:
    """Table 2 of DConRec, every data set whose record is there."""
    columns = ["dataset", "method", "ratio", "seeds", "ratio_actual", "recall@10", "ndcg@10", "percent_recall@10", "percent_ndcg@10"]
    files = sorted(path.name for path in RESULTS.glob("recommender_table2_*.json"))
    return "\n\n".join(table(name, columns) for name in files)


OURS = {"Random": "Random", "Majority": "Majority", "SVP hardest": "SVP", "SVP easiest": "SVP", "DosCond": "DosCond"}
OURS |= {"DConRec (Reinforce)": "DConRec", "DConRec (OneStep)": "DConRec", "TeacherChoice": "DConRec"}


def published() -> str:
    """Table 2 of DConRec as printed, beside ours: share of Full in Recall@10 / NDCG@10, so that splits matter less."""
    lines = ["| dataset | ratio | ours | seeds | % of Full, R@10 / N@10 | the paper's | % of Full, R@10 / N@10 | R@10 / N@10 |"]
    lines.append("| --- " * 8 + "|")
    printed = {(row["dataset"], row["ratio"], row["method"]): row for row in record("published.json")["rows"] if "ratio" in row}
    for path in sorted(RESULTS.glob("recommender_table2_*.json")):
        rows = record(path.name)["rows"]
        full = {row["seed"]: row for row in rows if row["method"] == "Full"}
        name = path.stem.removeprefix("recommender_table2_")
        for ratio in (0.25, 0.5):
            for ours, theirs in OURS.items():
                found = [row for row in rows if (row["method"], row["ratio"]) == (ours, ratio)]
                paper, whole = printed.get((name, ratio, theirs)), printed.get((name, ratio, "Full"))
                if not found or paper is None or whole is None:
                    continue
                metrics = ("recall@10", "ndcg@10")
                own = " / ".join(f"{mean(100 * row[metric] / full[row['seed']][metric] for row in found):.0f}" for metric in metrics)
                shares = " / ".join(f"{100 * paper[metric] / whole[metric]:.0f}" for metric in metrics)
                values = " / ".join(f"{paper[metric]:.4f}" for metric in metrics)
                lines.append(f"| {name} | {ratio} | {ours} | {len(found)} | {own} | {theirs} | {shares} | {values} |")
    return "\n".join(lines)


def policy_gradient() -> str:
    """What each estimator learns on Last.fm, beside a random draw of its size from the same pool."""
    columns = ["dataset", "method", "ratio", "seeds", "ratio_actual", "recall@10", "ndcg@10", "percent_of_full"]
    return table("policy_gradient_estimators.json", columns)


def ranking() -> str:
    """Table 2 of HCDC: the ranking of 80 held-out filters, with the paper's correlation where it prints one."""
    columns = ["dataset", "method", "num_train", "num_val", "seeds", "spearman_loss", "spearman_accuracy", "regret", "regret_top5", "paper"]
    rows = [row for row in record("published.json")["rows"] if "num_train" in row]
    printed = {(row["dataset"], row["num_train"], row["method"]): row["correlation"] for row in rows}

    def paper(row: dict[str, Any]) -> dict[str, Any]:
        return {"paper": printed.get((row["dataset"], row.get("num_train"), str(row["method"]).removesuffix("-linear")))}

    by = ("dataset", "num_train", "method", "paper")
    return table("node_table2.json", columns, lambda row: row.get("kind", "grid") == "grid", by, paper)


def accuracy() -> str:
    """Accuracy of a GCN trained on the condensed graph."""
    columns = ["dataset", "num_train", "method", "seeds", "accuracy", "bytes"]
    return table("accuracy.json", columns, by=("dataset", "num_train", "method"))


def floor() -> str:
    """What the floor costs."""
    content = record("floor.json")
    lines = ["| what | median seconds (min to max) | peak MiB |", "| --- | --- | --- |"]
    for row in content["rows"]:
        if "seconds" in row:
            spread = f"{row['seconds_min']:.2f} to {row['seconds_max']:.2f}"
            lines.append(f"| {row['what']} | {row['seconds']:.2f} ({spread}, {row['repeats']} repeats) | {row['peak_mib']:,.0f} |")
        else:
            lines.append(f"| {row['what']} | {row['accuracy']:.1f} ± {row['std']:.1f} % | |")
    return f"`{content['command']}` → `benchmarks/results/floor.json` ({content['date']})\n\n" + "\n".join(lines)


def kernels() -> str:
    """Time of the rivals over ours."""
    content = record("kernels.json")
    rows = [row for row in content["rows"] if row.get("times_ours") is not None]
    methods = [name for name in dict.fromkeys(row["method"] for row in rows) if name != "graphcond"]
    lines = ["| graph | width | operation | ours, ms | " + " | ".join(methods) + " |", "| --- " * (4 + len(methods)) + "|"]
    for place in dict.fromkeys((row["graph"], row["width"], row["op"]) for row in rows):
        found = {row["method"]: row for row in rows if (row["graph"], row["width"], row["op"]) == place}
        if "graphcond" in found:
            ratios = [f"{found[name]['times_ours']:.1f}" if name in found else "" for name in methods]
            lines.append(f"| {place[0]} | {place[1]} | {place[2]} | {found['graphcond']['ms']:.1f} | " + " | ".join(ratios) + " |")
    return f"`python -m benchmarks.kernels` → `benchmarks/results/kernels.json` ({content['date']})\n\n" + "\n".join(lines)


SECTIONS: dict[str, Callable[[], str]] = {
    "recommender": recommender,
    "published": published,
    "policy_gradient": policy_gradient,
    "ranking": ranking,
    "accuracy": accuracy,
    "floor": floor,
    "kernels": kernels,
}


def render(text: str) -> str:
    """Return the README with every section between its markers written anew."""
    for name, section in SECTIONS.items():
        begin, end = f"<!-- begin:{name} -->", f"<!-- end:{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no markers {begin} … {end}")
        content = f"{begin}\n{section()}\n{end}"
        text = pattern.sub(lambda _, content=content: content, text)
    return text


def main() -> None:
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--check", action="store_true", help="exit with 1 if README.md differs from the records")
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = render(old)
    if command.parse_args().check:
        sys.exit("README.md is not what the records say: run python -m benchmarks.readme" if new != old else 0)
    path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
