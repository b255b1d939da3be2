"""`GET /me/export` and `DELETE /me`, on a running server, as every kind of caller."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, select

from agent.database import utc_now
from agent.privacy.erasure import ErasureLedger
from agent.recording.outbox import OutboxRow
from agent.recording.processes import Process
from agent.settings import Settings
from agent.stores import Stores
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


@contextmanager
def another_process(place: Place) -> Iterator[None]:
    """Have a second process record, so that every erasure waits until it knows."""
    now = utc_now()
    other = {"process_id": "p2", "host": "elsewhere", "pid": 1, "started_at": now}
    with place.stores.database.begin() as session:
        session.add(Process(**other, beat_at=now))
    yield
    with place.stores.database.begin() as session:
        session.execute(delete(Process).where(Process.process_id == "p2"))


def test_others_do_not_wait_when_many_are_erased_at_once(place: Place) -> None:
    """Each of eight hears soon that it is pending; what is theirs here is gone by then."""
    ben = place.key("ben", "student", "prog1")
    going = [place.key(f"ada-{number}", "student", "prog1") for number in range(8)]

    def go(headers: dict[str, str]) -> tuple[int, float]:
        started = time.monotonic()
        response = delete_me(place, headers)
        return response.status_code, time.monotonic() - started

    with another_process(place), ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(go, headers) for headers in going]
        time.sleep(0.7)
        started = time.monotonic()
        place.client.get("/me/consent", headers=ben).raise_for_status()
        waited = time.monotonic() - started
        outcomes = [future.result() for future in asked]
        assert [delete_me(place, headers).status_code for headers in going] == [401] * 8
    assert waited < 1.5
    assert [status for status, _ in outcomes] == [202] * 8
    assert max(seconds for _, seconds in outcomes) < 5


def test_service_stops_at_once_when_an_erasure_waits(tmp_path: Path) -> None:
    """What is left is gone on with when it starts again."""
    with installed(tmp_path) as place:
        ada = place.key("ada", "student", "prog1")
        with another_process(place):
            assert delete_me(place, ada).status_code == 202
        stopped_at = time.monotonic()
    assert time.monotonic() - stopped_at < 3
    stores = Stores.open(Settings(data_dir=tmp_path / "data"))
    try:
        (left,) = ErasureLedger(stores.database).unfinished()
        assert {"data keys", "runs", "people"} <= {step.store for step in left.steps}
    finally:
        stores.close()


def test_receipt_is_the_same_when_a_person_asks_twice(tmp_path: Path) -> None:
    """Whoever asks while they are erased joins; on one's own machine nobody needs a key for it."""
    with installed(tmp_path, auth="local") as place:
        place.ask({})
        with another_process(place), ThreadPoolExecutor(4) as pool:
            receipts = [one.json() for one in pool.map(partial(delete_me, place), [{}] * 4)]
        assert len({receipt["erasure_id"] for receipt in receipts}) == 1
        (entry,) = [entry for entry in place.stores.audit.list() if entry.action == "erase"]
        assert entry.door == "http"
        ends_at = time.monotonic() + 20
        ledger = ErasureLedger(place.stores.database)
        while ledger.unfinished() and time.monotonic() < ends_at:
            time.sleep(0.1)
        assert [bool(receipt.finished_at) for receipt in ledger.all()] == [True]


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
