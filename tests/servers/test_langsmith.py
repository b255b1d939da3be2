"""The server understands what LangSmith's own client sends, in every form it sends it in."""

import io
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from langsmith import Client
from urllib3.util import Retry

from tests.servers.langsmith import LangSmithServer, usage_of
from tests.servers.running import free_port, running

USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "total_cost": 0.25}


@contextmanager
def client_of(server: LangSmithServer, **options: Any) -> Iterator[Client]:
    """Point a real client at the server, and send all it has before the server stops."""
    with running(server.app) as base:
        client = Client(api_url=base, api_key="ls-test", **options)
        _ = client.info  # until it is known, the client compresses nothing
        try:
            yield client
        finally:
            client.close(timeout=10)


def send_run(client: Client, *, text: str = "zanzibar", start: datetime | None = None) -> str:
    """Send a run as a tracer does, its start first and then its end."""
    run_id, start = uuid.uuid4(), start or datetime.now(UTC)
    order: dict[str, Any] = {
        "trace_id": run_id,
        "dotted_order": f"{start:%Y%m%dT%H%M%S%fZ}{run_id}",
    }
    client.create_run("call", {"text": text}, "llm", id=run_id, start_time=start, **order)
    extra: dict[str, Any] = {"metadata": {"usage_metadata": USAGE}}
    client.update_run(
        run_id, outputs={"reply": text}, error="broke", end_time=start, extra=extra, **order
    )
    client.flush(timeout=10)
    return str(run_id)


@pytest.mark.parametrize(("zstd", "encoding"), [(True, "zstd"), (False, "")])
def test_run_is_kept_in_one_when_sent_as_multipart(encoding: str, *, zstd: bool) -> None:
    """Start and end are one run; the body can be searched whether it was compressed or not."""
    server = LangSmithServer(zstd=zstd)
    with client_of(server) as client:
        while encoding not in server.encodings:  # the first may go before compression is agreed
            run_id = send_run(client)
    run = server.runs[run_id]
    assert (run["name"], run["run_type"], run["error"]) == ("call", "llm", "broke")
    assert (run["inputs"], run["outputs"]) == ({"text": "zanzibar"}, {"reply": "zanzibar"})
    assert usage_of(run) == USAGE
    assert run["end_time"]
    assert b"zanzibar" in server.bodies[-1]
    assert server.requests == len(server.bodies)
    assert server.keys == {"ls-test"}


def test_run_is_kept_when_sent_as_a_batch() -> None:
    """A server without multipart is sent JSON."""
    server = LangSmithServer(multipart=False)
    with client_of(server) as client:
        run_id = send_run(client)
    assert server.runs[run_id]["outputs"] == {"reply": "zanzibar"}


def test_run_is_kept_when_sent_alone() -> None:
    """A client that does not batch posts the start and patches the end."""
    server = LangSmithServer()
    with client_of(server, auto_batch_tracing=False) as client:
        run_id = uuid.uuid4()
        client.create_run("call", {"text": "hi"}, "llm", id=run_id)
        client.update_run(run_id, outputs={"reply": "ho"})
        shown = httpx.get(f"{client.api_url}/runs/{run_id}").json()
        missing = httpx.get(f"{client.api_url}/runs/{uuid.uuid4()}")
    assert server.runs[str(run_id)] == shown
    assert (shown["inputs"], shown["outputs"]) == ({"text": "hi"}, {"reply": "ho"})
    assert missing.status_code == 404


def test_newest_wins_when_a_patch_overtakes_its_post() -> None:
    """The end stands, whichever of the two came first."""
    server = LangSmithServer()
    with running(server.app) as base:
        httpx.patch(f"{base}/runs/r1", json={"outputs": {"a": 1}, "end_time": "2026-11-22"})
        httpx.post(f"{base}/runs", json={"id": "r1", "name": "call", "end_time": None})
    assert server.runs["r1"] == {
        "id": "r1",
        "name": "call",
        "outputs": {"a": 1},
        "end_time": "2026-11-22",
    }


def test_feedback_is_kept_when_sent_alone_and_in_multipart() -> None:
    """Both ways of the client end in one list."""
    server = LangSmithServer()
    with client_of(server) as client:
        for trace_id in (None, uuid.uuid4()):
            client.create_feedback(
                uuid.uuid4(), "stars", score=4, trace_id=trace_id, session_id=uuid.uuid4()
            )
        client.flush(timeout=10)
    assert [feedback["score"] for feedback in server.feedback] == [4, 4]


@pytest.mark.parametrize("status", [503, 429, 401, 422])
def test_nothing_is_kept_when_told_to_refuse(status: int) -> None:
    """What was refused was seen, and is not there; the server can recover."""
    server = LangSmithServer()
    errors: list[Exception] = []
    with client_of(server, retry_config=Retry(0), tracing_error_callback=errors.append) as client:
        server.status = status
        send_run(client)
        refused = dict(server.runs)
        server.status = None
        kept = send_run(client)
    assert (refused, list(server.runs)) == ({}, [kept])
    assert any(b"zanzibar" in body for body in server.bodies[:-1])
    assert errors


def test_answer_comes_late_when_told_to_be_slow() -> None:
    """The delay is real."""
    server = LangSmithServer()
    server.delay = 0.3
    with running(server.app) as base:
        assert httpx.get(f"{base}/info").elapsed > timedelta(seconds=0.3)


def test_whole_request_is_refused_when_one_run_is_a_day_old() -> None:
    """One old run takes the others of its request with it, as LangSmith is reported to do."""
    server = LangSmithServer()
    with running(server.app) as base:
        post = [
            {"id": f"r{hours}", "start_time": str(datetime.now(UTC) - timedelta(hours=hours))}
            for hours in (1, 25)
        ]
        answer = httpx.post(f"{base}/runs/batch", json={"post": post})
        assert (answer.status_code, server.runs) == (422, {})
        assert httpx.post(f"{base}/runs/batch", json={"post": post[:1]}).status_code == 202
    assert list(server.runs) == ["r1"]


def _wait_until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        pass


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/info").is_success
    except httpx.ConnectError:
        return False


def test_runs_are_printed_when_served_by_hand() -> None:
    """The first line can be pasted into a shell; then comes a line for each run."""
    port, root = free_port(), Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.servers.langsmith", "--port", str(port)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            _wait_until(lambda: _answers(port))
            client = Client(api_url=f"http://127.0.0.1:{port}", api_key="ls-test")
            send_run(client)
            client.close()
        finally:
            process.terminate()
        out = process.stdout or io.StringIO()
        assert out.readline() == (
            "export LANGSMITH_TRACING=true "
            f"LANGSMITH_ENDPOINT=http://127.0.0.1:{port} LANGSMITH_API_KEY=any\n"
        )
        assert out.readline() == "call (llm): 5 tokens, $0.250000, broke\n"
