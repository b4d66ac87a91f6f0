"""Any PyG classifier as the model whose gradients are matched."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch_geometric.data import Data

from graphcond.condensers import GCond, GCondX, GradientMatching
from graphcond.condensers.nodes.backbones import ModuleBackbone, gradient_distance
from graphcond.errors import InputError
from graphcond.nn import GraphNet
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.spaces import PolynomialFilters

GIN = partial(GraphNet, kind="gin-0", hidden=32)
KINDS = ["gcn", "gin-0", "gat", "sage-mean"]


def backbone(data: Data, kind: str = "gin-0") -> ModuleBackbone:
    members = LabelledNodes.of_part(data, "train")
    factory = partial(GraphNet, kind=kind, hidden=32)
    return ModuleBackbone(factory, data, members, members.labels)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_on_the_original_are_those_of_the_module(karate: Data, kind: str) -> None:
    found = backbone(karate, kind)
    params = found.fresh(3)
    ours = found.real(params, 0)
    model = GraphNet(karate.num_features, len(found.classes), kind=kind, hidden=32, seed=3).eval()
    for place, label in enumerate(found.classes.tolist()):
        nodes = found.members.nodes[found.members.labels == label]
        model.zero_grad()
        logits = model(karate.x, karate.edge_index)[nodes]
        F.cross_entropy(logits, torch.full((len(nodes),), label)).backward()
        for name, value in model.named_parameters():
            if value.dim() == 2:
                assert value.grad is not None
                assert torch.allclose(ours[name][place], value.grad.T, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_nodes_without_edges_have_the_same_gradients(karate: Data, kind: str) -> None:
    alone = karate.clone()
    alone.edge_index = torch.empty(2, 0, dtype=torch.long)
    found = backbone(alone, kind)
    params = found.fresh(3)
    x = karate.x[found.members.nodes].clone().requires_grad_()
    theirs = found.real(params, 0)
    ours = found.synthetic(params, x, torch.empty(0))
    # A network whose units are all dead would pass: its gradients are 0.
    assert max(float(value.norm()) for value in theirs.values()) > 0
    for name, value in theirs.items():
        assert torch.allclose(ours[name], value, atol=1e-5)
    weight = torch.ones(len(found.classes)) / len(found.classes)
    # At the very same nodes the distance is at its least, where no slope is.
    x = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ours = found.synthetic(params, x, torch.empty(0))
    (slope,) = torch.autograd.grad(gradient_distance(ours, theirs, "cosine", weight), [x])
    assert float(slope.abs().sum()) > 0


def test_training_lowers_the_loss_on_the_condensed_nodes(karate: Data) -> None:
    found = backbone(karate)
    x = karate.x[found.members.nodes]
    params = found.fresh(3)
    trained = found.train(params, x, torch.empty(0), 30)

    def loss(values: dict[str, torch.Tensor]) -> float:
        return float(F.cross_entropy(found._logits(values, x, found._alone(x)), found.y))

    assert loss(trained) < 0.9 * loss(params)


def test_matching_gin_lowers_the_distance_and_repeats(karate: Data) -> None:
    # One fixed point θ, so that the distances of the steps can be compared.
    condense = GCondX(GIN, num_nodes=4, num_val=2, num_seeds=1, inner=0, steps=1, keep_best=False)
    longer = GCondX(GIN, num_nodes=4, num_val=2, num_seeds=1, inner=0, steps=40, keep_best=False)
    first = condense.condense(karate)
    mean = longer.condense(karate)
    assert mean.history[0]["loss"] < 0.95 * first.history[0]["loss"]
    again = longer.condense(karate)
    assert torch.equal(mean.data.x, again.data.x)
    other = GCondX(GIN, num_nodes=4, num_val=2, num_seeds=1, inner=0, steps=40, seed=1)
    assert not torch.equal(mean.data.x, other.condense(karate).data.x)


def test_what_cannot_be_matched_is_refused() -> None:
    with pytest.raises(InputError, match='adjacency="identity"'):
        GCond(GIN, num_nodes=4)
    with pytest.raises(InputError, match="filter network"):
        GradientMatching(GIN, adjacency="identity", space=PolynomialFilters(), num_nodes=4)
