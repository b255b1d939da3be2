"""Check drafts by program, and let only what passes become a plan or code."""

from collections.abc import Callable
from typing import TypeVar

from langchain_core.messages import AIMessage
from langgraph.runtime import get_runtime
from pydantic import BaseModel

from graphs import code as coding
from graphs import plan as planning
from graphs.citations import cited_numbers
from graphs.context import Context, Services
from graphs.planner import subject
from graphs.state import State, StateUpdate

Draft = TypeVar("Draft", bound=BaseModel)

_UNRECORDED = "not recorded"


async def check_plan(state: State, context: Context) -> StateUpdate:
    """Pass the draft on as the plan, or say what is wrong with it."""
    draft, findings = _inspect(state, planning.PlanDraft, planning.find_faults)
    if draft is None or findings:
        return {"findings": findings}
    title, _ = subject(state, context)
    plan = planning.build_plan(draft, title=title)
    return {
        "plan": plan.model_dump(mode="json"),
        "messages": [AIMessage(planning.summarise(plan))],
        "findings": [],
    }


async def check_code(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Pass the draft on as attributed code, with the sources its notes cite, or name its faults."""
    draft, findings = _inspect(state, coding.CodeDraft, coding.find_faults)
    if draft is None or findings:
        return {"findings": findings}
    info = get_runtime(Context).execution_info
    cited = cited_numbers("\n".join(draft.notes))
    code = coding.attribute(
        draft,
        model=state["model_served"],
        day=services.today().isoformat(),
        run_id=context.run_id or (info and info.run_id) or _UNRECORDED,
    )
    return {
        "code": code.model_dump(mode="json"),
        "sources": [source for source in state["sources"] if source["number"] in cited],
        "messages": [AIMessage(coding.as_markdown(code))],
        "findings": [],
    }


def _inspect(
    state: State, schema: type[Draft], find_faults: Callable[[Draft], list[str]]
) -> tuple[Draft | None, list[str]]:
    """Return the draft and its faults; what the node before found stands where none was read."""
    raw = state["draft"]
    if raw is None:
        return None, state["findings"]
    draft = schema.model_validate(raw)
    return draft, find_faults(draft)
