"""The search space of recommenders: model, width, depth, and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from graphcond.errors import require
from graphcond.nn.losses import SampledSoftmax
from graphcond.nn.recommender import MF, LightGCN
from graphcond.spaces.discrete import DiscreteSpace
from graphcond.training import BPR, Contender

Model = Literal["MF", "LightGCN"]
Loss = Literal["BPR", "softmax", "cosine softmax"]


@dataclass(frozen=True)
class RecommenderChoice:
    """One recommender of the space.

    Two choices that train the same model are equal: MF has no layers, BPR no shared negatives, and
    only the softmax of cosines a temperature.

    Args:
        model: Kind of model.
        dim: Width of the embeddings.
        num_layers: Layers of LightGCN, 0 for MF.
        loss: BPR's with one negative, or the softmax of inner products or cosines with many.
        learning_rate: Step size of Adam.
        weight_decay: λ of the embeddings' decay.
        negatives: Negatives that a batch shares, 1 for BPR.
        temperature: Temperature of the softmax: 1 for inner products, 0 for BPR.
    """

    model: Model
    dim: int
    num_layers: int
    loss: Loss
    learning_rate: float
    weight_decay: float
    negatives: int
    temperature: float

    def contender(self, base: BPR | None = None) -> Contender:
        """Return what is trained.

        Args:
            base: Where batch size, rounds and stopping come from; None is the default recipe.

        Example:
            >>> choice = Recommenders().decode(Recommenders().sample(1))[0]
            >>> isinstance(choice.contender(), Contender)
            True
        """
        factory: Any = partial(MF, dim=self.dim)
        if self.model == "LightGCN":
            factory = partial(LightGCN, dim=self.dim, num_layers=self.num_layers)
        loss = None
        if self.loss != "BPR":
            loss = SampledSoftmax(
                self.negatives, cosine=self.loss == "cosine softmax", temperature=self.temperature
            )
        recipe = replace(
            base or BPR(),
            loss=loss,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        return Contender(factory, recipe)


@dataclass(frozen=True)
class Recommenders(DiscreteSpace):
    """All combinations of models, sizes, losses and rates; λ is one one-hot group for each.

    Args:
        models: Kinds of models, distinct.
        dims: Widths of the embeddings, distinct.
        depths: Layers of LightGCN, distinct.
        losses: Losses, distinct.
        learning_rates: Step sizes of Adam, distinct.
        weight_decays: Decays of the embeddings, distinct.
        negatives: Numbers of negatives that a batch shares, distinct.
        temperatures: Temperatures of the softmax of cosines, distinct.

    Example:
        >>> space = Recommenders(models=("MF",), losses=("BPR",), dims=(8,))
        >>> choice = space.decode(space.sample(1, seed=0))[0]
        >>> choice.model, choice.dim, choice.num_layers, choice.negatives
        ('MF', 8, 0, 1)
    """

    models: tuple[Model, ...] = ("MF", "LightGCN")
    dims: tuple[int, ...] = (16, 32, 64, 128)
    depths: tuple[int, ...] = (1, 2, 3)
    losses: tuple[Loss, ...] = ("BPR", "softmax", "cosine softmax")
    learning_rates: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02)
    weight_decays: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
    negatives: tuple[int, ...] = (128, 512)
    temperatures: tuple[float, ...] = (0.1, 0.15, 0.2, 0.3)

    def __post_init__(self) -> None:
        for name, field in _FIELDS.items():
            values: Sequence[object] = getattr(self, field)
            require(
                len(values) > 0 and len(set(values)) == len(values),
                f"`{field}` must be distinct, but it is {tuple(values)}."
                f" List every choice of {name} once.",
            )

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """The choices under the names that :class:`RecommenderChoice` gives them."""
        return {name: getattr(self, field) for name, field in _FIELDS.items()}

    def build(self, values: dict[str, Any]) -> RecommenderChoice:
        """Return the recommender with these choices; those that its model or loss ignores are set.

        Args:
            values: One choice of each name.
        """
        known = dict(values)
        if known["model"] == "MF":
            known["num_layers"] = 0
        if known["loss"] == "BPR":
            known["negatives"] = 1
            known["temperature"] = 0.0
        if known["loss"] == "softmax":
            known["temperature"] = 1.0
        return RecommenderChoice(**known)


_FIELDS = {
    "model": "models",
    "dim": "dims",
    "num_layers": "depths",
    "loss": "losses",
    "learning_rate": "learning_rates",
    "weight_decay": "weight_decays",
    "negatives": "negatives",
    "temperature": "temperatures",
}
"""Names of the choices, and the fields of the space that list them."""
