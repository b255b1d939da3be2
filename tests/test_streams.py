"""`POST /ask` as events, over real sockets on both sides."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import routes.streams
from agent.stores import Stores
from tests.agent.test_assistant import BRIEF
from tests.agent.test_providers import connected
from tests.graphs.test_build import PLAN
from tests.servers.openai import OpenAIServer
from tests.servers.running import running
from tests.test_server import serving, wait_until_ready

AS_EVENTS = {"accept": "text/event-stream"}
QUESTION = {"message": "What is a dict?"}
WORDS = "A dict maps keys to values, and keeps the order in which they came."


@contextmanager
def door_to(
    provider: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> Iterator[tuple[httpx.Client, Stores]]:
    """Serve an assistant on a provider; look into its records beside it."""
    with ExitStack() as stack:
        base = stack.enter_context(running(provider.app))
        settings = connected(tmp_path, monkeypatch, base, **changes)
        stores = Stores.open(settings)
        stack.callback(stores.close)
        client = stack.enter_context(serving(settings))
        wait_until_ready(client)
        yield client, stores


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield id, name and data of each event; a comment's name is `:`."""
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            if found:
                yield found["id"], found["event"], json.loads(found["data"])
            found = {}
        elif line.startswith(":"):
            yield "", ":", line[1:].strip()
        else:
            name, _, value = line.partition(": ")
            found[name] = value


@pytest.mark.parametrize(
    ("text", "kind", "body"), [(WORDS, "chat", []), (json.dumps(PLAN), "planning", ["plan"])]
)
def test_events_are_numbered_and_complete_when_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: str, body: list[str]
) -> None:
    """Every event has an id; nothing on the way may keep or hold it; `done` is recorded."""
    with door_to(OpenAIServer(text), tmp_path, monkeypatch) as (client, stores):
        wanted = {"message": BRIEF, "prompt_type": kind}
        with client.stream("POST", "/ask", json=wanted, headers=AS_EVENTS) as response:
            events = list(events_of(response.iter_lines()))
        (call,) = stores.runs.of_root(events[0][2]["run_id"])
        assert call.status == "done"
    names = [name for _, name, _ in events if name != "token"]
    assert names == ["metadata", "sources", *body, "usage", "done"]
    assert [number for number, _, _ in events] == [str(n + 1) for n in range(len(events))]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    whole = events[-1][2]
    assert whole["ai_generated"] is True
    if kind == "chat":
        assert "".join(data["text"] for _, name, data in events if name == "token") == whole["text"]


def test_last_event_is_the_error_when_the_model_breaks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status was sent long before; half an answer is never called one."""
    provider = OpenAIServer(WORDS, fault="eof")
    with door_to(provider, tmp_path, monkeypatch, model_retries=0) as (client, stores):
        with client.stream("POST", "/ask", json=QUESTION, headers=AS_EVENTS) as response:
            events = list(events_of(response.iter_lines()))
        _, name, error = events[-1]
        (call,) = stores.runs.of_root(error["run_id"])
    assert "token" in [name for _, name, _ in events]
    assert (name, error["code"]) == ("error", "model_incomplete")
    assert "Traceback" not in error["message"]
    assert (call.status, call.finish_reason) == ("incomplete", None)


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        ({"message": ""}, {}, 422, "message: is empty"),
        ({"message": "hi", "assignment_id": "0" * 32}, {}, 404, "There is no assignment"),
        ({"message": "hi"}, {"last-event-id": "3"}, 422, "cannot be taken up again"),
    ],
)
def test_call_is_refused_with_a_status_when_nothing_was_streamed_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    body: dict[str, str], headers: dict[str, str], status: int, said: str,
) -> None:  # fmt: skip
    """As without a stream. To take one up again would be to pay for it twice."""
    provider = OpenAIServer(WORDS)
    with door_to(provider, tmp_path, monkeypatch) as (client, _):
        response = client.post("/ask", json=body, headers={**AS_EVENTS, **headers})
    assert response.status_code == status
    assert said in response.json()["error"]["message"]
    assert provider.calls == 0


def test_heart_beats_when_the_model_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in between sees that somebody is there."""
    monkeypatch.setattr(routes.streams, "_HEARTBEAT", 0.05)
    provider = OpenAIServer(WORDS, hang=True)
    with (
        door_to(provider, tmp_path, monkeypatch) as (client, _),
        client.stream("POST", "/ask", json=QUESTION, headers=AS_EVENTS) as response,
    ):
        events = events_of(response.iter_lines())
        seen = [next(events)[1] for _ in range(8)]
    assert [name for name in seen if name != ":"] == ["metadata", "sources"]


def leave_after(client: httpx.Client, tokens: int, provider: OpenAIServer) -> tuple[str, float]:
    """Ask, read that many tokens, hang up, and say whose run it was and when."""
    with client.stream("POST", "/ask", json=QUESTION, headers=AS_EVENTS) as response:
        events = events_of(response.iter_lines())
        run_id = next(events)[2]["run_id"]
        while not provider.open_calls:
            time.sleep(0.005)
        seen = 0
        while seen < tokens:
            seen += next(events)[1] == "token"
    return run_id, time.monotonic()


def check_departures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, departures: list[int]
) -> tuple[float, float]:
    """Leave after so many tokens each; return the longest times until both ends knew."""
    provider = OpenAIServer(WORDS, token_delay=0.03)
    heard: list[float] = []
    settled: list[float] = []
    with door_to(provider, tmp_path, monkeypatch, stream_timeout=5) as (client, stores):
        stores.consent.decide(stores.user_id, "given", door="terminal")
        for number, tokens in enumerate(departures, 1):
            run_id, left = leave_after(client, tokens, provider)
            while provider.disconnects < number and time.monotonic() < left + 5:
                time.sleep(0.005)
            heard.append(provider.left_at[-1] - left)
            while stores.runs.get(run_id).status == "started":  # type: ignore[union-attr]  # the row is there from the start
                assert time.monotonic() < left + 5
                time.sleep(0.005)
            settled.append(time.monotonic() - left)
            root, (call,) = stores.runs.get(run_id), stores.runs.of_root(run_id)
            assert root is not None
            assert (root.status, call.status) == ("cancelled", "cancelled")
            said = call.response or ""
            assert WORDS.startswith(said)
            # The handler hears of a token in a thread of its own, so one may be on its way.
            assert len(said.split()) >= tokens - 1
    assert provider.disconnects == provider.calls == len(departures)
    assert provider.open_calls == 0
    return max(heard), max(settled)


def test_call_stops_and_is_settled_when_a_reader_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider within a second, the record within two, with the text that had come."""
    heard, settled = check_departures(tmp_path, monkeypatch, [0, 1, 5])
    assert heard < 1
    assert settled < 2


@pytest.mark.slow
def test_call_stops_every_time_when_a_hundred_readers_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in all of 100 cases."""
    heard, settled = check_departures(tmp_path, monkeypatch, [(0, 1, 5)[n % 3] for n in range(100)])
    assert heard < 1
    assert settled < 2


def test_form_is_what_the_client_takes_when_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON unless events are named."""
    is_stream = {
        "text/event-stream": True,
        "TEXT/Event-Stream; q=0.9, application/json": True,
        "application/json, text/event-stream": True,
        "text/event-stream;q=0, */*": False,
        "*/*": False,
        "": False,
    }
    with door_to(OpenAIServer(WORDS), tmp_path, monkeypatch) as (client, _):
        got = {
            form: client.post("/ask", json=QUESTION, headers={"accept": form}) for form in is_stream
        }
    kinds = {form: answer.headers["content-type"] for form, answer in got.items()}
    assert {f: kind.startswith("text/event-stream") for f, kind in kinds.items()} == is_stream
