"""The events of a streamed answer, read from what LangGraph streams.

An answer comes as `metadata`, `sources`, `token`…, `plan` or `code`, `usage`, `done`. Between
tokens a `reset` may stand: what was shown so far is void, because the model begins anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessageChunk

from agent.answer import NOTICE, Answer, QuotedSource
from agent.privacy.redaction import Placeholders, StreamRestorer
from agent.requests import Request
from graphs.calls import clean
from graphs.citations import CitationStream
from graphs.leaks import Instructions, LeakStream
from retrieval import Source

EventName = Literal[
    "metadata", "sources", "token", "reset", "plan", "code", "usage", "done", "error"
]
STREAM_MODES: tuple[Literal["updates", "messages", "values", "custom"], ...] = (
    "updates",
    "messages",
    "values",
    "custom",
)
"""What `EventReader` has to be given of LangGraph's stream."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, with plain data that JSON can hold."""

    name: EventName
    data: Any


class EventReader:
    """Reads the parts of one run's stream; only the answer's own tokens become events."""

    def __init__(self, placeholders: Placeholders | None = None, instructions: str = "") -> None:
        self._placeholders = placeholders or Placeholders()
        self._restorer = StreamRestorer(self._placeholders)
        self.values: dict[str, Any] = {}
        """The graph's state after the last step."""
        self._known: set[int] | None = None
        """The numbers of the sources that the model was given, once it was."""
        self._attempt = 0
        self._has_shown = False
        self._text = CitationStream(known=set())
        self._told = instructions
        self._instructions = Instructions(instructions)
        self._kept = LeakStream(self._instructions)

    def read(self, mode: str, part: Any) -> Iterator[Event]:
        """Return the events of one part, which is often none."""
        if mode == "values":
            self.values = dict(part)
        elif mode == "messages":
            yield from self._read_chunk(*part)
        elif mode == "custom":
            yield from self._read_sources(**part)
        elif "chat" in part:
            rest = self._text.feed(self._restorer.flush()) + self._text.end()
            yield from self._show(self._kept.feed(rest) + self._kept.end())

    def _read_sources(self, sources: list[Source], given: list[str]) -> Iterator[Event]:
        if self._known is None:  # a repair round is given the same ones
            self._known = {source["number"] for source in sources}
            self._instructions = Instructions(self._told, given)
            self._kept = LeakStream(self._instructions)
            yield Event("sources", [_quoted(source) for source in sources])

    def _read_chunk(self, chunk: Any, metadata: dict[str, Any]) -> Iterator[Event]:
        if not isinstance(chunk, AIMessageChunk) or metadata.get("task_type") != "chat_answer":
            return
        if (attempt := metadata.get("attempt", 1)) != self._attempt:
            self._attempt = attempt
            self._restorer = StreamRestorer(self._placeholders)
            self._text = CitationStream(known=self._known or set())
            self._kept = LeakStream(self._instructions)
            if self._has_shown:
                self._has_shown = False
                yield Event("reset", {"attempt": attempt})
        piece = self._text.feed(self._restorer.feed(clean(chunk.text)))
        yield from self._show(self._kept.feed(piece))

    def _show(self, text: str) -> Iterator[Event]:
        if text:
            self._has_shown = True
            yield Event("token", {"text": text})


def opening_event(request: Request) -> Event:
    """Return the first event, which comes before anything is done."""
    data = {
        "run_id": str(request.run_id),
        "thread_id": request.thread_id,
        "text_recorded": request.keeps_text,
        "ai_generated": True,
        "notice": NOTICE,
    }
    return Event("metadata", data)


def closing_events(answer: Answer) -> Iterator[Event]:
    """Return the last events; `done` is the whole answer, and says that it is recorded."""
    whole = answer.model_dump(mode="json")
    if answer.plan:
        yield Event("plan", whole["plan"])
    if answer.code:
        yield Event("code", whole["code"])
    spent = ("cost_usd", "model_asked", "model_served")
    yield Event("usage", {**whole["usage"], **{name: whole[name] for name in spent}})
    yield Event("done", whole)


def _quoted(source: Source) -> dict[str, Any]:
    return QuotedSource.model_validate(source).model_dump(mode="json")
