"""Requests on threads: what is kept of them, and what they get when their thread does not open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.errors import AssistantError, DamagedError, ErasedError
from agent.serde import ThreadOwner, remembering
from agent.settings import Settings
from tests.agent.test_assistant import NOTE, OneModel, Sleeping
from tests.agent.test_threads import ASKED, cells, change
from tests.fakes import ScriptedChatModel


@pytest.mark.anyio
async def test_event_loop_is_free_when_keys_are_read_anew(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are looked up in their database again after some seconds, away from the loop."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    async with AsyncAssistant(settings) as assistant:
        await asyncio.to_thread(assistant.knowledge.add, tmp_path / "note.md")
        await assistant.warm()
        monkeypatch.setattr("agent.privacy.keyring.FRESH", 0.0)
        with blockbuster_ctx():
            first = await assistant.ask("What is a dict?")
            await assistant.ask("And then?", thread_id=first.thread_id)


@pytest.fixture
def indexed(settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose index holds one document."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
    return settings


def put_in_clear(_: Assistant, path: Path) -> int:
    """Say of every checkpoint that it is not sealed."""
    return change(path, "UPDATE checkpoints SET type = 'msgpack'")


def destroy_key(assistant: Assistant, _: Path) -> int:
    """Destroy the local person's key, as erasure begins."""
    return assistant.stores.vault.keys.destroy(assistant.stores.user_id)


@pytest.mark.parametrize(
    ("spoil", "kind", "status"),
    [(put_in_clear, DamagedError, 409), (destroy_key, ErasedError, 410)],
)
def test_request_is_refused_cleanly_when_its_thread_does_not_open(
    indexed: Settings,
    spoil: Callable[[Assistant, Path], int],
    kind: type[AssistantError],
    status: int,
) -> None:
    """With a sentence and its run; once the thread is erased, it begins anew."""
    with Assistant(indexed) as assistant:
        thread = assistant.ask("What is a dict?").thread_id
        assert spoil(assistant, indexed.checkpoints_path)
        with pytest.raises(kind, match="Begin a new thread") as caught:
            assistant.ask("And then?", thread_id=thread)
        assert (caught.value.status, caught.value.__cause__) == (status, None)
        root = assistant.stores.runs.get(str(caught.value.run_id))
        assert root
        assert root.status == "error"
        assert assistant._async.thread_book.erase(assistant.stores.user_id) == 1
        assert assistant.ask("And then?", thread_id=thread).thread_id == thread


@pytest.mark.anyio
async def test_nothing_is_kept_when_the_person_is_erased_meanwhile(indexed: Settings) -> None:
    """The run loses; what it would have remembered is nowhere."""
    models = OneModel(indexed, "x")
    models.model = slow = Sleeping(replies=[])
    async with AsyncAssistant(indexed, models=models) as assistant:
        task = asyncio.create_task(assistant.ask(ASKED))
        await slow._asked.wait()
        keys = assistant.stores.vault.keys
        assert await asyncio.to_thread(keys.destroy, assistant.stores.user_id) == 1
        task.cancel()
        with suppress(asyncio.CancelledError, ErasedError):
            await task
    assert cells(indexed.checkpoints_path) == []


class Stuttering(ScriptedChatModel):
    """Says some words, and is then silent."""

    words: int

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for _ in range(self.words):
            yield ChatGenerationChunk(message=AIMessageChunk(content="Well "))
        await asyncio.sleep(60)


@pytest.mark.anyio
@pytest.mark.parametrize("words", [1, 500])
async def test_question_is_remembered_when_its_stream_was_closed(
    indexed: Settings, words: int
) -> None:
    """Whoever leaves finds what they asked: the model is waited for, or the reader is."""
    models = OneModel(indexed, "x")
    models.model = Stuttering(replies=[], words=words)
    async with AsyncAssistant(indexed, models=models) as assistant:
        stream = assistant.stream(ASKED, prompt_type="chat")
        thread = str((await anext(stream)).data["thread_id"])
        async for event in stream:
            if event.name == "token":
                break
        await asyncio.sleep(0.1)  # for more words than are kept ahead of a reader
        await stream.aclose()
        with remembering(ThreadOwner(assistant.stores.user_id, thread)):
            state = await assistant._threads.aget_state({"configurable": {"thread_id": thread}})
    assert [message.text for message in state.values["messages"]] == [ASKED]
