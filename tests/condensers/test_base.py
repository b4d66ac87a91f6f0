"""What every condenser's base does, seen on two that only cut: no method, no time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers import Partition, RandomInteractions, RandomNodes, SampledNeighbourhoods
from graphcond.condensers.base import Draft, InteractionCondenser, NodeCondenser
from graphcond.condensers.selection import induced
from graphcond.condensers.synthesis import NodeSynthesis, WorseThanRandomWarning
from graphcond.data import (
    EDGE,
    kept_interactions,
    load,
    planted_graph,
    split_interactions,
    split_record,
    statistics,
    train_edges,
)
from graphcond.data.combine import union
from graphcond.errors import BudgetError, FileFormatError, InputError, NumericalError


@dataclass(frozen=True, kw_only=True)
class First(InteractionCondenser):
    """Keep the first interactions."""

    more: int = 0
    seen: ClassVar[list[Any]] = []

    def _condense(self, data, checkpoint):
        self.seen.append((data, None if checkpoint is None else checkpoint.load()))
        if checkpoint is not None:
            checkpoint.save({"x": torch.ones(2)}, {})
        small = kept_interactions(data, torch.arange(self.budget(data) + self.more))
        return Draft(small, history=[{"step": 0}], facts={"told": 1})


@dataclass(frozen=True, kw_only=True)
class FirstNodes(NodeCondenser):
    """Keep the first nodes of each part, some more or fewer than asked for."""

    train: int = 0
    val: int = 0

    def _condense(self, data, checkpoint):
        budget = self.budget(data)
        counts = {"train": budget.num_train + self.train, "val": budget.num_val + self.val}
        parts = (
            induced(data, data[f"{part}_mask"].nonzero()[:count, 0])
            for part, count in counts.items()
        )
        return Draft(union(*parts))


@dataclass(frozen=True, kw_only=True)
class Made(NodeSynthesis):
    """Zeros, one of them another number."""

    name: str = "x"
    where: str = "train"
    number: float = 0.0
    files: ClassVar[list[str | None]] = []

    def part(self, data, part, count, checkpoint=None):
        """Return as many nodes as asked for, each with a loop."""
        self.files.append(None if checkpoint is None else checkpoint.path.name)
        loops = torch.arange(count).repeat(2, 1)
        made = Data(
            x=torch.zeros(count, data.num_features),
            y=torch.arange(count) % 3,
            edge_index=loops,
            edge_weight=torch.ones(count),
        )
        if part == self.where:
            made[self.name].view(-1)[-1] = self.number
        return made, [{"step": 0}]


@pytest.fixture(autouse=True)
def nothing_seen():
    First.seen.clear()


@pytest.fixture(scope="module")
def women():
    return split_interactions(load("southern-women"), seed=0)


@pytest.fixture(scope="module")
def graph():
    return planted_graph(num_nodes=120, num_classes=3, num_features=8, degree=6.0, seed=0)


def test_the_card_says_what_was_made_of_what(women, graph):
    first = First(ratio=0.5, seed=4)
    made = first.condense(women)
    card, count = made.data.card, train_edges(women).size(1)
    assert (card["dataset"], card["method"], card["seed"]) == ("southern-women", "First", 4)
    assert card["split"] == split_record(women) != {}
    assert (card["told"], card["ratio"], card["num_edges"]) == (1, 0.5, count // 2)
    assert card["ratio_actual"] == (count // 2) / count
    assert "ratio=0.5" in card["condenser"]
    assert not {"without", "weights"} & set(card)
    assert {name: made.report[name] for name in card} == card
    assert made.history == ({"step": 0},)
    ((seen, _),) = first.seen
    assert "test_edge_index" not in seen[EDGE]
    card = FirstNodes(num_nodes=9, num_val=7, val=-2)(graph).card
    assert (card["num_train"], card["num_val"]) == (9, 5)
    assert (card["ratio"], card["ratio_actual"]) == (9 / 120, 9 / 120)
    assert card["ratio_train"] == 9 / int(graph.train_mask.sum())


def test_the_card_says_how_large_the_result_is(women, graph):
    """As asked for, and as it became: 10.8 nodes are 11."""
    nodes, kept = RandomNodes(ratio=0.09, num_val=24)(graph), RandomInteractions(ratio=0.5)(women)
    for made in (kept, nodes):
        sizes = statistics(made)
        for name in ("bytes", "nonzeros"):
            assert made.card[name] == sizes[name]
        assert made.card["bytes"] > made.card["nonzeros"] > 0
    assert (nodes.card["ratio"], nodes.card["ratio_actual"]) == (0.09, 11 / 120)
    assert kept.card["num_new"] == 0
    assert RandomNodes(ratio=0.5, of="train")(graph).card["num_train"] == 6
    assert nodes.card["num_edges"] == nodes.edge_index.size(1) > 2
    context = SampledNeighbourhoods(num_nodes=9, num_val=7)(graph)
    assert context.card["num_val"] == 7 < context.num_nodes - 9


def test_weights_are_kept_or_said_to_be_left_out(women):
    weighed = women.clone()
    weighed[EDGE].edge_weight = torch.linspace(1, 2, train_edges(women).size(1))
    assert First(ratio=0.5)(weighed).card["weights"] == "kept, not used"

    class Bare(First):
        """The same without weights."""

        def _condense(self, data, checkpoint):
            draft = super()._condense(data, checkpoint)
            del draft.data[EDGE].edge_weight
            return draft

    with pytest.warns(UserWarning, match="edge_weight"):
        card = Bare(ratio=0.5)(weighed).card
    assert (card["weights"], card["without"]) == ("left out", ["edge_weight"])


def test_sizes_other_than_the_budget_are_a_defect_that_is_told(women, graph):
    with pytest.raises(BudgetError, match="at most"):
        First(ratio=0.5, more=1)(women)
    for wrong in ({"train": 1}, {"train": -1}, {"val": 1}):
        with pytest.raises(BudgetError, match="report it"):
            FirstNodes(num_nodes=9, num_val=7, **wrong)(graph)


def test_what_cannot_be_condensed_is_refused_before_any_work(women, graph):
    first = First(ratio=0.5)
    for seed in (0.5, True, None):
        with pytest.raises(InputError, match="`seed` must be a whole number"):
            First(ratio=0.5, seed=seed)(women)
    with pytest.raises(InputError, match="must be a torch_geometric.data.HeteroData"):
        first(graph)
    with pytest.raises(InputError, match="must be a torch_geometric.data.Data"):
        FirstNodes(num_nodes=9)(women)
    twice = women.clone()
    twice[EDGE].edge_index = twice[EDGE].edge_index.repeat(1, 2)
    with pytest.raises(InputError):
        first(twice)
    shared = graph.clone()
    shared.val_mask = graph.val_mask | graph.train_mask
    with pytest.raises(InputError, match="no node in both"):
        FirstNodes(num_nodes=9)(shared)
    with pytest.raises(BudgetError):
        First(ratio=0.001)(women)
    assert not first.seen


@pytest.mark.parametrize("where", ["train", "val"])
@pytest.mark.parametrize("name", ["x", "edge_weight"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_nodes_that_are_no_numbers_are_no_result(graph, where, name, number):
    with pytest.raises(NumericalError, match=f"made NaN or infinite {where} nodes"):
        Made(num_nodes=9, num_val=7, where=where, name=name, number=number)(graph)


@pytest.mark.filterwarnings("ignore:Made")
def test_both_parts_of_a_synthesis_have_records_and_files_of_their_own(graph, tmp_path):
    Made.files.clear()
    made = Made(num_nodes=9, num_val=7).condense(graph)
    Made(num_nodes=9, num_val=7).condense(graph, checkpoint=tmp_path / "run.safetensors")
    assert Made.files == [None, None, "run.train.safetensors", "run.val.safetensors"]
    assert made.history == ({"part": "train", "step": 0}, {"part": "val", "step": 0})
    assert (int(made.data.train_mask.sum()), int(made.data.val_mask.sum())) == (9, 7)


def test_nodes_that_teach_less_than_random_ones_are_warned_of_and_others_are_not(graph):
    with pytest.warns(WorseThanRandomWarning, match="^Made: a linear model gets"):
        card = Made(num_nodes=9, num_val=7)(graph).card
    assert card["linear_accuracy"] < card["linear_accuracy_random"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", WorseThanRandomWarning)
        card = Partition(num_nodes=9, num_val=9)(graph).card
    assert card["linear_accuracy"] >= card["linear_accuracy_random"]


def test_a_checkpoint_is_of_one_condenser_and_one_data_set(women, tmp_path):
    path = tmp_path / "run.safetensors"
    first = First(ratio=0.5)
    first.condense(women, checkpoint=path)
    assert first.seen[-1][1] is None
    first.condense(women, checkpoint=path)
    tensors, _ = first.seen[-1][1]
    assert (tensors["x"].tolist(), tensors["x"].device.type) == ([1, 1], "cpu")
    other = split_interactions(load("southern-women"), seed=1)
    for condenser, data in ((First(ratio=0.25), women), (first, other)):
        with pytest.raises(FileFormatError, match="same settings and data"):
            condenser.condense(data, checkpoint=path)
