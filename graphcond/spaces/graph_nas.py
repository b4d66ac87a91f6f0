"""GraphNAS's search space: two attention layers of 9,408 kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from graphcond.errors import require_at_least
from graphcond.nn.graph_nas import Activation, Aggregator, Attention, GraphNASNet, LayerChoice
from graphcond.spaces.discrete import DiscreteSpace, check_choices


@dataclass(frozen=True)
class GraphNASChoice:
    """One network of the space; call it to build the network.

    Args:
        layers: The layers, the last one's width being the number of classes.
    """

    layers: tuple[LayerChoice, ...]

    def __call__(
        self, num_features: int, num_classes: int, seed: int = 0, dropout: float = 0.6
    ) -> GraphNASNet:
        """Return a network for a data set.

        Args:
            num_features: Input features.
            num_classes: Classes.
            seed: Seed of the weights.
            dropout: Share of a layer's inputs and attention weights set to zero in training.
        """
        return GraphNASNet(num_features, num_classes, self.layers, dropout=dropout, seed=seed)


@dataclass(frozen=True)
class GraphNAS(DiscreteSpace):
    """Attention × aggregator × activation × heads × width for every layer.

    The last layer has no width of its own. With two layers and the choices below there are
    9,408 × 1,344 = 12,644,352 networks. The authors train with dropout .6, Adam at .005, weight
    decay 5e-4 and 300 epochs.

    Args:
        num_layers: Layers, at least 1.
        attentions: Kinds of attention, distinct.
        aggregators: Kinds of aggregators, distinct.
        activations: Activations, distinct.
        heads: Numbers of heads, distinct.
        widths: Widths of a head, distinct.

    Source: Gao et al., GraphNAS (2020), section 3.2 and the authors' macro search space.

    Example:
        >>> space = GraphNAS()
        >>> len(space), space.size
        (12644352, 57)
        >>> network = space.decode(space.sample(1))[0]
        >>> len(network(num_features=3, num_classes=2).layers)
        2
    """

    num_layers: int = 2
    attentions: tuple[Attention, ...] = get_args(Attention)
    aggregators: tuple[Aggregator, ...] = get_args(Aggregator)
    activations: tuple[Activation, ...] = get_args(Activation)
    heads: tuple[int, ...] = (1, 2, 4, 6, 8, 16)
    widths: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)

    def __post_init__(self) -> None:
        require_at_least(1, "GraphNAS takes 2.", num_layers=self.num_layers)
        check_choices(attentions=self.attentions, aggregators=self.aggregators)
        check_choices(activations=self.activations, heads=self.heads, widths=self.widths)

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """The choices of ``attention0``, ``aggregator0`` and so on, layer by layer."""
        found: dict[str, tuple[Any, ...]] = {}
        for layer in range(self.num_layers):
            found[f"attention{layer}"] = self.attentions
            found[f"aggregator{layer}"] = self.aggregators
            found[f"activation{layer}"] = self.activations
            found[f"heads{layer}"] = self.heads
            if layer < self.num_layers - 1:
                found[f"hidden{layer}"] = self.widths
        return found

    def build(self, values: dict[str, Any]) -> GraphNASChoice:
        """Return the network with these choices.

        Args:
            values: One choice of each name.
        """
        layers = (
            LayerChoice(
                values[f"attention{layer}"],
                values[f"aggregator{layer}"],
                values[f"activation{layer}"],
                values[f"heads{layer}"],
                values.get(f"hidden{layer}", 0),
            )
            for layer in range(self.num_layers)
        )
        return GraphNASChoice(tuple(layers))
