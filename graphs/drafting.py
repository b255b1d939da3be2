"""Drafts of a fixed JSON shape: the first one, and the one repair round after a failed check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ValidationError

from graphs.calls import TaskType, call_config, clean, served_by, was_cut
from graphs.context import ChosenModel, Reply, Services
from graphs.errors import RequestTooLongError
from graphs.grounding import announce, format_sources
from graphs.leaks import refuse_leaks
from graphs.state import PromptType, State, StateUpdate
from graphs.window import fit
from prompts import Prompt, RenderedPrompt
from retrieval import Source

Schema = TypeVar("Schema", bound=BaseModel)

NOT_THE_FORMAT = "The reply is not JSON of the format asked for. Answer with that JSON alone."
CUT_OFF = "The reply was cut at the model's length limit. Answer with less, and complete."


@dataclass(frozen=True, slots=True)
class Order(Generic[Schema]):
    """What is to be drafted: the shape, the prompt, and how the record calls the two tries."""

    schema: type[Schema]
    prompt: Prompt
    prompt_type: PromptType
    first: TaskType
    repair: TaskType
    given: Sequence[str]
    """The texts of the request and of the assignment."""
    nonce: str = ""
    """What makes the marks of its prompts unforeseeable."""


async def write_draft(
    order: Order[Schema],
    state: State,
    *,
    choice: ChosenModel,
    compose: Callable[[Sequence[Source]], RenderedPrompt],
    services: Services,
) -> StateUpdate:
    """Ask for a draft, or once more with what the check found in the last one.

    A repair that would not fit into the model's window is not asked for; the findings stand.
    """
    try:
        fitted = fit(
            choice, compose, sources=state["sources"], tail=_repair_turns(order, state, services)
        )
    except RequestTooLongError:
        if not state["findings"]:
            raise
        return {"attempts": state["attempts"] + 1, "findings": state["findings"]}
    config = call_config(
        choice,
        order.prompt,
        order.repair if state["findings"] else order.first,
        prompt_type=order.prompt_type,
        left_out=fitted.left_out,
    )
    given = [*order.given, format_sources(fitted.sources)]
    announce(fitted.sources, given)
    draft, reply = await ask_for(order.schema, choice, fitted.messages, config)
    refuse_leaks(order.prompt.instructions, [reply.text, reply.value], given)
    return {
        "draft": draft.model_dump() if draft else None,
        "draft_text": clean(reply.text),
        "findings": [] if draft else [CUT_OFF if was_cut(reply.message) else NOT_THE_FORMAT],
        "attempts": state["attempts"] + 1,
        "sources": fitted.sources,
        "left_out": fitted.left_out,
        "model_asked": choice.name,
        "model_served": served_by(reply.message, choice),
    }


async def ask_for(
    schema: type[Schema],
    choice: ChosenModel,
    messages: list[AnyMessage],
    config: RunnableConfig,
) -> tuple[Schema | None, Reply]:
    """Ask a model for JSON of a schema; a reply of another shape comes back as `None`.

    The schema goes out as plain JSON Schema and is validated here: given the class itself,
    a provider's client raises on nonsense, and the reply and its usage would be lost.
    """
    reply = await choice.ask(messages, config, schema=schema.model_json_schema())
    try:
        return schema.model_validate(clean(reply.value)), reply
    except ValidationError:
        return None, reply


def _repair_turns(order: Order[Schema], state: State, services: Services) -> list[AnyMessage]:
    if not state["findings"]:
        return []
    findings = "\n".join(f"- {finding}" for finding in state["findings"])
    asked = services.prompts.get("repair").render(order.nonce, findings=findings)
    return [
        AIMessage(state["draft_text"]),
        HumanMessage(f"{asked.instructions}\n\n{asked.message}"),
    ]
