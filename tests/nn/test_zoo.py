from typing import get_args

import pytest
import torch

from graphcond.errors import GraphcondError
from graphcond.nn import WEIGHTED, GraphNet, Kind
from graphcond.nn.zoo import LINEAR_FIRST, sparse_features
from graphcond.seeding import generator

EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])
X = torch.randn(5, 3, generator=generator(0, "x"))


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("depth", [1, 3])
def test_every_kind_trains_and_uses_weights_or_not_as_stated(kind, depth):
    net = GraphNet(3, 2, kind, hidden=16, num_layers=depth, dropout=0.0)
    weight = torch.linspace(0.2, 1, EDGES.size(1))
    out = net(X, EDGES, weight)
    assert out.shape == (5, 2)
    out.sum().backward()
    assert any(parameter.grad.abs().sum() > 0 for parameter in net.parameters())
    same = torch.equal(out, net(X, EDGES, weight.flip(0)))
    assert same == (kind not in WEIGHTED)


def test_a_seed_is_the_whole_source_of_the_weights():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = GraphNet(3, 2, "gat", hidden=8, seed=4).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    second, third = (
        GraphNet(3, 2, "gat", hidden=8, seed=4).state_dict(),
        GraphNet(3, 2, "gat", hidden=8, seed=5).state_dict(),
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


@pytest.mark.parametrize("kind", sorted(LINEAR_FIRST))
def test_sparse_features_give_the_same_gradients_and_drop_only_nonzeros(kind):
    stream = generator(1, "sparse")
    x = torch.rand(200, 30, generator=stream) * (torch.rand(200, 30, generator=stream) < 0.05)
    sparse = sparse_features(x, kind)
    assert sparse.layout == torch.sparse_csr
    edges = torch.randint(200, (2, 600), generator=stream)
    net, grads = GraphNet(30, 3, kind, hidden=16, dropout=0.0), []
    for given in (x, sparse):
        net.zero_grad()
        net(given, edges).square().sum().backward()
        grads.append([parameter.grad.clone() for parameter in net.parameters()])
    for dense, csr in zip(*grads):
        torch.testing.assert_close(csr, dense, rtol=1e-4, atol=1e-5)
    dropped = GraphNet(30, 3, kind, hidden=16, dropout=0.5).train()._drop(sparse).to_dense()
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * x[kept])
    assert 0.3 < kept.sum() / (x != 0).sum() < 0.7
    net = GraphNet(30, 3, kind, hidden=16, dropout=0.5).eval()
    torch.testing.assert_close(net(sparse, edges), net(x, edges), rtol=1e-4, atol=1e-5)


def test_features_stay_dense_where_that_is_faster():
    sparse = torch.eye(200)
    assert sparse_features(sparse, "sage-mean") is sparse
    assert sparse_features(torch.ones(200, 3), "gcn").layout == torch.strided
    assert sparse_features(sparse[:100], "gcn").layout == torch.strided


def test_nothing_is_cached_between_graphs_of_one_size():
    net = GraphNet(3, 2, "gcn", hidden=8).eval()
    other = torch.tensor([[0, 4], [4, 0]])
    before = net(X, EDGES)
    assert not torch.allclose(net(X, other), before)
    assert torch.equal(net(X, EDGES), before)


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "transformer"}, {"hidden": 0}, {"dropout": 1.0}, {"kind": "gat", "hidden": 12}],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(GraphcondError):
        GraphNet(**({"num_features": 3, "num_classes": 2} | wrong))
