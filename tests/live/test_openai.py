"""An OpenAI-compatible server as the product uses it: words, drafts, a refused key, vectors."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from agent.blocking import Assistant
from agent.errors import DraftError, ModelError
from agent.models.embeddings import make_embeddings
from agent.prices import NANO, is_openai
from agent.recording.run_store import Run
from agent.settings import Settings
from tests.agent.test_assistant import BRIEF
from tests.live.conftest import Connect, check_budget
from tests.servers.openai import OpenAIServer

QUESTION = "What is a dict in Python? Answer in one sentence."
VAGUE = "Python dictionaries"
TASK = "Write a Python function that adds two numbers."


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_is_counted_and_priced_when_it_is_answered(
    connect: Connect, *, streamed: bool
) -> None:
    """The server's own tokens and reason to end, and the list's price of the model it names."""
    settings = connect(OpenAIServer("A dict maps keys to values.", model="gpt-5.4-mini-2026-03-17"))
    with Assistant(settings) as assistant:
        if streamed:
            events = list(assistant.stream(QUESTION, prompt_type="chat"))
            run_id = str(events[-1].data["run_id"])
        else:
            run_id = assistant.ask(QUESTION, prompt_type="chat").run_id
        run = assistant.stores.runs.of_root(run_id)[-1]
    assert (run.status, run.finish_reason) == ("done", "stop")
    assert (run.first_token_ms is not None) == streamed
    assert run.input_tokens
    assert run.output_tokens
    check_cost(run, settings)


@pytest.mark.parametrize(
    ("message", "kind"), [(BRIEF, "planning"), (TASK, "codegen"), (VAGUE, "auto")]
)
def test_schema_is_accepted_when_it_is_strict(connect: Connect, message: str, kind: Any) -> None:
    """The schemas of plans, code and the router; the first format that is tried has to do."""
    settings = connect(OpenAIServer(model="gpt-5.4-mini"))
    check_draft(settings, message, kind, "json_schema")


def test_schema_is_accepted_as_a_tool_when_a_model_is_older(connect: Connect) -> None:
    """The fast model of the specification's pair knows no JSON Schema."""
    server = OpenAIServer(model="gpt-3.5-turbo-0125", refuses=("json_schema", "json_object"))
    older = {"model_preset": "specification", "strong_model": "openai:gpt-3.5-turbo"}
    settings = connect(server, only_openai=True, **older)
    check_draft(settings, BRIEF, "planning", "tools")


def test_key_is_named_when_it_is_refused(connect: Connect, tmp_path: Path) -> None:
    """One try, and nothing that would have cost anything."""
    # A folder of its own: a call that failed has no price, which would end the budget.
    changed = {"openai_api_key": "sk-refused-000000000000", "data_dir": tmp_path / "refused"}
    settings = connect(OpenAIServer(key="sk-other"), only_openai=True, **changed)
    with Assistant(settings) as assistant:
        with pytest.raises(ModelError, match=r"refused the key \(401\)"):
            assistant.ask(QUESTION, prompt_type="chat")
        (run,) = assistant.stores.runs.latest(5)
    assert (run.error, run.cost_nano_usd) == ("OpenAIAuthenticationError", None)


def test_texts_are_near_when_they_mean_the_same(connect: Connect, small_embedding: str) -> None:
    """Two texts in one request, a question in another: the fitting text is the nearer one."""
    made = make_embeddings(connect(OpenAIServer(), embeddings=small_embedding))
    texts = ["Count the words of a file in Python.", "Bake bread with flour and water."]
    try:
        fitting, other = made.embeddings.embed_documents(texts)
        question = made.embeddings.embed_query("How do I count words in a Python file?")
    finally:
        made.close()
    assert len(fitting) == len(other) == len(question)
    assert nearness(question, fitting) > nearness(question, other)


def test_calls_stop_when_the_budget_is_spent(priced_model: dict[str, Any]) -> None:
    """Before the first call nothing is spent."""
    settings = Settings(**priced_model)
    check_budget(settings, 0.000_000_001)
    with Assistant(settings) as assistant:
        assistant.ask(QUESTION, prompt_type="chat")
    check_budget(settings, 1.0)
    with pytest.raises(pytest.fail.Exception, match="is spent"):
        check_budget(settings, 0.000_000_001)


def test_calls_stop_when_a_price_is_unknown(priced_model: dict[str, Any]) -> None:
    """Unless the budget is infinite, as it is for a server of one's own."""
    settings = Settings(**{**priced_model, "price_provider": ""})
    with Assistant(settings) as assistant:
        assistant.ask(QUESTION, prompt_type="chat")
    with pytest.raises(pytest.fail.Exception, match="not known"):
        check_budget(settings, 1.0)
    check_budget(settings, math.inf)


def check_draft(settings: Settings, message: str, kind: Any, expected: str) -> None:
    """Ask for a draft; whether it is a good one is not what is tried here."""
    with Assistant(settings) as assistant:
        try:
            run_id = assistant.ask(message, prompt_type=kind).run_id
        except DraftError as error:
            run_id = str(error.run_id)
        runs = assistant.stores.runs.of_root(run_id)
        formats = assistant.models.choose("planning").formats
    assert runs[-1].status == "done"
    assert kind != "auto" or runs[0].task_type == "routing"
    assert len(formats.to_try()) == 1
    if is_openai(settings.openai_base_url):
        assert formats.to_try() == (expected,)
        assert [run.status for run in runs] == ["done"] * len(runs)
    for run in runs:
        check_cost(run, settings)


def check_cost(run: Run, settings: Settings) -> None:
    """Check a cost to the nano-dollar, or that there is none where nobody knows the price."""
    if run.status != "done" or not (is_openai(settings.openai_base_url) or settings.price_provider):
        assert run.cost_nano_usd is None
        return
    details = (run.usage_details or {}).get("input_token_details") or {}
    tokens = Usage(
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cache_read_tokens=details.get("cache_read"),
    )
    listed = calc_price(
        tokens,
        str(run.model_served),
        provider_id=settings.price_provider or "openai",
        genai_request_timestamp=datetime.fromisoformat(run.started_at),
    )
    assert run.cost_nano_usd == round(listed.total_price * NANO)


def nearness(one: list[float], other: list[float]) -> float:
    """Return the cosine between two vectors."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))
