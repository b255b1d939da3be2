"""What every model call of the graph has in common: what it was for, who served it, clean text."""

from typing import Any, Literal

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from graphs.context import ChosenModel
from graphs.state import PromptType
from prompts import Prompt

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
    return {"metadata": metadata}


def served_by(message: AIMessage, choice: ChosenModel) -> str:
    """Return the model that answered as it names itself, else the one that was asked."""
    return str(message.response_metadata.get("model_name") or choice.name)


def clean(value: Any) -> Any:
    """Replace what is not valid Unicode in a model's words; half an emoji cannot be stored."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {clean(name): clean(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    return value
