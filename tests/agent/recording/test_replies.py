"""What a prompt is recorded as: its messages in one text, and how to tell them apart again."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.recording.messages import messages_of
from agent.recording.replies import prompt_texts


def recorded(*messages: BaseMessage) -> dict[str, Any]:
    """Record a prompt, every text in capitals."""
    return prompt_texts([(message.type, message) for message in messages], str.upper)


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        ("call_1", ["call_1"]),
        ("toolu_01A-b.c:d/e|f", ["toolu_01A-b.c:d/e|f"]),
        ("", []),
        ("ask Ann Smith", []),
        ("ann@example.org", []),
        ("x" * 129, []),
    ],
)
def test_answered_call_is_recorded_when_its_id_is_one_word(call: str, kept: list[str]) -> None:
    """A sentence is left out, because nobody has read it for personal data."""
    texts = recorded(HumanMessage("hi"), ToolMessage("42 b", tool_call_id=call))
    assert texts["prompt"] == "human: HI\n\ntool: 42 B"
    assert texts["message_roles"] == [["human", 2], ["tool", 4, *kept]]


def test_answered_call_is_given_back_when_a_prompt_is_sent() -> None:
    """The way through the record and out of it; others have none."""
    texts = recorded(AIMessage("a"), ToolMessage("b", tool_call_id="call_1"))
    sent = orjson.loads(messages_of({"run_type": "llm", "inputs": None, **texts}))
    ((ai, tool),) = sent["messages"]
    assert "tool_call_id" not in ai["kwargs"]
    assert (tool["kwargs"]["content"], tool["kwargs"]["tool_call_id"]) == ("B", "call_1")
