"""The official ogbn-arxiv script's GCN on condensed graphs: what BatchNorm's statistics are worth.

Three layers with BatchNorm, as ``gnn.py`` of OGB has them, and two layers without. A network is
trained on a condensed graph by ``as_ogb`` and tested on the original as it is, and after ``adapt``
gave its BatchNorm layers the original's statistics. The epoch is chosen by the original's
validation nodes. arxiv's features are stated stand-ins, so its figures are none of ogbn-arxiv.
"""

from __future__ import annotations

import argparse
import copy
import os
import time

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from benchmarks.store import Row, Store, add_usual
from graphcond.condensers import NodeCondenser, Partition, RandomNodes
from graphcond.data import adapt, as_ogb, load, reset_caches, without_test

KEY = ("dataset", "method", "ratio", "layers", "seed")
METHODS: dict[str, type[NodeCondenser] | None] = {
    "Full": None,
    "Partition": Partition,
    "RandomNodes": RandomNodes,
}
SLOW = "ogbn-arxiv-partial"
"""Where nothing is trained on the original, which takes a quarter of an hour."""
RATIOS = {"cora": 0.013, "amazon-photo": 0.01, "ogbn-arxiv-partial": 0.0025}


class GCN(nn.Module):
    """The script's network.

    Args:
        widths: Features, hidden widths and classes.
        norm: Whether BatchNorm follows all layers but the last.
        dropout: Probability of dropping a hidden value.
    """

    def __init__(self, widths: list[int], norm: bool, dropout: float = 0.5) -> None:
        super().__init__()
        pairs = list(zip(widths, widths[1:]))
        self.convs = nn.ModuleList(GCNConv(*pair, cached=True) for pair in pairs)
        kind = nn.BatchNorm1d if norm else nn.Identity
        self.norms = nn.ModuleList(kind(width) for width in widths[1:-1])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return log-probabilities [n, C]."""
        for conv, norm in zip(self.convs, self.norms):
            x = self.dropout(torch.relu(norm(conv(x, edge_index, edge_weight))))
        return self.convs[-1](x, edge_index, edge_weight).log_softmax(1)


def percent_right(model: nn.Module, data: Data) -> list[float]:
    """Return validation and test accuracy on a graph, in percent."""
    with torch.no_grad():
        found = reset_caches(model).eval()(data.x, data.edge_index).argmax(1) == data.y
    reset_caches(model)
    return [100 * float(found[mask].float().mean()) for mask in (data.val_mask, data.test_mask)]


def train(
    small: Data, full: Data, layers: int, *, epochs: int, looks: int, hidden: int, seed: int
) -> dict[str, float]:
    """Return test accuracies of a network trained on a condensed graph.

    Args:
        small: The graph to train on.
        full: The original.
        layers: Layers; three and more have BatchNorm.
        epochs: Steps of Adam at a rate of .01, as in the script.
        looks: How often the original is looked at.
        hidden: Width.
        seed: Seed of weights and dropout.
    """
    dataset = as_ogb(small)
    graph, nodes = dataset[0], dataset.get_idx_split()["train"]
    widths = [dataset.num_features, *[hidden] * (layers - 1), int(full.y.max()) + 1]
    best: dict[str, list[float]] = {"plain": [-1.0, 0.0], "adapted": [-1.0, 0.0]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GCN(widths, norm=layers > 2)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for epoch in range(1, epochs + 1):
            model.train()
            optimizer.zero_grad()
            out = model(graph.x, graph.edge_index, graph.get("edge_weight"))[nodes]
            nll_loss(out, graph.y.squeeze(1)[nodes]).backward()
            optimizer.step()
            if epoch % (epochs // looks):
                continue
            best["plain"] = max(best["plain"], percent_right(model, full))
            if layers > 2:
                renewed = adapt(copy.deepcopy(model), full.x, full.edge_index)
                best["adapted"] = max(best["adapted"], percent_right(renewed, full))
            reset_caches(model)
    kinds = ("plain", "adapted") if layers > 2 else ("plain",)
    return {f"test_{kind}": best[kind][1] for kind in kinds}


def condensed(method: str, full: Data, ratio: float, seed: int) -> Data:
    """Return what a network is trained on."""
    seen = without_test(full)
    condenser = METHODS[method]
    return seen if condenser is None else condenser(ratio=ratio, seed=seed)(seen)


def fill(store: Store, name: str, ratio: float, options: argparse.Namespace) -> None:
    """Add the rows of a data set that are missing."""
    full = load(name, options.root)
    how = {"epochs": options.epochs, "looks": options.looks, "hidden": options.hidden}
    for seed in options.seeds:
        for method in options.methods:
            if method == "Full" and name == SLOW:
                continue
            small = None
            for layers in (2, 3):
                key = {"dataset": name, "method": method, "ratio": ratio}
                key |= {"layers": layers, "seed": seed}
                if store.has(**key):
                    continue
                small = condensed(method, full, ratio, seed) if small is None else small
                start = time.process_time()
                row: Row = {"num_train": int(small.train_mask.sum())}
                row |= train(small, full, layers, seed=seed, **how)
                row["cpu_train_and_test"] = time.process_time() - start
                code = (METHODS[method], train, load)
                store.add(key | row | {"features": full.card.get("note")}, code=code, settings=how)


def main() -> None:
    """Fill in what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument("--datasets", nargs="+", default=list(RATIOS), choices=RATIOS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--looks", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=256)
    add_usual(parser, quick="Cora, few epochs: a smoke test")
    options = parser.parse_args()
    if options.quick:
        options.datasets, options.seeds = ["cora"], [0]
        options.hidden, options.epochs = 16, 10
    quick = "_quick" if options.quick else ""
    path = options.out / f"node_ogb_gnn{quick}.json"
    store = Store(path, KEY, force=options.force, stale=options.stale)
    for name in options.datasets:
        fill(store, name, RATIOS[name], options)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
