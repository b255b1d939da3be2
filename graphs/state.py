"""What one thread remembers from step to step: plain data, so that it can be checkpointed.

This module knows the shape of the state and nothing of how it is filled.
"""

from typing import Annotated, Any, Literal

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from retrieval import Source

PromptType = Literal["planning", "chat", "codegen"]
PROMPT_TYPES: tuple[PromptType, ...] = ("planning", "chat", "codegen")


class Assignment(TypedDict):
    """The assignment that a request is about."""

    assignment_id: str
    title: str
    brief: str
    current_task: str
    """What the student is working on, from their plan; empty where no plan is known."""
    tools: list[str]


class Input(TypedDict, total=False):
    """What a caller hands to the graph."""

    messages: Annotated[list[AnyMessage], add_messages]


class State(Input, total=False):
    """What the nodes read; everything but `messages` belongs to the current request."""

    request: str
    """What the student typed this time, word for word."""
    prompt_type: PromptType
    sources: list[Source]
    left_out: list[str]
    """What did not fit into the model's window, in words; recorded with the run."""
    draft: dict[str, Any] | None
    """The planner's or codegen's last draft, kept also when it fails its check."""
    draft_text: str
    """The draft as the model wrote it, for the repair round."""
    findings: list[str]
    """What the check found wrong with the draft; empty when it passed."""
    attempts: int
    """How many drafts were written for this request."""
    plan: dict[str, Any] | None
    code: dict[str, Any] | None
    model_asked: str
    model_served: str


class StateUpdate(State, total=False):
    """What a node returns: only the keys it changes."""
