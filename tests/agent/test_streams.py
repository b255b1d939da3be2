"""Answers event by event, from a real client against a real socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.errors import AssistantError, ClosedError, DraftError, InputError
from agent.events import Event
from agent.recording.run_store import Run
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.test_assistant import BRIEF
from tests.agent.test_providers import connected
from tests.graphs.test_build import CODE, PLAN
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

QUESTION = "What is a dict?"
WORDS = "A dict maps keys to values, and keeps the order in which they came."


def text_of(events: list[Event]) -> str:
    """Put together what a reader sees, who forgets at a `reset`."""
    text = ""
    for event in events:
        if event.name == "reset":
            text = ""
        elif event.name == "token":
            text += event.data["text"]
    return text


def rows(assistant: Assistant, run_id: str) -> tuple[Run, list[Run]]:
    """Return the root's row and those of its model calls."""
    root = assistant.stores.runs.get(run_id)
    assert root is not None
    return root, list(assistant.stores.runs.of_root(run_id))


@pytest.mark.parametrize(
    ("kind", "reply", "body"),
    [
        ("chat", WORDS, []),
        ("planning", json.dumps(PLAN), ["plan"]),
        ("codegen", json.dumps(CODE), ["code"]),
    ],
)
def test_events_come_in_order_when_an_answer_is_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reply: str, body: list[str]
) -> None:
    """Metadata, sources, tokens of the answer alone, plan or code, usage, done."""
    with running(OpenAIServer(reply).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            events = list(assistant.stream(BRIEF, prompt_type=kind))
            _, calls = rows(assistant, events[0].data["run_id"])
    names = [event.name for event in events]
    tokens = names.count("token")
    assert (tokens > 5) == (kind == "chat")
    assert names == ["metadata", "sources", *["token"] * tokens, *body, "usage", "done"]
    answer = events[-1].data
    if kind == "chat":
        assert text_of(events) == answer["text"] == WORDS
    assert answer["run_id"] == events[0].data["run_id"]
    assert events[-2].data == {
        "input_tokens": 1_000,
        "output_tokens": 500,
        "cost_usd": 0.0075,
        "model_asked": "openai:gpt-4o",
        "model_served": "gpt-4o-2024-08-06",
    }
    assert [call.first_token_ms is not None for call in calls] == [True]


def test_first_event_comes_when_nothing_has_run_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is open, the provider is not asked; closing here settles it as cancelled."""
    provider = OpenAIServer(WORDS)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            events = assistant.stream(QUESTION)
            first = next(events)
            opened, _ = rows(assistant, first.data["run_id"])
            events.close()  # type: ignore[attr-defined]  # an iterator that is a generator
            closed, calls = rows(assistant, first.data["run_id"])
    assert (first.name, opened.status, closed.status) == ("metadata", "started", "cancelled")
    assert (calls, provider.calls) == ([], 0)


@pytest.mark.parametrize("consent", [True, False])
def test_call_is_cancelled_when_the_reader_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, consent: bool
) -> None:
    """The provider's call ends, both rows are settled, the partial text is kept if it may be."""
    provider = OpenAIServer(WORDS, token_delay=0.05)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            if consent:
                assistant.stores.consent.decide(assistant.stores.user_id, "given", door="terminal")
            seen = []
            for event in assistant.stream(QUESTION):
                seen.append(event)
                if len(seen) == 5:
                    break
            root, (call,) = rows(assistant, seen[0].data["run_id"])
            assert provider.open_calls == 0
    assert (root.status, call.status) == ("cancelled", "cancelled")
    assert provider.disconnects == 1
    assert call.response is None if not consent else WORDS.startswith(str(call.response))
    assert call.input_tokens is None


@pytest.mark.parametrize("fault", ["eof", "cut", "stall"])
def test_text_begins_anew_when_a_stream_broke_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """Nobody continues another's sentence: a `reset`, then the whole answer once more."""
    provider = OpenAIServer(WORDS, fault=fault, faulty_calls=1)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base, stream_timeout=0.3)
        with Assistant(settings) as assistant:
            events = list(assistant.stream(QUESTION))
            _, calls = rows(assistant, events[0].data["run_id"])
    names = [event.name for event in events]
    assert names.count("reset") == 1
    assert names.index("token") < names.index("reset")
    assert text_of(events) == WORDS
    assert [call.status for call in calls] == ["incomplete", "done"]


@pytest.mark.anyio
async def test_async_stream_equals_the_sync_one_when_both_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same names, same events."""
    with running(OpenAIServer(WORDS).app) as base:
        settings = await asyncio.to_thread(connected, tmp_path, monkeypatch, base)
        async with AsyncAssistant(settings) as assistant:
            ours = [event async for event in assistant.stream(QUESTION)]

        def in_sync() -> list[Event]:
            with Assistant(settings) as twin:
                return list(twin.stream(QUESTION))

        theirs = await asyncio.to_thread(in_sync)
    assert [event.name for event in ours] == [event.name for event in theirs]
    assert text_of(ours) == text_of(theirs) == WORDS


def test_stream_raises_at_once_when_the_call_is_wrong(settings: Settings) -> None:
    """Nothing was opened, so nothing has to be settled."""
    with Assistant(settings) as assistant:
        with pytest.raises(InputError):
            next(assistant.stream(" "))
        assert len(assistant.stores.runs.latest(None)) == 0


def test_marks_are_dropped_when_they_name_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown while it is written is what the answer says in the end."""
    with running(OpenAIServer("Use a `Counter` [1], as in [7] [12][1].").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            events = list(assistant.stream("How do I count words in Python?"))
    assert text_of(events) == events[-1].data["text"] == "Use a `Counter` [1], as in  [1]."
    assert [source["number"] for source in events[-1].data["sources"]] == [1]


def test_stream_waits_when_another_runs_on_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests of one thread queue; the second one's first event does not."""
    with running(OpenAIServer(WORDS, token_delay=0.01).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            first = assistant.stream(QUESTION)
            thread = next(first).data["thread_id"]
            next(first)
            second = assistant.stream(QUESTION, thread_id=thread)
            assert next(second).name == "metadata"
            assert [event.name for event in first][-1] == "done"
            assert [event.name for event in second][-1] == "done"


def test_stream_raises_what_ask_raises_when_the_model_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Python an error is raised; it carries the run to look up."""
    with running(OpenAIServer(WORDS, fault="400").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            events = assistant.stream(QUESTION)
            run_id = next(events).data["run_id"]
            with pytest.raises(AssistantError) as caught:
                list(events)
            root, (call,) = rows(assistant, run_id)
    assert caught.value.run_id == run_id
    assert (root.status, call.status) == ("error", "error")


def test_text_equals_the_answer_when_the_window_drops_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the model was given is announced, and only that can be cited, also on the way."""
    text = "Count with a dict [1] [2] [3] [4]."
    with running(OpenAIServer(text).app) as base:
        settings = connected(tmp_path, monkeypatch, base, model_window=2_000)
        with Assistant(settings) as assistant:
            for number in range(4):
                note = tmp_path / f"count-{number}.md"
                note.write_text(
                    f"# Counting {number}\n\n" + f"Count words in Python {number}. " * 90
                )
                assistant.knowledge.add(note)
            events = list(assistant.stream("How do I count words in Python?"))
    (announced,) = [event.data for event in events if event.name == "sources"]
    assert 0 < len(announced) < 4
    assert text_of(events) == events[-1].data["text"] != text


@pytest.mark.parametrize("streamed", [True, False])
def test_root_is_settled_last_when_a_draft_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, streamed: bool
) -> None:
    """A request that ends in an error is not recorded as done."""
    with running(OpenAIServer("Sorry, no.").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            ask = (lambda *a, **k: list(assistant.stream(*a, **k))) if streamed else assistant.ask
            with pytest.raises(DraftError) as caught:
                ask(BRIEF, prompt_type="planning")
            root, calls = rows(assistant, str(caught.value.run_id))
    assert (root.status, root.error) == ("error", "DraftError")
    assert {call.status for call in calls} == {"done"}


@pytest.mark.anyio
@pytest.mark.parametrize("streamed", [True, False])
async def test_request_is_settled_when_the_assistant_is_closed_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, streamed: bool
) -> None:
    """Its caller is told so, its provider's call ends, and nothing new begins."""
    provider = OpenAIServer(WORDS, hang=True)
    with running(provider.app) as base:
        settings = await asyncio.to_thread(connected, tmp_path, monkeypatch, base)

        async def ask(assistant: AsyncAssistant) -> None:
            if streamed:
                _ = [event async for event in assistant.stream(QUESTION)]
            else:
                await assistant.ask(QUESTION)

        async with AsyncAssistant(settings) as assistant:
            asking = asyncio.create_task(ask(assistant))
            while not provider.open_calls:  # noqa: ASYNC110 - the server is in another thread
                await asyncio.sleep(0.01)
        with pytest.raises(ClosedError) as caught:
            await asking
        with pytest.raises(ClosedError):
            await ask(assistant)
    stores = await asyncio.to_thread(Stores.open, settings)
    (call,) = await asyncio.to_thread(stores.runs.latest, None)
    root = await asyncio.to_thread(stores.runs.get, str(caught.value.run_id))
    await asyncio.to_thread(stores.close)
    assert root is not None
    assert (root.status, call.status) == ("cancelled", "cancelled")
    assert provider.open_calls == 0
