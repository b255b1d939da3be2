"""What a developer finds in LangSmith: one tree a request, with cost; text only with consent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agent.blocking import Assistant
from tests.agent.test_assistant import BRIEF
from tests.agent.test_providers import connected
from tests.servers.langsmith import LangSmithServer, usage_of
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

PLANTED = "zanzibar"
REPLY = f"Use a {PLANTED}-reply dictionary [1]."
QUESTION = f"How do I count {PLANTED}-request words in Python?"


@contextmanager
def traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: OpenAIServer, sink: LangSmithServer
) -> Iterator[Assistant]:
    """Open an assistant between a model server and LangSmith; closing it sends what is left."""
    with running(provider.app) as base, running(sink.app) as langsmith:
        settings = connected(
            tmp_path, monkeypatch, base,
            langsmith_tracing=True, langsmith_endpoint=langsmith,
            langsmith_api_key=SecretStr("ls-test-key"), model_retries=0,
        )  # fmt: skip
        sink.runs.clear()
        with Assistant(settings) as assistant:
            yield assistant


def ways(assistant: Assistant) -> list[Any]:
    """Return every way to ask, each a function of the question."""
    messages: Any = {"messages": [("user", QUESTION)]}
    return [
        lambda: assistant.ask(QUESTION),
        lambda: list(assistant.stream(QUESTION)),
        lambda: assistant.graph.invoke(messages),
        lambda: list(assistant.graph.stream(messages, stream_mode="messages")),
    ]


@pytest.mark.parametrize("consent", [True, False])
def test_one_tree_a_request_arrives_when_tracing_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, consent: bool
) -> None:
    """Complete, priced and under the record's own ids, however it was asked."""
    sink = LangSmithServer()
    with traced(tmp_path, monkeypatch, OpenAIServer(REPLY), sink) as assistant:
        if consent:
            assistant.stores.consent.decide(assistant.stores.user_id, "given", door="terminal")
        for ask in ways(assistant):
            ask()
        recorded = {run.run_id: run for run in assistant.stores.runs.latest(None)}
    roots = [run for run in sink.runs.values() if "parent_run_id" not in run]
    calls = {run["id"]: run for run in sink.runs.values() if run["run_type"] == "llm"}
    assert len(roots) == len(recorded) == 4
    assert calls.keys() == recorded.keys()
    for run in sink.runs.values():
        assert run["end_time"]
        assert run["trace_id"] in {root["id"] for root in roots}
        assert run.get("parent_run_id", run["id"]) in sink.runs
    for run_id, call in calls.items():
        assert usage_of(call)["total_cost"] == 0.0075
        assert usage_of(call)["input_tokens"] == recorded[run_id].input_tokens
    sent = b"".join(sink.bodies)
    assert (PLANTED.encode() in sent) == consent


def test_no_text_leaves_when_consent_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds for what is unsent and for what comes; the trace still comes, with its cost."""
    sink = LangSmithServer()
    with traced(tmp_path, monkeypatch, OpenAIServer(REPLY), sink) as assistant:
        person, consent = assistant.stores.user_id, assistant.stores.consent
        consent.decide(person, "given", door="terminal")
        told = assistant.ask(QUESTION).run_id
        assert assistant.flush()
        unsent = assistant.ask(QUESTION).run_id
        consent.decide(person, "withdrawn", door="terminal")
        silent = [
            unsent,
            assistant.ask(QUESTION).run_id,
            assistant.ask(f"{BRIEF} {PLANTED}", prompt_type="chat").run_id,
        ]
    by_trace = {
        trace: repr([run for run in sink.runs.values() if run["trace_id"] == trace])
        for trace in (told, *silent)
    }
    assert PLANTED in by_trace[told]
    for trace in silent:
        assert PLANTED not in by_trace[trace]
        assert "total_cost" in by_trace[trace]


@pytest.mark.parametrize("consent", [True, False])
def test_tree_is_complete_when_a_reader_leaves_or_a_model_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, consent: bool
) -> None:
    """No run stays without an end, and the failure's words stay here without consent."""
    sink = LangSmithServer()
    provider = OpenAIServer(REPLY, token_delay=0.02)
    with traced(tmp_path, monkeypatch, provider, sink) as assistant:
        if consent:
            assistant.stores.consent.decide(assistant.stores.user_id, "given", door="terminal")
        for event in assistant.stream(QUESTION):
            if event.name == "token":
                break
        provider.fault = "400"
        with pytest.raises(Exception, match="400"):
            assistant.ask(QUESTION)
    assert all(run["end_time"] for run in sink.runs.values())
    errors = {run["error"].partition("\n")[0] for run in sink.runs.values() if run.get("error")}
    assert {"CancelledError", "OpenAIInvalidRequestError"} <= errors
    assert (PLANTED.encode() in b"".join(sink.bodies)) == consent


def test_request_goes_on_when_langsmith_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracing is never on a request's way."""
    sink = LangSmithServer()
    sink.status = 503
    with traced(tmp_path, monkeypatch, OpenAIServer(REPLY), sink) as assistant:
        assert assistant.ask(QUESTION).text.startswith("Use a")
    assert sink.runs == {}
