"""Training embedding recommenders by the softmax over all items, a batch of users at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from graphcond.ambient import steady
from graphcond.data import Checkpoint, describe, digest, num_items, num_users, train_edges
from graphcond.data.pair_checks import check_pair_stores
from graphcond.errors import require, require_at_least, require_positive, require_share
from graphcond.nn.inputs import check_ids
from graphcond.nn.recommender import EmbeddingRecommender, RecommenderFactory
from graphcond.seeding import generator
from graphcond.sparse import CSR
from graphcond.training.adam import Adam
from graphcond.training.fit import Program, fit
from graphcond.training.ranker import Recommender
from graphcond.training.ranking_looks import RankingLooks
from graphcond.training.stopping import EarlyStopping
from graphcond.typing import Tensors


@dataclass(frozen=True)
class FullSoftmax:
    """How a recommender is trained by the softmax over all items.

    A step takes all interactions of some users and scores all items for them: no negative is
    drawn, and the graph is propagated once for thousands of interactions. The defaults are
    LightGCN's on Gowalla, chosen by validation.

    Args:
        users: Users of a step, at least 1; their scores of all items are held at once.
        learning_rate: Step size of Adam, > 0.
        weight_decay: λ of λ/2 (|p_u|² + Σ_j |q_j|² / I) per interaction, at least 0, on the
            embeddings that are learned.
        edge_dropout: Share of interactions, in [0, 1), that a step leaves out of the graph it
            propagates over; a model without a graph has none to leave out.
        rounds: Most passes over the users.
        stopping: When to look at validation NDCG@10, in rounds, and when to stop.
        val_users: Most users, drawn once, whose validation interactions are looked at.
    """

    users: int = 1024
    learning_rate: float = 0.015
    weight_decay: float = 0.04
    edge_dropout: float = 0.4
    rounds: int = 60
    stopping: EarlyStopping = field(default_factory=lambda: EarlyStopping(patience=3, every=3))
    val_users: int = 5000

    def __post_init__(self) -> None:
        counts = {"users": self.users, "rounds": self.rounds, "val_users": self.val_users}
        require_at_least(1, "Raise it.", **counts)
        require_positive("0.015 is usual.", learning_rate=self.learning_rate)
        require_at_least(0, "0 adds none.", weight_decay=self.weight_decay)
        require_share("0 keeps all edges.", edge_dropout=self.edge_dropout)


@steady()
def fit_full_softmax(
    factory: RecommenderFactory,
    train: HeteroData,
    val: Tensor,
    *,
    recipe: FullSoftmax | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
) -> Recommender:
    r"""Train a recommender by the softmax over all items, stopping by validation NDCG@10.

    .. math:: L = -\frac{1}{|D|} \sum_{(u, i) \in D}
       \ln \frac{e^{s_{ui}}}{\sum_j e^{s_{uj}}}, \quad s_{ui} = p_u^\top q_i

    Interactions count alike: ``edge_weight`` is not looked at.

    Args:
        factory: Makes the model, for example ``partial(nn.LightGCN, dim=64)``; without a bias.
        train: Trained on: its ``edge_index``.
        val: Validation interactions [2, V]; with none, all rounds are trained.
        recipe: How to train; None is :class:`FullSoftmax` with its defaults.
        seed: Seed of initialisation, order and dropped edges.
        checkpoint: File to resume from and write to.

    Returns:
        The scored embeddings, at their best validation look.

    Raises:
        InputError: If there is nothing to train on, or the model has a bias.
        NumericalError: If training diverges.

    Source: the multinomial likelihood of Liang et al., WWW 2018, section 2.2, of inner products in
        place of an autoencoder; edge dropout as in SGL (Wu et al., SIGIR 2021), without its
        contrastive loss.
    """
    recipe = recipe or FullSoftmax()
    check_pair_stores(train)
    edges = train_edges(train)
    model = factory(num_users(train), num_items(train), seed=seed).to(edges.device)
    for ids, count, what in zip(val, (num_users(train), num_items(train)), ("users", "items")):
        check_ids(ids, count, what, edges.device)
    looks = RankingLooks(val, edges, (num_users(train), num_items(train)), recipe.val_users)
    program = FullSoftmaxProgram(model, edges, recipe, looks, seed)
    kept = None
    if checkpoint is not None:
        # More rounds go on where fewer ended.
        run = f"{describe(replace(recipe, rounds=1))} {describe(factory)} {seed}"
        kept = Checkpoint(checkpoint, f"{run} {digest(train, val)}")
    stopping = recipe.stopping if val.size(1) else None
    history = fit(
        program, recipe.rounds, stopping, checkpoint=kept, description=type(model).__name__
    )
    users, items = program.scored()
    return Recommender(users, items, history)


@final
class FullSoftmaxProgram(Program):
    """Training by the softmax over all items, as :func:`graphcond.training.fit` runs it; gradients
    are written out, without an autograd graph over the tables.

    Args:
        model: One model without a bias; its tables are trained in place.
        edges: Training interactions [2, E].
        recipe: How to train.
        looks: What :meth:`validate` returns.
        seed: Seed of order and dropped edges.

    Raises:
        InputError: If there are no interactions, or for another kind of model.
    """

    def __init__(
        self,
        model: EmbeddingRecommender,
        edges: Tensor,
        recipe: FullSoftmax,
        looks: RankingLooks,
        seed: int = 0,
    ) -> None:
        require(
            edges.size(1) > 0,
            "This needs at least one training interaction, but found interactions = 0. The set to"
            " train on is empty.",
        )
        require(
            model.num_models == 1 and model.item_bias is None,
            "The full softmax trains one model without a bias, but this one holds"
            f" {model.num_models} models, with item_bias={model.item_bias is not None}. Make it"
            " without.",
        )
        self.model = model
        self.edges = edges
        self.recipe = recipe
        self.looks = looks
        self.seed = seed
        self.graph = model.graph(edges)
        self.counts = torch.bincount(edges[0], minlength=model.num_users)
        self.optimiser = Adam(dict(model.named_parameters()), recipe.learning_rate)

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the tables."""
        return self.optimiser.tensors

    def state_dict(self) -> Tensors:
        """Return the tables and Adam's state."""
        return self.optimiser.state_dict()

    @torch.no_grad()
    def step(self, epoch: int) -> float:
        """Train one pass over the users in random order; return the mean loss of interactions."""
        draw = generator(self.seed, "full softmax", epoch, device=self.edges.device)
        users = self.counts.nonzero()[:, 0]
        users = users[torch.randperm(len(users), generator=draw, device=users.device)]
        place = torch.empty_like(self.counts)
        place[users] = torch.arange(len(users), device=users.device)
        # Interactions in the order of their users: those of a step are neighbours.
        row = place[self.edges[0]]
        order = row.argsort(stable=True)
        row, column = row[order], self.edges[1, order]
        ends = self.counts[users].cumsum(0).tolist()
        size = self.recipe.users
        total = torch.zeros((), device=users.device)
        begin = 0
        for start in range(0, len(users), size):
            some = users[start : start + size]
            end = ends[start + len(some) - 1]
            taken = torch.stack([row[begin:end] - start, column[begin:end]])
            total += self._descend(some, taken, -(-len(users) // size), draw)
            begin = end
        return float(total) / self.edges.size(1)

    def _descend(self, users: Tensor, taken: Tensor, steps: int, draw: torch.Generator) -> Tensor:
        """Make an Adam step on some users; return their summed loss.

        Args:
            users: Distinct users [B].
            taken: Their interactions [2, m]: position in ``users``, and item.
            steps: Steps of a pass: what these interactions are a sample of.
            draw: Random stream of the dropped edges.
        """
        loss, gradients = self.gradients(users, taken, self._thinned(draw))
        model, recipe, count = self.model, self.recipe, self.edges.size(1)
        met = self.counts.to(model.user)[:, None] / count
        shares = (met, torch.full_like(met[:1], 1 / model.num_items))
        for table, gradient, share in zip((model.user, model.item), gradients, shares):
            table.grad = gradient * (steps / count) + recipe.weight_decay * share * table
        self.optimiser.step()
        return loss

    def gradients(
        self, users: Tensor, taken: Tensor, graph: CSR | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the summed loss of some users' interactions and its gradients in both tables.

        Args:
            users: Distinct users [B].
            taken: Their interactions [2, m]: position in ``users``, and item.
            graph: What the model propagates over, or None.
        """
        tables = self.model.propagate((self.model.user, self.model.item), graph)
        own, items = tables[0][users], tables[1]
        scores = own @ items.T
        normaliser = scores.logsumexp(1)
        loss = (normaliser[taken[0]] - scores[taken[0], taken[1]]).sum()
        # In place: the scores become the loss's gradient in them. The softmax pushes all items
        # away, once for each interaction, and each one pulls its item.
        count = torch.bincount(taken[0], minlength=len(users)).to(scores)
        scores.sub_(normaliser[:, None]).exp_().mul_(count[:, None])
        scores.index_put_((taken[0], taken[1]), scores.new_tensor(-1.0), accumulate=True)
        into = torch.zeros_like(tables[0])
        into[users] = scores @ items
        return loss, self.model.propagate((into, scores.T @ own), graph)

    def _thinned(self, draw: torch.Generator) -> CSR | None:
        """Return the graph of a step, without the edges that are dropped."""
        if self.graph is None or not self.recipe.edge_dropout:
            return self.graph
        drawn = torch.rand(self.edges.size(1), generator=draw, device=self.edges.device)
        return self.model.graph(self.edges[:, drawn >= self.recipe.edge_dropout])

    def validate(self) -> float:
        """Return validation NDCG@10."""
        return self.looks(*self.scored())

    @torch.no_grad()
    def scored(self) -> tuple[Tensor, Tensor]:
        """Return the user and item tables whose inner products are ranked."""
        users, items = self.model.embeddings(self.graph)
        return users.detach(), items.detach()
