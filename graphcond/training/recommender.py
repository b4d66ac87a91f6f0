"""Training embedding recommenders by BPR or against shared negatives: no autograd graph over the
tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.ambient import steady
from graphcond.data import EDGE, Checkpoint, describe, digest, num_items, num_users, train_edges
from graphcond.data.pair_checks import check_pair_stores
from graphcond.errors import InputError, require, require_positive
from graphcond.nn.losses import SharedNegatives, Triplets, bpr_gradient, shared_gradient
from graphcond.nn.recommender import EmbeddingRecommender, RecommenderFactory
from graphcond.seeding import generator
from graphcond.training.adam import Adam
from graphcond.training.fit import Program, fit
from graphcond.training.negatives import UniformNegatives
from graphcond.training.ranker import Recommender
from graphcond.training.ranking_looks import RankingLooks
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors


@dataclass(frozen=True)
class BPR:
    """How a recommender is trained.

    Args:
        loss: A loss against shared negatives, for example ``nn.SampledSoftmax()``; None is BPR's,
            with one negative for each interaction.
        learning_rate: Step size of Adam, > 0; None is the one that suits the model's class.
        weight_decay: λ of the embeddings' decay, at least 0; None as for the learning rate.
        batch_size: Triplets of one Adam step (of each model, where several are trained side by
            side); None is |D| / 40, at least 1,024 and at most 8,192: an Adam step costs the size
            of the tables, whatever the batch.
        min_steps: Fewest steps of a round. A round is one pass over the interactions, or as many as
            make this many steps, so that early stopping grants a small set as many steps between
            two looks as a large one.
        rounds: Most rounds.
        stopping: When to look at validation NDCG@10, in rounds, and when to stop.
        weighted: Whether ``edge_weight`` weighs the losses and the propagation. Off by default:
            interactions are implicit feedback, and play counts or ratings as weights of the loss
            let a few pairs take over.
        val_users: Most users, drawn once, whose validation interactions are looked at; all are when
            there are fewer.
    """

    loss: SharedNegatives | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    min_steps: int = 64
    rounds: int = 250
    stopping: EarlyStopping = field(default_factory=lambda: EarlyStopping(patience=15))
    weighted: bool = False
    val_users: int = 5000

    def __post_init__(self) -> None:
        sizes: dict[str, Any] = {
            "batch_size": self.batch_size,
            "min_steps": self.min_steps,
            "rounds": self.rounds,
            "val_users": self.val_users,
        }
        sizes["batch_size"] = 1 if self.batch_size is None else self.batch_size
        require(
            all(isinstance(size, Integral) and int(size) >= 1 for size in sizes.values()),
            f"Sizes of BPR must be positive whole numbers, but they are {sizes}. Raise the"
            " one below 1.",
        )
        require_positive(
            "Leave it out for the model's own.",
            learning_rate=1.0 if self.learning_rate is None else self.learning_rate,
        )
        require(
            self.weight_decay is None or self.weight_decay >= 0,
            f"`weight_decay` must not be negative, but it is {self.weight_decay}."
            " Leave it out for the model's own.",
        )

    def batch(self, interactions: int) -> int:
        """Return the triplets of one step for a set of so many interactions."""
        if self.batch_size is None:
            return max(1024, min(8192, interactions // 40))
        return self.batch_size


@steady()
def fit_recommender(
    factory: RecommenderFactory,
    train: HeteroData,
    val: Tensor,
    *,
    exclude: Tensor | None = None,
    recipe: BPR | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
) -> Recommender:
    """Train a recommender on a set of interactions, stopping by validation NDCG@10.

    Args:
        factory: Makes the model, for example ``partial(nn.MF, dim=64)``.
        train: Trained on: its ``edge_index`` and, if ``recipe.weighted``, its ``edge_weight``.
        val: Validation interactions [2, V]; with none, all rounds are trained.
        exclude: Interactions that validation rankings leave out [2, E]; None means those trained
            on.
        recipe: How to train; None is :class:`BPR` with its defaults.
        seed: Seed of initialisation, order and negatives.
        checkpoint: File to resume from and write to.

    Returns:
        The scored embeddings, at their best validation look.

    Raises:
        InputError: If there is nothing to train on.
        NumericalError: If training diverges.
    """
    recipe = recipe or BPR()
    check_pair_stores(train)
    edges = train_edges(train)
    weight = None
    if recipe.weighted:
        weight = train[EDGE].get("edge_weight")
    try:
        model = factory(num_users(train), num_items(train), seed=seed).to(edges.device)
    except TypeError as error:
        raise InputError(
            "`factory` must make a model when it is called as factory(num_users, num_items,"
            f" seed=0), but: {error}. Pass for example partial(nn.MF, dim=64)."
        ) from error
    weight = None if weight is None else weight.to(model.user.dtype)
    looks = RankingLooks(
        val,
        edges if exclude is None else exclude,
        (num_users(train), num_items(train)),
        recipe.val_users,
    )
    program = BPRProgram(model, edges, weight, recipe, looks=looks, seed=seed)
    stopping = None
    if val.size(1):
        stopping = recipe.stopping
    kept = None
    if checkpoint is not None:
        # The number of rounds may be raised: a run that is longer goes on where the shorter one
        # ended.
        run = (
            f"{describe(replace(recipe, rounds=1))} {describe(factory)} {seed}"
            f" {digest(train, val, exclude)}"
        )
        kept = Checkpoint(checkpoint, run)
    history = fit(
        program, recipe.rounds, stopping, checkpoint=kept, description=type(model).__name__
    )
    users, items = program.scored()
    return Recommender(users, items, history)


class BPRProgram(Program):
    """BPR training of one or several models side by side, as :func:`graphcond.training.fit` runs
    it.

    Args:
        model: The model; its tables are trained in place.
        edges: Training interactions [2, E], with offsets where the model holds several.
        weight: Weight of each interaction's loss [E], or None.
        recipe: How to train.
        looks: What :meth:`validate` returns; None: it returns NaN and must not be asked.
        seed: Seed of order, negatives and dropout.

    Raises:
        InputError: If there are no interactions.
    """

    def __init__(
        self,
        model: EmbeddingRecommender,
        edges: Tensor,
        weight: Tensor | None,
        recipe: BPR,
        *,
        looks: RankingLooks | None = None,
        seed: int = 0,
    ) -> None:
        require(
            edges.size(1) > 0,
            "This needs at least one training interaction, but found interactions ="
            f" {edges.size(1)!r}. The set to train on is empty.",
        )
        self.model = model
        self.edges = edges
        self.weight = weight
        self.recipe = recipe
        self.looks = looks
        self.seed = seed
        require(
            recipe.loss is None or (model.num_models == 1 and model.item_bias is None),
            "Losses with shared negatives score cosines of one model, but this one holds"
            f" {model.num_models} models, with item_bias={model.item_bias is not None}."
            " Train one model without a bias, or leave `loss` out.",
        )
        self.graph = model.graph(edges, weight)
        if recipe.weight_decay is None:
            decay = model.usual_weight_decay
        else:
            decay = recipe.weight_decay
        self.decay = _expected_decay(model, edges, decay)
        self.negatives = UniformNegatives(edges, model.num_users, model.num_items)
        if recipe.learning_rate is None:
            rate = model.usual_learning_rate
        else:
            rate = recipe.learning_rate
        self.optimiser = Adam(dict(model.named_parameters()), rate)
        # Gradients are written into these buffers by hand: autograd would make new tables at every
        # step.
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the tables."""
        return self.optimiser.tensors

    def state_dict(self) -> Tensors:
        """Return the tables and Adam's state."""
        return self.optimiser.state_dict()

    @torch.no_grad()
    def step(self, epoch: int) -> float:
        """Train one round; return the mean loss of its triplets."""
        size = (
            self.recipe.batch(self.edges.size(1) // self.model.num_models) * self.model.num_models
        )
        passes = math.ceil(self.recipe.min_steps / math.ceil(self.edges.size(1) / size))
        draw = generator(self.seed, "round", epoch, device=self.edges.device)
        total = sum(self._one_pass(size, draw) for _ in range(passes))
        return total / (passes * self.edges.size(1))

    def _one_pass(self, size: int, draw: torch.Generator) -> float:
        order = torch.randperm(self.edges.size(1), generator=draw, device=self.edges.device)
        paired = None
        if not self.recipe.loss:
            paired = self.negatives(self.edges[0], draw)
        total = torch.zeros((), device=self.edges.device)
        for start in range(0, order.numel(), size):
            some = order[start : start + size]
            weight = None
            if self.weight is not None:
                weight = self.weight[some]
            if paired is None:
                negatives = self._shared(draw)
            else:
                negatives = paired[some]
            batch = Triplets(self.edges[0, some], self.edges[1, some], negatives, weight)
            total += self.update(batch, draw)
        return float(total)

    def _shared(self, draw: torch.Generator) -> Tensor:
        """Draw the items that a batch shares as negatives."""
        count = 0
        if self.recipe.loss is not None:
            count = self.recipe.loss.negatives
        return torch.randint(
            self.model.num_items, (count,), generator=draw, device=self.edges.device
        )

    @torch.no_grad()
    def update(self, batch: Triplets, draw: torch.Generator) -> Tensor:
        """Take one Adam step on a batch.

        Args:
            batch: Triplets.
            draw: Random stream of the dropout.

        Returns:
            The summed loss, a scalar.
        """
        model = self.model
        decays = [
            (_grad(table), table, rate) for table, rate in zip((model.user, model.item), self.decay)
        ]
        if self.graph is None:
            # The learned tables are the scored ones: the decay takes the place of zeroing buffers.
            for buffer, table, rate in decays:
                torch.mul(table, rate, out=buffer)
            loss = self._gradient(batch, draw)
        else:
            for buffer, _, _ in decays:
                buffer.zero_()
            loss = self._gradient(batch, draw)
            for (buffer, table, rate), value in zip(
                decays, model.propagate((_grad(model.user), _grad(model.item)), self.graph)
            ):
                torch.addcmul(value, table, rate, out=buffer)
        self.optimiser.step()
        return loss

    def _gradient(self, batch: Triplets, draw: torch.Generator) -> Tensor:
        model = self.model
        tables = model.propagate((model.user, model.item), self.graph)
        into = (_grad(model.user), _grad(model.item))
        if self.recipe.loss is not None:
            return shared_gradient(self.recipe.loss, tables, batch, into)
        mask = None
        if model.dropout:
            keep = (
                torch.rand(
                    batch.users.numel(), model.dim, generator=draw, device=batch.users.device
                )
                >= model.dropout
            )
            mask = keep.to(model.user.dtype).div_(1 - model.dropout)
        gap = None
        if model.item_bias is not None:
            gap = model.item_bias[batch.positives] - model.item_bias[batch.negatives]
        loss, c = bpr_gradient(tables, batch, into, dropout=mask, bias_gap=gap)
        if model.item_bias is not None:
            _grad(model.item_bias).zero_().index_add_(0, batch.positives, c).index_add_(
                0, batch.negatives, c, alpha=-1
            )
        return loss

    def validate(self) -> float:
        """Return validation NDCG@10."""
        if self.looks is None:
            return math.nan
        return self.looks(*self.scored())

    @torch.no_grad()
    def scored(self) -> tuple[Tensor, Tensor]:
        """Return the user and item tables whose inner products are ranked."""
        users, items = self.model.embeddings(self.graph)
        if self.recipe.loss is not None:
            users, items = self.recipe.loss.scored(users, items)
        return users.detach(), items.detach()


def _expected_decay(
    model: EmbeddingRecommender, edges: Tensor, decay: float
) -> tuple[Tensor, Tensor]:
    """λ times how often a triplet is expected to meet each row, [U, 1] and [I, 1].

    In place of the rows that a batch happens to meet: the same mean, less noise, and a dense
    product instead of three gathers and three scatters a step.
    """
    count = edges.size(1)
    users = torch.bincount(edges[0], minlength=model.user.size(0)) / count
    items = torch.bincount(edges[1], minlength=model.item.size(0)) / count
    share = users.view(model.num_models, -1).sum(dim=1) / model.num_items
    met = items + share.repeat_interleave(model.num_items)
    dtype = model.user.dtype
    return (decay * users).to(dtype)[:, None], (decay * met).to(dtype)[:, None]


def _grad(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
