"""A real OpenAI client against a real socket: structured drafts, usage, cost, versions."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from genai_prices import Usage, calc_price

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.errors import DraftError, ModelError
from agent.settings import Settings
from agent.stores import Stores
from server import create_app
from tests.agent.test_assistant import BRIEF, NOTE
from tests.graphs.test_build import CODE, CYCLE, PLAN
from tests.servers.openai import OpenAIServer
from tests.servers.running import running


def connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str, **changes: Any
) -> Settings:
    """Settings of an OpenAI-compatible server whose prices are OpenAI's."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{base}/v1")
    chosen = {
        "data_dir": tmp_path / "data",
        "strong_model": "openai:gpt-4o",
        "fast_model": "openai:gpt-4o",
        "price_provider": "openai",
        "model_timeout": 10,
    }
    settings = Settings(**{**chosen, **changes})
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
    return settings


USAGE = {
    "prompt_tokens": 1_237,
    "completion_tokens": 311,
    "total_tokens": 1_548,
    "prompt_tokens_details": {"cached_tokens": 1_024},
    "completion_tokens_details": {"reasoning_tokens": 64},
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("kind", "text"),
    [("chat", "A dict."), ("planning", json.dumps(PLAN)), ("codegen", json.dumps(CODE))],
)
def test_record_equals_what_the_server_said_when_asked_in_any_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, text: str,
    *, streamed: bool, is_async: bool,
) -> None:  # fmt: skip
    """The server's own tokens, and the price list's cost of them to the nano-dollar."""
    with running(OpenAIServer(text, usage=USAGE).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        if is_async:
            answer = asyncio.run(ask_async(settings, kind, streamed=streamed))
        else:
            with Assistant(settings) as assistant:
                if streamed:
                    answer = list(assistant.stream(BRIEF, prompt_type=kind))[-1].data
                else:
                    answer = assistant.ask(BRIEF, prompt_type=kind).model_dump()
    stores = Stores.open(settings)
    (run,) = stores.runs.of_root(answer["run_id"])
    stores.close()
    tokens = Usage(input_tokens=1_237, output_tokens=311, cache_read_tokens=1_024)
    listed = calc_price(tokens, "gpt-4o-2024-08-06", provider_id="openai")
    assert (run.status, run.finish_reason) == ("done", "stop")
    assert (run.input_tokens, run.output_tokens) == (1_237, 311)
    assert run.cost_nano_usd == int(listed.total_price * 1_000_000_000)
    assert answer["cost_usd"] == float(listed.total_price)
    assert answer["usage"] == {"input_tokens": 1_237, "output_tokens": 311}
    assert (run.first_token_ms is not None) == streamed


async def ask_async(settings: Settings, kind: str, *, streamed: bool) -> dict[str, Any]:
    """Ask through the async face."""
    async with AsyncAssistant(settings) as assistant:
        if not streamed:
            return (await assistant.ask(BRIEF, prompt_type=kind)).model_dump()
        events = [event async for event in assistant.stream(BRIEF, prompt_type=kind)]
        return dict(events[-1].data)


def test_draft_is_repaired_when_a_real_client_gets_nonsense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonsense, then a cycle, are findings: the reply and its usage are not lost."""
    server = OpenAIServer("Sorry, no.", json.dumps(PLAN))
    with running(server.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            answer = assistant.ask(BRIEF, prompt_type="planning")
            runs = assistant.stores.runs.of_root(answer.run_id)
    assert answer.plan is not None
    assert answer.cost_usd == 0.015
    assert [run.task_type for run in runs] == ["plan_generation", "plan_repair"]
    assert {run.model_version for run in runs} == {"fp_test"}
    assert {run.model_served for run in runs} == {"gpt-4o-2024-08-06"}
    schema = server.requests[0]["response_format"]["json_schema"]["schema"]
    assert "tasks" in schema["properties"]


def test_draft_is_kept_when_a_real_client_gets_faults_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clear failure of the scripted model is that of a real one too."""
    with running(OpenAIServer(json.dumps(CYCLE)).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant, pytest.raises(DraftError, match="form a cycle"):
            assistant.ask(BRIEF, prompt_type="planning")


def test_assistant_answers_when_it_is_the_second_in_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a notebook's cell is run twice: pooled connections still have their loop."""
    with running(OpenAIServer("A dict maps keys.").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        for _ in range(2):
            with Assistant(settings) as assistant:
                assert assistant.ask("What is a dict?").text == "A dict maps keys."


def test_failure_is_named_when_the_server_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind of failure is ours to say; address, key and prompt are not."""
    with running(OpenAIServer("x").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
    with Assistant(settings) as assistant, pytest.raises(ModelError) as caught:
        assistant.ask("What is a dict?")
    assert "openai:gpt-4o could not be reached" in str(caught.value)
    assert "sk-test" not in str(caught.value)
    assert "dict" not in str(caught.value)


def test_draft_comes_back_over_http_when_it_failed_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 502 that says what was found, with the draft and the run to look up."""
    with running(OpenAIServer("Sorry, no.").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with running(create_app(settings)) as door:
            body = {"message": BRIEF, "prompt_type": "planning"}
            response = httpx.post(f"{door}/ask", json=body, timeout=30)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (502, "draft_invalid")
    assert error["draft"] == "Sorry, no."
    assert error["run_id"]


def test_provider_call_stops_when_the_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is paid for nobody: the call is cancelled and both rows are settled."""
    provider = OpenAIServer("never", hang=True)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with running(create_app(settings)) as door:
            for _ in range(100):
                if httpx.get(f"{door}/ready").is_success:
                    break
                time.sleep(0.05)
            asyncio.run(ask_and_leave(door, provider))
            for _ in range(500):
                if provider.disconnects:
                    break
                time.sleep(0.02)
            disconnects = provider.disconnects
    stores = Stores.open(settings)
    (call,) = stores.runs.latest(5)
    root = stores.runs.get(call.root_run_id)
    stores.close()
    assert disconnects == 1
    assert root is not None
    assert (call.status, root.status) == ("cancelled", "cancelled")


async def ask_and_leave(door: str, provider: OpenAIServer) -> None:
    """Ask, and hang up as soon as the provider was asked too."""
    async with httpx.AsyncClient(timeout=60) as client:
        asked = asyncio.create_task(client.post(f"{door}/ask", json={"message": "A dict?"}))
        while not provider.calls:  # noqa: ASYNC110 - the provider runs in another thread
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
