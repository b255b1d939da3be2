"""Find the past assignments that a request is grounded in."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

from graphs.context import Context, Services
from graphs.state import PromptType, State, StateUpdate
from retrieval.retriever import AssignmentRetriever

_ATTACH: Mapping[PromptType, Literal["plan", "solution", ""]] = {
    "planning": "plan",
    "chat": "",
    "codegen": "solution",
}
_SHORT = 40
"""A message shorter than this says too little alone; it is searched with what came before."""
_LONG = 300
"""An earlier message longer than this is an assignment text, which would drown the question."""


async def retrieve(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Search the past assignments of the request's course."""
    attach = _ATTACH[state["prompt_type"]]
    retriever = AssignmentRetriever(
        find=partial(services.retrieve, course=context.course, attach=attach)
    )
    await retriever.ainvoke(_query(state, context))
    return {"sources": retriever.found}


def _query(state: State, context: Context) -> str:
    """Return what is searched for: the request, and its context where it is short."""
    request = state["request"]
    if state["prompt_type"] == "planning" and context.assignment:
        return context.assignment["brief"]
    if len(request) >= _SHORT:
        return request
    earlier = [m.text for m in state["messages"] if m.type == "human"][:-1]
    asked = [text for text in earlier[-1:] if text.strip() and len(text) <= _LONG]
    title = [context.assignment["title"]] if context.assignment else []
    return "\n".join([request, *asked, *title])
