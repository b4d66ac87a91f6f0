"""The search space of NAS-Bench-Graph: 26,206 trees of four operations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, final

import torch
from torch import Tensor

from graphcond.errors import require_range
from graphcond.nn.operation_tree import OPERATIONS, Operation, OperationTree
from graphcond.seeding import generator
from graphcond.spaces.discrete import DiscreteSpace

LINKS: tuple[tuple[int, ...], ...] = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""All shapes of a tree with four nodes below the input: what each operation reads."""
_SIZE = 4
_ALL_SKIP: tuple[Operation, ...] = ("skip", "skip", "skip", "skip")
_Tree = tuple[Operation, tuple[Any, ...]]
"""An operation, and the trees that read it."""


@final
@dataclass(frozen=True)
class TreeChoice:
    """One network of the space; call it to build the network.

    Args:
        links: What operation i reads: 0 is the input.
        operations: The operations.

    Example:
        >>> choice = TreeChoice((0, 0, 1, 2), ("gcn", "gat", "fc", "skip"))
        >>> choice(num_features=5, num_classes=2, hidden=8).leaves
        (3, 4)
    """

    links: tuple[int, ...]
    operations: tuple[Operation, ...]

    def __call__(
        self,
        num_features: int,
        num_classes: int,
        hidden: int = 256,
        dropout: float = 0.5,
        pre: bool = False,
        post: bool = True,
        seed: int = 0,
    ) -> OperationTree:
        """Return the network for a data set, as :class:`graphcond.nn.OperationTree` builds it.

        Args:
            num_features: Input features d.
            num_classes: Classes C.
            hidden: Width.
            dropout: Probability of dropping an input.
            pre: Whether the input first goes through an affine map.
            post: Whether a hidden layer stands before the logits.
            seed: Seed of the initial weights.
        """
        return OperationTree(
            num_features,
            num_classes,
            self.links,
            self.operations,
            hidden=hidden,
            dropout=dropout,
            pre=pre,
            post=post,
            seed=seed,
        )

    def canonical(self) -> TreeChoice:
        """Return the network of the space that computes the same.

        A ``skip`` that others read, or that reads raw features, or that is alone at its place,
        does nothing there: it goes to the front, where all the rest reads it. Operations that
        read the same are sorted, larger trees first.
        """
        trees = _children(0, self.links, self.operations)
        skips = 0
        while True:
            shorter = _without_one_skip(trees, raw=True)
            if shorter is None:
                break
            trees = shorter
            skips += 1
        for _ in range(skips):
            trees = (("skip", trees),)
        return _numbered(trees)


@final
@dataclass(frozen=True)
class NasBenchGraph(DiscreteSpace):
    """The 26,206 networks of NAS-Bench-Graph.

    λ is one-hot in five groups of nine, side by side: the shape of the tree and the four
    operations. Of networks that compute the same, the space holds one.

    Source: NAS-Bench-Graph (Qin et al., NeurIPS 2022): nine operations, nine trees; the network
    of skips only is left out. A ``skip`` of raw features counts as nothing, as in the published
    table, though it would put them before the classifier.

    Example:
        >>> space = NasBenchGraph()
        >>> len(space), space.size
        (26206, 45)
        >>> space.decode(space.sample(1, seed=0))[0].canonical() in space.decode(space.all())
        True
    """

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """The place of the tree in :data:`LINKS`, and the four operations."""
        operations = {f"operation{i}": OPERATIONS for i in range(1, _SIZE + 1)}
        return {"tree": tuple(range(len(LINKS))), **operations}

    def build(self, values: dict[str, Any]) -> TreeChoice:
        """Return the network of the space that computes the same as these choices.

        Several choices build one network; four skips build the network of three and one ``fc``.

        Args:
            values: One choice of each name.
        """
        operations = [values[f"operation{i}"] for i in range(1, _SIZE + 1)]
        if operations == ["skip"] * _SIZE:
            operations[-1] = "fc"
        return TreeChoice(LINKS[values["tree"]], tuple(operations)).canonical()

    def __len__(self) -> int:
        """Return the number of networks, of which no two compute the same."""
        return len(_every_choice())

    def all(self) -> Tensor:
        """Return every network, one-hot [26206, 45], in the order of the published table."""
        return self.encode(list(_every_choice()))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw ``n`` distinct networks.

        Args:
            n: How many, at most 26,206.
            seed: Seed; a longer sample starts with the shorter one.

        Returns:
            One-hot λ [n, 45].

        Raises:
            InputError: If ``n`` is not positive, or larger than the space.
        """
        every = _every_choice()
        require_range(1, len(every), "The space has no more networks.", n=n)
        picks = torch.randperm(len(every), generator=generator(seed, "space"))[:n].tolist()
        return self.encode([every[pick] for pick in picks])

    def contains(self, lam: Tensor) -> Tensor:
        """Return which rows are networks of the space.

        Args:
            lam: Rows [n, H].

        Returns:
            Booleans [n]; False too for a network that is listed in another form.
        """
        inside = super().contains(lam)
        rows = inside.nonzero()[:, 0]
        if len(rows):
            same = self.encode(self.decode(lam[rows])).to(lam)
            inside[rows] = (same == lam[rows]).all(1)
        return inside

    def encode(self, choices: list[TreeChoice]) -> Tensor:
        """Return networks as one-hot λ [n, 45].

        Args:
            choices: Networks whose links are among :data:`LINKS`.
        """
        picks = [
            [LINKS.index(choice.links), *map(OPERATIONS.index, choice.operations)]
            for choice in choices
        ]
        return self._one_hot(torch.tensor(picks))


@cache
def _every_choice() -> tuple[TreeChoice, ...]:
    every = (
        TreeChoice(links, operations)
        for links, operations in product(LINKS, product(OPERATIONS, repeat=_SIZE))
        if operations != _ALL_SKIP
    )
    return tuple(choice for choice in every if choice.canonical() == choice)


def _children(
    number: int, links: tuple[int, ...], operations: tuple[Operation, ...]
) -> tuple[_Tree, ...]:
    """Return the trees that read operation ``number``, counted from 1; 0 is the input."""
    return tuple(
        (operations[i], _children(i + 1, links, operations))
        for i, link in enumerate(links)
        if link == number
    )


def _without_one_skip(trees: tuple[_Tree, ...], raw: bool) -> tuple[_Tree, ...] | None:
    """Return the trees without the first skip that does nothing, or None if there is none."""
    for i, (operation, below) in enumerate(trees):
        alone = len(trees) == 1
        if operation == "skip" and (below or raw or alone):
            return trees[:i] + below + trees[i + 1 :]
        shorter = _without_one_skip(below, raw=False)
        if shorter is not None:
            return trees[:i] + ((operation, shorter),) + trees[i + 1 :]
    return None


def _numbered(trees: tuple[_Tree, ...]) -> TreeChoice:
    """Number operations level by level, larger trees first and equal ones by their operations."""
    links = list[int]()
    operations = list[Operation]()
    level = [(0, tree) for tree in sorted(trees, key=_order)]
    while level:
        following = []
        for parent, (operation, below) in level:
            links.append(parent)
            operations.append(operation)
            following += [(len(links), tree) for tree in sorted(below, key=_order)]
        level = following
    return TreeChoice(tuple(links), tuple(operations))


def _order(tree: _Tree) -> tuple[Any, ...]:
    operation, below = tree
    ordered = sorted(map(_order, below))
    size = sum(entry[0] for entry in ordered)
    return (size - 1, OPERATIONS.index(operation), ordered)
