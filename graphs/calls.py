"""What every model call of the graph has in common: what it was for, who served it, clean text."""

import json
from typing import Any, Literal

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.constants import TAG_NOSTREAM

from graphs.context import ChosenModel
from graphs.state import PromptType
from prompts import Prompt

_REASONS = ("finish_reason", "stop_reason", "done_reason")
"""Where integrations say why a reply ended."""
_CUT = {"length", "max_tokens", "MAX_TOKENS"}
_SHOWN = "chat_answer"
"""The one task whose tokens a student reads; the others' are JSON on its way to a check."""

TaskType = Literal[
    "plan_generation", "plan_repair", "chat_answer", "code_generation", "code_repair", "routing"
]


def call_config(
    choice: ChosenModel,
    prompt: Prompt,
    task_type: TaskType,
    *,
    prompt_type: PromptType | None = None,
    left_out: list[str] | None = None,
) -> RunnableConfig:
    """Return the config that lets a recorder say what a model call was for."""
    metadata: dict[str, object] = {
        **prompt.trace_metadata(),
        "task_type": task_type,
        "model_asked": choice.name,
    }
    if prompt_type:
        metadata["prompt_type"] = prompt_type
    if left_out:
        metadata["left_out"] = left_out
    tags = [] if task_type == _SHOWN else [TAG_NOSTREAM]
    return {"metadata": metadata, "tags": tags}


def served_by(message: AIMessage, choice: ChosenModel) -> str:
    """Return the model that answered as it names itself, else the one that was asked."""
    return str(message.response_metadata.get("model_name") or choice.name)


def finish_reason(message: AIMessage) -> str | None:
    """Return why a reply ended, `None` where nobody said so, as when a stream was cut."""
    found = (message.response_metadata.get(name) for name in _REASONS)
    return next((str(reason) for reason in found if reason), None)


def was_cut(message: AIMessage) -> bool:
    """Say whether a reply reached the model's length limit."""
    return finish_reason(message) in _CUT


def written_by(message: AIMessage) -> str:
    """Return what a model wrote: its words, or the arguments of its tool calls as JSON."""
    if message.text:
        return message.text
    calls = [json.dumps(call["args"], ensure_ascii=False) for call in message.tool_calls]
    broken = [str(call["args"] or "") for call in message.invalid_tool_calls]
    return "\n".join([*calls, *broken])


def clean(value: Any) -> Any:
    """Replace what is not valid Unicode in a model's words; half an emoji cannot be stored."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {clean(name): clean(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    return value
