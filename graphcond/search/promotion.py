"""The best trials of a search, tried again on the original."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from graphcond.errors import require_at_least
from graphcond.search.study import TrialObjective, fault, fixed, require_optuna, whole

if TYPE_CHECKING:
    from optuna import Study


class Promotion(NamedTuple):
    """A trial that was tried again on the original.

    Attributes:
        params: Its parameters by name.
        small: Its value on the graph that was searched; NaN if it failed there.
        full: Its value on the original; NaN if it failed there.
        fault: Why it failed on the original, or None.
    """

    params: dict[str, Any]
    small: float
    full: float
    fault: str | None = None


def promote(study: Study, objective: TrialObjective, top: int = 5) -> list[Promotion]:
    """Try the best trials of a study again with another objective, usually the same one on the
    original graph.

    Best is what the study's direction says, for both objectives. Trials that failed come last, and
    so do promotions whose objective raises or returns no finite number.

    Args:
        study: A study with finished trials and one objective.
        objective: What decides.
        top: How many different trials are tried again, at least 1.

    Returns:
        At most ``top`` promotions, the best by the new objective first.

    Raises:
        InputError: If ``top`` is not positive, or the study has several objectives.
    """
    hint = "It is the number of candidates that are trained on the original."
    require_at_least(1, hint, top=whole("top", top))
    require_optuna()
    from graphcond.search.storage import check_single

    check_single(study)
    sign = -1.0 if study.direction.name == "MINIMIZE" else 1.0
    found = [_promoted(params, small, objective) for params, small in _best(study, sign)[:top]]
    return sorted(found, key=lambda each: _order(each.full, sign))


def _best(study: Study, sign: float) -> list[tuple[dict[str, Any], float]]:
    """Return different parameters with their values, the best first."""
    best: dict[str, tuple[dict[str, Any], float]] = {}
    values = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "COMPLETE" and trial.value is not None:
            values.append((trial.params, math.nan if fault(trial) else trial.value))
    for params, value in sorted(values, key=lambda each: _order(each[1], sign)):
        best.setdefault(repr(sorted(params.items())), (params, value))
    return list(best.values())


def _promoted(params: dict[str, Any], small: float, objective: TrialObjective) -> Promotion:
    from graphcond.search.loop import number

    try:
        value, reason = number(objective(fixed(params)))
    except Exception as error:  # one candidate's fault must not cost the others
        value = None
        reason = f"{type(error).__name__}: {error}"
    return Promotion(params, small, math.nan if value is None else value, reason)


def _order(value: float, sign: float) -> tuple[bool, float]:
    """Return a key that puts the best first and NaN last."""
    return (True, 0.0) if math.isnan(value) else (False, -sign * value)
