"""What OGB scripts meet, and caches of graph layers."""

from __future__ import annotations

import pytest
import torch
import torch_geometric.transforms as T
from torch import nn
from torch_geometric.nn import APPNP, GCNConv, SGConv

from graphcond.condensers import RandomNodes
from graphcond.data import adapt, as_ogb, planted_graph, reset_caches, without_test
from graphcond.errors import InputError
from graphcond.testing import small_graph


def test_the_face_of_an_ogb_dataset() -> None:
    data = small_graph()
    dataset = as_ogb(data)
    assert (len(dataset), dataset.num_classes, dataset.num_features, dataset.num_tasks) == (
        1,
        3,
        8,
        1,
    )
    assert (dataset.task_type, dataset.eval_metric, dataset.name) == (
        "multiclass classification",
        "acc",
        "ogbn-arxiv",
    )
    assert dataset[0].y.shape == (120, 1)
    assert "train_mask" not in dataset[0]
    assert data.y.shape == (120,), "the input is left as it is"
    split = dataset.get_idx_split()
    for part, mask in (
        ("train", data.train_mask),
        ("valid", data.val_mask),
        ("test", data.test_mask),
    ):
        assert torch.equal(split[part], mask.nonzero().flatten())
    small = as_ogb(without_test(data)).get_idx_split()
    assert set(small) == {"train", "valid"}
    with pytest.raises(InputError, match="no 'test' nodes here; this set has train, valid"):
        small["test"]
    with pytest.raises(IndexError):
        dataset[1]
    with pytest.raises(InputError, match="labels `y`"):
        as_ogb(dataset[0])


def test_the_script_s_lines_run() -> None:
    """The steps of OGB's node-classification example: sparse transform, cached GCN on adj_t, loss
    on the training ids.
    """
    dataset = as_ogb(small_graph(), transform=T.ToSparseTensor())
    data = dataset[0]
    train = dataset.get_idx_split()["train"]
    layer = GCNConv(dataset.num_features, dataset.num_classes, cached=True)
    loss = nn.functional.nll_loss(
        layer(data.x, data.adj_t).log_softmax(-1)[train], data.y.squeeze(1)[train]
    )
    loss.backward()
    assert bool(torch.isfinite(layer.lin.weight.grad).all())


def test_the_official_evaluator_takes_it() -> None:
    frame = pytest.importorskip("pandas")
    assert frame.__version__
    dataset = as_ogb(small_graph())
    truth = dataset[0].y
    guess = truth.clone()
    guess[:30] = (guess[:30] + 1) % 3
    evaluator = pytest.importorskip("ogb.nodeproppred").Evaluator(name=dataset.name)
    assert evaluator.eval({"y_true": truth, "y_pred": guess}) == {"acc": 0.75}


class OfficialGCN(torch.nn.Module):
    """The network of OGB's ogbn-arxiv example: cached GCN layers with BatchNorm between."""

    def __init__(self, sizes: list[int], dropout: float = 0.5) -> None:
        super().__init__()
        pairs = zip(sizes, sizes[1:])
        self.convs = nn.ModuleList([GCNConv(*pair, cached=True) for pair in pairs])
        self.bns = nn.ModuleList([nn.BatchNorm1d(size) for size in sizes[1:-1]])
        self.dropout = dropout

    def forward(self, x: torch.Tensor, adj_t: torch.Tensor) -> torch.Tensor:
        for conv, norm in zip(self.convs, self.bns):
            x = norm(conv(x, adj_t)).relu()
            x = nn.functional.dropout(x, self.dropout, self.training)
        return self.convs[-1](x, adj_t).log_softmax(-1)


def official_train(model, data, train_idx, optimizer):  # type: ignore[no-untyped-def]
    model.train()
    optimizer.zero_grad()
    out = model(data.x, data.adj_t)[train_idx]
    loss = nn.functional.nll_loss(out, data.y.squeeze(1)[train_idx])
    loss.backward()
    optimizer.step()


@torch.no_grad()
def official_test(model, data, split_idx, evaluator):  # type: ignore[no-untyped-def]
    model.eval()
    y_pred = model(data.x, data.adj_t).argmax(dim=-1, keepdim=True)
    return [
        evaluator.eval({"y_true": data.y[split_idx[part]], "y_pred": y_pred[split_idx[part]]})
        for part in ("train", "valid", "test")
    ]


class CheckedEvaluator:
    """OGB's evaluator of accuracy, which must not see an empty split."""

    def eval(self, seen: dict[str, torch.Tensor]) -> float:
        assert seen["y_true"].shape == seen["y_pred"].shape
        assert len(seen["y_true"]) > 0, "an empty split"
        return float((seen["y_true"] == seen["y_pred"]).float().mean())


def test_three_layers_with_batch_norm_go_from_the_small_graph_to_the_whole() -> None:
    full = planted_graph(num_nodes=600, seed=0)
    full.x = 3 * full.x + 1
    dataset = as_ogb(full, transform=T.ToSparseTensor())
    data, split_idx = dataset[0], dataset.get_idx_split()
    small = as_ogb(RandomNodes(num_nodes=16)(full), transform=T.ToSparseTensor())
    plain, adapted = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        model = OfficialGCN([dataset.num_features, 32, 32, dataset.num_classes])
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(60):
            train_idx = small.get_idx_split()["train"]
            official_train(reset_caches(model), small[0], train_idx, optimizer)
        weights = [value.clone() for value in model.parameters()]
        plain.append(official_test(reset_caches(model), data, split_idx, CheckedEvaluator())[2])
        ready = adapt(model, data.x, data.adj_t)
        adapted.append(official_test(ready, data, split_idx, CheckedEvaluator())[2])
        assert all(torch.equal(*pair) for pair in zip(weights, model.parameters()))
    assert sum(adapted) / 3 > sum(plain) / 3 + 0.2
    assert sum(adapted) / 3 > 0.8


def test_adapting_gives_every_layer_the_statistics_of_what_it_normalises() -> None:
    data = as_ogb(small_graph(), transform=T.ToSparseTensor())[0]
    model = OfficialGCN([8, 4, 4, 3], dropout=0.0)
    adapt(model, 5 * data.x, data.adj_t)
    model.train()  # normalises by the batch, which is the graph
    for norm in model.bns:
        norm.momentum = 0.0
    by_batch = model(5 * data.x, data.adj_t)
    model.eval()
    torch.testing.assert_close(model(5 * data.x, data.adj_t), by_batch, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: GCNConv(8, 3, cached=True),
        lambda: SGConv(8, 3, K=2, cached=True),
        lambda: APPNP(3, 0.1, cached=True),
    ],
)
def test_caches_are_forgotten(layer) -> None:  # type: ignore[no-untyped-def]
    """Two graphs with the same node count: the cached model would silently use the first one's
    norm.
    """
    first, second = small_graph(0), small_graph(1)
    model = nn.ModuleList([layer()])
    fresh = layer()
    fresh.load_state_dict(model[0].state_dict())
    model[0](first.x, first.edge_index)
    wanted = fresh(second.x, second.edge_index)
    assert not torch.allclose(model[0](second.x, second.edge_index), wanted), "the trap is there"
    assert reset_caches(model) is model
    torch.testing.assert_close(model[0](second.x, second.edge_index), wanted)
