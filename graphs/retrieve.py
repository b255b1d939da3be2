"""Find the past assignments that a request is grounded in."""

from collections.abc import Mapping
from typing import Literal

from graphs.context import Context, Services
from graphs.state import PromptType, State, StateUpdate

_ATTACH: Mapping[PromptType, Literal["plan", "solution", ""]] = {
    "planning": "plan",
    "chat": "",
    "codegen": "solution",
}
_SHORT = 120
"""A chat message shorter than this is searched together with the student's previous one."""


async def retrieve(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Search the past assignments of the request's course."""
    sources = await services.retrieve(
        _query(state, context), course=context.course, attach=_ATTACH[state["prompt_type"]]
    )
    return {"sources": sources}


def _query(state: State, context: Context) -> str:
    request = state["request"]
    parts = [request]
    if state["prompt_type"] != "planning" and len(request) < _SHORT:
        earlier = [m.text for m in state["messages"] if m.type == "human" and m.text.strip()][:-1]
        parts += earlier[-1:]
    if context.assignment and state["prompt_type"] != "planning":
        parts.append(context.assignment["title"])
    return "\n".join(parts)
