"""Adam on named tensors: what descends in every loop of the library, and how loops are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import final

import torch
from torch import Tensor

from graphcond.data.stateful import Stateful, joined
from graphcond.errors import require, require_at_least, require_positive
from graphcond.typing import Tensors


@dataclass(frozen=True)
class AdamTraining:
    """Base of the recipes of full-batch training.

    Args:
        epochs: Steps, at least 1.
        learning_rate: Adam's step size.
        weight_decay: L2 penalty (in the loss, not decoupled).
    """

    epochs: int = 200
    learning_rate: float = 0.01
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        require(
            isinstance(self.epochs, Integral) and self.epochs >= 1,
            f"`epochs` must be a whole number of at least 1, but it is {self.epochs!r}."
            " It is the number of steps.",
        )
        require_positive("0.01 is usual.", learning_rate=self.learning_rate)
        require_at_least(0, "5e-4 is usual.", weight_decay=self.weight_decay)


@final
class Adam(Stateful):
    """torch's Adam over named tensors; its state has names too, and is there before the first step.

    Args:
        tensors: Leaves that are moved in place.
        learning_rate: Step size, of all or by name.
        weight_decay: L2 penalty (in the loss, not decoupled).
        fused: Whether torch's fused step is taken where the device has one. It is several times
            faster on small tensors, but rounds otherwise.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        learning_rate: float | Mapping[str, float],
        weight_decay: float = 0.0,
        *,
        fused: bool = True,
    ) -> None:
        self.tensors = dict(tensors)
        values = list(self.tensors.values())
        fused = fused and all(value.device.type in ("cpu", "cuda") for value in values)
        groups: list[dict[str, object]] = [{"params": values, "lr": learning_rate}]
        if isinstance(learning_rate, Mapping):
            groups = [
                {"params": [value], "lr": learning_rate[name]}
                for name, value in self.tensors.items()
            ]
        # None, and not False, lets torch choose its own loop over the tensors.
        self.optimiser = torch.optim.Adam(groups, weight_decay=weight_decay, fused=fused or None)
        # Made here and not in the first step, so that a state can be loaded before it. A fused
        # step counts on the tensors' device, any other on the host.
        for value in values:
            place = value.device if fused else "cpu"
            self.optimiser.state[value] = {
                "step": torch.zeros((), device=place),
                "exp_avg": torch.zeros_like(value),
                "exp_avg_sq": torch.zeros_like(value),
            }

    def state_dict(self) -> Tensors:
        """Return the tensors, their moments and step counts."""
        states = {name: self.optimiser.state[value] for name, value in self.tensors.items()}
        return joined(now=self.tensors, **states)

    def descend(self, loss: Tensor) -> None:
        """Make one step down a scalar loss."""
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Take other step sizes from now on.

        Args:
            rates: Step size by name; the optimiser was made with some by name.
        """
        for name, group in zip(self.tensors, self.optimiser.param_groups, strict=True):
            group["lr"] = rates[name]

    def step(self) -> None:
        """Make one step along the gradients that the tensors hold."""
        self.optimiser.step()
