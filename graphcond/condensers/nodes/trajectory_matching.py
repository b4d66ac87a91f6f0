"""Trajectory matching: training on the condensed graph follows experts that were trained on the
original.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.nodes.backbones import SGCBackbone
from graphcond.condensers.nodes.learner import LearnedNodes, Loss
from graphcond.errors import require
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import SyntheticGraph
from graphcond.seeding import derive, generator

# An expert's step is a product with all of them, and there are a thousand such steps.
_MOST_NODES = 2048


@final
@dataclass(frozen=True, kw_only=True)
class TrajectoryMatching(LearnedNodes):
    r"""Learn nodes on which a few training steps go where many steps on the original go.

    min_S E_{expert, t} ||θ_S - θ_{t+M}||² / ||θ_t - θ_{t+M}||², θ_S reached from θ_t by
    ``student_steps`` gradient steps on S, differentiated through. Experts and students are linear
    models on Â² X (SGC), so an expert costs well under a second. Other
    settings: :class:`LearnedNodes`.

    Args:
        experts: Trajectories on the original, >= 1, each from its own initialisation.
        expert_steps: Gradient steps of an expert, > ``span``.
        span: M, expert steps that a student has to cover, >= 1.
        student_steps: Steps of a student, >= 1; together they are as long as ``span`` expert steps.

    Source: SFGC (Zheng et al., NeurIPS 2023), equation 5; GEOM (Zhang et al., ICML 2024).
    Deviations: SGC experts; plain gradient steps of size span / student_steps over the mean squared
    norm of the rows, on both sides; no curriculum.

    Example:
        >>> from graphcond.data import load
        >>> TrajectoryMatching(num_nodes=4, num_val=2, rounds=1, steps=2)(load("karate")).num_nodes
        6
    """

    experts: int = 5
    expert_steps: int = 200
    span: int = 20
    student_steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.experts, self.span, self.student_steps)
        require(
            min(counts) >= 1 and self.expert_steps > self.span,
            f"This needs expert_steps > span >= 1, but found counts = {counts!r}, steps ="
            f" {self.expert_steps!r}. An expert must be longer than what a student covers.",
        )

    def _loss(self, data: Data, members: LabelledNodes, graph: SyntheticGraph, seed: int) -> Loss:
        members = members.thinned(_MOST_NODES, seed)
        backbone = SGCBackbone(data, members, graph.y, batch=len(members.nodes), seed=seed)
        experts = [
            self._expert(backbone, derive(seed, "expert", number)) for number in range(self.experts)
        ]
        target = (graph.y[:, None] == backbone.classes).to(graph.x)

        def loss(x: Tensor, weight: Tensor, step: int) -> Tensor:
            random = generator(seed, "segment", step)
            expert = experts[int(torch.randint(self.experts, (), generator=random))]
            first = int(torch.randint(self.expert_steps - self.span, (), generator=random))
            start = expert[first]
            goal = expert[first + self.span]
            z = backbone.features(x, weight)
            rate = self.span / self.student_steps / backbone.level
            value = start
            for _ in range(self.student_steps):
                value = value - rate * (z.T @ (torch.softmax(z @ value, 1) - target)) / len(z)
            return (value - goal).square().sum() / (start - goal).square().sum().clamp(min=1e-20)

        return loss

    @torch.no_grad()
    def _expert(self, backbone: SGCBackbone, seed: int) -> Tensor:
        """Return the weights [steps + 1, 1 + d, C] of one expert."""
        members = backbone.members
        value = backbone.fresh(seed)["weight"]
        target = (members.labels[:, None] == backbone.classes).to(value)
        share = (members.weight / members.weight.sum())[:, None]
        path = [value]
        for _ in range(self.expert_steps):
            value = (
                value
                - backbone.z.T
                @ (share * (torch.softmax(backbone.z @ value, 1) - target))
                / backbone.level
            )
            path.append(value)
        return torch.stack(path)
