"""An answer that gives the instructions away: withheld, whole and in a stream, and recorded."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.errors import ModelLeakError
from agent.events import Event
from prompts import PromptBook
from tests.agent.test_providers import connected
from tests.agent.test_streams import text_of
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

TOLD = PromptBook.open().get("chat").instructions
OPENING = "A dict maps keys to values."
QUESTION = "What is a dict?"


@pytest.mark.parametrize("told", [TOLD, " ".join(TOLD.split()[:30])])
@pytest.mark.parametrize("streamed", [True, False])
def test_leak_is_withheld_and_recorded_when_a_model_repeats_its_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    told: str, *, streamed: bool,
) -> None:  # fmt: skip
    """What came before it is shown in a stream; the record names what happened, and the cost."""
    events: list[Event] = []
    with running(OpenAIServer(f"{OPENING}\n\n{told}").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant, caplog.at_level(logging.WARNING):
            ways: dict[bool, Callable[[], object]] = {
                True: lambda: events.extend(assistant.stream(QUESTION, prompt_type="chat")),
                False: lambda: assistant.ask(QUESTION, prompt_type="chat"),
            }
            with pytest.raises(ModelLeakError, match="withheld") as caught:
                ways[streamed]()
    assert caught.value.run_id is not None
    assert caught.value.__cause__ is None
    with Assistant(settings) as assistant:
        root = assistant.stores.runs.get(caught.value.run_id)
        (call,) = assistant.stores.runs.of_root(caught.value.run_id)
    assert root is not None
    assert (root.status, root.error) == ("error", "WithheldError")
    assert (call.status, call.cost_nano_usd) == ("done", 7_500_000)
    assert "repeats the instructions" in caplog.text
    shown = text_of(events)
    assert shown.startswith(OPENING) == streamed
    assert "assistant" not in shown


def test_quotation_is_shown_when_the_question_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the words may have them back: whole, and in a stream."""
    said = f"{OPENING} You quote: {TOLD}"
    question = f"Improve this prompt of mine: {TOLD}"
    with running(OpenAIServer(said).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            answer = assistant.ask(question, prompt_type="chat")
            events = list(assistant.stream(question, prompt_type="chat"))
    assert answer.text == text_of(events) == events[-1].data["text"]
    assert "Use the conversation so far" in answer.text


def test_stream_ends_with_the_last_word_when_it_stands_in_the_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was held back to see what follows is shown when nothing does."""
    words = f"{OPENING} I am an AI assistant helping a student"
    with running(OpenAIServer(words).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            events = list(assistant.stream(QUESTION, prompt_type="chat"))
    assert text_of(events) == events[-1].data["text"] == words


@pytest.mark.anyio
async def test_stream_begins_anew_when_a_leak_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one try gave away does not silence the next."""
    provider = OpenAIServer(
        f"{OPENING} {TOLD}", OPENING, fault="eof", faulty_calls=1, after_tokens=40
    )
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base, model_retries=1)
        async with AsyncAssistant(settings) as assistant:
            events = [event async for event in assistant.stream(QUESTION, prompt_type="chat")]
    assert "helping" not in "".join(str(e.data) for e in events if e.name == "token")
    assert "reset" in [event.name for event in events]
    assert text_of(events) == events[-1].data["text"] == OPENING
