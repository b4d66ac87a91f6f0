"""Networks of NAS-Bench-Graph trained in full, by the published protocol, several times as fast.

What is computed stays. Words are few, so what reads features multiplies sparse rows. An operation
that is linear multiplies by its weight before it propagates. What no operation reads is computed
for the nodes that the loss needs, from their neighbours.

How well one such training ranks networks is what no cheaper score can be expected to pass by much.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout, leaky_relu
from torch_geometric.data import Data
from torch_geometric.utils import softmax

from benchmarks.node.nas_table import PROTOCOLS, SPACE, Protocol, as_published
from benchmarks.store import Store, add_usual
from graphcond.data import load, without_test
from graphcond.nn import ForestGraph, OperationTree
from graphcond.seeding import derive
from graphcond.spaces import TreeChoice
from graphcond.sparse import CSR, spmm

KEY = ("dataset", "sample", "network")
SAMPLE = 0
"""Seed of the networks: the first of the sample that is ranked under this seed."""


@dataclass(frozen=True)
class Reach:
    """Some nodes and what flows into them.

    Attributes:
        nodes: The nodes [r], then those among their neighbours that are none of them.
        count: Their number r.
        matrices: The matrix [r, len(nodes)] of each operation that has a fixed one.
        looped: The adjacency matrix with loops, of the same shape.
        words: Pattern of the features of ``nodes``.
        entries: Which entries of all features these are.
    """

    nodes: Tensor
    count: int
    matrices: dict[str, CSR]
    looped: CSR
    words: CSR
    entries: Tensor


def reach(graph: ForestGraph, words: CSR, rows: Tensor) -> Reach:
    """Return what nodes ``rows`` [r] of a graph with features ``words`` [n, d] need."""
    n = len(graph.x)
    inside = torch.zeros(n, dtype=torch.bool)
    inside[rows] = True
    near = torch.zeros(n, dtype=torch.bool)
    near[graph.looped.indices[inside[graph.looped.row]].long()] = True
    nodes = torch.cat([rows, (near & ~inside).nonzero()[:, 0]])
    place = torch.full((n,), -1)
    place[nodes] = torch.arange(len(nodes))

    def part(csr: CSR) -> CSR:
        kept = inside[csr.row]
        row, column = place[csr.row[kept]], place[csr.indices[kept].long()]
        value = None if csr.value is None else csr.value[kept]
        return CSR.from_edges(row, column, (len(rows), len(nodes)), value)

    entries = (place[words.row] >= 0).nonzero()[:, 0]
    row, column = place[words.row[entries]], words.indices[entries].long()
    pattern = CSR.from_edges(row, column, (len(nodes), words.size[1]))
    return Reach(
        nodes,
        len(rows),
        {name: part(csr) for name, csr in graph.matrices.items()},
        part(graph.looped),
        pattern,
        entries[pattern.perm],
    )


def logits(net: OperationTree, words: CSR, whole: Reach, some: Reach) -> Tensor:
    """Return what a network without ``pre`` says of some nodes.

    Args:
        net: The network; dropout and BatchNorm do as its mode says.
        words: Features [n, d] without their zeros.
        whole: All nodes.
        some: The nodes [r] that are wanted.

    Returns:
        Logits [r, C].
    """
    # One dropout for all that reads the features; a dropped zero is the same zero.
    kept = dropout(words.value, net.dropout, net.training)  # type: ignore[arg-type]
    states = list[Tensor | None]([None])
    for i, (link, operation) in enumerate(zip(net.links, net.operations)):
        here = some if i + 1 in net.leaves else whole
        state = states[link]
        if operation == "skip":
            shorter = state is not None and here is not whole
            states.append(
                state[here.nodes[: here.count]] if shorter else state  # type: ignore[index]
            )
            continue
        if state is None:
            read: Tensor | CSR = here.words.with_value(kept[here.entries])
        else:
            normal = net.norms[i](state)
            near = normal if here is whole else normal[here.nodes]
            read = dropout(torch.relu(near), net.dropout, net.training)
        states.append(_apply(operation, net.layers[i], read, here))
    leaves = torch.cat([states[leaf] for leaf in net.leaves], 1)  # type: ignore[misc]
    found: Tensor = net.out(torch.relu(leaves))
    return found if net.post is None else net.post(torch.relu(found))


def _apply(operation: str, layer: Any, read: Tensor | CSR, here: Reach) -> Tensor:
    """Return one operation, with the weights of PyG's layer, of what it reads."""

    def own(weight: Tensor) -> Tensor:
        return _times(read, weight)[: here.count]

    def near(weight: Tensor) -> Tensor:
        return spmm(here.matrices[operation], _times(read, weight))

    if operation == "fc":
        return own(layer.weight.T) + layer.bias
    if operation == "gat":
        return _attend(layer, _times(read, layer.lin.weight.T), here.looped)
    if operation == "gcn":
        return near(layer.lin.weight.T) + layer.bias
    if operation == "gin":
        return near(layer.nn.weight.T) + layer.nn.bias
    if operation == "cheb":
        return own(layer.lins[0].weight.T) + near(layer.lins[1].weight.T) + layer.bias
    if operation == "sage":
        return own(layer.lin_r.weight.T) + near(layer.lin_l.weight.T) + layer.lin_l.bias
    if operation == "graph":
        return own(layer.lin_root.weight.T) + near(layer.lin_rel.weight.T) + layer.lin_rel.bias
    return torch.relu(own(layer.root_weight[0, 0]) + near(layer.init_weight[0]) + layer.bias[0, 0])


def _times(read: Tensor | CSR, weight: Tensor) -> Tensor:
    return read @ weight if isinstance(read, Tensor) else spmm(read, weight)


def _attend(layer: Any, values: Tensor, looped: CSR) -> Tensor:
    """Return GAT's weighted means [r, h] of values, those of the r nodes first."""
    heads = values.view(len(values), layer.heads, -1)
    source = (heads * layer.att_src).sum(2)
    target = (heads * layer.att_dst).sum(2)
    to, start = looped.row.long(), looped.indices.long()
    share = softmax(leaky_relu(source[start] + target[to], 0.2), to, num_nodes=looped.size[0])
    mixed = [
        spmm(looped.with_value(share[:, head].contiguous()), heads[:, head].contiguous())
        for head in range(layer.heads)
    ]
    return torch.cat(mixed, 1) + layer.bias


def train_in_full(choice: TreeChoice, data: Data, protocol: Protocol, seed: int) -> float:
    """Return the best validation accuracy of one training by the published protocol.

    Args:
        choice: The network.
        data: The original, with ``train_mask`` and ``val_mask``.
        protocol: The protocol of the data set.
        seed: Seed of the weights and of dropout.
    """
    net = choice(
        data.num_features,
        int(data.y.max()) + 1,
        hidden=protocol.hidden,
        dropout=protocol.dropout,
        post=protocol.post,
        seed=seed,
    )
    graph = ForestGraph(data.x, data.edge_index)
    row, column = data.x.nonzero(as_tuple=True)
    words = CSR.from_edges(row, column, (len(data.x), data.num_features), data.x[row, column])
    nodes = (data.train_mask.nonzero()[:, 0], data.val_mask.nonzero()[:, 0])
    whole = reach(graph, words, torch.arange(len(data.x)))
    train, val = (reach(graph, words, some) for some in nodes)
    optimiser = torch.optim.SGD(net.parameters(), lr=protocol.learning_rate, weight_decay=5e-4)
    best = 0.0
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "training in full"))
        for _ in range(protocol.epochs):
            answer = logits(net.train(), words, whole, train)
            optimiser.zero_grad()
            cross_entropy(answer, data.y[nodes[0]]).backward()
            optimiser.step()
            with torch.no_grad():
                answer = logits(net.eval(), words, whole, val)
            right = answer.argmax(1) == data.y[nodes[1]]
            best = max(best, float(right.float().mean()))
    return best


def fill(store: Store, name: str, count: int, root: str | None) -> None:
    """Train the networks of a data set that are missing."""
    data = without_test(as_published(name, root))
    for place, choice in enumerate(SPACE.decode(SPACE.sample(count, seed=SAMPLE))):
        key = {"dataset": name, "sample": SAMPLE, "network": place}
        if store.has(**key):
            continue
        start = time.process_time()
        best = train_in_full(choice, data, PROTOCOLS[name], seed=0)
        row = {"valid": best, "cpu_train": time.process_time() - start}
        store.add(key | row, code=(train_in_full, SPACE, load), settings=PROTOCOLS[name])


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("GRAPHCOND_DATA"))
    parser.add_argument("--datasets", nargs="+", default=list(PROTOCOLS), choices=PROTOCOLS)
    parser.add_argument("--networks", type=int, default=12)
    add_usual(parser, quick="one network of Cora: a smoke test")
    options = parser.parse_args()
    quick = "_quick" if options.quick else ""
    path = options.out / f"nas_full{quick}.json"
    store = Store(path, KEY, force=options.force, stale=options.stale)
    for name in ["cora"] if options.quick else options.datasets:
        fill(store, name, 1 if options.quick else options.networks, options.root)


if __name__ == "__main__":
    main()
