"""What OGB scripts meet, and caches of graph layers."""

from __future__ import annotations

import pytest
import torch
import torch_geometric.transforms as T
from torch import nn
from torch_geometric.nn import APPNP, GCNConv, SGConv

from graphcond.data import as_ogb, reset_caches, without_test
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
    assert as_ogb(without_test(data)).get_idx_split()["test"].numel() == 0
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
