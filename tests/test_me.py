"""`GET /me/export` and `DELETE /me`, on a running server, as every kind of caller."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from agent.recording.outbox import OutboxRow
from tests.agent.test_assistant import BRIEF
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running
from tests.test_access import Place, installed
from tests.test_access_matrix import dead_keys

ROLES = ("student", "teacher", "auditor", "admin")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An installation of its own, for what is gone afterwards."""
    with installed(tmp_path) as opened:
        yield opened


def delete_me(place: Place, headers: dict[str, str]) -> httpx.Response:
    """Ask to be erased."""
    return place.client.delete("/me", headers=headers)


def lines_of(place: Place, headers: dict[str, str]) -> list[dict[str, object]]:
    """Export, and read the lines."""
    response = place.client.get("/me/export", headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


def test_person_is_erased_when_they_ask_for_it(place: Place) -> None:
    """The receipt comes back; the key opens nothing more, and others have what they had."""
    ada, ben = (place.key(name, "student", "prog1") for name in ("ada", "ben"))
    for headers in (ada, ben):
        place.client.put("/me/consent", json={"given": True}, headers=headers)
        place.ask(headers, BRIEF, prompt_type="planning")
    before = lines_of(place, ben)
    user_id = place.stores.people.user_id("ada")
    response = delete_me(place, ada)
    assert response.status_code == 200, response.text
    receipt = response.json()
    assert (receipt["state"], receipt["user_id"]) == ("finished", user_id)
    removed = {step["store"]: step["removed"] for step in receipt["steps"]}
    assert (removed["data keys"], removed["assignments"], removed["API keys"]) == (1, 1, 1)
    assert removed["runs"] > 2
    assert delete_me(place, ada).status_code == 401
    assert lines_of(place, ben)[:-1] == before[:-1]
    (entry,) = [entry for entry in place.stores.audit.list() if entry.action == "erase"]
    assert (entry.reader, entry.subject, entry.door) == (user_id, user_id, "http")


def test_everybody_may_go_when_they_have_an_account(place: Place) -> None:
    """Each role; without a key that opens something, nobody."""
    for role in ROLES:
        headers = place.key(f"{role}-1", role, "prog1")
        assert delete_me(place, headers).status_code == 200, role
        assert delete_me(place, headers).status_code == 401, role
    for headers in ({}, *dead_keys(place).values()):
        assert delete_me(place, headers).status_code == 401
        assert place.client.get("/me/export", headers=headers).status_code == 401
    assert place.stores.people.user_id("gone")


def test_person_is_pending_when_langsmith_takes_its_time(tmp_path: Path) -> None:
    """202 says so, and that it is not finished."""
    sink = LangSmithServer()
    sink.is_deleting = False
    with running(sink.app) as langsmith:
        tracing = {"langsmith_endpoint": langsmith, "langsmith_api_key": "ls-key"}
        with installed(tmp_path, langsmith_tracing=True, **tracing) as place:
            ada = place.key("ada", "student", "prog1")
            place.ask(ada)
            user_id = place.stores.people.user_id("ada")
            waiting = select(OutboxRow.entry)
            with place.stores.database.engine.connect() as connection:
                while connection.scalar(waiting) is not None:
                    connection.rollback()
                    time.sleep(0.05)
            assert user_id in str(sink.runs)
            response = delete_me(place, ada)
    assert response.status_code == 202, response.text
    assert response.json()["state"] == "pending"
    assert sink.deletions


def test_export_holds_the_local_person_when_nobody_has_keys(tmp_path: Path) -> None:
    """On one's own machine the rights are the same, and one may begin anew."""
    with installed(tmp_path, auth="local") as place:
        place.ask({})
        stores = [line["store"] for line in lines_of(place, {})]
        assert {"runs", "threads", "people", "export"} <= set(stores)
        assert delete_me(place, {}).status_code == 200
        assert "runs" not in [line["store"] for line in lines_of(place, {})]
        place.ask({})
        assert "runs" in [line["store"] for line in lines_of(place, {})]
