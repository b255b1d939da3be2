"""Embeddings by name, against a real OpenAI client and a server on loopback."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agent.errors import ModelBusyError, ModelError, ModelTimeoutError, SettingsError, translate
from agent.knowledge import Knowledge
from agent.models.embeddings import ServedEmbeddings, identity_of, make_embeddings
from agent.settings import Settings
from retrieval.embedding.local import LocalEmbeddings
from retrieval.errors import IndexIdentityError
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

SECRET = "sk-secret"  # noqa: S105 - a key that must not be found anywhere
NOTE = "# Counting\n\nCount the words of a text in Python with a dictionary."
NAMED = "openai:text-embedding-3-small"


def served(base: str, **given: Any) -> Settings:
    """Settings whose embeddings are those of a server."""
    address = {"openai_base_url": f"{base}/v1"} if base else {}
    return Settings(**{"embeddings": NAMED, "model_retries": 0, **address, **given})


@contextmanager
def failing(reply: Response | None) -> Iterator[str]:
    """Run a server that answers every request for embeddings alike; without a reply, late."""

    async def answer(request: Request) -> Response:
        await request.body()
        if reply is None:
            await asyncio.sleep(1)
        return reply or Response()

    app = Starlette()
    app.add_route("/v1/embeddings", answer, methods=["POST"])
    with running(app) as base:
        yield base


def refused(status: int, code: str | None = None) -> JSONResponse:
    """Make an error that quotes key and text, as servers do."""
    error = {"message": f"{SECRET} may not embed 'private words'", "code": code}
    return JSONResponse({"error": error}, status)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A document to index."""
    path = tmp_path / "note.md"
    path.write_text(NOTE, "utf-8")
    return path


def test_embeddings_are_local_when_nothing_is_set() -> None:
    """What ships with the project needs no server."""
    made = make_embeddings(Settings())
    made.close()
    assert isinstance(made.embeddings, LocalEmbeddings)
    assert made.identity == identity_of(Settings()) == LocalEmbeddings.identity


def test_texts_are_sent_as_they_are_when_a_server_embeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, not tokens; to the address that is set, whatever else the environment names."""
    for name in ("OPENAI_API_BASE", "OPENAI_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("OPENAI_API_TYPE", "azure")
    server = OpenAIServer(key=SECRET)
    with running(server.app) as base:
        made = make_embeddings(served(base, openai_api_key=SECRET))
        vectors = made.embeddings.embed_documents(["count words", "count the words", "bake"])
        asked = made.embeddings.embed_query("count words")
        made.close()
    assert [len(vector) for vector in vectors] == [64, 64, 64]
    assert asked == vectors[0]
    assert _cosine(asked, vectors[1]) > _cosine(asked, vectors[2])
    first = server.embedded[0]
    assert first["input"] == ["count words", "count the words", "bake"]
    assert (first["model"], first["encoding_format"]) == ("text-embedding-3-small", "float")


def test_texts_are_sent_in_batches_when_they_are_many() -> None:
    """A request stays below the tokens that OpenAI takes at once."""
    server = OpenAIServer()
    with running(server.app) as base, closing(ServedEmbeddings(served(base))) as embeddings:
        assert len(embeddings.embed_documents([f"text {n}" for n in range(130)])) == 130
    assert [len(body["input"]) for body in server.embedded] == [64, 64, 2]


@pytest.mark.parametrize(
    ("base_url", "identity"),
    [
        ("", NAMED),
        ("https://api.openai.com/v1/", NAMED),
        ("http://127.0.0.1:9000/v1", f"{NAMED}@127.0.0.1:9000"),
        ("https://user:hunter2@gateway.example/v1", f"{NAMED}@gateway.example"),
    ],
)
def test_identity_names_the_host_when_it_is_not_openais(base_url: str, identity: str) -> None:
    """The same name elsewhere may be another model; credentials are no part of it."""
    assert identity_of(Settings(embeddings=NAMED, openai_base_url=base_url)) == identity


@pytest.mark.parametrize("base_url", ["", "https://api.openai.com/v1"])
def test_setting_is_named_when_openai_has_no_key(base_url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(SettingsError, match=f"'{NAMED}' needs OPENAI_API_KEY, or OPENAI_BASE_URL"):
        make_embeddings(Settings(embeddings=NAMED, openai_base_url=base_url))


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (refused(401), ModelError, "refused the key (401). Check OPENAI_API_KEY"),
        (refused(403), ModelError, "refused access (403)"),
        (refused(404), ModelError, "is not known to its server (404). Change ASSIST_EMBEDDINGS"),
        (refused(400), ModelError, "refused the texts as invalid (400)"),
        (refused(429), ModelBusyError, "takes no more requests now (429)"),
        (refused(429, "insufficient_quota"), ModelError, "has no quota left"),
        (refused(500), ModelError, "failed on its server's side"),
        (refused(409), ModelError, "failed (ConflictError)"),
        (PlainTextResponse("welcome"), ModelError, "answered with something else"),
        (JSONResponse({"hello": "you"}), ModelError, "answered with something else"),
        (JSONResponse({"data": []}), ModelError, "answered with something else"),
        (Response("{", media_type="application/json"), ModelError, "answered with something else"),
        (None, ModelTimeoutError, "did not answer in time"),
    ],
)
def test_failure_is_named_when_the_server_fails(
    reply: Response | None, kind: type[ModelError], said: str
) -> None:
    """The model, what happened, what to do; neither key nor text nor the server's words."""
    with failing(reply) as base:
        settings = served(base, openai_api_key=SECRET, model_timeout=0.5)
        with closing(ServedEmbeddings(settings)) as embeddings, pytest.raises(kind) as caught:
            embeddings.embed_documents(["private words"])
    assert str(caught.value).startswith(f"The embedding {NAMED} ")
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "private" not in str(caught.value)


def test_request_is_tried_again_when_the_server_is_busy() -> None:
    """As often as is set, and no more."""
    calls: list[bytes] = []

    async def answer(request: Request) -> Response:
        calls.append(await request.body())
        return refused(503)

    app = Starlette()
    app.add_route("/v1/embeddings", answer, methods=["POST"])
    with (
        running(app) as base,
        closing(ServedEmbeddings(served(base, model_retries=1))) as embeddings,
        pytest.raises(ModelError, match="failed on its server's side"),
    ):
        embeddings.embed_query("words")
    assert len(calls) == 2


def test_index_is_rebuilt_when_the_embeddings_change(note: Path) -> None:
    """Vectors of two models never meet: switching says what to run, and running it helps."""
    server = OpenAIServer()
    with running(server.app) as base:
        settings = served(base)
        with closing(Knowledge(settings)) as knowledge:
            knowledge.add(note)
            assert knowledge.stats().embedding == identity_of(settings)
            assert [s["title"] for s in knowledge.search("count words")] == ["Counting"]
    back = Knowledge(settings.model_copy(update={"embeddings": "local"}))
    with closing(back), pytest.raises(IndexIdentityError) as caught:
        back.search("count words")
    assert "Run: assist index rebuild" in str(translate(caught.value))
    with closing(back):
        assert back.rebuild() == 1
        assert [source["title"] for source in back.search("count words")] == ["Counting"]


def test_index_stays_when_the_server_is_gone(note: Path) -> None:
    """A search fails in a sentence; what was indexed is not lost."""
    server = OpenAIServer()
    with running(server.app) as base, closing(Knowledge(served(base))) as knowledge:
        knowledge.add(note)
        asked = len(server.embedded)
    with closing(knowledge), pytest.raises(ModelError, match="could not be reached"):
        knowledge.search("count words")
    with closing(knowledge):
        assert knowledge.stats().documents == 1
    assert asked == 1


def test_index_stays_when_a_rebuild_fails(note: Path) -> None:
    """The old one answers on, and no connection is left open."""
    with closing(Knowledge(Settings())) as local:
        local.add(note)
        with failing(refused(500)) as base, pytest.raises(ModelError, match="server's side"):
            Knowledge(served(base)).rebuild()
        gc.collect()
        assert [source["title"] for source in local.search("count words")] == ["Counting"]


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
