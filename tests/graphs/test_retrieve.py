"""What is searched for, and what is attached."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from graphs.context import Context
from graphs.retrieve import retrieve
from graphs.state import Assignment, State
from tests.fakes import ScriptedChatModel, Shelf, make_services

BRIEF = "Write a word counter with tests and a report."
KNOWN = Assignment(
    assignment_id="a", title="Student API", brief="Build it.", current_task="", tools=[]
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("state", "context", "asked"),
    [
        (
            {"prompt_type": "planning", "request": f"# Lab {BRIEF}"},
            Context(),
            (f"# Lab {BRIEF}", "", "plan"),
        ),
        (
            {"prompt_type": "planning", "request": "again"},
            Context(assignment=KNOWN),
            ("Build it.", "", "plan"),
        ),
        (
            {
                "prompt_type": "codegen",
                "request": "Write a function that reverses a string, please",
            },
            Context(course="cs101", assignment=KNOWN),
            ("Write a function that reverses a string, please", "cs101", "solution"),
        ),
        (
            {"prompt_type": "chat", "request": "And how is it tested?"},
            Context(assignment=KNOWN),
            ("And how is it tested?\nWhat is a JWT?\nStudent API", "", ""),
        ),
    ],
)
async def test_query_holds_what_is_needed_when_searched(
    state: dict[str, Any], context: Context, asked: tuple[str, str, str]
) -> None:
    """A short follow-up is searched with the question before it and the assignment's title."""
    shelf = Shelf()
    turns = [HumanMessage("What is a JWT?"), AIMessage("A token."), HumanMessage(state["request"])]
    services = make_services(ScriptedChatModel(replies=[]), shelf=shelf)
    await retrieve(State(messages=turns, **state), context, services=services)  # type: ignore[typeddict-item]
    assert shelf.asked == [asked]


@pytest.mark.anyio
async def test_earlier_assignment_text_is_left_out_when_searched() -> None:
    """A whole brief would drown the question that follows it."""
    shelf = Shelf()
    turns: list[AnyMessage] = [
        HumanMessage("brief " * 200),
        AIMessage("Planned."),
        HumanMessage("Why so long?"),
    ]
    state = State(messages=turns, request="Why so long?", prompt_type="chat")
    services = make_services(ScriptedChatModel(replies=[]), shelf=shelf)
    await retrieve(state, Context(), services=services)
    assert shelf.asked == [("Why so long?", "", "")]
