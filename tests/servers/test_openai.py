"""The test server itself: what real clients see of each answer, fault and refusal."""

import base64
import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from graphs.router import Decision
from tests.servers.openai import USAGE, Fault, OpenAIServer
from tests.servers.running import running

ROOT = Path(__file__).parents[2]
TEXT = "one two three four five six"
ASK: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Count, as json."}]}
OPEN: Any = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED: Any = {**OPEN, "required": ["a"], "additionalProperties": False}
TOOL: Any = {"type": "function", "function": {"name": "count", "parameters": CLOSED}}
NAMED: Any = {"type": "function", "function": {"name": "count"}}


@contextmanager
def client(server: OpenAIServer, **options: Any) -> Iterator[openai.OpenAI]:
    """Connect the real client, without retries unless the test asks for them."""
    given = {"api_key": "sk-test", "max_retries": 0, "timeout": 5, **options}
    with running(server.app) as base, openai.OpenAI(base_url=f"{base}/v1", **given) as made:
        yield made


def until(true: Callable[[], bool]) -> bool:
    """Wait half a second at most."""
    end = time.monotonic() + 0.5
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


def test_replies_come_in_order_when_there_are_several() -> None:
    """The last one is given again; what was asked and how often is remembered."""
    server = OpenAIServer("first", "last", model="served")
    with client(server) as made:
        got = [made.chat.completions.create(**ASK) for _ in range(3)]
    assert [reply.choices[0].message.content for reply in got] == ["first", "last", "last"]
    assert {(reply.model, reply.system_fingerprint) for reply in got} == {("served", "fp_test")}
    assert got[0].usage is not None
    assert got[0].usage.model_dump(exclude_none=True) == USAGE
    assert (server.calls, server.requests[0]["model"], server.open_calls) == (3, "gpt-4o", 0)


def test_answer_has_no_usage_when_the_server_counts_none() -> None:
    """Whole and streamed; and an answer may end for want of room."""
    with client(OpenAIServer(TEXT, usage=None, finish_reason="length")) as made:
        whole = made.chat.completions.create(**ASK)
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(made.chat.completions.create(**ASK, **options))
    assert (whole.usage, whole.choices[0].finish_reason) == (None, "length")
    assert chunks[-1].choices[0].finish_reason == "length"


@pytest.mark.anyio
async def test_stream_comes_word_by_word_when_it_is_asked_for() -> None:
    """Role first, finish reason last, then usage, which belongs to no choice."""
    with running(OpenAIServer(TEXT, token_delay=0.01).app) as base:
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="any") as made:
            stream = await made.chat.completions.create(
                **ASK, stream=True, stream_options={"include_usage": True}
            )
            started = time.monotonic()
            chunks: list[ChatCompletionChunk] = [chunk async for chunk in stream]
    assert time.monotonic() - started > 0.05
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert [delta.content for delta in deltas[1:-1]] == [
        "one",
        *(f" {w}" for w in TEXT.split()[1:]),
    ]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 7 + ["stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 1_500)  # type: ignore[union-attr] # None fails the test as well
    assert {chunk.system_fingerprint for chunk in chunks} == {"fp_test"}


def test_stream_ends_with_done_when_read_raw() -> None:
    """Without `include_usage` there is no usage chunk."""
    with running(OpenAIServer("a b").app) as base:
        reply = httpx.post(f"{base}/v1/chat/completions", json={**ASK, "stream": True})
    events = reply.text.split("\n\n")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert events[-2:] == ["data: [DONE]", ""]
    assert json.loads(events[-3].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
    assert len(events) == 6


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("429", openai.RateLimitError, 429),
        ("500", openai.InternalServerError, 500),
        ("400", openai.BadRequestError, 400),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_client_gets_the_status_when_that_is_the_fault(
    fault: Fault, error: type[openai.APIStatusError], status: int, *, stream: bool
) -> None:
    """With OpenAI's error JSON, which the client reads; and the wait that a 429 asks for."""
    with client(OpenAIServer("x", fault=fault, retry_after="7")) as made:
        with pytest.raises(error) as caught:
            made.chat.completions.create(**ASK, stream=stream)
        assert caught.value.status_code == status
        assert caught.value.type
        assert ("retry-after" in caught.value.response.headers) == (fault == "429")


def test_reply_is_still_there_when_the_first_calls_failed() -> None:
    """The client tries again; a failed call uses up no reply."""
    server = OpenAIServer("first", "second", fault="429", faulty_calls=1, retry_after="0")
    with client(server, max_retries=2) as made:
        reply = made.chat.completions.create(**ASK)
    assert (reply.choices[0].message.content, server.calls) == ("first", 2)


@pytest.mark.parametrize("fault", ["cut", "eof"])
def test_body_is_incomplete_when_an_answer_is_cut(fault: Fault) -> None:
    """An answer in one piece has no clean early end."""
    server = OpenAIServer(TEXT, fault=fault)
    with running(server.app) as base, pytest.raises(httpx.RemoteProtocolError, match="expected"):
        httpx.post(f"{base}/v1/chat/completions", json=ASK)
    with client(server) as made, pytest.raises(openai.APIConnectionError):
        made.chat.completions.create(**ASK)


def test_stream_breaks_when_it_is_cut() -> None:
    """The words before the cut arrive; then the protocol is broken."""
    said: list[str | None] = []
    with client(OpenAIServer(TEXT, fault="cut", after_tokens=2)) as made:
        stream = made.chat.completions.create(**ASK, stream=True)
        with pytest.raises(openai.APIConnectionError) as caught:
            said.extend(chunk.choices[0].delta.content for chunk in stream)
    assert said == ["", "one", " two"]
    assert "incomplete chunked read" in str(caught.value.__cause__)


def test_stream_ends_cleanly_when_the_fault_is_eof() -> None:
    """No error, no finish reason, no usage: the client alone can tell that it is not whole."""
    with client(OpenAIServer(TEXT, fault="eof")) as made:
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(made.chat.completions.create(**ASK, **options))
    said = [chunk.choices[0].delta.content for chunk in chunks]
    assert said == ["", "one", " two", " three"]
    assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}
    assert {chunk.usage for chunk in chunks} == {None}


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_departure_is_noticed_when_nothing_comes(fault: Fault) -> None:
    """Neither sends a byte of an answer in one piece; the client's patience ends."""
    server = OpenAIServer("x", fault=fault)
    with running(server.app) as base:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{base}/v1/chat/completions", json=ASK, timeout=0.2)
        left = time.monotonic()
        assert until(lambda: server.disconnects == 1)
    assert server.left_at[0] - left < 0.5
    assert server.open_calls == 0


@pytest.mark.parametrize(("fault", "delay"), [("stall", 0.0), (None, 30.0), (None, 0.01)])
def test_departure_is_noticed_when_a_stream_is_left(fault: Fault | None, delay: float) -> None:
    """While it stalls, while it waits for a word, and between two words."""
    server = OpenAIServer(TEXT * 1_000, fault=fault, token_delay=delay)
    with client(server) as made:
        stream = made.chat.completions.create(**ASK, stream=True)
        next(iter(stream))
        assert (server.open_calls, server.disconnects) == (1, 0)
        stream.close()
        left = time.monotonic()
        assert until(lambda: server.disconnects == 1)
    assert server.left_at[0] - left < 0.5
    assert server.open_calls == 0


def test_request_is_refused_when_its_schema_is_not_strict() -> None:
    """As a response format and as a tool; what does not claim to be strict is taken."""
    server = OpenAIServer('{"a": ""}')
    shape: Any = {"name": "draft", "schema": OPEN, "strict": True}
    tool: Any = {"name": "count", "parameters": OPEN, "strict": True}
    with client(server) as made:
        create: Any = made.chat.completions.create
        with pytest.raises(openai.BadRequestError) as of_format:
            create(**ASK, response_format={"type": "json_schema", "json_schema": shape})
        with pytest.raises(openai.BadRequestError) as of_tool:
            create(**ASK, tools=[{"type": "function", "function": tool}])
        loose = {"type": "json_schema", "json_schema": {**shape, "strict": False}}
        assert create(**ASK, response_format=loose).choices[0].message.content == '{"a": ""}'
    assert "Invalid schema for response_format 'draft': In context=(), " in str(of_format.value)
    assert of_format.value.param == "response_format"
    assert "Invalid schema for function 'count': In context=(), " in str(of_tool.value)
    assert of_tool.value.code == "invalid_function_parameters"


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("json_schema", {"response_format": {"type": "json_schema"}}),
        ("json_object", {"response_format": {"type": "json_object"}}),
        ("tools", {"tools": [TOOL]}),
        ("stream_usage", {"stream": True, "stream_options": {"include_usage": True}}),
    ],
)
def test_method_is_refused_when_the_server_does_not_know_it(
    method: str, asked: dict[str, Any]
) -> None:
    """With the status that such a server says it with; anything else is answered."""
    server = OpenAIServer(TEXT, refuses={method}, refusal_status=500)
    with running(server.app) as base:
        refused = httpx.post(f"{base}/v1/chat/completions", json={**ASK, **asked})
        taken = httpx.post(f"{base}/v1/chat/completions", json=ASK)
    assert (refused.status_code, taken.status_code) == (500, 200)
    assert taken.json()["choices"][0]["message"]["content"] == TEXT
    with pytest.raises(ValueError, match="Known: "):
        OpenAIServer(refuses={"json"})


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.name"),
        (
            {
                "messages": [{"role": "user", "content": "Hi"}],
                "response_format": {"type": "json_object"},
            },
            "messages",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"function": {"name": "x"}}}, "tool_choice"),
    ],
)
def test_request_is_refused_when_it_makes_no_sense(asked: dict[str, Any], param: str) -> None:
    """As OpenAI refuses it, with the parameter's name."""
    with running(OpenAIServer(TEXT).app) as base:
        reply = httpx.post(f"{base}/v1/chat/completions", json={**ASK, **asked})
        garbled = httpx.post(f"{base}/v1/chat/completions", content=b"{")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert garbled.status_code == 400


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_reply_is_a_tool_call_when_one_is_required(choice: Any) -> None:
    """Whole and in pieces, with the scripted text as its arguments."""
    arguments = json.dumps({"a": "b c d"})
    with client(OpenAIServer(arguments)) as made:
        asked = {**ASK, "tools": [TOOL], "tool_choice": choice}
        whole = made.chat.completions.create(**asked).choices[0]
        with made.chat.completions.stream(**asked) as stream:
            deltas = [e for e in stream if e.type == "tool_calls.function.arguments.delta"]
            streamed = stream.get_final_completion().choices[0]
    assert [delta.arguments_delta for delta in deltas] == ["", '{"a":', ' "b', " c", ' d"}']
    for got in (whole, streamed):
        assert got.message.tool_calls is not None
        (call,) = got.message.tool_calls
        assert call.type == "function"
        assert (call.function.name, call.function.arguments) == ("count", arguments)
        assert (got.message.content, got.finish_reason) == (None, "tool_calls")


def test_named_tool_is_not_called_when_the_server_ignores_it() -> None:
    """A choice object is passed over; "required" is not."""
    asked = {**ASK, "tools": [TOOL]}
    with client(OpenAIServer(TEXT, ignores_tool_choice=True)) as made:
        named = made.chat.completions.create(**asked, tool_choice=NAMED).choices[0]
        required = made.chat.completions.create(**asked, tool_choice="required").choices[0]
    assert (named.message.content, named.finish_reason) == (TEXT, "stop")
    assert required.message.tool_calls


def test_embeddings_are_near_when_texts_share_words() -> None:
    """The real client asks for base64; the same numbers come as floats."""
    texts = ["a dict maps keys", "keys of a dict", "wholly other things"]
    server = OpenAIServer(TEXT)
    with client(server) as made:
        packed = made.embeddings.create(model="e", input=texts)
        floats = made.embeddings.create(
            model="e", input=texts[0], dimensions=8, encoding_format="float"
        )
        raw: Any = made.embeddings.create(model="e", input=texts, encoding_format="base64")
        with pytest.raises(openai.BadRequestError, match="text only"):
            made.embeddings.create(model="e", input=[[1, 2]])
        with pytest.raises(openai.BadRequestError, match="is invalid"):
            made.embeddings.create(model="e", input="")
        with pytest.raises(openai.BadRequestError, match="positive"):
            made.embeddings.create(model="e", input="x", dimensions=-1)
    first, near, far = (item.embedding for item in packed.data)
    assert sum(x * y for x, y in zip(first, near, strict=True)) > 0.5
    assert abs(sum(x * y for x, y in zip(first, far, strict=True))) < 0.4
    assert sum(x * x for x in first) == pytest.approx(1)
    assert (len(first), len(floats.data[0].embedding), packed.usage.prompt_tokens) == (64, 8, 11)
    assert struct.unpack("<64f", base64.b64decode(raw.data[0].embedding)) == tuple(first)
    assert (len(server.embedded), server.calls) == (6, 0)


def test_models_are_listed_when_asked_for() -> None:
    """Those that answer come first; a test may list others."""
    with client(OpenAIServer(TEXT)) as made:
        assert [model.id for model in made.models.list()][:2] == ["gpt-4o-2024-08-06", "gpt-5.4"]
    with client(OpenAIServer(TEXT, models=["local"])) as made:
        assert [model.id for model in made.models.list()] == ["local"]


def test_key_is_refused_when_it_is_another() -> None:
    """At every door, and the key is not said back."""
    server = OpenAIServer(TEXT, key="sk-right")
    with client(server, api_key="sk-entirely-wrong") as made:
        for call in (
            lambda: made.chat.completions.create(**ASK),
            lambda: made.embeddings.create(model="e", input="x"),
            made.models.list,
        ):
            with pytest.raises(openai.AuthenticationError, match="Incorrect API key") as caught:
                call()
            assert "entirely" not in str(caught.value)
        assert made.with_options(api_key="sk-right").chat.completions.create(**ASK)


def test_offline_model_answers_when_no_reply_is_given() -> None:
    """In text, to the project's schemas and as a tool call; another schema is refused."""
    shape: Any = {"name": "Decision", "schema": Decision.model_json_schema(), "strict": True}
    tool: Any = {"name": "route", "parameters": Decision.model_json_schema()}
    tools: Any = [{"type": "function", "function": tool}]
    with client(OpenAIServer()) as made:
        create: Any = made.chat.completions.create
        text = create(**ASK)
        routed = create(**ASK, response_format={"type": "json_schema", "json_schema": shape})
        called = create(**ASK, tools=tools, tool_choice="required")
        other = {"name": "other", "schema": CLOSED}
        for wanted in ({"type": "json_schema", "json_schema": other}, {"type": "json_object"}):
            with pytest.raises(openai.BadRequestError, match="offline model"):
                create(**ASK, response_format=wanted)
    assert text.choices[0].message.content
    assert text.usage.total_tokens not in (0, USAGE["total_tokens"])
    Decision.model_validate_json(routed.choices[0].message.content)
    Decision.model_validate_json(called.choices[0].message.tool_calls[0].function.arguments)


def test_server_answers_when_started_by_hand() -> None:
    """The line it prints says where; what it is told on the command line holds."""
    command = [sys.executable, "-m", "tests.servers.openai", "--port", "0", "--reply", TEXT]
    command += ["--fault", "429", "--faulty-calls", "1", "--token-delay", "0.001"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            export, base, key = process.stdout.readline().split()
            url = base.removeprefix("OPENAI_BASE_URL=")
            with openai.OpenAI(base_url=url, api_key="any", timeout=20) as made:
                reply = made.chat.completions.create(**ASK)
        finally:
            process.terminate()
    assert (export, key) == ("export", "OPENAI_API_KEY=any")
    assert reply.choices[0].message.content == TEXT
