"""Erasure and whoever writes at the same moment: requests, other processes, other erasures."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from agent.database import Database, utc_now
from agent.errors import ErasedError
from agent.privacy.access import Caller
from agent.privacy.consent import ConsentEntry
from agent.privacy.erasure import ErasureLedger, Step
from agent.privacy.keyring import FRESH
from agent.privacy.owner import Owner
from agent.recording.processes import Process
from tests.agent.privacy.people_with_data import peopled, rows_about
from tests.agent.privacy.test_erasure import KEPT, TODAY, Place, place, totals, used

__all__ = ["place", "used"]  # fixtures


def test_what_is_written_late_goes_too_when_a_store_was_emptied_before(place: Place) -> None:
    """The stores are gone through until nothing more is found."""

    def write(step: Step) -> None:
        if step.store == "erasures":  # the last of the first time
            late = {"decision": "given", "text_version": "v1", "text_digest": "0", "door": "http"}
            with place.stores.database.begin() as session:
                session.add(ConsentEntry(user_id=place.ada.user_id, decided_at=utc_now(), **late))

    receipt = place.erase(write)
    assert rows_about(place.folder, place.ada).keys() == KEPT
    assert {step.store: step.removed for step in receipt.steps}["consent"] == 2


def test_memory_is_written_down_when_the_key_is_gone(place: Place) -> None:
    """What a process has still to write is written between the key and the stores."""
    order: list[str] = []
    eraser = place.eraser(lambda step: order.append(step.store), settle=lambda: order.append("-"))
    eraser.erase(place.ada.user_id, place.ada, door="http")
    assert order[:3] == ["data keys", "-", "feedback"]


def test_request_is_refused_when_its_person_went_after_it_was_let_in(tmp_path: Path) -> None:
    """What is written down between the look at the key and the end of the erasure goes too."""
    with peopled(tmp_path) as scene:
        admission, owner = scene.assistant.admission, Owner(scene.ada.user_id, "prog1")
        admission.check_here(owner)
        scene.assistant._async.eraser.erase(scene.ada.user_id, scene.ada, door="http")
        with pytest.raises(ErasedError):
            admission.check_here(owner)


@pytest.mark.parametrize(("age", "waits"), [(0.0, True), (120.0, False)])
def test_erasure_waits_when_another_process_records(
    place: Place, age: float, *, waits: bool
) -> None:
    """One that is alive may hold the key for some seconds; the receipt comes after that."""
    then = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="microseconds")
    with place.stores.database.begin() as session:
        other = {"process_id": "p2", "host": "elsewhere", "pid": 1, "started_at": then}
        session.add(Process(**other, beat_at=then))
    started = time.monotonic()
    place.eraser(notice=1.0).erase(place.ada.user_id, place.ada, door="http")
    assert (time.monotonic() - started > 1.0) == waits
    assert place.eraser().notice > FRESH


@pytest.mark.slow
def test_nothing_is_left_when_the_records_are_in_postgres(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same on the other database: only proofs are left to export, and Ben has everything."""
    url = request.getfixturevalue("_postgres_url")
    with peopled(tmp_path, database_url=url) as scene:
        eraser, stores = scene.assistant._async.eraser, scene.assistant.stores

        def export(caller: Caller) -> list[Any]:
            return [json.loads(line) for line in eraser.export(caller.user_id, caller, door="http")]

        before, reports = export(scene.ben), totals(stores)
        assert len({line["store"] for line in export(scene.ada)}) > 8
        assert eraser.erase(scene.ada.user_id, scene.ada, door="http").finished_at
        assert {line["store"] for line in export(scene.ada)} == {"audit", "erasures", "export"}
        assert export(scene.ben)[:-1] == before[:-1]
        assert totals(stores) == reports


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def test_one_erasure_is_under_way_when_many_ask_at_once(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    """Whoever is late gets the one that is there; it is noted once."""
    here = f"sqlite:///{tmp_path / 'records.db'}"
    url = here if kind == "sqlite" else request.getfixturevalue("_postgres_url")
    database = Database.open(url)
    ledger = ErasureLedger(database)
    noted: list[Session] = []
    with ThreadPoolExecutor(8) as pool:
        begun = [pool.submit(ledger.begin, "u1", lambda _: None) for _ in range(8)]
        ids = {future.result().erasure_id for future in begun}
    assert len(ids) == len(ledger.all()) == 1
    ledger.begin("u1", noted.append)
    assert noted == []
    (erasure_id,) = ids
    ledger.finish(erasure_id)
    assert not ledger.note(erasure_id, Step("runs", "done", 1, TODAY))
    assert ledger.begin("u1", lambda _: None).erasure_id != erasure_id
    database.close()
