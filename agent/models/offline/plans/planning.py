"""A plan drafted by rules: kinds, order and minutes of past plans, the words of the brief.

It puts together what its neighbours find. It does not know how a prompt is written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.models.offline.plans.estimating import Estimate, estimate, estimate_groups
from agent.models.offline.plans.grouping import MOST_GROUPS, bonus, group, section_of
from agent.models.offline.plans.past import (
    CORE,
    PastAssignment,
    by_nearness,
    is_near,
    past_assignments,
)
from agent.models.offline.plans.risks import criteria, risks
from agent.models.offline.plans.tasks import say, tools
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.brief import NO_SUBJECT, Brief, needs_data, read_brief
from agent.models.offline.reading.languages import UNKNOWN
from agent.models.offline.reading.orders import LIMIT, describe
from agent.models.offline.reading.requirements import Requirement
from agent.models.offline.reading.words import cut
from graphs.plan import Parameter, PlanDraft, Requirements, TaskDraft

MOST_TASKS = 12
_BEFORE = ("project_setup", "requirements_analysis", "data_preparation", "design")
_AFTER = ("testing", "performance", "documentation", "final_review")
_COVERED = 1_200
_TEST_STARTS = frozenset(
    ("at", "write", "add", "include", "provide", "automated", "unit", "tests", "with", "minimum")
)
_TEST_WORDS = 6

_SPECIAL = frozenset(("html", "sql", "bash"))
"""Languages that a brief which names none is not planned with."""
_BONUS = "Bonus: "


@dataclass(slots=True)
class _Draft:
    """The tasks written so far and what they share."""

    brief: Brief
    language: str
    framework: str
    past: Sequence[PastAssignment]
    tasks: list[TaskDraft] = field(default_factory=list)

    def add(
        self,
        kind: str,
        description: str,
        after: Sequence[str],
        time: Estimate,
        covers: Sequence[Requirement] = (),
    ) -> str:
        """Append a task and return its id."""
        name = f"task_{len(self.tasks) + 1:03d}"
        values = {"language": self.language, "framework": self.framework, **_origin(time)}
        if covers:
            values["section"] = section_of(covers)
            values["covers"] = cut("; ".join(one.text for one in covers), _COVERED)
        self.tasks.append(
            TaskDraft(
                id=name,
                task_type=kind,
                description=description,
                dependencies=list(dict.fromkeys(after)),
                estimated_duration=time.minutes,
                tool_requirements=tools(kind, self.brief, self.language, self.framework),
                parameters=[
                    Parameter(name=key, value=text) for key, text in values.items() if text
                ],
            )
        )
        return name


def draft_plan(asked: Asked) -> PlanDraft:
    """Write a plan for the brief that a prompt holds."""
    brief = read_brief(asked.request, title=asked.title, today=asked.today)
    known = past_assignments(asked.entries)
    past = by_nearness(known, brief.words, brief.technology.language)
    language, language_from = _language(brief, past or known)
    draft = _Draft(brief, language, brief.technology.framework, past)
    _write_tasks(draft)
    minutes = sum(task.estimated_duration for task in draft.tasks)
    return PlanDraft(
        requirements=Requirements(
            programming_language=language,
            framework=brief.technology.framework or None,
            deliverables=list(_deliverables(brief)),
            complexity=brief.complexity,
            deadline=brief.deadline,
            testing_required=brief.testing,
            documentation_required=brief.documentation,
            git_required=brief.git,
        ),
        tasks=draft.tasks,
        estimated_total_duration=minutes,
        risk_factors=risks(
            brief, known, minutes=minutes, today=asked.today, language_from=language_from
        ),
        success_criteria=criteria(brief, deadline=brief.deadline),
    )


def _language(brief: Brief, past: Sequence[PastAssignment]) -> tuple[str, str]:
    """Return the language to plan with, and which past assignment lends it, if one does."""
    named = brief.technology.language
    if brief.is_web and named in {"", "html"}:
        return "javascript", ""
    if named:
        return named, ""
    lender = next(
        (
            one
            for one in past
            if one.language and one.language not in _SPECIAL and is_near(one, brief.words)
        ),
        None,
    )
    if lender is None or brief.is_writing:
        return UNKNOWN, ""
    return lender.language, f"the past assignment {lender.title!r}"


def _deliverables(brief: Brief) -> Sequence[str]:
    if brief.deliverables:
        return brief.deliverables
    if brief.is_writing and brief.is_idea and brief.subject != NO_SUBJECT:
        return [f"{brief.subject[:1].upper()}{brief.subject[1:]}"]
    if brief.is_writing:
        return [f"Written answer on {brief.subject}"]
    return [
        f"Source code of {brief.subject}",
        *(["Tests"] if brief.testing else []),
        *(["Documentation"] if brief.documentation else []),
    ]


def _origin(time: Estimate) -> dict[str, str]:
    if not time.based_on:
        return {"based_on": "embedded default; no past assignment fits"}
    return {"based_on": time.based_on, "past_minutes": time.past_minutes}


def _write_tasks(draft: _Draft) -> None:
    kinds = _kinds_before(draft)
    closing = _kinds_after(draft)
    ids: dict[str, str] = {}
    for kind in kinds:
        after = [ids[other] for other in _past_order(draft.past, kind) if other in ids]
        ids[kind] = _add_kind(draft, kind, after)
    needed = {other for task in draft.tasks for other in task.dependencies}
    opening = [name for name in ids.values() if name not in needed]
    extra = bonus(draft.brief.requirements)
    room = MOST_TASKS - len(kinds) - len(closing) - bool(extra)
    done = _add_implementation(draft, opening, min(MOST_GROUPS, room), extra)
    for kind in closing:
        after = done if kind != "final_review" else [ids[k] for k in closing if k in ids] or done
        ids[kind] = _add_kind(draft, kind, after)


def _add_kind(draft: _Draft, kind: str, after: Sequence[str]) -> str:
    covers = _on_tests(draft.brief) if kind == "testing" else []
    description = (
        re.sub("^Cover ", "Write ", describe(covers))
        if covers
        else say(kind, draft.brief, draft.language, draft.framework)
    )
    return draft.add(kind, description, after, estimate(kind, draft.brief, draft.past), covers)


def _on_tests(brief: Brief) -> list[Requirement]:
    """Return the requirements that ask for tests, where there are others to be tested."""
    core = [one for one in brief.requirements if not one.is_bonus]
    found = [one for one in core if _is_on_tests(one.text)]
    return found if len(found) < len(core) else []


def _is_on_tests(text: str) -> bool:
    """Say whether a requirement asks for tests, like `At least 12 pytest tests`."""
    words = re.findall(r"[a-z]+|\d+", text.lower()[:80])[:_TEST_WORDS]
    begins = bool(words) and (words[0] in _TEST_STARTS or words[0].isdigit())
    return begins and not {"test", "tests"}.isdisjoint(words)


def _to_build(brief: Brief) -> list[Requirement]:
    on_tests = _on_tests(brief)
    return [one for one in brief.requirements if one not in on_tests]


def _add_implementation(
    draft: _Draft, opening: Sequence[str], most: int, extra: Sequence[Requirement]
) -> list[str]:
    """Add a task for each group of requirements; return those that no other one builds upon."""
    groups = group(_to_build(draft.brief), most) or _stages(draft.brief)
    times = estimate_groups([*groups, extra] if extra else groups, draft.brief, draft.past)
    steps = _past_steps(draft.past, len(groups))
    ids: list[str] = []
    for members, time, step in zip(groups, times, steps, strict=False):
        after = [ids[other] for other in step if other < len(ids)] or list(opening)
        ids.append(draft.add("core_implementation", describe(members), after, time, members))
    if extra:
        text = cut(f"{_BONUS}{describe(extra, LIMIT - len(_BONUS))}", LIMIT)
        ids.append(draft.add("core_implementation", text, ids[-1:], times[-1], extra))
    built_upon = {other for task in draft.tasks for other in task.dependencies}
    return [name for name in ids if name not in built_upon]


def _stages(brief: Brief) -> list[list[Requirement]]:
    """Return how anything is built whose requirements are not known."""
    if brief.is_writing:
        texts = (
            f"Collect sources for {brief.subject} and note what each of them says",
            f"Sketch the outline of {brief.subject}: one claim for each part and what supports it",
        )
        return [[Requirement(text)] for text in texts]
    wanted = (
        f"Build the smallest version of {brief.subject} that runs from start to end",
        f"Add what is missing in {brief.subject} one part at a time, each with its test",
        f"Handle wrong input and errors in {brief.subject}",
    )
    return [[Requirement(text)] for text in wanted[: 3 if brief.is_idea else 1]]


def _kinds_before(draft: _Draft) -> list[str]:
    brief = draft.brief
    if brief.is_writing:
        return ["requirements_analysis"]
    wanted = {"project_setup", "requirements_analysis"}
    if needs_data(brief):
        wanted.add("data_preparation")
    if not brief.is_notebook and (
        brief.complexity != "low" or (_has(draft.past, "design") and not brief.is_short)
    ):
        wanted.add("design")
    kinds = _in_past_order(draft.past, _BEFORE, wanted)
    if brief.is_idea and not brief.requirements:
        kinds.sort(key=lambda kind: kind != "requirements_analysis")
    return kinds


def _kinds_after(draft: _Draft) -> list[str]:
    brief = draft.brief
    if brief.is_writing:
        return ["documentation", "final_review"]
    wanted = {"testing", "final_review"}
    if "performance" in brief.topics and not brief.is_short:
        wanted.add("performance")
    if brief.documentation or (_has(draft.past, "documentation") and not brief.is_short):
        wanted.add("documentation")
    return _in_past_order(draft.past, _AFTER, wanted)


def _has(past: Sequence[PastAssignment], kind: str) -> bool:
    return bool(past) and any(task.task_type == kind for task in past[0].tasks)


def _in_past_order(
    past: Sequence[PastAssignment], usual: Sequence[str], wanted: set[str]
) -> list[str]:
    """Order kinds as the nearest plan had them; what it lacks stands at its usual place."""
    rows = [task.task_type for task in past[0].tasks] if past else []
    place = {kind: float(index) for index, kind in enumerate(usual)}
    known = [kind for kind in dict.fromkeys(rows) if kind in place and kind != "final_review"]
    slots = sorted(place[kind] for kind in known)
    place |= dict(zip(known, slots, strict=True))
    return sorted(wanted, key=lambda kind: place[kind])


def _past_order(past: Sequence[PastAssignment], kind: str) -> list[str]:
    """Return the kinds that a kind of task came after in the nearest plan, else the usual ones."""
    rows = {task.id: task for task in past[0].tasks} if past else {}
    same = [task for task in rows.values() if task.task_type == kind]
    if not same:
        return [other for other in _BEFORE if _BEFORE.index(other) < _BEFORE.index(kind)]
    return [rows[name].task_type for task in same for name in task.after if name in rows]


def _past_steps(past: Sequence[PastAssignment], count: int) -> list[list[int]]:
    """Say for each of `count` groups which earlier ones it builds upon, as the nearest plan did.

    Without a plan, the first group is the base of all others.
    """
    core = (
        [task for task in past[0].tasks if task.task_type in CORE - {"debugging"}] if past else []
    )
    if not core:
        return [[0] if index else [] for index in range(count)]
    at = [index * len(core) // count for index in range(count)]
    steps: list[list[int]] = []
    for index, row in enumerate(at):
        before = set(core[row].after)
        earlier = [i for i in range(index) if core[at[i]].id in before and at[i] != row]
        is_same = index > 0 and at[index - 1] == row
        steps.append([index - 1] if is_same else earlier[-1:])
    return steps
