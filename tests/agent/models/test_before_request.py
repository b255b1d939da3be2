"""What a model's request waits for before it leaves, with a real client and a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.runnables import RunnableConfig

from agent.errors import StorageError
from agent.models.catalogue import ModelCatalogue
from agent.settings import Settings
from graphs.build import AssistantGraph, build_graph
from graphs.context import Context, Services
from prompts import PromptBook
from tests.fakes import TODAY, Shelf
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

WORDS = "A dict maps keys to values."


class Started(BaseCallbackHandler):
    """Counts the model calls that were announced, and keeps why they failed."""

    def __init__(self) -> None:
        self.calls = 0
        self.errors: list[BaseException] = []

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """Count a call."""
        self.calls += 1

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        """Keep an error."""
        self.errors.append(error)


@asynccontextmanager
async def connected(server: OpenAIServer, **given: Any) -> AsyncIterator[ModelCatalogue]:
    """Run a server, and a catalogue whose models it serves."""
    with running(server.app) as base:
        settings = Settings(openai_base_url=f"{base}/v1", fast_model="openai:gpt-4o", **given)
        catalogue = ModelCatalogue(settings)
        catalogue.live_here()
        yield catalogue
        await catalogue.aclose()


def graph_of(catalogue: ModelCatalogue) -> AssistantGraph:
    """Build the graph on a catalogue's models."""
    return build_graph(
        Services(
            retrieve=Shelf(),
            choose_model=catalogue.choose,
            prompts=PromptBook.open(),
            today=lambda: TODAY,
        )
    )


@pytest.mark.anyio
@pytest.mark.parametrize("streamed", [False, True])
async def test_request_leaves_when_what_it_waits_for_is_done(*, streamed: bool) -> None:
    """Each try waits, after it was announced; the models may have been made before."""
    server, started = OpenAIServer(WORDS, fault="500", faulty_calls=1), Started()
    seen: list[tuple[int, int]] = []

    async def wait() -> None:
        await asyncio.sleep(0.05)
        seen.append((started.calls, server.calls))

    async with connected(server, model_retries=1) as catalogue:
        catalogue.choose("chat")
        catalogue.before_request = wait
        graph = graph_of(catalogue)
        asked: Any = {"messages": [("user", "What is a dict?")]}
        chat, config = Context(prompt_type="chat"), RunnableConfig(callbacks=[started])
        if streamed:
            parts: Any = graph.astream(asked, config, context=chat, stream_mode="messages")
            chunks = [chunk async for chunk, _ in parts]
            text = "".join(chunk.text for chunk in chunks if isinstance(chunk, AIMessageChunk))
        else:
            text = (await graph.ainvoke(asked, config, context=chat))["messages"][-1].text
    assert text == WORDS
    assert seen == [(1, 0), (2, 1)]


@pytest.mark.anyio
@pytest.mark.parametrize("schema", [None, {"title": "Said", "type": "object", "properties": {}}])
async def test_nothing_is_sent_when_what_a_request_waits_for_fails(schema: Any) -> None:
    """That very error comes out of the call, and nothing is tried again."""
    server, started = OpenAIServer(WORDS), Started()
    failure = StorageError("The records cannot be written.")

    async def wait() -> None:
        raise failure

    async with connected(server, model_retries=2) as catalogue:
        catalogue.before_request = wait
        model = catalogue.choose("chat")
        with pytest.raises(StorageError) as caught:
            await model.ask([HumanMessage("Hi")], {"callbacks": [started]}, schema=schema)
    assert caught.value is failure
    assert started.errors == [failure]
    assert (started.calls, server.calls) == (1, 0)


@pytest.mark.anyio
async def test_nothing_is_sent_when_a_request_is_cancelled_while_it_waits() -> None:
    """The wait ends with the request."""
    server, is_waiting = OpenAIServer(WORDS), asyncio.Event()

    async def wait() -> None:
        is_waiting.set()
        await asyncio.Event().wait()

    async with connected(server) as catalogue:
        catalogue.before_request = wait
        asking = asyncio.ensure_future(catalogue.choose("chat").ask([HumanMessage("Hi")], {}))
        await is_waiting.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert server.calls == 0
