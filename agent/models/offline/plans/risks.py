"""Risks and criteria of a plan: from the brief, its deadline, and what past assignments learnt."""

import re
from collections.abc import Sequence
from datetime import date

from agent.models.offline.plans.past import PastAssignment
from agent.models.offline.reading.brief import NO_SUBJECT, Brief
from agent.models.offline.reading.words import cut, listed, terms

MOST_RISKS = 9
MOST_CRITERIA = 30
_NEAR = 3
_HOURS_A_DAY = 3
_LESSONS = 2
_SHARED = 3
"""Words that a lesson has to share with a brief to be worth telling."""
_LENGTH = 240

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")

_BY_TOPIC = {
    "authentication": (
        "Authentication: easy to get almost right; write the tests for wrong and missing "
        "credentials first."
    ),
    "external API": (
        "External API: it can be slow, down or limited; keep a saved answer to develop and "
        "test with."
    ),
    "web API": (
        "API: validation and status codes are often left to the end; decide on them before "
        "the first route."
    ),
    "database": (
        "Database: changing the schema late is dear; write down tables and constraints "
        "before the code."
    ),
    "concurrency": (
        "Concurrency: faults show only sometimes; keep shared state small and test two "
        "actions at once."
    ),
    "real time": "Timing: make time an input, so that tests need not wait.",
    "user interface": (
        "User interface: keep the rules apart from the page, so that they can be tested without it."
    ),
    "machine learning": (
        "Machine learning: training eats time; check shapes and a tiny example before a long run."
    ),
    "data": (
        "Data: gaps and odd values surface late; look at counts and ranges before computing "
        "anything."
    ),
    "performance": "Performance: measure with the largest input before improving anything.",
    "hardware": (
        "Hardware: it fails at the worst moment; have a simulated device for development and tests."
    ),
    "money": "Money: binary fractions round wrongly; compute in whole cents.",
    "randomness": "Randomness: fix the seed in tests, or they pass by luck.",
    "recursion": "Trees and graphs: think of the empty, single and cyclic case before coding.",
    "parsing": "Parsing: collect malformed input first; it decides the design.",
}


def risks(
    brief: Brief,
    past: Sequence[PastAssignment],
    *,
    minutes: int,
    today: date | None,
    language_from: str,
) -> list[str]:
    """Return what may go wrong and how to meet it, the most pressing first."""
    found = [*_time(brief, minutes, today)]
    if brief.is_idea and brief.subject == NO_SUBJECT and not brief.requirements:
        found.append(
            "Your message holds no assignment text, so this plan is a general one; paste the text "
            "to get a plan that names its requirements."
        )
    if open_points := _open_points(brief, has_language=bool(language_from)):
        found.append(f"The brief does not say {listed(open_points, 'or')}; ask before it matters.")
    if language_from:
        found.append(
            f"The brief names no programming language; the plan takes it from {language_from}."
        )
    found += [_BY_TOPIC[topic] for topic in brief.topics if topic in _BY_TOPIC]
    lessons = [
        cut(f"Learnt in a past assignment ({one.title}): {lesson}", _LENGTH)
        for one in past
        for lesson in one.lessons
        if len(brief.words.intersection(terms(lesson))) >= _SHARED
    ][:_LESSONS]
    kept = list(dict.fromkeys(found))[: MOST_RISKS - len(lessons)]
    return [*kept, *lessons] or ["Starting late: do the first task today to see what is unclear."]


def criteria(brief: Brief, *, deadline: str | None) -> list[str]:
    """Return what shows that the work is done, in the brief's own words."""
    core = [one.text for one in brief.requirements if not one.is_bonus]
    extra = [f"Bonus: {one.text}" for one in brief.requirements if one.is_bonus]
    found = [cut(text, _LENGTH) for text in (*core, *brief.criteria, *extra)][:MOST_CRITERIA]
    if not found:
        found = [f"Everything that {brief.subject} asks for works and is handed in"]
    if brief.testing:
        found.append("All tests pass from a clean copy")
    if deadline:
        found.append(f"Handed in before {deadline}")
    return found


def _time(brief: Brief, minutes: int, today: date | None) -> list[str]:
    if not brief.deadline or today is None:
        return []
    if not _ISO.match(brief.deadline):
        return [
            f"The deadline {brief.deadline} can be read as two different days; ask which one is "
            "meant, and plan for the earlier one until then."
        ]
    left = (date.fromisoformat(brief.deadline[:10]) - today).days
    hours = round(minutes / 60, 1)
    if left < 0:
        return [f"The deadline {brief.deadline} lies in the past; ask whether it still holds."]
    if left <= _NEAR or left * _HOURS_A_DAY * 60 < minutes:
        days = "today" if not left else f"{left} day{'s' if left > 1 else ''} away"
        return [
            f"The deadline {brief.deadline} is {days} and the tasks take about {hours:g} hours; "
            "start with what counts most and leave extras out."
        ]
    return []


def _open_points(brief: Brief, *, has_language: bool) -> list[str]:
    named = brief.technology.language or brief.is_web or brief.is_writing or has_language
    points = [] if named else ["which programming language to use"]
    if not brief.deadline:
        points.append("when it is due")
    if brief.is_short and not brief.is_writing:
        points.append("how wrong input is to be met")
        if not brief.deliverables:
            points.append("what exactly to hand in")
    return points if brief.is_short or not named else []
