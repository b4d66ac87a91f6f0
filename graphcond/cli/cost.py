"""What a search costs on the condensed set and on the original, and when condensing pays."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from graphcond.data.store import file_of
from graphcond.search.study import TrialObjective

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import BaseTrial

SECONDS = "cpu_seconds"
"""Attribute of a trial: what its objective cost."""


@dataclass(frozen=True)
class Timed:
    """An objective that notes in each trial how many CPU seconds it took.

    Args:
        objective: The objective; workers copy it.
    """

    objective: TrialObjective

    def __call__(self, trial: BaseTrial) -> float:
        """Return what the objective returns."""
        start = time.process_time()
        try:
            return self.objective(trial)
        finally:
            trial.set_user_attr(SECONDS, time.process_time() - start)


def seconds_small(study: Study) -> float | None:
    """Return the mean CPU seconds of a candidate on the graph that was searched, or None.

    Args:
        study: A study of :class:`Timed` trials.
    """
    found = [trial.user_attrs.get(SECONDS) for trial in study.get_trials(deepcopy=False)]
    known = [each for each in found if each is not None]
    return fmean(known) if known else None


def seconds_condense(condensed: str) -> float | None:
    """Return what condensing took, from the report beside a condensed file, or None.

    Args:
        condensed: A folder that ``graphcond condense --out`` wrote, or its condensed.safetensors.
    """
    try:
        report = json.loads((file_of(condensed).parent / "report.json").read_text(encoding="utf-8"))
        return float(report["card"]["seconds_condense"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def pays_from(condense: float, small: float, full: float, top: int) -> int | None:
    """Return the number of candidates from which on condensing pays.

    With n candidates the condensed route costs condense + n · small + top · full, and the original
    alone n · full.

    Args:
        condense: Seconds of condensing.
        small: Seconds of a candidate on the condensed set.
        full: Seconds of a candidate on the original.
        top: Candidates that are promoted.

    Returns:
        The least n, at least ``top``; None where condensing never pays.
    """
    if full <= small:
        return None
    return max(top, math.ceil((condense + top * full) / (full - small)))


def cost(study: Study, condensed: str, full: float, top: int) -> dict[str, Any]:
    """Return what a search cost; nothing where it is not known.

    Args:
        study: The finished study.
        condensed: The file that was searched.
        full: CPU seconds of a candidate on the original.
        top: Candidates that were promoted.
    """
    small = seconds_small(study)
    condense = seconds_condense(condensed)
    if small is None or condense is None:
        return {}
    return {
        "seconds_condense": condense,
        "cpu_seconds_small": small,
        "cpu_seconds_full": full,
        "pays_from_candidates": pays_from(condense, small, full, top),
    }


def cost_line(found: dict[str, Any]) -> str:
    """Return :func:`cost` as a sentence.

    Args:
        found: What it returned, not empty.
    """
    count = found["pays_from_candidates"]
    when = "condensing never pays"
    if count is not None:
        when = f"with the promotions, condensing pays from {count} candidates on"
    return (
        f"A candidate takes {found['cpu_seconds_small']:.2f} CPU seconds on the condensed set and"
        f" {found['cpu_seconds_full']:.2f} on the original; condensing took"
        f" {found['seconds_condense']:.2f}: {when}."
    )
