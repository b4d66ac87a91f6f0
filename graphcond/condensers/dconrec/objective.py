"""What a mask is worth: train a recommender on the interactions it keeps, look at the loss on
interactions it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from graphcond.condensers.dconrec.outer_loss import OuterLoss
from graphcond.nn import EmbeddingRecommender, RecommenderFactory
from graphcond.seeding import derive
from graphcond.sparse import CSR
from graphcond.training import BPR, BPRProgram, fit

ONE_EPOCH = BPR(min_steps=1, rounds=1, learning_rate=0.02)
"""The paper's inner training: one pass over the kept interactions.

The paper leaves its rate open. At a model's own .002 one pass leaves the outer loss at ln 2 = .6931
(Last.fm: .6930), so that no mask is better than another; at .02 it falls.
"""


@final
@dataclass(frozen=True, eq=False)
class RecommenderObjective:
    """Masks ``[K, P]`` to outer losses ``[K, U]``, all K models trained in one batched run from the
    same initialisation.

    Args:
        recommender: Makes the model.
        edges: The interactions the mask decides on ``[2, P]``.
        kept: Which of them every model is trained on, whatever the mask ``[P]``, bool.
        outer: The outer loss.
        recipe: The inner training; ``recipe.rounds`` rounds.
        seed: Seed of initialisation, order and negatives, shared by the K models as far as it goes.

    Source:
        DConRec, Eq. 12 and Algorithm 1, lines 5-7. Every process of a group trains all K models:
        the draws of a batched training depend on the whole batch, so a share of it would end
        elsewhere, and a result may not depend on the number of processes.
    """

    recommender: RecommenderFactory
    edges: Tensor
    kept: Tensor
    outer: OuterLoss
    recipe: BPR
    seed: int = 0

    @property
    def group(self) -> Tensor:
        """Return each edge's user ``[P]``."""
        return self.edges[0]

    def at(self, step: int) -> RecommenderObjective:
        """Return the objective of an outer step: the same, with a seed of its own."""
        return replace(self, seed=derive(self.seed, "step", step))

    def __call__(self, masks: Sequence[Tensor]) -> Tensor:
        """Return the losses ``[K, U]`` of K masks ``[P]``, bool."""
        model = self._model(len(masks))
        edges = torch.cat(
            [model.offset(self.edges[:, mask | self.kept], k) for k, mask in enumerate(masks)],
            dim=1,
        )
        with torch.no_grad():
            tables = model.embeddings(self._trained(model, edges))
            return self.outer(tables, len(masks), seed=self.seed)

    def untrained(self) -> float:
        """Return the loss of the model that training starts from."""
        model = self._model(1)
        nothing = model.offset(self.edges[:, :0], 0)
        with torch.no_grad():
            tables = model.embeddings(model.graph(nothing))
            return float(self.outer(tables, 1, seed=self.seed).sum())

    def _trained(self, model: EmbeddingRecommender, edges: Tensor) -> CSR | None:
        """Train the models in place; return the graph they were trained on."""
        if edges.size(1) == 0:
            return model.graph(edges)
        seed = derive(self.seed, "inner", 0)
        program = BPRProgram(model, edges, None, self.recipe, seed=seed)
        fit(program, self.recipe.rounds, None, description="inner")
        return program.graph

    def _model(self, count: int) -> EmbeddingRecommender:
        """Return ``count`` models side by side with the tables of the first."""
        model = self.recommender(*self.outer.size, seed=derive(self.seed, "init"), num_models=count)
        model = model.to(self.edges.device)
        with torch.no_grad():
            for table in model.parameters():
                first = table[: table.size(0) // count]
                table.copy_(first.repeat(count, *[1] * (table.dim() - 1)))
        return model
