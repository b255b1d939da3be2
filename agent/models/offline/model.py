"""The offline chat model: LangChain's interface over rules, for when no other model is there.

It knows messages, chunks, usage and which answer is due. What an answer says is decided by its
neighbours; no network, no key, no clock and no chance have a part in it.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, run_in_executor
from typing_extensions import override

from agent.models.offline.answers.answering import write_answer
from agent.models.offline.code.files import draft_code
from agent.models.offline.plans.planning import draft_plan
from agent.models.offline.reading.blocks import Asked, read_prompt
from agent.models.offline.routing import decide
from agent.models.offline.structured import SCHEMA, describe, json_text_output
from graphs.code import CodeDraft
from graphs.plan import PlanDraft

MODEL_NAME: Final = "offline-1"
PROVIDER: Final = "offline"
ROUTE: Final = "prompt_type"
_WORD = re.compile(r"\s*\S+\s*?(?=\s|\Z)|\s+")

_WRITERS: Sequence[tuple[frozenset[str], Callable[[Asked], str]]] = (
    (frozenset(PlanDraft.model_fields), lambda asked: draft_plan(asked).model_dump_json(indent=1)),
    (frozenset(CodeDraft.model_fields), lambda asked: draft_code(asked).model_dump_json(indent=1)),
    (frozenset((ROUTE,)), decide),
)
"""What writes the answer, by the fields that the bound schema asks for."""


class OfflineChatModel(BaseChatModel):
    """Plans, answers and writes code skeletons by rules, from the same prompts as any model."""

    model_name: str = MODEL_NAME

    @property
    @override
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": self.model_name}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER, ls_model_name=self.model_name, ls_model_type="chat"
        )
        if stop:
            params["ls_stop"] = stop
        return params

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = _write(messages, stop, kwargs.get(SCHEMA))
        message = AIMessage(
            text, usage_metadata=_usage(messages, text), response_metadata=self._metadata()
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        text = _write(messages, stop, kwargs.get(SCHEMA))
        yield from self._chunks(messages, text)

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        text = await run_in_executor(None, _write, messages, stop, kwargs.get(SCHEMA))
        for chunk in self._chunks(messages, text):
            yield chunk

    @override
    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answer as JSON of a plan, of code, or of a routing decision.

        `method`, `strict` and the like are taken and have no effect: there is one way.

        Raises:
            NotImplementedError: the schema asks for anything else.

        """
        described = describe(schema)
        if _can_write(described):
            return json_text_output(self, schema, include_raw=include_raw)
        name = described.get("title", "a schema without a name")
        raise NotImplementedError(
            f"The offline model has no rules for {name!r}. It writes PlanDraft, CodeDraft and "
            f"models whose only required field is a Literal {ROUTE!r}."
        )

    def _metadata(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "model_provider": PROVIDER,
            "finish_reason": "stop",
        }

    def _chunks(self, messages: Sequence[BaseMessage], text: str) -> Iterator[ChatGenerationChunk]:
        """Cut a text into words; what concerns the whole of it stands on the last chunk."""
        pieces = _WORD.findall(text) or [""]
        for piece in pieces[:-1]:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        last = AIMessageChunk(
            content=pieces[-1],
            usage_metadata=_usage(messages, text),
            response_metadata=self._metadata(),
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)


def _writer(fields: frozenset[str]) -> Callable[[Asked], str] | None:
    return next((writer for wanted, writer in _WRITERS if wanted <= fields), None)


def _can_write(schema: Mapping[str, Any]) -> bool:
    """Say whether some rules fill every required field of a schema."""
    properties = schema.get("properties", {})
    wanted = next((wanted for wanted, _ in _WRITERS if wanted <= properties.keys()), None)
    if wanted is None or not set(schema.get("required", ())) <= wanted:
        return False
    return wanted != frozenset((ROUTE,)) or "enum" in properties[ROUTE]


def _write(
    messages: Sequence[BaseMessage], stop: Sequence[str] | None, schema: Mapping[str, Any] | None
) -> str:
    asked = read_prompt(messages)
    writer = _writer(frozenset(schema["properties"])) if schema else write_answer
    text = writer(asked) if writer else ""
    ends = [end for mark in stop or () if mark and (end := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


def _usage(messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
    read = count_tokens_approximately(messages)
    written = count_tokens_approximately([AIMessage(text)])
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
