"""Early stopping on a validation score."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphcond.errors import NumericalError, require, require_at_least


@dataclass(frozen=True)
class EarlyStopping:
    """Stop once the validation score has not risen for ``patience`` looks in a row.

    Args:
        patience: Looks without a rise that are tolerated, at least 1.
        every: Epochs between two looks, at least 1.
        min_delta: What a rise must exceed to count, at least 0.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> rule = EarlyStopping(patience=2)
        >>> [rule.stop([.1, .2, .2]), rule.stop([.1, .2, .2, .2])]
        [False, True]
    """

    patience: int = 10
    every: int = 1
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        require_at_least(1, "It counts validation looks.", patience=self.patience)
        require_at_least(1, "It counts epochs between two looks.", every=self.every)
        require_at_least(0, "It is the smallest rise that counts.", min_delta=self.min_delta)

    def due(self, epoch: int) -> bool:
        """Whether the score is looked at after ``epoch`` (counted from 0)."""
        return (epoch + 1) % self.every == 0

    def best(self, scores: list[float]) -> int:
        """Return the index of the look that counts as the best one, -1 if there was none.

        Args:
            scores: Validation scores so far, higher is better.

        Returns:
            The last index whose score exceeded every earlier best by more than ``min_delta``.

        Raises:
            NumericalError: If a score is NaN.
        """
        best = -math.inf
        at = -1
        for index, score in enumerate(scores):
            require(
                not math.isnan(score),
                f"This needs a validation score that is a number, but found look = {index!r}."
                " Training diverged: lower the learning rate or check the features' scale.",
                error=NumericalError,
            )
            if score > best + self.min_delta or at < 0:
                best = score
                at = index
        return at

    def stop(self, scores: list[float]) -> bool:
        """Whether training ends after these looks.

        Args:
            scores: Validation scores so far, higher is better.

        Returns:
            True when the best look lies ``patience`` looks back.
        """
        return len(scores) - 1 - self.best(scores) >= self.patience
