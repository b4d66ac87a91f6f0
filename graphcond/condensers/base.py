"""What every condenser is: a PyG transform that keeps its budget, its seed and its hands off the
test split.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import BaseTransform

from graphcond import __version__
from graphcond.ambient import steady
from graphcond.condensers.budget import Base, NodeBudget, interaction_budget, is_whole, node_budget
from graphcond.data import (
    EDGE,
    Checkpoint,
    check_interactions,
    check_nodes,
    describe,
    digest,
    num_items,
    num_users,
    split_record,
    statistics,
    train_edges,
    without_test,
)
from graphcond.data.plain import plain
from graphcond.data.provenance import new_interactions
from graphcond.data.unused import unused, warn_of_unused
from graphcond.errors import BudgetError, require
from graphcond.measure import Measure
from graphcond.pairs import pair_keys
from graphcond.typing import Record

Graph: TypeAlias = "Data | HeteroData"


@dataclass(frozen=True)
class Condensation:
    """What came out of a condenser.

    Attributes:
        data: The condensed set, with its provenance in ``data.card``.
        report: The card plus what this run cost: ``seconds_condense`` and ``peak_mib``.
        history: One record per step, for curves; empty for one-shot condensers.
    """

    data: Graph
    report: dict[str, Any]
    history: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What a condenser's algorithm hands to its base class.

    Attributes:
        data: The condensed set, without a card.
        history: One flat record per step.
        facts: JSON-ready entries to add to the card, for example what a control showed.
    """

    data: Graph
    history: Sequence[Record] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class Condenser(BaseTransform, ABC):
    """A PyG transform from a graph data set to a much smaller one.

    ``condenser(data)`` returns the condensed set, so that it composes (``T.Compose``) and caches
    (``pre_transform=``); :meth:`condense` returns the curves as well. The input is not modified and
    its test split is removed before the algorithm sees it. Configuration is in the fields of the
    (frozen dataclass) subclass, data come in the call.
    """

    seed: int

    def forward(self, data: Graph) -> Graph:
        """Return the condensed set of ``data``; see :meth:`condense`."""
        return self.condense(data).data

    @steady()
    def condense(self, data: Graph, *, checkpoint: str | Path | None = None) -> Condensation:
        """Condense ``data`` and report how.

        Args:
            data: A PyG graph of this condenser's kind, with its split.
            checkpoint: File that a long run writes as it goes and resumes from; None keeps nothing.

        Returns:
            The condensed set, its report and its history.

        Raises:
            InputError: If ``data`` is malformed or of the other kind.
            BudgetError: If the budget cannot be met.
            NumericalError: If the algorithm diverges.
            StorageError: If the checkpoint cannot be written, before any work; a disk that fills up
                later costs a warning.
            FileFormatError: If the checkpoint is broken or of other settings or data.
        """
        require(
            is_whole(self.seed),
            f"`seed` must be a whole number, but it is {self.seed!r}. Any will do; it makes the run"
            " repeatable.",
        )
        data = plain(data)
        self._check(data)
        seen = without_test(data)
        kept = None
        if checkpoint is not None:
            kept = Checkpoint(
                checkpoint, f"{self._identity()} on {digest(seen)}", device=_device(seen)
            )
        with Measure() as cost:
            draft = self._condense(seen, kept)
        card = {
            "graphcond": __version__,
            "dataset": (getattr(data, "card", None) or {}).get("name", "unnamed"),
            "method": type(self).__name__,
            "condenser": describe(self),
            "seed": self.seed,
            "split": split_record(data),
            **self._sizes(data, draft.data),
            **draft.facts,
        }
        small = draft.data
        dropped = unused(seen, small)
        if dropped:
            card["without"] = dropped
            warn_of_unused(dropped, type(self).__name__)
        small.card = card
        seconds = cost.seconds + (0.0 if kept is None else kept.seconds_before)
        report = {**card, "seconds_condense": seconds, "peak_mib": cost.peak_mib}
        return Condensation(small, report, tuple(draft.history))

    def _identity(self) -> str:
        """Return all that a checkpoint must agree with, besides the data."""
        return describe(self)

    @abstractmethod
    def _check(self, data: Graph) -> None:
        """Raise a clear error unless ``data`` and the budget can be condensed."""

    @abstractmethod
    def _condense(self, data: Any, checkpoint: Checkpoint | None) -> Draft:
        """Run the algorithm on ``data``, which carries no test split."""

    @abstractmethod
    def _sizes(self, data: Any, small: Any) -> dict[str, Any]:
        """Return the true sizes for the card and raise if the budget was broken."""


def _device(data: Graph) -> torch.device:
    """Return where a data set lives."""
    if isinstance(data, HeteroData):
        edges = train_edges(data)
    else:
        edges = data.edge_index
    return torch.device(edges.device)


@dataclass(frozen=True, kw_only=True)
class NodeCondenser(Condenser):
    """Base of the condensers of node-classification graphs.

    Attributes:
        ratio: Share of nodes for the condensed training graph, in (0, 1]; see ``of``.
        num_nodes: Number of condensed training nodes; give this or ``ratio``.
        of: ``"nodes"``: the ratio counts against all nodes (papers); ``"train"``: against training
            nodes (most code).
        num_val: Number of condensed validation nodes; None means as many as training nodes.
        seed: Seed of every random choice.
    """

    ratio: float | None = None
    num_nodes: int | None = None
    of: Base = "nodes"
    num_val: int | None = None
    seed: int = 0

    def budget(self, data: Data) -> NodeBudget:
        """Return the node counts for ``data`` (see
        :func:`graphcond.condensers.budget.node_budget`).
        """
        return node_budget(
            data, ratio=self.ratio, num_nodes=self.num_nodes, of=self.of, num_val=self.num_val
        )

    def _check(self, data: Graph) -> None:
        require(
            not isinstance(data, HeteroData),
            "`data` must be a torch_geometric.data.Data, but it is a HeteroData. Interactions have"
            " condensers of their own, for example RandomInteractions.",
        )
        check_nodes(data)
        self.budget(data)

    def _sizes(self, data: Data, small: Data) -> dict[str, Any]:
        budget = self.budget(data)
        train = int(small.train_mask.sum())
        val = int(small.val_mask.sum())
        kept = train == budget.num_train and val <= budget.num_val
        require(
            kept,
            f"This needs {budget.num_train} training and {budget.num_val} validation nodes, but"
            f" found train = {train!r}, val = {val!r}. This is a defect of the condenser:"
            " report it.",
            error=BudgetError,
        )
        facts = statistics(small)
        return {
            "kind": "nodes",
            "ratio": self.ratio if self.ratio is not None else budget.ratio,
            "ratio_actual": budget.ratio,
            "ratio_train": budget.ratio_train,
            "num_train": train,
            "num_val": val,
            "num_edges": int(small.edge_index.size(1)),
            "bytes": facts["bytes"],
            "nonzeros": facts["nonzeros"],
        }


@dataclass(frozen=True, kw_only=True)
class InteractionCondenser(Condenser):
    """Base of the condensers of user-item interactions.

    Attributes:
        ratio: Share r of the distinct training interactions to keep, in (0, 1]; |D_cond| ≤ r · |D|.
        seed: Seed of every random choice.
    """

    ratio: float
    seed: int = 0

    def budget(self, data: HeteroData) -> int:
        """Return the largest |D_cond| allowed for ``data``."""
        return interaction_budget(train_edges(data).size(1), self.ratio)

    def _allowed(self, data: HeteroData) -> float:
        """Return the largest size of a result; other than the budget only where a method is
        reproduced that breaks it.
        """
        return self.budget(data)

    def _check(self, data: Graph) -> None:
        require(
            not isinstance(data, Data),
            "`data` must be a torch_geometric.data.HeteroData, but it is a Data. Graphs with"
            " classes have condensers of their own, for example RandomNodes.",
        )
        check_interactions(data)
        self.budget(data)

    def _sizes(self, data: HeteroData, small: HeteroData) -> dict[str, Any]:
        edges = train_edges(small)
        allowed = self._allowed(data)
        size = (num_users(data), num_items(data))
        distinct = torch.unique(pair_keys(edges[0], edges[1], size)).numel()
        require(
            distinct == edges.size(1) <= allowed,
            f"A condensed set must hold at most {allowed} interactions, none of them twice, but it"
            f" holds {edges.size(1)}, {distinct} of them distinct. This is a defect of the"
            " condenser: report it.",
            error=BudgetError,
        )
        counts = statistics(small)
        weights = {}
        if "edge_weight" in data[EDGE]:
            kept = "edge_weight" in small[EDGE]
            weights["weights"] = "kept, not used" if kept else "left out"
        return {
            "kind": "interactions",
            "ratio": self.ratio,
            "ratio_actual": edges.size(1) / train_edges(data).size(1),
            "num_train": num_users(small),
            "num_edges": edges.size(1),
            "num_new": new_interactions(small, data),
            "bytes": counts["bytes"],
            "nonzeros": counts["nonzeros"],
            **weights,
        }
