"""A traced request as LangSmith gives it back: complete, priced, with text only by consent."""

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from agent.blocking import Assistant
from agent.settings import Settings
from tests.servers.langsmith import usage_of

QUESTION = "What is a zanzibar dict in Python?"
PATIENCE = 60.0
"""Seconds that a trace may take to be found."""


@pytest.mark.parametrize("consents", [True, False])
def test_trace_is_read_back_when_a_request_was_traced(
    trace_settings: dict[str, Any], priced_model: dict[str, Any], *, consents: bool
) -> None:
    """Tokens and cost arrive in any case, the text of question and answer by consent alone."""
    settings = Settings(**priced_model, **trace_settings, langsmith_tracing=True)
    root_id, call_id = ask_traced(settings, consents=consents)
    root = read_back(settings, root_id)
    call = read_back(settings, call_id)
    assert (root["run_type"], call["run_type"]) == ("chain", "llm")
    assert call["trace_id"] == root_id
    tokens, cost = counted(call)
    assert tokens == 1_500
    assert cost == pytest.approx(0.0075)
    assert call["extra"]["metadata"]["price_reference"].startswith("genai-prices")
    assert ("zanzibar" in json.dumps([root, call]).lower()) == consents


def ask_traced(settings: Settings, *, consents: bool) -> tuple[str, str]:
    """Ask, send what was traced, and return the ids of the root and of the model call."""
    with Assistant(settings) as assistant:
        if consents:
            assistant.stores.consent.decide(assistant.stores.user_id, "given", door="terminal")
        answer = assistant.ask(QUESTION, prompt_type="chat")
        (call,) = assistant.stores.runs.of_root(answer.run_id)
    return answer.run_id, call.run_id


def read_back(settings: Settings, run_id: str) -> dict[str, Any]:
    """Ask for a run until it is there, has ended and, if it is a call, is counted."""
    key = settings.langsmith_api_key
    headers = {"x-api-key": key.get_secret_value() if key else ""}
    address = f"{settings.langsmith_endpoint.rstrip('/')}/runs/{run_id}"
    until = time.monotonic() + PATIENCE
    while True:
        reply = httpx.get(address, headers=headers, timeout=10)
        run: dict[str, Any] = reply.json() if reply.is_success else {}
        is_whole = run.get("end_time") and (run["run_type"] != "llm" or counted(run)[1])
        if is_whole or time.monotonic() > until:
            assert is_whole, f"{reply.status_code} after {PATIENCE:g} s: {sorted(run)}"
            return run
        time.sleep(1)


def counted(run: Mapping[str, Any]) -> tuple[int | None, float | None]:
    """Return tokens and cost as LangSmith adds them up; the server on loopback does not."""
    added_up = run if "total_cost" in run else usage_of(run)
    cost = added_up.get("total_cost")
    return added_up.get("total_tokens"), None if cost is None else float(cost)
