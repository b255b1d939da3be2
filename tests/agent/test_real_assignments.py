"""Every real assignment text gets a valid plan on the offline model."""

from pathlib import Path

import jsonschema
import pytest

from agent.blocking import Assistant
from agent.knowledge import bundled_assignments
from agent.settings import Settings
from graphs.plan import Plan, PlanDraft, find_faults, plan_schema
from retrieval.reading.documents import read_documents


def as_draft(plan: Plan) -> PlanDraft:
    """Turn a plan back into what a model would have written."""
    authored = plan.model_dump(exclude={"computed", "title"})
    for task in authored["tasks"]:
        task.pop("status")
        task["parameters"] = [{"name": k, "value": v} for k, v in task["parameters"].items()]
    return PlanDraft.model_validate(authored)


@pytest.mark.slow
def test_every_real_assignment_gets_a_valid_plan(eval_data: Path, settings: Settings) -> None:
    """Schema, acyclic, sum: all of them, not most of them."""
    folder = eval_data / "assignments"
    files = sorted(p for p in folder.rglob("*") if p.suffix in {".md", ".ipynb"})
    assert len(files) >= 100
    with Assistant(settings) as assistant:
        assistant.knowledge.add(bundled_assignments())
        for file in files:
            (document,) = read_documents(file)
            plan = assistant.ask(document.text, prompt_type="planning").plan
            assert plan is not None, file.name
            jsonschema.validate(plan.model_dump(mode="json"), plan_schema())
            assert find_faults(as_draft(plan)) == [], file.name
