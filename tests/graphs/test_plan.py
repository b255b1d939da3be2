"""What makes a plan valid, and what is computed from it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.plan import PlanDraft, build_plan, find_faults, summarise


def draft(*tasks: tuple[str, int, list[str]], **changes: Any) -> PlanDraft:
    """Make a draft of (id, minutes, dependencies)."""
    values: dict[str, Any] = {
        "requirements": {
            "programming_language": "python",
            "framework": None,
            "deliverables": ["report.md"],
            "complexity": "low",
            "deadline": None,
            "testing_required": True,
            "documentation_required": False,
            "git_required": False,
        },
        "tasks": [
            {
                "id": name,
                "task_type": "testing",
                "description": f"Do {name}",
                "dependencies": after,
                "estimated_duration": minutes,
                "tool_requirements": ["pytest"],
                "parameters": [{"name": "language", "value": "python"}],
            }
            for name, minutes, after in tasks
        ],
        "estimated_total_duration": sum(minutes for _, minutes, _ in tasks),
        "risk_factors": [],
        "success_criteria": [],
    }
    return PlanDraft.model_validate({**values, **changes})


def test_plan_keeps_the_specification_keys_when_built() -> None:
    """A plan holds the specification's JSON and its own zone beside it."""
    plan = build_plan(draft(("a", 10, []), ("b", 20, ["a"])), title="Lab").model_dump()
    assert set(plan) == {
        "title", "requirements", "tasks", "estimated_total_duration",
        "risk_factors", "success_criteria", "computed",
    }  # fmt: skip
    assert plan["tasks"][0]["parameters"] == {"language": "python"}
    assert plan["tasks"][0]["status"] == "pending"
    assert plan["estimated_total_duration"] == 30


def test_critical_path_is_the_longest_chain_when_tasks_run_side_by_side() -> None:
    """The slow branch decides the end, not the number of tasks."""
    plan = build_plan(
        draft(("a", 10, []), ("fast", 5, ["a"]), ("slow", 50, ["a"]), ("z", 1, ["fast", "slow"])),
        title="Lab",
    )
    assert plan.computed.critical_path == ["a", "slow", "z"]
    assert plan.computed.critical_minutes == 61
    assert plan.computed.waves == [["a"], ["fast", "slow"], ["z"]]


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        (draft(), "no tasks"),
        (draft(("a", 10, []), ("a", 10, [])), "used more than once"),
        (draft((" ", 10, [])), "empty id"),
        (draft(("a", 10, ["ghost"])), "depends on 'ghost'"),
        (draft(("a", 10, ["b"]), ("b", 10, ["a"])), "form a cycle"),
        (draft(("a", 10, ["a"])), "form a cycle"),
        (draft(("a", 0, [])), "takes 0 minutes"),
        (draft(("a", 20_000, [])), "takes 20000 minutes"),
        (draft(("a", 10, []), estimated_total_duration=11), "add up to 10"),
        (draft(*[(str(n), 1, []) for n in range(61)]), "60 is the most"),
    ],
)
def test_faults_are_named_when_a_draft_is_wrong(faulty: PlanDraft, said: str) -> None:
    """Each rule has its sentence, and a faulty draft never becomes a plan."""
    assert any(said in fault for fault in find_faults(faulty))
    with pytest.raises(ValueError, match=r"\w"):
        build_plan(faulty, title="Lab")


def test_faults_are_named_when_values_are_empty() -> None:
    """A plan needs deliverables and descriptions."""
    faulty = draft(("a", 10, []))
    faulty.requirements.deliverables = []
    faulty.tasks[0].description = ""
    assert len(find_faults(faulty)) == 2


@given(st.lists(st.tuples(st.integers(1, 600), st.sets(st.integers(0, 8))), min_size=1, max_size=9))
def test_path_and_waves_agree_when_dependencies_point_back(
    rows: list[tuple[int, set[int]]],
) -> None:
    """In any acyclic plan the path is a chain, and no wave holds a task before its needs."""
    tasks = [
        (f"t{n}", minutes, [f"t{m}" for m in sorted(needs) if m < n])
        for n, (minutes, needs) in enumerate(rows)
    ]
    plan = build_plan(draft(*tasks), title="Any")
    wave_of = {name: n for n, wave in enumerate(plan.computed.waves) for name in wave}
    by_id = {task.id: task for task in plan.tasks}
    assert all(wave_of[need] < wave_of[t.id] for t in plan.tasks for need in t.dependencies)
    path = plan.computed.critical_path
    assert plan.computed.critical_minutes == sum(by_id[s].estimated_duration for s in path)
    assert all(a in by_id[b].dependencies for a, b in pairwise(path))
    assert plan.computed.critical_minutes <= plan.estimated_total_duration


def test_summary_lists_the_tasks_when_written_into_a_thread() -> None:
    """The next turn of a thread can see what was planned."""
    plan = build_plan(draft(("a", 10, [])), title="Lab")
    assert summarise(plan) == "Plan for Lab: 1 tasks, 10 minutes.\n1. Do a (10 min)"
