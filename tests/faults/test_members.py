"""Members of known kinds of faults: each with the right value, or the error that says so."""

from __future__ import annotations

import copy
import multiprocessing
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphcond import condensers, masks, metrics, pools
from graphcond.data import (
    EDGE,
    digest,
    from_hetero,
    k_core,
    load,
    make_interactions,
    planted_graph,
    planted_interactions,
    save,
    split_interactions,
    split_nodes,
    statistics,
    without_test,
)
from graphcond.data.plain import plain
from graphcond.data.unused import unused
from graphcond.errors import FileFormatError, InputError, StorageError
from graphcond.evaluation import evaluate_node, evaluate_recommender
from graphcond.nn import MF, GraphNet
from graphcond.spaces import PolynomialFilters
from graphcond.training import BPR, ClassifierTraining

NARROW = (torch.uint8, torch.int8, torch.int16, torch.int32)
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
PAIRS = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]])


@pytest.mark.parametrize("dtype", NARROW)
def test_a_split_does_not_depend_on_the_integer_type(dtype: torch.dtype) -> None:
    data = planted_interactions(60, 80, 1000)
    narrow = planted_interactions(60, 80, 1000)
    narrow[EDGE].edge_index = narrow[EDGE].edge_index.to(dtype)
    assert digest(split_interactions(narrow)) == digest(split_interactions(data))
    assert digest(k_core(narrow, 3)) == digest(k_core(data, 3))


@pytest.mark.parametrize("dtype", NARROW + UNSIGNED)
def test_added_weights_do_not_wrap_around(dtype: torch.dtype) -> None:
    weight = torch.tensor([100, 100, 100, 120]).to(dtype)
    data = make_interactions(PAIRS.to(dtype), 2, 2, edge_weight=weight)
    assert data[EDGE].edge_weight.tolist() == [100, 100, 220]


def test_added_weights_of_float16_do_not_stand_still() -> None:
    pairs = torch.zeros(2, 5000, dtype=torch.long)
    data = make_interactions(pairs, 1, 1, edge_weight=torch.ones(5000).half())
    assert data[EDGE].edge_weight.tolist() == [5000.0]


@pytest.mark.parametrize("name", ["edge_weight", "rating", "timestamp"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_values_that_are_no_numbers_are_refused(name: str, dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match=name):
        make_interactions(PAIRS, 2, 2, **{name: torch.ones(4).to(dtype)})  # type: ignore[arg-type]


def test_a_split_of_halves_is_refused() -> None:
    with pytest.raises(InputError, match="integer"):
        make_interactions(PAIRS, 2, 2, split=torch.tensor([0, 0.5, 1, 2]))


def test_counts_of_numpy_do_not_overflow() -> None:
    pairs = torch.tensor([[60_000, 60_001], [69_999, 69_998]])
    data = make_interactions(pairs, np.int32(60_002), np.int32(70_000))
    assert torch.equal(data[EDGE].edge_index, pairs)


def test_labels_of_uint8_lose_those_of_the_test_part() -> None:
    data = planted_graph(num_nodes=40, num_classes=2, num_features=3)
    data.y = data.y.to(torch.uint8)
    assert int(without_test(data).y.min()) == -1


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -0.1])
def test_a_split_without_a_size_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="numbers as"):
        split_nodes(planted_graph(num_nodes=40, num_classes=2, num_features=3), val=share)


@pytest.mark.parametrize("dtype", NARROW + UNSIGNED)
def test_metrics_take_every_integer_type(dtype: torch.dtype) -> None:
    scores = torch.tensor([1, 2, 4, 3])
    assert metrics.kendall(scores.to(dtype), -scores) == pytest.approx(-1)
    assert metrics.regret(scores.to(dtype), torch.tensor([0, 0, 0, 9])) == 1
    logits = torch.eye(4)[scores - 1]
    assert float(metrics.accuracy(logits, (scores - 1).to(dtype))) == 1
    top = torch.full((100, 1), 99).to(dtype)
    relevant = torch.stack([torch.arange(100), torch.full((100,), 99)]).to(dtype)
    hit, count = metrics.hits(top, relevant, 100)
    assert int(hit.sum()) == 100
    assert metrics.recall(hit, count.to(dtype), 1).tolist() == [1.0] * 100
    assert metrics.ndcg(hit, count.to(dtype), 1).tolist() == [1.0] * 100


def test_scores_of_numpy_are_scores() -> None:
    assert metrics.spearman(np.arange(3), np.arange(3)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_a_network_that_diverged_has_no_accuracy(value: float) -> None:
    assert torch.isnan(metrics.accuracy(torch.full((4, 2), value), torch.tensor([0, 1, 0, 0])))


def test_one_infinite_logit_that_is_not_the_highest_is_no_divergence() -> None:
    logits = torch.tensor([[-torch.inf, 1.0], [0.0, 1.0]])
    assert float(metrics.accuracy(logits, torch.tensor([1, 1]))) == 1


def test_an_interaction_that_is_there_twice_is_one_relevant_item() -> None:
    hit, count = metrics.hits(torch.tensor([[1, 0]]), torch.tensor([[0, 0], [1, 1]]), 2)
    assert count.tolist() == [1]
    assert metrics.recall(hit, count, 1).tolist() == [1.0]


@pytest.mark.parametrize(
    ("top", "relevant"),
    [([[2]], [[0], [1]]), ([[0]], [[0], [2]]), ([[0]], [[1], [0]]), ([[0.0]], [[0], [0]])],
)
def test_ids_out_of_range_do_not_count_for_another_user(top: Any, relevant: Any) -> None:
    with pytest.raises(InputError):
        metrics.hits(torch.tensor(top), torch.tensor(relevant), 2)


def test_a_header_in_other_letters_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "joined.csv"
    path.write_text("User,Item\n1,2\nuser, item\n3,4\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match="line 3"):
        load(path)


@pytest.mark.parametrize("word", ["1_0", "١", "１"])
def test_lightgcn_takes_no_other_digits(tmp_path: Path, word: str) -> None:
    (tmp_path / "train.txt").write_text(f"0 1\n1 {word}\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match="Line 2"):
        load(tmp_path)


@pytest.mark.parametrize("name", [None, 3])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="name or a path"):
        load(name)


def test_complex_features_of_a_file_are_refused(tmp_path: Path) -> None:
    data = planted_graph(num_nodes=24, num_classes=2, num_features=3)
    np.savez(tmp_path / "a.npz", x=data.x.numpy() + 1j, edge_index=data.edge_index, y=data.y)
    with pytest.raises(InputError, match="complex"):
        load(tmp_path / "a.npz")


def _learned() -> Tensor:
    data = split_interactions(planted_interactions(30, 40, 300))
    condenser = condensers.PolicyGradient(
        MF,
        pools.Observed(),
        ratio=0.5,
        estimator=masks.LeaveOneOut(samples=3),
        schedule=condensers.Schedule(steps=1),
    )
    small = condenser(data)
    return small[EDGE].edge_index  # type: ignore[no-any-return]


@pytest.mark.parametrize("world", [2, 4])
def test_policy_gradient_does_not_depend_on_the_number_of_processes(
    world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _learned()
    distributed = torch.distributed
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: world)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    assert torch.equal(_learned(), alone)


def _process(rank: int, world: int, path: Path, found: Any) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{path}", rank=rank, world_size=world
    )
    found.put(_learned().tolist())


@pytest.mark.faults
@pytest.mark.parametrize("world", [2, 4])
def test_groups_of_processes_learn_the_same(world: int, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.SimpleQueue()
    group = [
        context.Process(target=_process, args=(rank, world, tmp_path / "store", found))
        for rank in range(world)
    ]
    for process in group:
        process.start()
    ends = [found.get() for _ in group]
    for process in group:
        process.join()
    assert all(end == _learned().tolist() for end in ends)


def test_the_layout_in_memory_changes_nothing() -> None:
    data = planted_graph(num_nodes=60, num_classes=3, num_features=8)
    turned = copy.copy(data)
    turned.x = data.x.t().contiguous().t()
    turned.edge_index = data.edge_index.t().contiguous().t()
    recipe = ClassifierTraining(epochs=5)
    found = [
        evaluate_node(GraphNet, each, each, seeds=[0], recipe=recipe).rows[0]["accuracy"]
        for each in (data, turned)
    ]
    assert found[0] == found[1]
    assert plain(turned).x.is_contiguous()


def _weighted() -> Data:
    data = planted_graph(num_nodes=60, num_classes=3, num_features=8)
    data.edge_weight = torch.linspace(0.5, 1.0, data.num_edges)
    return data


def test_what_is_left_out_of_a_condensed_graph_is_said() -> None:
    data = planted_graph(num_nodes=60, num_classes=3, num_features=8)
    data.edge_attr = torch.ones(data.num_edges, 2)
    with pytest.warns(UserWarning, match="without edge_attr"):
        small = condensers.Herding(num_nodes=6)(data)
    assert small.card["without"] == ["edge_attr"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small = condensers.Herding(num_nodes=6)(_weighted())
    assert "without" not in small.card


def test_weights_and_direction_that_go_are_said() -> None:
    data = _weighted()
    one = data.edge_index[0] < data.edge_index[1]
    data.edge_index = data.edge_index[:, one]
    data.edge_weight = data.edge_weight[one]
    both = Data(edge_index=torch.tensor([[0, 1], [1, 0]]))
    assert unused(data, both) == ["edge_weight", "direction"]
    assert unused(data, Data(edge_index=torch.tensor([[0, 1], [0, 1]]))) == ["edge_weight"]
    assert unused(data, Data(edge_index=torch.zeros(2, 0, dtype=torch.long))) == []
    weighted = Data(edge_index=both.edge_index[:, :1], edge_weight=torch.ones(1))
    assert unused(data, weighted) == []


def test_other_types_of_edges_are_said() -> None:
    data = split_interactions(planted_interactions(30, 40, 300))
    data["user", "follows", "user"].edge_index = torch.tensor([[0], [1]])
    with pytest.warns(UserWarning, match="follows"):
        small = condensers.RandomInteractions(ratio=0.5)(data)
    assert small.card["without"] == ["('user', 'follows', 'user')"]


def test_arrays_of_a_file_that_are_left_out_are_said(tmp_path: Path) -> None:
    data = planted_graph(num_nodes=24, num_classes=2, num_features=3)
    arrays = {"x": data.x, "edge_index": data.edge_index, "y": data.y}
    np.savez(tmp_path / "a.npz", **arrays, edge_attr=np.ones((data.num_edges, 2)))
    with pytest.warns(UserWarning, match="edge_attr"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("data", [None, [1], HeteroData(), Data()])
def test_what_is_no_data_set_has_no_statistics(data: Any) -> None:
    with pytest.raises(InputError):
        statistics(data)
    if not isinstance(data, Data):
        with pytest.raises(InputError):
            without_test(data)


def test_asking_for_a_split_leaves_other_data_as_they_were() -> None:
    data = HeteroData()
    data["customer"].num_nodes = 2
    data["product"].num_nodes = 2
    data["customer", "buys", "product"].edge_index = torch.tensor([[0, 1], [0, 1]])
    with pytest.raises(InputError, match="from_hetero"):
        split_interactions(data)
    assert data.edge_types == [("customer", "buys", "product")]
    assert data.node_types == ["customer", "product"]


def test_attributes_that_are_not_taken_over_are_said() -> None:
    data = HeteroData()
    data["user"].num_nodes = 2
    data["movie"].num_nodes = 2
    store = data["user", "rates", "movie"]
    store.edge_index = torch.tensor([[0, 1], [0, 1]])
    store.edge_weight = torch.tensor([1.0, 2.0])
    store.edge_attr = torch.ones(2, 3)
    with pytest.warns(UserWarning, match="edge_attr of"):
        taken = from_hetero(data)
    assert taken[EDGE].edge_weight.tolist() == [1.0, 2.0]
    store.edge_label_index = torch.tensor([[0], [1]])
    with pytest.warns(UserWarning, match="edge_weight and edge_attr of"):
        from_hetero(data)


@pytest.mark.parametrize("path", [None, 3, "a\0b"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(StorageError, match="file"):
        save(path, Data(x=torch.ones(1, 1)))


def test_what_makes_no_model_is_named() -> None:
    data = planted_graph(num_nodes=60, num_classes=2, num_features=4)
    pairs = split_interactions(planted_interactions(30, 40, 300))
    for factory in (None, lambda features, classes: torch.nn.Linear(features, classes)):
        with pytest.raises(InputError, match=r"`factory` must make a network.*seed"):
            evaluate_node(factory, data, data, seeds=[0])  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"`factory` must make a model.*partial"):
            evaluate_recommender(factory, pairs, pairs, seeds=[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pairs", [[[-1], [0]], [[0], [-1]], [[0], [5]], [0, 1], [[0], [1], [2]], [[0.0], [1.0]]]
)
def test_pairs_that_a_model_cannot_score_are_named(pairs: Any) -> None:
    with pytest.raises(InputError):
        MF(3, 5, dim=4)(torch.tensor(pairs))
    with pytest.raises(InputError, match=r"a tensor \[2, B\]"):
        MF(3, 5, dim=4)(pairs)


@pytest.mark.parametrize("size", [1.5, "3", None])
def test_sizes_are_whole_numbers(size: Any) -> None:
    for make in (
        lambda: MF(3, size, dim=4),
        lambda: PolynomialFilters(order=size),
        lambda: PolynomialFilters().sample(size),
        lambda: ClassifierTraining(epochs=size),
        lambda: BPR(rounds=size),
        lambda: condensers.GCond(num_nodes=4, steps=size),
    ):
        with pytest.raises(InputError, match="whole"):
            make()


def test_metrics_name_what_is_no_number() -> None:
    for scores in (["a", "b"], None):
        with pytest.raises(InputError, match="Scores must be numbers"):
            metrics.spearman(scores, torch.ones(2))  # type: ignore[arg-type]
    for logits, y in ((np.eye(2), np.arange(2)), (torch.empty(2, 0), torch.zeros(2).long())):
        with pytest.raises(InputError):
            metrics.accuracy(logits, y)  # type: ignore[arg-type]


def test_arrays_of_another_make_are_read_or_named(tmp_path: Path) -> None:
    x, edges = np.eye(3, dtype=">f4"), np.array([[0, 1], [1, 0]])
    y = np.array([0, 1, 0])
    for given in (edges.astype(">i8"), edges.astype(np.uint16)):
        np.savez(tmp_path / "a.npz", x=x, edge_index=given, y=y)
        assert load(tmp_path / "a.npz").edge_index.tolist() == edges.tolist()
    np.savez(tmp_path / "a.npz", x=x, edge_index=edges, y=np.array(["a", "b", "a"]))
    with pytest.raises(InputError, match="'y' .* must hold numbers.*return_inverse=True"):
        load(tmp_path / "a.npz")
    (tmp_path / "part.parquet").mkdir()
    with pytest.raises(FileFormatError, match="a folder of Parquet files"):
        load(tmp_path / "part.parquet")
    (tmp_path / "train.txt").write_text("\ufeff0 1\n1 2\n", encoding="utf-8")
    assert load(tmp_path)[EDGE].edge_index.tolist() == [[0, 1], [1, 2]]
