"""REINFORCE with GraphNAS's controller, as a sampler of Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState
from torch import Tensor

from graphcond.errors import require_positive, require_share
from graphcond.search.samplers import PerTrial
from graphcond.search.study import fault
from graphcond.seeding import generator
from graphcond.spaces import DiscreteSpace

if TYPE_CHECKING:
    from optuna import Study

_HIDDEN = 100
_TEMPERATURE = 5.0
_CLIP = 2.5
_INIT = 0.1
"""The authors' controller: width of the LSTM, logits → 2.5 · tanh(logits / 5), weights drawn from
[-.1, .1].
"""


class Controller(torch.nn.Module):
    """An LSTM that makes one choice after the other; each choice is the next one's input.

    Args:
        groups: How many options every choice has.
        stream: Generator of the initial weights.
    """

    def __init__(self, groups: tuple[int, ...], stream: torch.Generator) -> None:
        super().__init__()
        self.cell = torch.nn.LSTMCell(_HIDDEN, _HIDDEN)
        self.decoders = torch.nn.ModuleList([torch.nn.Linear(_HIDDEN, n) for n in groups])
        self.embeddings = torch.nn.ModuleList([torch.nn.Embedding(n, _HIDDEN) for n in groups])
        self.float()  # whatever the default dtype is
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-_INIT, _INIT, generator=stream)
            for decoder in self.decoders:
                torch.nn.init.zeros_(decoder.bias)  # type: ignore[arg-type]

    def forward(
        self, picks: list[int] | None = None, stream: torch.Generator | None = None
    ) -> tuple[list[int], Tensor, Tensor]:
        """Make the choices, or go through given ones.

        Args:
            picks: Given choices; None draws them.
            stream: Generator for drawing.

        Returns:
            ``(choices, sum of their log-probabilities, sum of the entropies)``.
        """
        given = self.cell.weight_hh
        hidden = tuple(given.new_zeros(1, _HIDDEN) for _ in range(2))
        inputs = given.new_zeros(1, _HIDDEN)
        found: list[int] = []
        log_prob, entropy = given.new_zeros(()), given.new_zeros(())
        for place, (decoder, embedding) in enumerate(zip(self.decoders, self.embeddings)):
            hidden = self.cell(inputs, hidden)
            logits = _CLIP * torch.tanh(decoder(hidden[0])[0] / _TEMPERATURE)
            logs = logits.log_softmax(0)
            if picks is None:
                pick = int(torch.multinomial(logs.detach().exp(), 1, generator=stream))
            else:
                pick = picks[place]
            found.append(pick)
            log_prob = log_prob + logs[pick]
            entropy = entropy - (logs.exp() * logs).sum()
            inputs = embedding(torch.tensor([pick], device=given.device))
        return found, log_prob, entropy


class ReinforceSampler(PerTrial):
    """Draws candidates from a controller that learns from the finished trials of a study.

    Every trial draws from (seed, number) and from a controller that has gone through all finished
    trials in the order in which they ended. So workers share what was learned, and a search that
    was killed goes on as if it had not been. A trial's reward is its value, or minus it where the
    study minimises, plus ``entropy_weight`` times the entropy; the advantage is the reward less a
    moving baseline. A failed trial's reward is the lowest so far.

    On eight planted spaces, in which a network's worth in [0, 1] adds up over GraphNAS's choices,
    the best of 100 trials was worth .92 on the mean and of 200 .98; random search found .82 and
    .83, and the authors' learning rate of 3.5e-4 .81 and .86: it moves too slowly for so few trials
    (``benchmarks/reinforce.py``). It may repeat candidates. Where worth does not add up, or trials
    are few, ``TPESampler`` may do as well.

    Args:
        space: The space, whose parameters the objective asks for; others are drawn at random.
        seed: Seed of the weights and the draws.
        learning_rate: Adam's step size.
        baseline_decay: How much of the old baseline is kept, in [0, 1).
        entropy_weight: Weight of the entropy in the reward.

    Source: Gao et al., GraphNAS (2020), section 3.3 and the authors' code: LSTM of width 100,
        logits / 5, 2.5 · tanh, baseline .95, entropy 1e-4. Departures: the learning rate, and one
        trial an update.

    Example:
        >>> from graphcond.search import search
        >>> from graphcond.spaces import ModelChoices
        >>> space = ModelChoices(widths=(8, 16))
        >>> sampler = ReinforceSampler(space)
        >>> study = search(lambda trial: space.suggest(trial).hidden, 4, sampler=sampler)
        >>> len(study.trials)
        4
    """

    def __init__(
        self,
        space: DiscreteSpace,
        seed: int = 0,
        learning_rate: float = 3e-3,
        baseline_decay: float = 0.95,
        entropy_weight: float = 1e-4,
    ) -> None:
        super().__init__(_make_random, seed)
        require_positive("It is Adam's step size.", learning_rate=learning_rate)
        require_share("0.95 is usual.", baseline_decay=baseline_decay)
        self.space = space
        self.seed = seed
        self.learning_rate = learning_rate
        self.baseline_decay = baseline_decay
        self.entropy_weight = entropy_weight
        self._forget()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space's parameters, which are drawn together."""
        return {
            name: CategoricalDistribution(choices) for name, choices in self.space.options.items()
        }

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a candidate that the controller draws after learning from what was finished."""
        self._learn(study)
        stream = generator(self.seed, "reinforce", trial.number)
        with torch.no_grad():
            picks = self._controller(stream=stream)[0]
        options = self.space.options.items()
        return {name: choices[pick] for (name, choices), pick in zip(options, picks)}

    def _forget(self) -> None:
        self._learned: list[int] = []
        self._baseline: float | None = None
        self._lowest: float | None = None
        self._controller = Controller(self.space.groups, generator(self.seed, "controller"))
        self._optimiser = torch.optim.Adam(self._controller.parameters(), lr=self.learning_rate)

    def _learn(self, study: Study) -> None:
        """Go through the finished trials that the controller does not know yet."""
        sign = -1.0 if study.direction.name == "MINIMIZE" else 1.0
        ended = [trial for trial in study.get_trials(deepcopy=False) if self._teaches(trial)]
        ended.sort(key=lambda trial: (trial.datetime_complete, trial.number))
        numbers = [trial.number for trial in ended]
        if numbers[: len(self._learned)] != self._learned:
            self._forget()  # another worker's trial ended before one that was learned from
        for trial in ended[len(self._learned) :]:
            self._learned.append(trial.number)
            worth = None if fault(trial) or trial.value is None else sign * trial.value
            reward = self._lowest if worth is None else worth
            if reward is not None:
                self._lowest = reward if self._lowest is None else min(self._lowest, reward)
                self._step(trial, reward)

    def _teaches(self, trial: FrozenTrial) -> bool:
        """Return whether a trial is finished and of this space."""
        finished = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        return finished and all(
            trial.params.get(name) in choices and name in trial.params
            for name, choices in self.space.options.items()
        )

    def _step(self, trial: FrozenTrial, reward: float) -> None:
        """Make a candidate likelier if it is better than the baseline, else less likely."""
        options = self.space.options.items()
        picks = [choices.index(trial.params[name]) for name, choices in options]
        _, log_prob, entropy = self._controller(picks)
        reward += self.entropy_weight * float(entropy.detach())
        kept = self.baseline_decay
        before = reward if self._baseline is None else self._baseline
        self._baseline = kept * before + (1 - kept) * reward
        self._optimiser.zero_grad()
        (-log_prob * (reward - self._baseline)).backward()
        self._optimiser.step()


def _make_random(seed: int) -> BaseSampler:
    sampler: BaseSampler = RandomSampler(seed=seed)
    return sampler
