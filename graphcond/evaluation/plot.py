"""Pictures of results: a comparison of methods, a drawing of a small graph. Needs matplotlib
(``pip install matplotlib``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

from graphcond.data import write_atomically
from graphcond.errors import InputError, require, require_range
from graphcond.evaluation.table import COLUMNS, summarise
from graphcond.typing import Record

_PANELS = ("recall@10", "ndcg@10", "accuracy", "spearman_loss", "spearman_accuracy")
_MOST_NODES = 500


def plot_comparison(rows: Iterable[Record], path: str | Path) -> None:
    """Draw mean ± std over seeds of every method as bars, the original as a dashed line, to a PNG
    file.

    Args:
        rows: Rows in the shared vocabulary (:data:`graphcond.evaluation.COLUMNS`), of one data set.
        path: PNG file; written beside and renamed.

    Raises:
        InputError: If matplotlib is missing or no row has a quality column.
    """
    entries = summarise(rows)
    panels = [name for name in _PANELS if any(name in entry for entry in entries)]
    require(
        bool(panels),
        f"This needs rows with a quality column, but found rows = {len(entries)!r}. Give at least"
        f" one of {', '.join(_PANELS)}.",
    )
    plt = _pyplot()
    height = 1.2 + 0.38 * len(entries)
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(1.6 + 3.2 * len(panels), height),
        squeeze=False,
        layout="constrained",
    )
    for axis, name in zip(axes[0], panels):
        _panel(axis, name, [entry for entry in entries if name in entry])
    dataset = entries[0].get("dataset", "")
    figure.suptitle(f"{dataset}: mean ± std over seeds, dashed: original", fontsize=10)
    _write(figure, path)
    plt.close(figure)


def draw_graph(data: Data, path: str | Path, *, seed: int = 0) -> None:
    """Draw a small graph with networkx: colour is the class, a ring marks validation nodes, width
    is the edge weight.

    Args:
        data: A graph of at most 500 nodes.
        path: PNG file; written beside and renamed.
        seed: Seed of the spring layout.

    Raises:
        InputError: If matplotlib is missing or the graph is too large to be read.
    """
    import networkx as nx

    require(
        isinstance(data, Data),
        f"This needs node data as a PyG `Data`, but found type = {type(data).__name__!r}."
        " Interactions are not drawn.",
    )
    nodes = int(data.num_nodes or 0)
    require_range(1, _MOST_NODES, "Condense it first, or draw a subgraph.", nodes=nodes)
    plt = _pyplot()
    names = [name for name in ("edge_weight",) if data.get(name) is not None]
    graph = to_networkx(data, to_undirected=True, edge_attrs=names, remove_self_loops=True)
    weight = np.array([edge.get("edge_weight", 1.0) for *_, edge in graph.edges(data=True)])
    figure, axis = plt.subplots(figsize=(7, 7), layout="constrained")
    # An edge without the attribute pulls as one of weight 1.
    place = nx.spring_layout(graph, seed=seed, weight="edge_weight")
    if len(weight):
        width = 0.2 + 1.3 * weight / weight.max()
        nx.draw_networkx_edges(graph, place, ax=axis, width=width, alpha=0.35)
    colours: dict[str, Any] = {"node_color": "tab:blue", "edgecolors": "none"}
    if "y" in data:
        colours["node_color"] = data.y.numpy()
    if "val_mask" in data:
        colours["edgecolors"] = np.where(data.val_mask.numpy(), "black", "none")
    nx.draw_networkx_nodes(graph, place, ax=axis, cmap="tab10", node_size=70, **colours)
    axis.set_title(
        f"{nodes} nodes, {graph.number_of_edges()} edges; colour: class, ring: validation",
        fontsize=10,
    )
    axis.axis("off")
    _write(figure, path)
    plt.close(figure)


def _panel(axis: Any, name: str, entries: list[dict[str, Any]]) -> None:
    bars = [entry for entry in entries if entry.get("method") != "Full"]
    means = [entry[name][0] for entry in bars]
    stds = [entry[name][1] for entry in bars]
    labels = [_label(entry) for entry in bars]
    axis.barh(
        range(len(bars)), means, xerr=stds, color="tab:blue", alpha=0.75, error_kw={"elinewidth": 1}
    )
    axis.set_yticks(range(len(bars)), labels, fontsize=8)
    axis.invert_yaxis()
    for entry in entries:
        if entry.get("method") == "Full":
            axis.axvline(entry[name][0], color="black", linestyle="--", linewidth=1)
    axis.set_title(name, fontsize=9)
    axis.set_xlabel(COLUMNS[name], fontsize=7)
    axis.tick_params(axis="x", labelsize=7)


def _label(entry: dict[str, Any]) -> str:
    method = str(entry.get("method"))
    return f"{method} {entry['ratio']:.3g}" if "ratio" in entry else method


def _pyplot() -> Any:
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        raise InputError(
            "Drawing needs matplotlib, which is not installed. Run `pip install matplotlib`."
        ) from None
    return plt


def _write(figure: Any, path: str | Path) -> None:
    with write_atomically(path) as beside:
        figure.savefig(beside, format="png", dpi=150)
