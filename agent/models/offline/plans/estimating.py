"""Minutes: what similar work really took, scaled to the size of a brief.

It knows past plans and a table of defaults. It does not know what the tasks say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.models.offline.plans.past import CORE, PastAssignment
from agent.models.offline.reading.brief import Brief
from agent.models.offline.reading.requirements import Requirement

_DEFAULTS = {
    "project_setup": 25,
    "requirements_analysis": 30,
    "design": 35,
    "data_preparation": 60,
    "testing": 60,
    "documentation": 40,
    "performance": 40,
    "final_review": 25,
}
_PER_REQUIREMENT = 28
_BY_COMPLEXITY = {"low": 0.75, "medium": 1.0, "high": 1.3}
_SHORT = 0.6
_DAMPING = 0.7
_CORE_RANGE = (0.35, 2.5)
_OTHER_RANGE = (0.6, 1.6)
_PLAUSIBLE = (0.5, 2.0)
_STEP = 5
_LEAST = 10
_MOST = 600
_WORDS_PER_POINT = 30


@dataclass(frozen=True, slots=True)
class Estimate:
    """Minutes, and where they come from."""

    minutes: int
    based_on: str
    """The past assignment's title; empty where an embedded default was taken."""
    past_minutes: str = ""
    """What it really took there, in words."""


def estimate(kind: str, brief: Brief, past: Sequence[PastAssignment]) -> Estimate:
    """Estimate a task that is not implementation, after the middle one of the plans that had it.

    What it took elsewhere is trusted within a range around the embedded default.
    """
    default = _DEFAULTS.get(kind, _DEFAULTS["design"]) * _BY_COMPLEXITY[brief.complexity]
    default *= _SHORT if brief.is_short else 1
    known = sorted(
        [(took, -rank) for rank, one in enumerate(past) if (took := one.minutes([kind]))]
    )
    if not known:
        return Estimate(_rounded(default), "")
    took, rank = known[(len(known) - 1) // 2]
    one = past[-rank]
    low, high = _OTHER_RANGE
    minutes = took * min(high, max(low, _scale(brief, one) ** 0.5))
    least, most = (share * default for share in _PLAUSIBLE)
    return Estimate(_rounded(min(most, max(least, minutes))), one.title, str(took))


def estimate_groups(
    groups: Sequence[Sequence[Requirement]], brief: Brief, past: Sequence[PastAssignment]
) -> list[Estimate]:
    """Share what the nearest implementation took among groups of requirements, by their size."""
    weights = [_weight(group) for group in groups]
    for one in past:
        if not (took := one.minutes(CORE)):
            continue
        low, high = _CORE_RANGE
        total = took * min(high, max(low, _scale(brief, one)))
        shares = [total * weight / sum(weights) for weight in weights]
        return [
            Estimate(_rounded(share), one.title, f"{took} for all implementation")
            for share in shares
        ]
    factor = _BY_COMPLEXITY[brief.complexity]
    return [Estimate(_rounded(_PER_REQUIREMENT * weight * factor), "") for weight in weights]


def _scale(brief: Brief, one: PastAssignment) -> float:
    size = sum(0.5 if requirement.is_bonus else 1.0 for requirement in brief.requirements)
    ratio: float = (max(1.0, size) / one.size) ** _DAMPING
    return ratio


def _weight(group: Sequence[Requirement]) -> float:
    """Count the requirements of a group; long ones weigh more, bonus ones half."""
    points = [
        (1 + len(requirement.text.split()) / _WORDS_PER_POINT)
        * (0.5 if requirement.is_bonus else 1.0)
        for requirement in group
    ]
    return max(1.0, sum(points))


def _rounded(minutes: float) -> int:
    return min(_MOST, max(_LEAST, _STEP * round(minutes / _STEP)))
