"""One layer of retries over a real client: each try is a run, each fault has its words."""

import asyncio
import json
import traceback
from pathlib import Path
from typing import Any

import pytest

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.errors import AssistantError
from agent.models import served
from tests.agent.test_assistant import BRIEF
from tests.agent.test_providers import connected
from tests.graphs.test_build import CODE, PLAN
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

QUESTION = "What is a dict?"
PLANTED = "zebra crossing"
WORDS = "A dict maps keys to values, and keeps the order in which they came."
FAULTS = [
    # fault, streamed: error's code, said, status of the call, calls the server saw
    ("429", False, "model_busy", "no more requests", "error", 2),
    ("429", True, "model_busy", "no more requests", "error", 2),
    ("500", False, "model_failed", "server's side", "error", 2),
    ("500", True, "model_failed", "server's side", "error", 2),
    ("400", False, "model_failed", "invalid (400)", "error", 1),
    ("400", True, "model_failed", "invalid (400)", "error", 1),
    ("hang", False, "model_timeout", "within 1 s", "error", 1),
    ("hang", True, "model_timeout", "within 1 s", "error", 1),
    ("cut", False, "model_failed", "connection broke", "error", 2),
    ("cut", True, "model_failed", "connection broke", "incomplete", 2),
    ("eof", False, "model_failed", "connection broke", "error", 2),
    ("eof", True, "model_incomplete", "broke off", "incomplete", 2),
    ("stall", False, "model_timeout", "within 1 s", "error", 1),
    ("stall", True, "model_timeout", "did not answer", "incomplete", 2),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let little time pass between the tries."""
    monkeypatch.setattr(served, "_BACKOFF", lambda _: 0.01)


@pytest.mark.parametrize(("fault", "streamed", "code", "said", "status", "calls"), FAULTS)
def test_fault_is_settled_and_named_when_a_server_fails(  # noqa: PLR0917 - pytest passes by name
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, code: str, said: str, status: str,
    calls: int, *, streamed: bool,
) -> None:  # fmt: skip
    """Every try is a settled row; the message says what to do and nothing of the prompt."""
    provider = OpenAIServer(WORDS, fault=fault)
    with running(provider.app) as base:
        patience = {"model_timeout": 1 if "within 1 s" in said else 10, "stream_timeout": 0.3}
        settings = connected(tmp_path, monkeypatch, base, model_retries=1, **patience)
        with Assistant(settings) as assistant:
            ask = (lambda q: list(assistant.stream(q))) if streamed else assistant.ask
            with pytest.raises(AssistantError) as caught:
                ask(f"{QUESTION} {PLANTED}")
            error = caught.value
            runs = assistant.stores.runs.of_root(str(error.run_id))
            root = assistant.stores.runs.get(str(error.run_id))
    assert (error.code, provider.calls) == (code, calls)
    assert said in str(error)
    assert [run.status for run in runs] == [status] * calls
    assert root is not None
    assert root.status == "error"
    for secret in (PLANTED, "sk-test", base, "Traceback"):
        assert secret not in str(error)


@pytest.mark.parametrize("fault", ["429", "500"])
def test_answer_comes_when_a_fault_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """Two tries fail, the third answers: three rows, and only the third cost anything."""
    provider = OpenAIServer(WORDS, fault=fault, faulty_calls=2, retry_after="0.05")
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            answer = assistant.ask(QUESTION)
            runs = assistant.stores.runs.of_root(answer.run_id)
    assert answer.text == WORDS
    assert [run.status for run in runs] == ["error", "error", "done"]
    assert [run.cost_nano_usd for run in runs] == [None, None, 7_500_000]
    assert runs[0].error == {"429": "OpenAIRateLimitError", "500": "OpenAIAPIError"}[fault]


def test_server_is_not_waited_for_when_it_asks_for_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the deadline no try would come any more, so the failure is said at once."""
    provider = OpenAIServer(WORDS, fault="429", retry_after="120")
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant, pytest.raises(AssistantError, match="429"):
            assistant.ask(QUESTION)
    assert provider.calls == 1


@pytest.mark.parametrize(
    ("refuses", "status", "asked"),
    [
        ((), 400, ["json_schema"]),
        (("json_schema",), 400, ["json_schema", "json_object"]),
        (("json_schema",), 500, ["json_schema", "json_schema", "json_object"]),
        (("json_schema", "json_object"), 422, ["json_schema", "json_object", "tools"]),
    ],
)
def test_format_is_found_when_a_server_knows_only_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    refuses: tuple[str, ...], status: int, asked: list[str],
) -> None:  # fmt: skip
    """Each format in turn, strictly; what worked is asked for at once the next time."""
    provider = OpenAIServer(
        json.dumps(PLAN), refuses=refuses, refusal_status=status, ignores_tool_choice=True
    )
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base, model_retries=1)
        with Assistant(settings) as assistant:
            trials = (
                asked * 2 if status == 500 else asked
            )  # a fault may pass: it has to happen twice
            while len(provider.requests) < len(trials):
                assert assistant.ask(BRIEF, prompt_type="planning").plan
            assert assistant.ask(BRIEF, prompt_type="planning").plan
    assert [format_of(body) for body in provider.requests] == [*trials, asked[-1]]


def format_of(body: dict[str, Any]) -> str:
    """Return how a request asks for JSON; where it can be strict it has to be."""
    if "tools" in body:
        assert body["tools"][0]["function"]["strict"] is True
        return "tools"
    wanted = body["response_format"]
    if wanted["type"] == "json_schema":
        assert wanted["json_schema"]["strict"] is True
    else:
        assert '"additionalProperties": false' in body["messages"][0]["content"]
    return str(wanted["type"])


@pytest.mark.parametrize("streamed", [True, False])
def test_reply_to_a_tool_is_recorded_when_it_has_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, streamed: bool
) -> None:
    """The arguments are what the model wrote: as JSON, in the record and in the repair round."""
    provider = OpenAIServer('{"files": []}', refuses=("json_schema", "json_object"))
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            assistant.stores.consent.decide(assistant.stores.user_id, "given", door="terminal")
            with pytest.raises(AssistantError, match="not JSON of the format"):
                ask_for_code(assistant, streamed=streamed)
            runs = assistant.stores.runs.latest(2)
    assert {run.response for run in runs} == {'{"files": []}'}
    assert provider.requests[-1]["messages"][-2]["content"] == '{"files": []}'


@pytest.mark.parametrize("refuses", [(), ("json_schema", "json_object")])
@pytest.mark.parametrize("streamed", [True, False])
def test_draft_is_no_draft_when_it_was_cut_at_the_length_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: tuple[str, ...], *, streamed: bool
) -> None:
    """Half a JSON is not completed by guessing; the model is told, and no usage is lost."""
    provider = OpenAIServer(json.dumps(CODE)[:-14], finish_reason="length", refuses=refuses)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            with pytest.raises(AssistantError, match="cut at the model's length limit"):
                ask_for_code(assistant, streamed=streamed)
            runs = assistant.stores.runs.latest(None)
    answered = [run for run in runs if run.status == "done"]
    assert [run.input_tokens for run in answered] == [1_000, 1_000]
    assert "cut at the model's length limit" in provider.requests[-1]["messages"][-1]["content"]


def ask_for_code(assistant: Assistant, *, streamed: bool) -> None:
    """Ask in one of the two ways."""
    if streamed:
        list(assistant.stream("Write a function", prompt_type="codegen"))
    else:
        assistant.ask("Write a function", prompt_type="codegen")


@pytest.mark.parametrize(
    ("reason", "text", "code"),
    [
        ("content_filter", "Half an ans", "model_declined"),
        ("stop", "", "model_incomplete"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_reply_is_no_answer_when_it_was_filtered_or_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, text: str, code: str,
    *, streamed: bool,
) -> None:  # fmt: skip
    """Not every end is one."""
    provider = OpenAIServer(text, finish_reason=reason)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base, model_retries=0)
        with Assistant(settings) as assistant, pytest.raises(AssistantError) as caught:
            list(assistant.stream(QUESTION)) if streamed else assistant.ask(QUESTION)
    assert caught.value.code == code


def test_format_is_found_by_all_when_a_class_begins_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one request finds out in the middle of another's trials does not end them."""
    provider = OpenAIServer(json.dumps(PLAN), refuses=["json_schema"], refusal_status=500)
    with running(provider.app) as base:
        settings = connected(tmp_path, monkeypatch, base, model_retries=1)

        async def ask_all() -> list[Any]:
            async with AsyncAssistant(settings) as assistant:
                asked = []
                for _ in range(5):
                    asked.append(asyncio.create_task(assistant.ask(BRIEF, prompt_type="planning")))
                    await asyncio.sleep(0.2)
                return await asyncio.gather(*asked)

        answers = asyncio.run(ask_all())
    assert all(answer.plan for answer in answers)


def test_long_reply_is_read_at_once_when_it_is_prose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks for JSON in an answer: 200 kB must not hold up the event loop."""
    text = 'It {says: [a lot], of "things"} in prose. ' * 5_000
    with running(OpenAIServer(text).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            assert assistant.ask(QUESTION).text == text


def test_client_words_stay_here_when_a_call_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a log of the exception would show holds nothing that a server quoted."""
    with running(OpenAIServer(WORDS, fault="400").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant, pytest.raises(AssistantError) as caught:
            assistant.ask(QUESTION)
    shown = "".join(traceback.format_exception(caught.value))
    assert "OpenAI" not in shown
    assert "400" in shown


def test_usage_is_unknown_when_a_server_reports_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tokens are made up, streamed or not."""
    with running(OpenAIServer(WORDS, usage=None).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            answer = assistant.ask(QUESTION)
            done = list(assistant.stream(QUESTION))[-1].data
    assert (answer.usage.input_tokens, answer.cost_usd) == (None, None)
    assert (done["usage"]["input_tokens"], done["cost_usd"]) == (None, None)


def test_key_is_named_when_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to check, without the key."""
    with running(OpenAIServer(WORDS, key="sk-other").app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            with pytest.raises(AssistantError, match="Check OPENAI_API_KEY") as caught:
                assistant.ask(QUESTION)
            (run,) = assistant.stores.runs.latest(5)
    assert "sk-" not in str(caught.value)
    assert run.error == "OpenAIAuthenticationError"


def test_server_answers_when_it_asks_for_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address is enough for Ollama and the like; the model's own colon stays."""
    provider = OpenAIServer(WORDS, model="llama3.1:8b")
    with running(provider.app) as base:
        settings = connected(
            tmp_path, monkeypatch, base, openai_api_key=None, fast_model="openai:llama3.1:8b",
            price_provider="",
        )  # fmt: skip
        monkeypatch.delenv("OPENAI_API_KEY")
        with Assistant(settings) as assistant:
            answer = assistant.ask(QUESTION)
            (run,) = assistant.stores.runs.latest(5)
    assert provider.requests[0]["model"] == "llama3.1:8b"
    assert answer.cost_usd is None
    assert run.price_reference is not None
    assert "ASSIST_PRICE_PROVIDER" in run.price_reference


def test_graph_answers_when_it_is_used_from_several_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook has a loop of its own beside ours; connections are not shared between them."""
    ask: Any = {"messages": [("user", QUESTION)]}
    with running(OpenAIServer(WORDS).app) as base:
        settings = connected(tmp_path, monkeypatch, base)
        with Assistant(settings) as assistant:
            said = [assistant.ask(QUESTION).text]
            for _ in range(2):
                values = asyncio.run(assistant.graph.ainvoke(ask))
                said += [values["messages"][-1].text, assistant.ask(QUESTION).text]
    assert set(said) == {WORDS}
