"""The model as LangChain sees it."""

import asyncio
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage
from pydantic import BaseModel

from agent.models.offline import OfflineChatModel, json_text_output
from graphs.code import CodeDraft, find_faults
from graphs.plan import PlanDraft

Prompt = Callable[..., list[AnyMessage]]
MODEL = OfflineChatModel()


class Decision(BaseModel):
    """A routing decision."""

    prompt_type: Literal["planning", "chat", "codegen"]


class Poem(BaseModel):
    """Something the model has no rules for."""

    lines: list[str]


def test_answer_names_model_and_usage(chat_prompt: Prompt) -> None:
    """Every answer says which model wrote it, why it ended and what it took."""
    reply = MODEL.invoke(chat_prompt("How do I test a login?"))
    assert reply.response_metadata["model_name"] == "offline-1"
    assert reply.response_metadata["model_provider"] == "offline"
    assert reply.response_metadata["finish_reason"] == "stop"
    usage = reply.usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens"] > 0


def test_same_prompt_gives_same_answer(chat_prompt: Prompt, explained_entry: str) -> None:
    """There is no chance in it."""
    prompt = chat_prompt("How do I check a login token?", explained_entry)
    assert MODEL.invoke(prompt).text == OfflineChatModel().invoke(prompt).text


def test_stream_joins_to_the_answer(chat_prompt: Prompt, explained_entry: str) -> None:
    """The chunks are words; usage and finish reason stand on the last one only."""
    prompt = chat_prompt("How do I check a login token?", explained_entry)
    chunks = list(MODEL.stream(prompt))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.text == MODEL.invoke(prompt).text
    assert len(chunks) > 50
    assert isinstance(chunks[-1], AIMessageChunk)
    assert chunks[-1].chunk_position == "last"
    assert [chunk for chunk in chunks if chunk.usage_metadata] == [chunks[-1]]
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.response_metadata["model_name"] == "offline-1"


def test_async_answers_equal_the_sync_one(chat_prompt: Prompt) -> None:
    """Both ways say the same."""
    prompt = chat_prompt("How do I test a login?")

    async def ask() -> tuple[str, str]:
        streamed = "".join([chunk.text async for chunk in MODEL.astream(prompt)])
        return streamed, (await MODEL.ainvoke(prompt)).text

    text = MODEL.invoke(prompt).text
    assert asyncio.run(ask()) == (text, text)


@given(st.text())
def test_stream_loses_no_character(text: str) -> None:
    """Whatever is written comes out whole."""
    chunks = MODEL._chunks([], text)
    assert "".join(chunk.text for chunk in chunks) == text


def test_stop_ends_the_answer(chat_prompt: Prompt) -> None:
    """A stop sequence is honoured."""
    assert (
        "## Next steps" not in MODEL.invoke(chat_prompt("What is a heap?"), stop=["## Next"]).text
    )


def test_tracing_parameters_name_the_provider() -> None:
    """LangSmith sees the provider and the model, and the stop sequences."""
    params = MODEL._get_ls_params(stop=["x"])
    assert params["ls_provider"] == "offline"
    assert params["ls_model_name"] == "offline-1"
    assert params["ls_stop"] == ["x"]
    assert MODEL._llm_type == "offline"
    assert MODEL._identifying_params == {"model_name": "offline-1"}


def test_plan_comes_parsed(planner_prompt: Prompt, planned_entry: str) -> None:
    """The bound schema decides that a plan is due."""
    draft = MODEL.with_structured_output(PlanDraft).invoke(
        planner_prompt("Build a login page", planned_entry)
    )
    assert isinstance(draft, PlanDraft)


def test_code_comes_with_its_raw_message(code_prompt: Prompt) -> None:
    """`include_raw` returns LangChain's three keys."""
    reply = MODEL.with_structured_output(CodeDraft, include_raw=True, method="json_schema").invoke(
        code_prompt("a function that reverses a string in python")
    )
    assert set(reply) == {"raw", "parsed", "parsing_error"}
    assert reply["parsing_error"] is None
    assert isinstance(reply["raw"], AIMessage)
    assert CodeDraft.model_validate_json(reply["raw"].text) == reply["parsed"]
    assert find_faults(reply["parsed"]) == []


@pytest.mark.parametrize(
    ("request_text", "kind"),
    [
        ("Make me a plan with steps for the final project", "planning"),
        ("Write a function that sorts a list", "codegen"),
        ("Why is recursion hard to understand?", "chat"),
    ],
)
def test_route_follows_the_rules(request_text: str, kind: str) -> None:
    """The decision is the best of the router's own scores."""
    decision = MODEL.with_structured_output(Decision).invoke([HumanMessage(request_text)])
    assert decision == Decision.model_validate({"prompt_type": kind})


def test_unknown_schema_is_refused_by_name() -> None:
    """A schema without rules is an error at once, not a bad answer later."""
    with pytest.raises(NotImplementedError, match="Poem"):
        MODEL.with_structured_output(Poem)
    with pytest.raises(NotImplementedError, match="a schema without a name"):
        MODEL.with_structured_output({"type": "object"})


def test_json_schema_gives_plain_json(planner_prompt: Prompt) -> None:
    """A schema that is no class is met with the JSON it describes; a plain type is refused."""
    reply = MODEL.with_structured_output(PlanDraft.model_json_schema(), include_raw=True).invoke(
        planner_prompt("Build a login page")
    )
    assert PlanDraft.model_validate(reply["parsed"])
    with pytest.raises(NotImplementedError):
        MODEL.with_structured_output(int)


def test_broken_json_is_reported_when_raw_is_wanted(chat_prompt: Prompt) -> None:
    """A model that does not keep to JSON gives a parsing error beside its raw text."""

    class Chatty(OfflineChatModel):
        """Ignores the schema."""

        def bind(self, **kwargs: object) -> object:  # type: ignore[override]
            return self

    reply = json_text_output(Chatty(), Decision, include_raw=True).invoke(chat_prompt("hello"))
    assert reply["parsed"] is None
    assert "Invalid json" in str(reply["parsing_error"])


def test_repair_round_answers_the_original_prompt(
    planner_prompt: Prompt, book: object, planned_entry: str
) -> None:
    """After findings, the plan is written from the message before them."""
    first = planner_prompt("Build a login page", planned_entry)
    writer = MODEL.with_structured_output(PlanDraft)
    draft = writer.invoke(first)
    asked = book.get("repair").render(findings="- The dependencies form a cycle.")  # type: ignore[attr-defined]
    again = writer.invoke(
        [
            *first,
            AIMessage("not JSON"),
            HumanMessage(f"{asked.instructions}\n\n{asked.message}"),
        ]
    )
    assert again == draft


def test_no_message_gets_the_friendly_line() -> None:
    """An empty conversation is no crash."""
    assert "No language model was called" in MODEL.invoke([AIMessage("x")]).text
