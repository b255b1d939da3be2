"""A request for embeddings as callbacks hear of it, and what it waits for."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.constants import TAG_NOSTREAM
from sqlalchemy import select
from starlette.responses import JSONResponse

from agent.cli.terminal import open_knowledge, open_stores
from agent.errors import ModelError, StorageError
from agent.knowledge import Knowledge
from agent.models.embeddings import ServedEmbeddings
from agent.prices import PriceList
from agent.recording.run_store import Run
from graphs.build import build_graph
from tests.agent.models.test_embeddings import NAMED, NOTE, failing, refused, served
from tests.fakes import ScriptedChatModel, make_services, reply
from tests.servers.langsmith import LangSmithServer
from tests.servers.openai import OpenAIServer
from tests.servers.running import running
from tests.test_streams import AS_EVENTS, QUESTION, WORDS, door_to, events_of

ASKED = "How do I count the words of a text in Python?"
PROBE = """
from contextlib import closing
from langchain_core.tracers.langchain import wait_for_all_tracers
from agent.models.embeddings import ServedEmbeddings
from agent.settings import load_settings

with closing(ServedEmbeddings(load_settings())) as embeddings:
    embeddings.embed_query("what is a zanzibar-secret dict")
wait_for_all_tracers()
"""


class Heard(BaseCallbackHandler):
    """Remembers searches, and requests for embeddings with their ends."""

    def __init__(self) -> None:
        self.searches: list[UUID] = []
        self.starts: list[dict[str, Any]] = []
        self.replies: list[AIMessage] = []
        self.errors: list[BaseException] = []

    def on_retriever_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Note a search."""
        self.searches.append(run_id)

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """Pass over the chat model."""

    def on_llm_start(self, serialized: Any, prompts: list[str], **details: Any) -> None:
        """Note a request."""
        self.starts.append({"prompts": prompts, **details})

    def on_llm_end(self, response: LLMResult, **details: Any) -> None:
        """Note a reply to a request."""
        if details["run_id"] in [start["run_id"] for start in self.starts]:
            generation = response.generations[0][0]
            assert isinstance(generation, ChatGeneration)
            assert isinstance(generation.message, AIMessage)
            self.replies.append(generation.message)

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        """Note a failure."""
        self.errors.append(error)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A document to index."""
    path = tmp_path / "note.md"
    path.write_text(NOTE, "utf-8")
    return path


@pytest.fixture
def server() -> OpenAIServer:
    """A server of embeddings."""
    return OpenAIServer(WORDS)


@pytest.fixture
def base(server: OpenAIServer) -> Iterator[str]:
    """The address of the running server."""
    with running(server.app) as address:
        yield address


def test_question_is_a_run_below_the_search_when_the_graph_asks(base: str, note: Path) -> None:
    """With its text, the names and the usage that it is priced by."""
    heard = Heard()
    with closing(Knowledge(served(base))) as knowledge:
        knowledge.add(note)
        services = make_services(ScriptedChatModel(replies=[reply("Hi.")]))
        asked: Any = {"messages": [("user", ASKED)]}
        graph = build_graph(replace(services, retrieve=knowledge.retrieve))
        values = graph.invoke(asked, {"callbacks": [heard]})
    ((start,), (end,)) = (heard.starts, heard.replies)
    assert values["messages"][-1].text == "Hi."
    assert [start["parent_run_id"]] == heard.searches
    assert (start["prompts"], start["name"]) == ([ASKED], "embed")
    assert TAG_NOSTREAM in start["tags"]
    named = {
        "ls_model_type": "embedding",
        "ls_provider": "openai",
        "ls_model_name": "text-embedding-3-small",
        "model_asked": NAMED,
        "langgraph_node": "retrieve",
    }
    assert named.items() <= start["metadata"].items()
    usage = end.usage_metadata
    assert usage == {"input_tokens": 11, "output_tokens": 0, "total_tokens": 11}
    served_by = end.response_metadata
    assert served_by == {"model_name": "text-embedding-3-small", "finish_reason": "stop"}
    price = PriceList().price(
        provider="openai", model=served_by["model_name"], usage=usage, at=datetime.now(UTC)
    )
    assert price.nano_usd == 220


def test_texts_are_counted_when_documents_are_embedded(base: str) -> None:
    """Each request is a root of its own, without a word of the texts."""
    heard = Heard()
    with closing(ServedEmbeddings(served(base), callbacks=[heard])) as embeddings:
        embeddings.embed_documents([f"text {n}" for n in range(130)])
    assert [start["prompts"] for start in heard.starts] == [["64 texts"], ["64 texts"], ["2 texts"]]
    assert [start["parent_run_id"] for start in heard.starts] == [None] * 3
    tokens = [usage["input_tokens"] for end in heard.replies if (usage := end.usage_metadata)]
    assert tokens == [128, 128, 4]


def test_index_is_heard_of_when_it_is_built(base: str, note: Path) -> None:
    """By whoever the knowledge was given, added and built anew."""
    heard = Heard()
    with closing(Knowledge(served(base), callbacks=[heard])) as knowledge:
        knowledge.add(note)
        knowledge.rebuild()
    assert [start["prompts"] for start in heard.starts] == [["1 texts"]] * 2
    assert len(heard.replies) == 2


def test_request_is_heard_of_once_when_a_run_has_the_same_callback(base: str) -> None:
    """A handler of both is told one time; one of either is told too."""
    both, own, of_run = Heard(), Heard(), Heard()
    config: RunnableConfig = {"callbacks": [both, of_run]}
    with (
        closing(ServedEmbeddings(served(base), callbacks=[both, own])) as embeddings,
        set_config_context(config) as context,
    ):
        context.run(embeddings.embed_query, "words")
    assert [len(heard.replies) for heard in (both, own, of_run)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("reply", "error"),
    [(refused(429), "RateLimitError"), (JSONResponse({"data": []}), "ModelError")],
)
def test_run_is_settled_when_the_server_fails(reply: JSONResponse, error: str) -> None:
    """What went wrong is heard of, before it leaves in our words."""
    heard = Heard()
    with (
        failing(reply) as base,
        closing(ServedEmbeddings(served(base), callbacks=[heard])) as embeddings,
        pytest.raises(ModelError),
    ):
        embeddings.embed_query("words")
    assert [type(known).__name__ for known in heard.errors] == [error]
    assert not heard.replies


def test_usage_is_unknown_when_the_server_states_none() -> None:
    """No tokens are made up; the model is the one that was asked."""
    heard = Heard()
    with (
        failing(JSONResponse({"data": [{"embedding": [1.0]}]})) as base,
        closing(ServedEmbeddings(served(base), callbacks=[heard])) as embeddings,
    ):
        assert embeddings.embed_query("words") == [1.0]
    (end,) = heard.replies
    assert end.usage_metadata is None
    assert end.response_metadata["model_name"] == "text-embedding-3-small"


def test_request_leaves_when_what_it_waits_for_is_done(base: str, server: OpenAIServer) -> None:
    """Its run is announced first, and nothing has been sent meanwhile."""
    heard = Heard()
    seen: list[tuple[int, int]] = []

    def wait() -> None:
        seen.append((len(heard.starts), len(server.embedded)))

    with closing(
        ServedEmbeddings(served(base), callbacks=[heard], before_request=wait)
    ) as embeddings:
        embeddings.embed_documents(["words"] * 65)
    assert seen == [(1, 0), (2, 1)]
    assert len(server.embedded) == 2


def test_nothing_is_sent_when_what_a_request_waits_for_fails(
    base: str, server: OpenAIServer, note: Path
) -> None:
    """That very error comes out, at once, and the run is settled with it."""
    heard, failure = Heard(), StorageError("The records cannot be written.")

    def wait() -> None:
        raise failure

    settings = served(base, model_retries=2)
    with (
        closing(Knowledge(settings, callbacks=[heard], before_request=wait)) as knowledge,
        pytest.raises(StorageError) as caught,
    ):
        knowledge.add(note)
    assert caught.value is failure
    assert heard.errors == [failure]
    assert not server.embedded


def test_ambient_tracer_hears_nothing_when_tracing_is_on(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows no consent; only callbacks that were given are told."""
    tracing = LangSmithServer()
    with running(tracing.app) as endpoint:
        for name, value in {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": "ls-test",
            "LANGSMITH_ENDPOINT": endpoint,
            "OPENAI_BASE_URL": f"{base}/v1",
            "ASSIST_EMBEDDINGS": NAMED,
        }.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-c", PROBE]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[3], timeout=60)
    assert not tracing.runs
    assert b"zanzibar-secret" not in b"".join(tracing.bodies)


def test_stream_holds_the_answer_alone_when_a_server_embeds(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply to the question's embedding is no token."""
    with (
        door_to(server, tmp_path, monkeypatch, embeddings=NAMED) as (client, _),
        client.stream("POST", "/ask", json=QUESTION, headers=AS_EVENTS) as response,
    ):
        events = [(name, data) for _, name, data in events_of(response.iter_lines())]
    assert QUESTION["message"] in [text for body in server.embedded for text in body["input"]]
    tokens = [data["text"] for name, data in events if name == "token"]
    assert "".join(tokens) == WORDS
    assert all(tokens)


def test_embeddings_are_recorded_when_the_terminal_indexes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the index costs stands in the record, without the documents' text."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with running(OpenAIServer("Hi.").app) as base:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{base}/v1")
        monkeypatch.setenv("ASSIST_EMBEDDINGS", NAMED)
        monkeypatch.setenv("ASSIST_PRICE_PROVIDER", "openai")
        with open_knowledge() as knowledge:
            knowledge.add(tmp_path / "note.md")
    with open_stores() as stores, stores.database.read() as session:
        (run,) = session.scalars(select(Run)).all()
    assert (run.run_type, run.status, run.prompt) == ("embedding", "done", None)
    assert run.input_tokens
    assert run.cost_nano_usd is not None
