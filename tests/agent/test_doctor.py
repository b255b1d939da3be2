"""The check-up: what is configured, and whether it answers."""

import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from agent.cli import app
from agent.doctor import Finding, examine, probe_langsmith
from agent.settings import Settings
from tests.servers.langsmith import LangSmithServer, usage_of
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

SECRET = "sk-secret"  # noqa: S105 - a key that must not be found anywhere
ONE_MODEL = {"strong_model": "openai:gpt-4o", "fast_model": "openai:gpt-4o"}


@pytest.fixture
def nobody() -> str:
    """An address on loopback where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def look(tmp_path: Path, base: str = "", **given: Any) -> dict[str, Finding]:
    """Examine settings that point at a server, and check that no secret is told."""
    address = {"openai_base_url": f"{base}/v1"} if base else {}
    settings = Settings(**{"data_dir": tmp_path / "data", **address, **given})
    findings = examine(settings)
    assert SECRET not in repr(findings)
    return {finding.what: finding for finding in findings}


def answering(reply: Response) -> Starlette:
    """Make a server that answers to `/v1/models` in one way."""

    async def answer(_: Request) -> Response:
        return reply

    app = Starlette()
    app.add_route("/v1/models", answer)
    return app


def test_nothing_is_asked_when_only_the_offline_model_is_there(tmp_path: Path) -> None:
    """All is well without a network, and the embeddings and prices in force are named."""
    found = look(tmp_path)
    assert list(found) == ["records", "keys", "index", "embeddings", "models", "prices"]
    assert all(finding.ok for finding in found.values())
    assert found["embeddings"].detail == "wordllama:l2_supercat:256 (ASSIST_EMBEDDINGS)"
    assert found["prices"].detail == "offline:offline-1: offline: no charge"


def test_server_is_well_when_it_lists_what_is_configured(tmp_path: Path) -> None:
    """The host is named, the key is not; embeddings are asked for like models."""
    server = OpenAIServer(models=["gpt-4o", "e-small"], key=SECRET)
    with running(server.app) as base:
        given = {**ONE_MODEL, "embeddings": "openai:e-small", "openai_api_key": SECRET}
        found = look(tmp_path, base, **given)
    host = base.removeprefix("http://")
    assert found["server"] == Finding(
        "server", ok=True, detail=f"{host} answers and has gpt-4o, e-small"
    )
    assert found["embeddings"].detail == f"openai:e-small@{host} (ASSIST_EMBEDDINGS)"


def test_setting_is_named_when_its_model_is_not_listed(tmp_path: Path) -> None:
    """A few that are there, the nearest first, and only the settings that are wrong."""
    models = ["aya", "gpt-4o", "llama3.1:8b", "mistral", "qwen3"]
    given = {"strong_model": "openai:llama3:8b", "fast_model": "openai:gpt-4o"}
    with running(OpenAIServer(models=models).app) as base:
        found = look(tmp_path, base, **given)["server"]
    assert not found.ok
    assert "does not list llama3:8b. It has llama3.1:8b, aya, gpt-4o and more." in found.detail
    assert found.detail.endswith("Change ASSIST_STRONG_MODEL.")


def test_both_settings_are_named_when_they_name_one_missing_model(tmp_path: Path) -> None:
    """A model that serves all work is changed in both places; credentials stay out of it."""
    with running(OpenAIServer(models=["aya"]).app) as base:
        found = look(tmp_path, base.replace("//", f"//staff:{SECRET}@"), **ONE_MODEL)["server"]
    assert "It has aya. Change ASSIST_STRONG_MODEL and ASSIST_FAST_MODEL." in found.detail


@pytest.mark.parametrize(
    ("app", "is_well", "said"),
    [
        (OpenAIServer(key="other").app, False, "refuses the key (401). Check OPENAI_API_KEY."),
        (answering(JSONResponse({}, 403)), False, "refuses the key (403)"),
        (OpenAIServer(models=[]).app, True, "answers but lists no models"),
        (Starlette(), True, "answers but lists no models (404)"),
        (answering(JSONResponse({}, 500)), False, "answers with an error (500)"),
        (answering(PlainTextResponse("welcome")), False, "not like an OpenAI-compatible server"),
        (answering(JSONResponse(["a"])), False, "not like an OpenAI-compatible server"),
    ],
)
def test_answer_is_told_when_the_server_lists_nothing(
    tmp_path: Path, app: Any, said: str, *, is_well: bool
) -> None:
    """A refused key and a wrong address are faults; a server without a list is none."""
    with running(app) as base:
        found = look(tmp_path, base, **ONE_MODEL, openai_api_key=SECRET)["server"]
    assert found.ok == is_well
    assert found.detail.startswith(f"{base.removeprefix('http://')} answers")
    assert said in found.detail


def test_server_is_ill_when_nobody_answers(tmp_path: Path, nobody: str) -> None:
    """Who was asked, and what to check."""
    found = look(tmp_path, f"http://{nobody}", **ONE_MODEL)["server"]
    assert found.detail == f"{nobody} does not answer. Check OPENAI_BASE_URL."
    assert not found.ok


def test_model_is_ill_when_it_has_no_key(tmp_path: Path) -> None:
    """What cannot be set up is said once, by the models; the server is not asked."""
    found = look(tmp_path, **ONE_MODEL)
    assert not found["models"].ok
    assert "server" not in found
    assert found["prices"].detail == "no model is set up"


@pytest.mark.parametrize(
    ("provider", "is_well", "said"),
    [
        (
            "",
            True,
            "openai:gpt-4o, openai:o3: unknown: {host} has no price list; set ASSIST_PRICE_",
        ),
        ("openai", True, "openai:gpt-4o at {host}; openai:o3: genai-prices"),
        ("nobody", False, "ASSIST_PRICE_PROVIDER is 'nobody', whose prices are not known"),
    ],
)
def test_prices_are_told_when_a_strangers_server_is_used(
    tmp_path: Path, nobody: str, provider: str, said: str, *, is_well: bool
) -> None:
    """Whose they are, or that cost stays unknown and what would change that."""
    given = {"strong_model": "openai:gpt-4o", "fast_model": "openai:o3"}
    found = look(tmp_path, f"http://{nobody}", price_provider=provider, **given)["prices"]
    assert found.ok == is_well
    assert said.format(host=nobody) in found.detail


def test_embeddings_are_ill_when_they_have_no_key(tmp_path: Path) -> None:
    """What to set is said."""
    found = look(tmp_path, embeddings="openai:text-embedding-3-small")["embeddings"]
    assert (found.ok, "needs OPENAI_API_KEY" in found.detail) == (False, True)


@pytest.mark.parametrize(
    ("key", "status", "is_well", "said"),
    [
        (SECRET, None, True, "answers; a key is set; traces go to project assignment-assistant"),
        (None, None, False, "no key is set (LANGSMITH_API_KEY), so it will refuse traces"),
        (SECRET, 503, False, "answers with an error (503); a key is set"),
    ],
)
def test_langsmith_is_asked_when_traces_go_there(
    tmp_path: Path, key: str | None, status: int | None, said: str, *, is_well: bool
) -> None:
    """Whether it answers and whether there is a key; neither trace nor key is sent."""
    server = LangSmithServer()
    server.status = status
    with running(server.app) as base:
        given: dict[str, Any] = {"langsmith_endpoint": f"{base}/", "langsmith_api_key": key}
        found = look(tmp_path, langsmith_tracing=True, **given)["langsmith"]
    assert found.ok == is_well
    assert said in found.detail
    assert (server.bodies, server.keys) == ([], set())


@pytest.mark.parametrize("endpoint", ["http://{nobody}", "nowhere", "file:///etc/passwd"])
def test_langsmith_is_ill_when_its_address_is_wrong(
    tmp_path: Path, nobody: str, endpoint: str
) -> None:
    """Nobody there, or no address at all."""
    address = endpoint.format(nobody=nobody)
    found = look(tmp_path, langsmith_tracing=True, langsmith_endpoint=address)["langsmith"]
    assert not found.ok
    assert "LANGSMITH_ENDPOINT" in found.detail


def probe(base: str, **options: Any) -> list[Finding]:
    """Send a test run, and read it back."""
    settings = Settings(langsmith_endpoint=base, langsmith_api_key=SecretStr(SECRET))
    findings = probe_langsmith(settings, **options)
    assert SECRET not in repr(findings)
    return findings


@pytest.mark.parametrize("conflicts", [True, False])
def test_run_is_read_back_when_langsmith_is_probed(*, conflicts: bool) -> None:
    """Sent twice it is one run, without text; 409 is as good as taken."""
    server = LangSmithServer()
    server.conflicts = conflicts
    with running(server.app) as base:
        sent, again, back = probe(base)
    (run,) = server.runs.values()
    assert all(finding.ok for finding in (sent, again, back))
    assert run["id"] in sent.detail
    assert ("known (HTTP 409)" in again.detail) == conflicts
    assert back.detail == "it is there as 'llm'"
    assert usage_of(run) == {
        "input_tokens": 2,
        "output_tokens": 1,
        "total_tokens": 3,
        "total_cost": 0.0,
    }
    assert server.keys == {SECRET}


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "did not take it: HTTP 401: the key is refused"), (422, "did not take it: HTTP 422")],
)
def test_probe_ends_when_langsmith_refuses_the_run(status: int, said: str) -> None:
    """The first step that fails is the last one."""
    server = LangSmithServer()
    server.status = status
    with running(server.app) as base:
        (failed,) = probe(base)
    assert not failed.ok
    assert said in failed.detail


@pytest.mark.parametrize("fault", ["never shown", "another run", "may not read"])
def test_probe_fails_when_the_run_is_not_found(fault: str) -> None:
    """It is asked for until time is up; a key that may only write is told apart."""
    server = LangSmithServer()

    async def show(_: Request) -> Response:
        return JSONResponse(
            {"id": "other"}, {"never shown": 404, "may not read": 403}.get(fault, 200)
        )

    server.app.router.routes.insert(0, Route("/runs/{run_id}", show, methods=["GET"]))
    with running(server.app) as base:
        *_, failed = probe(base, patience=0.2)
    assert (failed.what, failed.ok) == ("langsmith: read it back", False)
    assert {"never shown": "404", "may not read": "403", "another run": "another"}[
        fault
    ] in failed.detail


def test_probe_is_part_of_the_command_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """`assist doctor --langsmith` ends with 1 where a step fails."""
    server = LangSmithServer()
    with running(server.app) as base:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        monkeypatch.setenv("LANGSMITH_API_KEY", SECRET)
        well = CliRunner().invoke(app, ["doctor", "--langsmith"])
        server.status = 503
        ill = CliRunner().invoke(app, ["doctor", "--langsmith"])
    assert "ok   langsmith: read it back" in well.stdout
    assert "FAIL langsmith: send a run" in ill.stdout
    assert (well.exit_code, ill.exit_code) == (0, 1)
    assert SECRET not in well.stdout + ill.stdout
