"""Fakes with the contract of the real thing: a scripted chat model and a shelf of sources."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Literal, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from agent.models.offline.structured import json_text_output
from agent.models.served import ServedModel
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.handler import RecordingHandler
from agent.recording.rows import RowMaker
from agent.recording.run_store import RunStore
from agent.recording.writer import Writer
from graphs.context import ModelTask, Services
from prompts import PromptBook
from retrieval import Source

TODAY = date(2026, 11, 22)
USAGE = {"input_tokens": 1_000, "output_tokens": 500, "total_tokens": 1_500}


def reply(text: str, **details: Any) -> AIMessage:
    """Make a reply as an OpenAI model gives it, with usage and the model's dated name."""
    metadata = {"model_name": "gpt-4o-2024-08-06", "finish_reason": "stop", **details}
    return AIMessage(text, usage_metadata=USAGE, response_metadata=metadata)


class ScriptedChatModel(BaseChatModel):
    """Gives its replies in order and remembers what it was sent; an exception is raised."""

    replies: list[Any]
    provider: str = "openai"
    temperature: float | None = None
    _sent: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def sent(self) -> list[list[BaseMessage]]:
        """The messages of each call so far."""
        return self._sent

    def _get_ls_params(self, stop: list[str] | None = None, **_: Any) -> Any:
        return {"ls_provider": self.provider, "ls_model_name": "gpt-4o", "ls_model_type": "chat"}

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {} if self.temperature is None else {"temperature": self.temperature}

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self._sent.append(messages)
        turn = self.replies[min(len(self._sent), len(self.replies)) - 1]
        if isinstance(turn, Exception):
            raise turn
        return cast("AIMessage", turn)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        message = self._next(messages)
        return ChatResult(generations=[ChatGeneration(message=message.model_copy())])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._next(messages)
        for word in message.text.split(" "):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
        last = AIMessageChunk(
            content="",
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **_: Any
    ) -> Runnable[Any, Any]:
        """Parse the scripted text as JSON of the schema."""
        return json_text_output(self, schema, include_raw=include_raw)


def source(number: int = 1, **changes: Any) -> Source:
    """Make a source."""
    made = Source(
        number=number,
        document_id=f"doc-{number}",
        title=f"Past assignment {number}",
        section="brief",
        place=f"past-{number}.md, Brief",
        language="python",
        course="",
        passage="Use a dictionary to count the words.",
        plan="",
        solution="",
        score=0.5,
        parts={"words": 0.3, "grams": 0.2, "meaning": 0.0, "vector": 0.0},
        matched=["words"],
    )
    return Source(**{**made, **changes})  # type: ignore[typeddict-item]  # tests change any key


class Shelf:
    """A retriever that returns what it was given and remembers what it was asked."""

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self.sources = list(sources)
        self.asked: list[tuple[str, str, str]] = []

    async def __call__(
        self, query: str, *, course: str = "", attach: Literal["plan", "solution", ""] = ""
    ) -> list[Source]:
        """Return the sources."""
        self.asked.append((query, course, attach))
        return list(self.sources)


def make_services(
    model: BaseChatModel, *, shelf: Shelf | None = None, window: int = 100_000
) -> Services:
    """Put fakes and the real prompts together."""

    def choose(task: ModelTask, *, asked: str = "") -> ServedModel:
        name = asked or ("openai:gpt-4o-mini" if task == "routing" else "openai:gpt-4o")
        return ServedModel(name, model, window, min(1_000, window // 4))

    return Services(
        retrieve=shelf or Shelf(),
        choose_model=choose,
        prompts=PromptBook.open(),
        today=lambda: TODAY,
    )


def make_handler(store: RunStore, *, consent: bool = True, sends: bool = False) -> RecordingHandler:
    """Make a handler for one person, `u1`."""
    rows = RowMaker(
        process_id="p1",
        sends=sends,
        has_consent=lambda _: consent,
        make_redactor=lambda _: Redactor(),
    )
    owner = Owner("u1")
    return RecordingHandler(Writer(store), rows, prices=PriceList(), default_owner=owner)
