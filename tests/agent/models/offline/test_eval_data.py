"""Real assignment texts: every plan is valid, deadlines are right, requirements are covered."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AnyMessage

from agent.models.offline.plans.planning import draft_plan
from agent.models.offline.reading.blocks import read_prompt
from agent.models.offline.reading.words import overlap, terms
from graphs.plan import PlanDraft, find_faults

Prompt = Callable[..., list[AnyMessage]]
DEADLINES_RIGHT = 0.97
REQUIREMENTS_COVERED = 0.95


def flattened(path: Path) -> str:
    """Return a text; a notebook as its Markdown and its fenced code."""
    if path.suffix != ".ipynb":
        return path.read_text("utf-8")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n\n".join(
        "".join(cell["source"])
        if cell["cell_type"] == "markdown"
        else f"```python\n{''.join(cell['source'])}\n```"
        for cell in cells
    )


@pytest.fixture(scope="module")
def assignments(eval_data: Path) -> list[tuple[dict[str, Any], str]]:
    """Return each labelled row with its text."""
    folder = eval_data / "assignments"
    rows = [json.loads(line) for line in (folder / "gold.jsonl").read_text("utf-8").splitlines()]
    return [
        (row, flattened(folder / row["file"]) if "file" in row else row["one_liner"])
        for row in rows
    ]


@pytest.fixture(scope="module")
def plans(
    assignments: list[tuple[dict[str, Any], str]], planner_prompt: Prompt, planned_entry: str
) -> list[tuple[dict[str, Any], PlanDraft]]:
    """Return each row with its plan, with and without a past assignment in turn."""

    def made() -> Iterator[tuple[dict[str, Any], PlanDraft]]:
        for index, (row, text) in enumerate(assignments):
            today = row.get("received", "2026-11-22")
            documents = {"documents": planned_entry} if index % 2 else {}
            yield row, draft_plan(read_prompt(planner_prompt(text, today=today, **documents)))

    return list(made())


def test_every_plan_is_valid(plans: list[tuple[dict[str, Any], PlanDraft]]) -> None:
    """All texts, one-liners included, give a plan without a fault."""
    assert len(plans) > 100
    for row, draft in plans:
        assert find_faults(draft) == [], row
        assert 4 <= len(draft.tasks) <= 12, row


def test_deadlines_are_right(plans: list[tuple[dict[str, Any], PlanDraft]]) -> None:
    """Labelled deadlines are found; texts without one get none."""
    labelled = [
        (row, draft) for row, draft in plans if "file" in row and row.get("deadline_labelled", True)
    ]
    right = [draft.requirements.deadline == row.get("deadline") for row, draft in labelled]
    assert sum(right) / len(right) >= DEADLINES_RIGHT


def test_requirements_are_covered_by_tasks(plans: list[tuple[dict[str, Any], PlanDraft]]) -> None:
    """What the labels call a requirement stands in a task and among the criteria."""
    for part in ("tasks", "success_criteria"):
        covered = [
            overlap(terms(requirement), terms(draft.model_dump_json(include={part}))) >= 0.7
            for row, draft in plans
            for requirement in row.get("requirements", [])
        ]
        assert sum(covered) / len(covered) >= REQUIREMENTS_COVERED, part
