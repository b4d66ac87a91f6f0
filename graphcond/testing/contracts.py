"""Contract tests that every condenser passes; inherit the class and pytest does the rest."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData, InMemoryDataset
from torch_geometric.transforms import Compose

from graphcond.condensers import Condenser
from graphcond.data import parts, read, save


class CondenserContract(ABC):
    """What a condenser must keep: its budget, its seed, the input, the test split, files, and PyG's
    habits.

    Example:
        >>> from graphcond.condensers import RandomNodes
        >>> from graphcond.data import load
        >>> class TestRandomNodes(CondenserContract):
        ...     def condenser(self, seed):
        ...         return RandomNodes(num_nodes=8, num_val=8, seed=seed)
        ...     def data(self):
        ...         return load("karate")

    Attributes:
        draws: Whether the seed changes the result; False for a method that draws nothing.
        reads_validation: Whether validation data change which interactions are kept, or the
            condensed training nodes. The condensed validation nodes are made from them anyway.
    """

    draws: bool = True
    reads_validation: bool = False

    @abstractmethod
    def condenser(self, seed: int) -> Condenser:
        """Return the condenser under test with a small budget; every call returns an equal
        object.
        """

    @abstractmethod
    def data(self) -> Any:
        """Return a small data set with its split; every call returns an equal object."""

    def test_budget_is_kept(self) -> None:
        """The true ratio is at most the one asked for (rounded to whole nodes), and the card says
        so.
        """
        result = self.condenser(0).condense(self.data())
        card = result.data.card
        assert 0 < card["ratio_actual"] <= card["ratio"] + 0.5 / (self.data().num_nodes or 1)
        assert card["num_edges"] == _num_edges(result.data)
        assert result.report["seconds_condense"] > 0

    def test_same_seed_same_result(self) -> None:
        """A seed is the whole source of randomness, whatever the global generator holds."""
        torch.manual_seed(1)
        first = self.condenser(0)(self.data())
        torch.manual_seed(2)
        state = torch.random.get_rng_state()
        second = self.condenser(0)(self.data())
        assert torch.equal(state, torch.random.get_rng_state()), "the global generator was used"
        assert _same(first, second)

    def test_another_seed_another_result(self) -> None:
        """Two seeds draw differently, so that three seeds are three; a method that draws nothing
        gives one result.
        """
        data = self.data()
        first, second = self.condenser(0)(data), self.condenser(1)(data)
        assert _same(first, second) != self.draws
        assert (first.card["seed"], second.card["seed"]) == (0, 1)

    def test_validation_data_are_read_where_it_is_said(self) -> None:
        """Scrambled validation labels or interactions change what is made from training data only
        where the method says that it reads them.
        """
        data = self.data()
        poisoned = copy.deepcopy(data)
        for store in poisoned.stores:
            if "val_mask" in store:
                store.y[store.val_mask] = (store.y[store.val_mask] + 1) % (int(store.y.max()) + 1)
            if "val_edge_index" in store:
                store.val_edge_index = _others(poisoned, store)
        first, second = (self._from_training(graph) for graph in (data, poisoned))
        assert _same(first, second) != self.reads_validation

    def _from_training(self, data: Any) -> Any:
        small = self.condenser(0)(data)
        return small if isinstance(small, HeteroData) else parts(small)[0]

    def test_input_is_untouched(self) -> None:
        """Neither tensors nor attributes of the input change."""
        data = self.data()
        before = copy.deepcopy(data)
        self.condenser(0)(data)
        assert _same(before, data)
        assert data.to_dict().keys() == before.to_dict().keys()

    def test_the_test_split_is_unseen(self) -> None:
        """Scrambled test labels or test interactions leave the result as it was."""
        data = self.data()
        poisoned = copy.deepcopy(data)
        for store in poisoned.stores:
            if "test_mask" in store:
                store.y[store.test_mask] = (store.y[store.test_mask] + 1) % (int(store.y.max()) + 1)
            if "test_edge_index" in store:
                store.test_edge_index = store.test_edge_index.flip(1)[
                    :, : store.test_edge_index.size(1) // 2
                ]
        assert _same(self.condenser(0)(data), self.condenser(0)(poisoned))

    def test_result_has_no_test_split(self) -> None:
        """A condensed set names no test nodes and no test interactions."""
        for store in self.condenser(0)(self.data()).stores:
            assert not {"test_mask", "test_edge_index"} & set(store.keys())

    def test_save_and_read(self, tmp_path: Path) -> None:
        """A file gives back the same set and card, and two writes are byte-identical."""
        small = self.condenser(0)(self.data())
        save(tmp_path / "a.safetensors", small)
        save(tmp_path / "b.safetensors", small)
        assert (tmp_path / "a.safetensors").read_bytes() == (
            tmp_path / "b.safetensors"
        ).read_bytes()
        back = read(tmp_path / "a.safetensors")
        assert _same(small, back)
        assert back.card == small.card

    def test_works_as_a_pyg_transform(self, tmp_path: Path) -> None:
        """It composes, and a PyG data set caches its result as ``pre_transform``."""
        data, small = self.data(), self.condenser(0)(self.data())
        assert _same(small, Compose([self.condenser(0)])(data))
        dataset = _Once(tmp_path, data, self.condenser(0))
        assert _same(small, dataset[0])
        assert repr(self.condenser(0)) == repr(self.condenser(0))


class _Once(InMemoryDataset):
    def __init__(self, root: Path, data: Any, pre_transform: Condenser) -> None:
        self._given = data
        super().__init__(str(root), pre_transform=pre_transform)
        self.load(self.processed_paths[0], data_cls=type(data))

    @property
    def processed_file_names(self) -> list[str]:
        return ["data.pt"]

    def process(self) -> None:
        small = self.pre_transform(self._given)
        self.save([small], self.processed_paths[0])


def _others(data: Any, store: Any) -> Tensor:
    """Return as many interactions as the validation split has, none of them in any split."""
    known = torch.zeros(data["user"].num_nodes, data["item"].num_nodes, dtype=torch.bool)
    for name in ("edge_index", "val_edge_index", "test_edge_index"):
        if name in store:
            known[tuple(store[name])] = True
    return (~known).nonzero().T[:, : store.val_edge_index.size(1)].contiguous()


def _tensors(data: Any) -> dict[str, Tensor]:
    return {
        f"{i}.{name}": value
        for i, store in enumerate(data.stores)
        for name, value in store.items()
        if isinstance(value, Tensor)
    }


def _same(first: Any, second: Any) -> bool:
    left, right = _tensors(first), _tensors(second)
    return left.keys() == right.keys() and all(
        torch.equal(left[name], right[name]) for name in left
    )


def _num_edges(data: Any) -> int:
    return sum(int(store.edge_index.size(1)) for store in data.stores if "edge_index" in store)
