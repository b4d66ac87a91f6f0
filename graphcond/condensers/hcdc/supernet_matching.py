"""HCDC on architectures: validation nodes whose hypergradients in a supernet's mixture weights are
the original's.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch_geometric.data import Data
from tqdm import tqdm

from graphcond.condensers.base import Draft, NodeCondenser
from graphcond.condensers.hcdc.trajectories import Trajectories
from graphcond.condensers.nodes.neighbourhoods import SampledNeighbourhoods
from graphcond.data import Checkpoint, parts, union
from graphcond.data.progress import Progress
from graphcond.errors import (
    NumericalError,
    require,
    require_at_least,
    require_positive,
    require_share,
)
from graphcond.hypergrad import Implicit, cosine_distance
from graphcond.linalg import CG
from graphcond.nn import OPERATIONS, Operation, OperationSupernet, SupernetHead, soft_weights
from graphcond.seeding import derive, generator
from graphcond.training.adam import Adam, AdamTraining

Links = tuple[int, ...]


@final
@dataclass(frozen=True, kw_only=True)
class SupernetMatching(NodeCondenser):
    """Algorithm 1 of HCDC over architectures: λ are the logits of a supernet's operations.

    Another condenser makes both graphs. A trajectory starts at a network drawn from the space;
    supernets of the same first weights train on the condensed and on the original training nodes.
    λ moves along the condensed hypergradient, and the features of the condensed validation graph
    move until both have the same. Its edges and labels stay. λ is wide, so that hypergradients are
    solved in adjoint form, one solve each.

    Args:
        links: What each operation of a network reads; a trajectory draws one of these.
        operations: The operations to choose from.
        hidden: Width of the supernets, a multiple of 4.
        dropout: Of the supernets while they train, in [0, 1).
        peak: Logit of a trajectory's first network over the other operations, ≥ 0.
        start: Condenser that makes both graphs; its own budget and seed are replaced by this one's.
        over: Repeats, and trajectories of each: a step on the validation graph descends their mean
            distance, at a cost linear in their number.
        hypergradient: Solver, damping, and whether the direct term is kept, for both graphs.
        ridge: Weight decay of the supernets' heads where the hypergradient is taken, > 0.
        learning_rate: Adam's step for the features, in units of their root mean square, > 0.
        recipe: Adam's step and weight decay of the supernets; ``over`` has the epochs.

    Source: HCDC, Algorithm 1 with the space of section 5.1 and the trajectories of section 5.2.
        Deviations: the softmax in place of a one-hot sample, which has no slope in λ; only the
        supernet's head answers λ (see :class:`graphcond.nn.SupernetHead`); the direct
        term; supernets of their own on the original; real edges.

    Example:
        >>> from graphcond.data import load
        >>> short = Trajectories(starts=1, num_seeds=1, epochs=2, warmup=1)
        >>> small = SupernetMatching(num_nodes=4, over=short, links=((0, 1),), hidden=4)
        >>> int(small(load("karate")).val_mask.sum())
        4
    """

    links: tuple[Links, ...] = ((0, 1, 2, 3), (0, 1, 1, 2), (0, 0, 1, 2), (0, 0, 0, 0))
    operations: tuple[Operation, ...] = OPERATIONS
    hidden: int = 16
    dropout: float = 0.5
    peak: float = 2.0
    start: NodeCondenser = field(default_factory=SampledNeighbourhoods)
    over: Trajectories = field(
        default_factory=lambda: Trajectories(
            starts=6, num_seeds=2, epochs=60, warmup=40, every=5, learning_rate=0.5
        )
    )
    hypergradient: Implicit = field(default_factory=lambda: Implicit(CG(max_steps=30)))
    ridge: float = 5e-3
    learning_rate: float = 0.002
    recipe: AdamTraining = field(default_factory=AdamTraining)

    def __post_init__(self) -> None:
        require(
            len(self.links) >= 1,
            "`links` must name at least one shape, but it is empty. ((0, 1, 2, 3),) is one.",
        )
        require_share("0.5 is usual.", dropout=self.dropout)
        require_at_least(0, "2 is usual; 0 starts between all operations.", peak=self.peak)
        require_positive("0.005 is usual.", ridge=self.ridge)
        require_positive("0.002 is usual.", learning_rate=self.learning_rate)

    def _condense(self, data: Data, checkpoint: Checkpoint | None) -> Draft:
        progress = Progress(checkpoint)
        budget = self.budget(data)
        maker = replace(
            self.start,
            ratio=None,
            num_nodes=budget.num_train,
            num_val=budget.num_val,
            of="nodes",
            seed=self.seed,
        )
        first = maker._condense(data, None)
        train, val = parts(first.data)
        val.x = val.x.clone().requires_grad_()
        scale = float(val.x.detach().square().mean().sqrt()) or 1.0
        mover = Adam({"x": val.x}, self.learning_rate * scale)
        done = progress.done("match")
        if done:
            mover.load_state_dict(progress.get("match"))
        with torch.random.fork_rng(devices=[data.x.device] if data.x.is_cuda else []):
            for repeat in range(done, self.over.num_seeds):
                distances = self._repeat(repeat, data, train, val, mover)
                progress.history.extend(
                    {"step": self.over.steps * repeat + step, "part": "match", "distance": distance}
                    for step, distance in enumerate(distances)
                )
                progress.note("match", repeat + 1, mover.state_dict, force=True)
        val.x = val.x.detach()
        return Draft(union(train, val), progress.history, first.facts)

    def _repeat(self, repeat: int, data: Data, train: Data, val: Data, mover: Adam) -> list[float]:
        """Follow fresh trajectories and move the validation graph; return the mean D_c before each
        of its steps.
        """
        over = self.over
        torch.manual_seed(derive(self.seed, "supernets", repeat, "dropout"))
        trajectories = [
            self._start(derive(self.seed, "supernets", repeat, each), data, train, val)
            for each in range(over.starts)
        ]
        found = list[float]()
        for epoch in tqdm(
            range(over.epochs), desc=f"supernets {repeat + 1}/{over.num_seeds}", disable=None
        ):
            for each in trajectories:
                each.train()
            step = epoch - over.warmup
            if step < 0:
                continue
            mover.optimiser.zero_grad()
            total = 0.0
            for each in trajectories:
                if (step + 1) % over.every == 0:
                    each.move(over.learning_rate, over.unit_moves)
                distance = each.distance() / over.starts
                # One at a time: a trajectory's graph is freed before the next one's is made.
                distance.backward()
                total += float(distance.detach())
            if not math.isfinite(total):
                raise NumericalError(
                    f"SupernetMatching diverged in repeat {repeat}, epoch {epoch}. Lower `recipe`'s"
                    " learning rate, or raise `ridge`."
                )
            found.append(total)
            mover.step()
        return found

    def _start(self, seed: int, data: Data, train: Data, val: Data) -> _Trajectory:
        """Return a trajectory at a network drawn from the space, with fresh weights."""
        stream = generator(seed, "start")
        links = self.links[int(torch.randint(len(self.links), (), generator=stream))]
        lam = torch.zeros(len(links), len(self.operations))
        picks = torch.randint(len(self.operations), (len(links),), generator=stream)
        lam[torch.arange(len(links)), picks] = self.peak
        net = OperationSupernet(
            data.num_features,
            int(data.y.max()) + 1,
            links,
            self.operations,
            hidden=self.hidden,
            dropout=self.dropout,
            seed=seed,
        ).to(data.x)
        sides = (
            _TrainedSupernet(copy.deepcopy(net), train, val, self),
            _TrainedSupernet(net, data, data, self),
        )
        return _Trajectory(*sides, lam.flatten().to(data.x))


@dataclass
class _Trajectory:
    """The condensed and the original side at one λ, which moves."""

    small: _TrainedSupernet
    whole: _TrainedSupernet
    lam: Tensor

    def train(self) -> None:
        """Make one step of both supernets."""
        self.small.train(self.lam)
        self.whole.train(self.lam)

    def move(self, rate: float, unit: bool) -> None:
        """Move λ against the condensed hypergradient."""
        slope = self.small.hypergradient(self.lam).detach()
        self.lam = self.lam - rate * (normalize(slope, dim=0) if unit else slope)

    def distance(self) -> Tensor:
        """Return D_c, differentiable in the condensed validation nodes."""
        whole = self.whole.hypergradient(self.lam).detach()
        return cosine_distance(self.small.hypergradient(self.lam), whole)


class _TrainedSupernet:
    """One graph's supernet: its weights, which train, and its hypergradient."""

    def __init__(
        self, net: OperationSupernet, train: Data, val: Data, how: SupernetMatching
    ) -> None:
        self.net = net
        self.data = train
        self.head = SupernetHead(net, train, val, how.ridge)
        self.solve = how.hypergradient
        recipe = how.recipe
        self.optimiser = Adam(
            dict(net.named_parameters()), recipe.learning_rate, recipe.weight_decay
        )

    def train(self, lam: Tensor) -> None:
        """Make one step down the training loss."""
        data, mask = self.data, self.data.train_mask
        weights = soft_weights(lam.view(len(self.net.links), -1))
        logits = self.net.train().requires_grad_()(data.x, data.edge_index, weights)
        self.optimiser.descend(cross_entropy(logits[mask], data.y[mask]))

    def hypergradient(self, lam: Tensor) -> Tensor:
        """Return ∇L*(λ), differentiable in the validation nodes' features."""
        self.net.requires_grad_(False)
        return self.solve(self.head.problem, self.head.optimum(lam), lam)
