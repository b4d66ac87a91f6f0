"""DosCond for interactions: match the first gradient of training, through relaxed edge
probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from tqdm import tqdm

from graphcond.condensers.base import Draft, InteractionCondenser
from graphcond.data import Checkpoint, kept_interactions, num_items, num_users, train_edges
from graphcond.errors import require, require_at_least
from graphcond.nn.recommender import MF, EmbeddingRecommender, RecommenderFactory
from graphcond.seeding import derive, generator
from graphcond.training import Adam, UniformNegatives
from graphcond.typing import Record

Pair = tuple[Tensor, Tensor]


@final
@dataclass(frozen=True, kw_only=True)
class DosCondInteractions(InteractionCondenser):
    r"""One-step gradient matching: probabilities of edges such that the masked BPR gradient points
    where that of D points.

    With fresh tables θ every step, :math:`g_e = \nabla_\theta \ell_e(\theta)` and a relaxed mask
    :math:`m_e = \sigma((a_e + \mathrm{logit}\,\epsilon_e) / \tau)`,

    .. math:: \min_a \sum_{T \in \{users, items\}}
       1 - \cos\Bigl(\sum_e g_{e,T}, \sum_e m_e g_{e,T}\Bigr)

    Then the ⌊r|D|⌋ interactions with the largest a are kept.

    Args:
        ratio: Share r of the training interactions to keep, in (0, 1].
        seed: Seed of every draw.
        recommender: Makes the tables, and propagates for models over a graph.
        steps: Steps of Adam on a, >= 1, each with fresh tables and negatives.
        learning_rate: Of Adam, > 0.
        temperature: τ > 0.
        init_std: Standard deviation > 0 of the fresh tables. Not the model's own: at its small one
            all :math:`c_e` are alike.

    Source: Jin et al., KDD 2022 (DosCond), section 3; DConRec compares with it in section 4.1.2.
        The cosine is over a whole table, and the size is exact, where DosCond thresholds
        probabilities and penalises their sum.
    """

    recommender: RecommenderFactory = MF
    steps: int = 50
    learning_rate: float = 0.1
    temperature: float = 1.0
    init_std: float = 0.3

    def __post_init__(self) -> None:
        require_at_least(1, "50 is usual.", steps=self.steps)
        for name, usual in (("learning_rate", "0.1"), ("temperature", "1"), ("init_std", "0.3")):
            require(
                getattr(self, name) > 0,
                f"This needs `{name}` > 0, but found {getattr(self, name)!r}. {usual} is usual.",
            )

    def _condense(self, data: HeteroData, checkpoint: Checkpoint | None) -> Draft:
        edges = train_edges(data)
        logits = torch.full(
            (edges.size(1),),
            float(torch.logit(torch.tensor(min(self.ratio, 0.99)))),
            device=edges.device,
        )
        optimiser = Adam({"logits": logits}, self.learning_rate, fused=False)
        history = _resumed(checkpoint, optimiser)
        try:
            for step in tqdm(
                range(len(history), self.steps), desc="DosCond", disable=None, leave=False
            ):
                loss, gradient = self._match(data, logits.detach(), step)
                logits.grad = gradient
                optimiser.step()
                history.append(
                    {
                        "step": step,
                        "loss": loss,
                        "probability_std": float(torch.sigmoid(logits.detach()).std()),
                    }
                )
                if checkpoint is not None and checkpoint.due():
                    checkpoint.save(optimiser.state_dict(), {"history": history})
        finally:
            # An interrupt between Adam's step and its record would leave them apart: then the last
            # write stands.
            steps = int(optimiser.state_dict()["logits.step"])
            if checkpoint is not None and steps == len(history) > 0:
                checkpoint.save(optimiser.state_dict(), {"history": history})
        return Draft(
            kept_interactions(data, logits.detach().topk(self.budget(data)).indices),
            history=history,
        )

    def _match(self, data: HeteroData, logits: Tensor, step: int) -> tuple[float, Tensor]:
        """Return the distance at fresh tables and its gradient to the logits [E]."""
        edges = train_edges(data)
        draw = generator(self.seed, "doscond", step, device=logits.device)
        model = self.recommender(
            num_users(data), num_items(data), seed=derive(self.seed, "tables", step)
        )
        one = _OneStep(
            model,
            edges,
            UniformNegatives(edges, num_users(data), num_items(data))(edges[0], draw),
            self.init_std,
            draw,
        )
        noise = torch.rand(logits.numel(), generator=draw, device=logits.device).clamp_(
            1e-6, 1 - 1e-6
        )
        mask = torch.sigmoid((logits + torch.logit(noise)) / self.temperature)
        whole = one.gradient(torch.ones_like(mask))
        masked = one.gradient(mask)
        loss = 0.0
        sides = []
        for target, found in zip(whole, masked):
            size = found.norm().clamp(min=1e-12)
            unit = found / size
            goal = target / target.norm().clamp(min=1e-12)
            cosine = float((unit * goal).sum())
            loss += 1 - cosine
            sides.append((cosine * unit - goal) / size)
        return loss, one.credit((sides[0], sides[1])) * mask * (1 - mask) / self.temperature


def _resumed(checkpoint: Checkpoint | None, optimiser: Adam) -> list[Record]:
    """Return the history that a checkpoint holds, after its state was loaded; empty without any."""
    found = None
    if checkpoint is not None:
        found = checkpoint.load()
    if found is None:
        return []
    tensors, record = found
    optimiser.load_state_dict(tensors)
    return list(record["history"])


class _OneStep:
    """The per-edge BPR gradients at given tables, never stored: only sums and inner products with
    them are needed.
    """

    def __init__(
        self,
        model: EmbeddingRecommender,
        edges: Tensor,
        negatives: Tensor,
        std: float,
        draw: torch.Generator,
    ) -> None:
        self.edges = edges
        self.negatives = negatives
        self.model = model
        self.graph: Any = model.graph(edges)
        shapes = (model.user.shape, model.item.shape)
        tables = tuple(
            torch.randn(shape, generator=draw, device=edges.device) * std for shape in shapes
        )
        self.users, self.items = model.propagate((tables[0], tables[1]), self.graph)
        self.weight = torch.cat(
            [-torch.sigmoid(-(p * gap).sum(dim=1)) for _, p, gap in self._blocks()]
        )

    def _blocks(self) -> Any:
        for some in torch.arange(self.edges.size(1), device=self.edges.device).split(1 << 16):
            gap = self.items[self.edges[1, some]] - self.items[self.negatives[some]]
            yield some, self.users[self.edges[0, some]], gap

    def gradient(self, mask: Tensor) -> Pair:
        """Return the gradients of the masked loss to the learned tables."""
        into = torch.zeros_like(self.users), torch.zeros_like(self.items)
        for some, p, gap in self._blocks():
            c = (self.weight[some] * mask[some])[:, None]
            into[0].index_add_(0, self.edges[0, some], gap * c)
            p = p * c
            into[1].index_add_(0, self.edges[1, some], p).index_add_(
                0, self.negatives[some], p, alpha=-1
            )
        return self.model.propagate(into, self.graph)

    def credit(self, sides: Pair) -> Tensor:
        """Return the inner product of every edge's gradient with ``sides`` [E]."""
        left, right = self.model.propagate(sides, self.graph)
        out = torch.empty_like(self.weight)
        for some, p, gap in self._blocks():
            other = right[self.edges[1, some]] - right[self.negatives[some]]
            out[some] = self.weight[some] * (
                (left[self.edges[0, some]] * gap).sum(dim=1) + (p * other).sum(dim=1)
            )
        return out
