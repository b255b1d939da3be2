"""Erasure: nothing of the person is left, everything of everybody else is, killed or not."""

import base64
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from agent.cli import app
from agent.erasure import Eraser
from agent.errors import AssistantError, ErasedError, StorageError
from agent.holdings import find_person, holdings_of
from agent.insight.usage import Scope, daily_usage, model_usage, monthly_usage, whole_usage
from agent.privacy.access import Caller, local_caller
from agent.privacy.erasure import ErasureLedger, Receipt, Step
from agent.privacy.holdings import Holding
from agent.recording.outbox import OutboxRow, queue
from agent.recording.run_store import Run
from agent.recording.verify import verify
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.privacy.people_with_data import (
    ADA,
    BEN,
    NAMES,
    WORDS,
    digest_of,
    opened,
    peopled,
    rows_about,
    use,
)

TODAY = datetime.now(UTC).date().isoformat()
KEPT = {"audit", "erasures"}
"""The tables that may still name the person, by pseudonym."""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Caller, Caller]:
    """The folder of an installation that two people have used, closed; copy it."""
    folder = tmp_path_factory.mktemp("used")
    with peopled(folder) as scene:
        return folder, scene.ada, scene.ben


class Place:
    """A copy of that installation, with its stores open."""

    def __init__(self, folder: Path, used: tuple[Path, Caller, Caller]) -> None:
        source, self.ada, self.ben = used
        shutil.copytree(source / "data", folder / "data", dirs_exist_ok=True)
        self.folder = folder
        self.settings = Settings(data_dir=folder / "data", auth="keys")
        self.stores = Stores.open(self.settings)

    def eraser(self, on_step: Callable[[Step], None] = lambda _: None, **changes: Any) -> Eraser:
        """Make what erases."""
        holdings = holdings_of(self.stores, self.settings)
        return Eraser(stores=self.stores, holdings=holdings, on_step=on_step, **changes)

    def erase(self, on_step: Callable[[Step], None] = lambda _: None) -> Receipt:
        """Erase Ada."""
        local = local_caller(self.stores.user_id)
        return self.eraser(on_step).erase(self.ada.user_id, local, door="terminal")


@pytest.fixture
def place(tmp_path: Path, used: tuple[Path, Caller, Caller]) -> Iterator[Place]:
    """A copy for one test."""
    made = Place(tmp_path, used)
    yield made
    made.stores.close()


def totals(stores: Stores) -> list[Any]:
    """Return what every report says."""
    database = stores.database
    with database.read() as session:
        whole = whole_usage(session)
    daily = [daily_usage(database, TODAY, course) for course in ("", "prog1")]
    return [daily, monthly_usage(database, Scope()), model_usage(database, Scope()), whole]


def bytes_of(folder: Path) -> bytes:
    """Return every byte of the data directory, but for the courses' files."""
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


def encoded(text: str) -> list[bytes]:
    """Return a text as it may stand somewhere in clear."""
    plain = text.encode()
    return [
        plain,
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        plain.hex().encode(),
        *(base64.b64encode(b"x" * pad + plain)[(pad * 8 + 5) // 6 : -4] for pad in range(3)),
        json.dumps(text)[1:-1].encode(),
    ]


def test_nothing_is_left_when_a_person_is_erased(place: Place) -> None:
    """No table but the two that are kept names them; the receipt counts what was there."""
    before = rows_about(place.folder, place.ada)
    assert {"runs", "assignments", "feedback", "consent_ledger", "keys", "people"} <= before.keys()
    assert {"enrolments", "threads"} <= before.keys()
    receipt = place.erase()
    assert receipt.finished_at
    assert rows_about(place.folder, place.ada).keys() == KEPT
    removed = {step.store: step.removed for step in receipt.steps}
    assert removed["runs"] == before["runs"] >= 15
    assert (removed["data keys"], removed["assignments"], removed["feedback"]) == (1, 1, 1)
    assert (removed["threads"], removed["API keys"], removed["enrolments"]) == (2, 1, 1)
    assert place.ada.name not in json.dumps(receipt.as_json())


def test_reports_say_the_same_when_a_person_is_erased(place: Place) -> None:
    """Of each run an anonymous line stays, and the record fits together."""
    before = totals(place.stores)
    place.erase()
    assert totals(place.stores) == before
    with place.stores.database.read() as session:
        assert verify(session, whole_usage).findings == []
        erased = session.scalars(select(Run).where(Run.user_id == "erased")).all()
    told = ("prompt", "response", "inputs", "outputs", "tags", "attributes", "left_out", "error")
    ids = ("thread_id", "assignment_id", "trace_id", "parent_run_id", "dotted_order", "project")
    assert erased
    for run in erased:
        assert [getattr(run, name) for name in (*told, *ids)] == [None] * 14
        assert (run.name, run.content) == (run.run_type, "erased")


def test_others_are_untouched_when_a_person_is_erased(place: Place) -> None:
    """To the byte."""
    before = digest_of(place.folder, place.ben)
    changed = digest_of(place.folder, place.ada)
    place.erase()
    assert digest_of(place.folder, place.ben) == before
    assert digest_of(place.folder, place.ada) != changed


def test_no_byte_is_left_when_a_person_is_erased(place: Place) -> None:
    """Names stood in clear; they stand in no file any more, logs of databases among them."""
    forms = {(text, form) for text in (*NAMES[ADA], WORDS[ADA]) for form in encoded(text)}
    data = bytes_of(place.folder)
    assert {text for text, form in forms if form in data} == set(NAMES[ADA])
    place.erase()
    data = bytes_of(place.folder)
    assert [text for text, form in forms if form in data] == []
    assert all(text.encode() in data for text in NAMES[BEN])


class KilledError(Exception):
    """What stands for a kill."""


@pytest.mark.parametrize("is_noted", [True, False])
def test_erasure_ends_the_same_when_it_is_killed_after_any_step(
    tmp_path: Path, used: tuple[Path, Caller, Caller], *, is_noted: bool
) -> None:
    """Each step may be the last, written down or not; what comes back misses nothing."""
    whole = Place(tmp_path / "whole", used)
    stores_in = [step.store for step in whole.erase().steps]
    whole.stores.close()
    for number in range(len(stores_in) - (not is_noted)):  # the last step is no holding's
        place = Place(tmp_path / str(number), used)
        before = digest_of(place.folder, place.ben)
        eraser = dying(place.eraser(), number, is_noted=is_noted)
        with pytest.raises(KilledError):
            eraser.erase(place.ada.user_id, place.ada, door="http")
        place.stores.close()
        place.stores = Stores.open(place.settings)
        (receipt,) = place.eraser().resume()
        assert receipt.finished_at
        assert {step.store for step in receipt.steps} == set(stores_in)
        assert rows_about(place.folder, place.ada).keys() == KEPT, stores_in[number]
        assert digest_of(place.folder, place.ben) == before
        assert len(ErasureLedger(place.stores.database).all()) == 1
        place.stores.close()
    assert len(stores_in) > 10


def dying(eraser: Eraser, number: int, *, is_noted: bool) -> Eraser:
    """Return an eraser that dies at a step, before or after it is written down."""
    calls = count()

    def erase(holding: Holding, user_id: str) -> int:
        removed = holding.erase(user_id)
        if next(calls) == number:
            raise KilledError
        return removed

    def die(_: Step) -> None:
        if next(calls) == number:
            raise KilledError

    if is_noted:
        return replace(eraser, on_step=die)
    mortal = [replace(one, erase=partial(erase, one)) for one in eraser.holdings]
    return replace(eraser, holdings=mortal)


def test_nothing_happens_when_a_person_is_erased_again(place: Place) -> None:
    """A second receipt says that nothing was there; the first one stays as it was."""
    first = place.erase()
    second = place.erase()
    assert sum(step.removed for step in second.steps) == 0
    assert second.finished_at
    ledger = ErasureLedger(place.stores.database)
    assert {one.erasure_id for one in ledger.all()} == {first.erasure_id, second.erasure_id}
    assert ledger.get(first.erasure_id) == first


def test_erasure_is_audited_when_it_begins(place: Place) -> None:
    """Once, with the pseudonym, also where it was killed and gone on with."""

    def kill(_: Step) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        place.erase(kill)
    place.eraser().resume()
    entries = [entry for entry in place.stores.audit.list(None) if entry.action == "erase"]
    assert [entry.subject for entry in entries] == [place.ada.user_id]
    assert place.stores.audit.verify().intact


def test_others_are_gone_on_with_when_one_erasure_fails(place: Place) -> None:
    """Each is tried; what went wrong with the first is raised when the last one is done."""

    def fail(user_id: str) -> int:
        if user_id == place.ada.user_id:
            raise StorageError("broken")
        return 0

    later = replace(place.eraser(), holdings=[])
    for caller in (place.ada, place.ben):
        later.begin(caller.user_id, caller, door="http")
    with pytest.raises(StorageError, match="broken"):
        replace(later, holdings=[Holding("X", erase=fail)]).resume()
    (left,) = ErasureLedger(place.stores.database).unfinished()
    assert left.user_id == place.ada.user_id


def test_what_waits_is_not_sent_when_its_person_is_erased(place: Place) -> None:
    """The outbox holds nothing of them, and goes on with what is others'."""
    with place.stores.database.begin() as session:
        for caller in (place.ada, place.ben):
            mine = session.scalars(select(Run.run_id).where(Run.user_id == caller.user_id)).all()
            queue(session, "run", mine)
    place.eraser().erase(place.ada.user_id, place.ada, door="http")
    with place.stores.database.read() as session:
        waiting = select(OutboxRow.subject_id)
        users = session.scalars(select(Run.user_id).where(Run.run_id.in_(waiting)).distinct())
        assert list(users) == [place.ben.user_id]


def test_receipt_is_given_when_erased_at_the_terminal(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for a yes, tells of every store, and lists the receipt afterwards."""
    place.stores.close()
    monkeypatch.setenv("ASSIST_DATA_DIR", str(place.settings.data_dir))
    runner = CliRunner()
    refused = runner.invoke(app, ["privacy", "erase", ADA])
    assert "--yes" in str(refused.exception)
    done = runner.invoke(app, ["privacy", "erase", ADA, "--yes", "--json"])
    assert done.exit_code == 0, done.output
    (receipt,) = json.loads(done.stdout)
    listed = runner.invoke(app, ["privacy", "erasures"])
    assert receipt["erasure_id"] in listed.stdout
    assert [step["store"] for step in receipt["steps"] if step["store"] not in listed.stdout] == []
    unknown = runner.invoke(app, ["privacy", "erase", ADA, "--yes"])
    assert "nobody of this name" in str(unknown.exception)
    again = runner.invoke(app, ["privacy", "erase", "--resume", "--json"])
    assert (again.exit_code, again.stdout.strip()) == (0, "[]")
    place.stores = Stores.open(place.settings)


def test_person_is_found_when_they_never_asked_anything(place: Place) -> None:
    """Who is on a roster alone has something to erase too."""
    file = place.folder / "more.csv"
    file.write_text("login,first name,last name\nnew-here,Nova,Fripplesnatch\n", "utf-8")
    place.stores.roster.import_roster("prog2", file)
    user_id = find_person(place.stores, "new-here")
    local = local_caller(place.stores.user_id)
    receipt = place.eraser().erase(user_id, local, door="terminal")
    assert {step.store: step.removed for step in receipt.steps}["enrolments"] == 1
    assert b"Fripplesnatch" not in bytes_of(place.folder)


def test_person_is_refused_when_erasure_is_under_way(tmp_path: Path) -> None:
    """No request, no consent, no key; afterwards their account is gone, and a new one is new."""
    with opened(tmp_path) as scene:
        stores, user_id = scene.assistant.stores, scene.ada.user_id
        use(scene.assistant, scene.ada)
        eraser = scene.assistant._async.eraser

        def kill(_: Step) -> None:
            raise KilledError

        with pytest.raises(KilledError):
            replace(eraser, on_step=kill).erase(user_id, scene.ada, door="http")
        for attempt in (
            lambda: scene.assistant.ask("Hello?", caller=scene.ada),
            lambda: stores.consent.decide(user_id, "given", door="http"),
            lambda: stores.keys.create(ADA, "student"),
        ):
            with pytest.raises(ErasedError, match="asked to be erased"):
                attempt()
        assert scene.assistant.ask("Hello?", caller=scene.ben, prompt_type="chat").text
        eraser.resume()
        with pytest.raises(ErasedError):
            scene.assistant.ask("Hello?", caller=scene.ada)
        assert rows_about(tmp_path, scene.ada).keys() == KEPT
        key, _ = stores.keys.create(ADA, "student", ["prog1"])
        anew = scene.assistant.admission.caller_of(key)
        assert anew.user_id == user_id
        assert scene.assistant.ask("Hello?", caller=anew, prompt_type="chat").text
        (kept,) = stores.runs.latest(1)
        assert kept.user_id == user_id


def test_nothing_comes_back_when_they_ask_while_they_are_erased(tmp_path: Path) -> None:
    """Sixteen requests at once, before, during and after: each is answered or refused."""
    with peopled(tmp_path) as scene:
        begun = threading.Barrier(17)

        def ask(number: int) -> str:
            begun.wait()
            time.sleep(number / 100)
            try:
                kind = ("chat", "codegen", "planning")[number % 3]
                question = f"Write a plan for {WORDS[ADA]} {number}"
                scene.assistant.ask(question, caller=scene.ada, prompt_type=kind)
            except AssistantError as error:
                return type(error).__name__
            return "answered"

        with ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(ask, number) for number in range(16)]
            begun.wait()
            time.sleep(0.05)
            receipt = scene.assistant._async.eraser.erase(scene.ada.user_id, scene.ada, door="http")
            outcomes = [future.result() for future in asked]
        assert receipt.finished_at
        assert {*outcomes} <= {"answered", "ErasedError", "NotFoundError"}
        assert "ErasedError" in outcomes
        assert rows_about(tmp_path, scene.ada).keys() == KEPT
        with scene.assistant.stores.database.read() as session:
            assert verify(session, whole_usage).findings == []
    data = bytes_of(tmp_path)
    assert [
        text for text in (*NAMES[ADA], WORDS[ADA]) for form in encoded(text) if form in data
    ] == []


def test_erasure_is_quick_when_there_is_much(place: Place) -> None:
    """Two hundred requests of five runs each, in a few seconds."""
    rows = [row_of(place.ada, number) for number in range(1_000)]
    for row in rows:
        place.stores.runs.start(row)
    started = time.monotonic()
    receipt = place.erase()
    assert time.monotonic() - started < 10
    assert {step.store: step.removed for step in receipt.steps}["runs"] > 1_000


def row_of(caller: Caller, number: int) -> dict[str, Any]:
    """Make one run of a person."""
    root = f"root-{caller.name}-{number // 5}"
    return {
        "run_id": root if number % 5 == 0 else f"{root}-{number % 5}",
        "root_run_id": root,
        "run_type": "llm" if number % 5 else "chain",
        "name": "chat",
        "status": "done",
        "started_at": f"2026-11-22T10:{number // 60 % 60:02d}:{number % 60:02d}.000000Z",
        "ended_at": f"2026-11-22T10:{number // 60 % 60:02d}:{number % 60:02d}.500000Z",
        "user_id": caller.user_id,
        "content": "kept",
        "prompt": f"{WORDS[caller.name]} {number}",
        "response": "As you like.",
    }
