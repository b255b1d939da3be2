"""The door, over a real socket on loopback."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.blocking import Assistant
from agent.settings import Settings
from server import create_app
from tests.agent.test_assistant import BRIEF, NOTE
from tests.servers.running import running


@contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """Run a server and talk to it."""
    with (
        running(create_app(settings)) as base,
        httpx.Client(base_url=base, timeout=30) as client,
    ):
        yield client


def wait_until_ready(client: httpx.Client) -> httpx.Response:
    """Ask `/ready` until it no longer says that it is starting."""
    for _ in range(300):
        response = client.get("/ready")
        if response.json()["status"] != "starting":
            return response
        time.sleep(0.05)
    pytest.fail("the server never became ready")


@pytest.fixture(scope="module")
def module_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One data folder with one indexed document for all tests here."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "note.md").write_text(NOTE, "utf-8")
    settings = Settings(data_dir=folder / "data")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(folder / "note.md")
    return settings


@pytest.fixture(scope="module")
def client(module_settings: Settings) -> Iterator[httpx.Client]:
    """A client of a running server."""
    with serving(module_settings) as opened:
        wait_until_ready(opened)
        yield opened


def test_answer_is_complete_when_asked(client: httpx.Client) -> None:
    """The thin endpoint: one call, one answer with everything on it."""
    response = client.post("/ask", json={"message": "How do I count words in Python?"})
    answer = response.json()
    assert response.status_code == 200
    assert answer["ai_generated"] is True
    assert answer["sources"][0]["title"] == "Counting"
    assert answer["cost_usd"] == 0.0
    assert answer["prompt_type"] == "chat"


def test_plan_can_be_talked_about_when_made(client: httpx.Client) -> None:
    """The assignment id and the thread lead on."""
    plan = client.post("/ask", json={"message": BRIEF, "prompt_type": "planning"}).json()
    assert plan["plan"]["computed"]["critical_path"]
    follow_up = {"message": "Where do I begin?", "prompt_type": "chat"}
    ids = {"thread_id": plan["thread_id"], "assignment_id": plan["assignment_id"]}
    answer = client.post("/ask", json={**follow_up, **ids}).json()
    assert answer["thread_id"] == plan["thread_id"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"message": ""}, 422, "message: is empty"),
        ({"message": " \n"}, 422, "message: is empty or not text"),
        ({"message": "a\x00b"}, 422, "message: is empty or not text"),
        ({}, 422, "message: is missing"),
        ({"message": 7}, 422, "message: has to be a string"),
        ({"message": "x" * 1_000_001}, 413, "1,000,000 is the most"),
        ({"message": "hi", "prompt_type": "poem"}, 422, "prompt_type: has to be one of"),
        ({"message": "hi", "user_id": "root"}, 422, "user_id: is not a field"),
        ({"message": "hi", "thread_id": "x"}, 422, "thread_id: is not a UUID"),
        ({"message": "hi", "assignment_id": "0" * 32}, 404, "There is no assignment"),
        ({"message": "hi", "model": "a:b"}, 422, "not in the catalogue"),
    ],
)
def test_call_is_refused_when_it_is_wrong(
    client: httpx.Client, body: dict[str, Any], status: int, said: str
) -> None:
    """A 4xx that names the field and the remedy."""
    response = client.post("/ask", json=body)
    assert response.status_code == status
    assert said in response.json()["error"]["message"]
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "\\ud800"}',
        b'{"message": 1e400}',
        b'{"message": NaN}',
        b'{"mess',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"\\ud800": "secret"}',
        b'{"message": "hi", "secret-field-name-that-goes-on-and-on-for-very-long-indeed": 1}',
    ],
)
def test_body_is_refused_without_an_echo_when_hostile(client: httpx.Client, body: bytes) -> None:
    """No 5xx, and nothing of what was sent comes back."""
    response = client.post("/ask", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}
    assert "error" in response.json()
    assert b"very-long-indeed" not in response.content


def test_feedback_is_kept_when_given_twice(client: httpx.Client) -> None:
    """One say for each answer; without consent no comment, and the answer says so."""
    run_id = client.post("/ask", json={"message": "How do I count words?"}).json()["run_id"]
    first = client.post(f"/runs/{run_id}/feedback", json={"rating": "negative"}).json()
    said = {"rating": "positive", "score": 5, "comment": "Good."}
    second = client.post(f"/runs/{run_id}/feedback", json=said).json()
    assert (first["rating"], first["notice"]) == ("negative", None)
    assert (second["rating"], second["score"], second["comment"]) == ("positive", 5, None)
    assert "assist consent give" in second["notice"]


@pytest.mark.parametrize(
    ("run", "body", "status", "said"),
    [
        ("0" * 32, {"rating": "positive"}, 404, "There is no run"),
        ("x", {"rating": "positive"}, 422, "run: is not a UUID"),
        (None, {"rating": "great"}, 422, "rating: has to be one of"),
        (None, {"rating": "positive", "score": 6}, 422, "score: is too large"),
        (None, {"rating": "positive", "score": 0}, 422, "score: is too small"),
        (None, {"rating": "positive", "score": 4.5}, 422, "score: has to be a whole number"),
        (None, {"rating": "positive", "comment": "x" * 2_001}, 422, "comment: is too long"),
        (None, {"rating": "positive", "comment": "a\0"}, 422, "comment is not plain text"),
        (None, {"score": 1}, 422, "rating: is missing"),
    ],
)
def test_feedback_is_refused_when_it_is_wrong(
    client: httpx.Client, run: str | None, body: dict[str, Any], status: int, said: str
) -> None:
    """A 4xx that names the field and the remedy; a stranger's run is like an unknown one."""
    run = run or client.post("/ask", json={"message": "What is a dict?"}).json()["run_id"]
    response = client.post(f"/runs/{run}/feedback", json=body)
    assert response.status_code == status
    assert said in response.json()["error"]["message"]


def test_body_is_refused_when_it_is_huge(client: httpx.Client) -> None:
    """More than the limit is not read."""
    response = client.post("/ask", content=b"x" * 7_000_000)
    assert response.status_code == 413


def test_host_is_refused_when_it_is_a_stranger(client: httpx.Client) -> None:
    """A page of another name cannot reach the local service through the browser."""
    assert client.get("/live", headers={"host": "evil.example"}).status_code == 400


def test_server_recovers_when_its_records_are_repaired(tmp_path: Path) -> None:
    """A failure to open is not for ever."""
    (tmp_path / "records.db").write_text("broken " * 100, "utf-8")
    with serving(Settings(data_dir=tmp_path)) as client:
        assert wait_until_ready(client).json()["status"] == "failed"
        (tmp_path / "records.db").unlink()
        for _ in range(100):
            if (status := client.get("/ready").json()["status"]) == "no index":
                break
            time.sleep(0.05)
        assert status == "no index"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("GET", "/ask", 405)]
)
def test_error_has_the_common_shape_when_a_route_is_wrong(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    """Strangers' errors look like ours."""
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == "http"


def test_probes_and_help_answer_when_served(client: httpx.Client) -> None:
    """Live, ready, one screen of help, and the OpenAPI description."""
    assert client.get("/live").json() == {"status": "live"}
    assert client.get("/ready").json() == {"status": "ready", "documents": 1}
    assert "POST /ask" in client.get("/").text
    schema = client.get("/openapi.json").json()
    assert "Answer" in schema["components"]["schemas"]


def test_not_ready_is_said_when_nothing_is_indexed(tmp_path: Path) -> None:
    """Alive, but honest: without past assignments no request can be answered."""
    with serving(Settings(data_dir=tmp_path / "empty")) as client:
        assert client.get("/live").status_code == 200
        ready = wait_until_ready(client)
        assert ready.status_code == 503
        assert ready.json()["status"] == "no index"
        refused = client.post("/ask", json={"message": "What is a dict?"})
        assert refused.status_code == 409
        assert "assist index add" in refused.json()["error"]["message"]


def test_reason_is_said_when_the_records_cannot_be_opened(tmp_path: Path) -> None:
    """A broken store is a 503 with a way out, on both routes."""
    (tmp_path / "records.db").write_text("broken " * 100, "utf-8")
    with serving(Settings(data_dir=tmp_path)) as client:
        ready = wait_until_ready(client)
        assert (ready.status_code, ready.json()["status"]) == (503, "failed")
        refused = client.post("/ask", json={"message": "What is a dict?"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert "records.db" in refused.json()["error"]["message"]
