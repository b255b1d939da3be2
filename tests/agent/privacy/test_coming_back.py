"""What must not come back while a person is erased, or afterwards without a new account."""

import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from agent.courses.roster import Roster
from agent.database import utc_now
from agent.erasure import Eraser
from agent.errors import ErasedError, InputError, NotFoundError
from agent.holdings import find_person, holdings_of
from agent.privacy.access import local_caller
from agent.privacy.erasure import Receipt
from agent.privacy.holdings import Holding, StillThereError
from agent.privacy.owner import Owner
from agent.privacy.people import Person
from agent.privacy.redactors import Redactors
from agent.recording.outbox import OutboxRow
from agent.recording.personal import erase_runs
from agent.recording.run_store import ERASED, Changes, Run
from agent.settings import Settings
from agent.stores import Stores
from agent.thread_book import ThreadBook
from agent.threads import remembered
from tests.agent.test_threads import change

ADA = "s7391-ada"
HEAD = "Login,First name,Last name\n"
ROW = f"{ADA},Adalina,Quagmarmalade\n"
CHECKPOINT = "INSERT INTO checkpoints VALUES ('key', '', :id, NULL, 'msgpack', x'00', '{}')"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation's."""
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    """Its stores."""
    opened = Stores.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def ada(stores: Stores) -> str:
    """Somebody with a key of each kind."""
    stores.keys.create(ADA, "student", ["prog1"])
    user_id = stores.people.user_id(ADA)
    stores.vault.keys.admit(user_id)
    return user_id


def erase(
    stores: Stores, settings: Settings, user_id: str, *more: Holding, at: int | None = None
) -> Receipt:
    """Erase a person, with more holdings among the others."""
    holdings = list(holdings_of(stores, settings))
    place = len(holdings) if at is None else at
    eraser = Eraser(stores=stores, holdings=[*holdings[:place], *more, *holdings[place:]])
    return eraser.erase(user_id, local_caller(stores.user_id), door="terminal")


def elsewhere(then: Any) -> Holding:
    """Do something while another service is waited for, which takes days."""

    def wait(_: str) -> int:
        then()
        raise StillThereError("It deletes in its own time.")

    return Holding("elsewhere", erase=wait, is_elsewhere=True)


def test_name_stays_away_when_a_key_is_asked_for_meanwhile(
    stores: Stores, settings: Settings, ada: str
) -> None:
    """What is refused leaves nothing behind."""

    def create() -> None:
        with pytest.raises(ErasedError):
            stores.keys.create(ADA, "student", ["prog1"])

    assert erase(stores, settings, ada, elsewhere(create)).finished_at is None
    assert stores.people.name_of(ada) is None


def test_enrolment_stays_away_when_a_roster_is_imported_meanwhile(
    stores: Stores, settings: Settings, ada: str, tmp_path: Path
) -> None:
    """The others are imported, and the report says who was not, also where they are all."""
    roster = Roster(stores.database, stores.people.under_erasure)
    whole, alone = tmp_path / "whole.csv", tmp_path / "alone.csv"
    whole.write_text(f"{HEAD}{ROW}ben,Ben,Okafor\n", "utf-8")
    alone.write_text(HEAD + ROW, "utf-8")
    roster.import_roster("prog1", whole)
    reports = []

    def bring_back() -> None:
        reports.append(roster.import_roster("prog1", whole, dry_run=True))
        reports.append(roster.import_roster("prog1", whole))
        reports.append(roster.import_roster("prog2", alone))

    erase(stores, settings, ada, elsewhere(bring_back))
    assert [report.left_out for report in reports] == [(ADA,)] * 3
    assert [(report.added, report.unchanged) for report in reports] == [((), 1), ((), 1), ((), 0)]
    assert [student.name for student in roster.people_of("prog1")] == ["ben"]
    assert roster.people_of("prog2") == []


def test_enrolment_is_found_when_its_name_stands_nowhere_else(
    stores: Stores, settings: Settings, tmp_path: Path
) -> None:
    """Looking somebody up writes nothing down; what is theirs is exported and erased."""
    (tmp_path / "people.csv").write_text(HEAD + ROW, "utf-8")
    stores.roster.import_roster("prog1", tmp_path / "people.csv")
    user_id = find_person(stores, ADA)
    assert stores.people.name_of(user_id) is None
    exported = [item for one in holdings_of(stores, settings) for item in one.export(user_id)]
    assert [item["last"] for item in exported] == ["Quagmarmalade"]
    receipt = erase(stores, settings, user_id)
    assert {step.store: step.removed for step in receipt.steps}["enrolments"] == 1
    assert stores.roster.courses_of(ADA) == []


def test_person_is_found_when_their_name_is_spelled_otherwise(stores: Stores) -> None:
    """As a key is made for them: with blanks around, and letters taken apart."""
    stores.keys.create("josé", "student")
    user_id = stores.people.user_id("josé")
    for spelled in ("josé", "  josé\n", unicodedata.normalize("NFD", "josé"), user_id):
        assert find_person(stores, spelled) == user_id
    with pytest.raises(InputError):
        find_person(stores, " ")
    with pytest.raises(NotFoundError):
        find_person(stores, "nobody")
    with stores.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Person)) == 2


def test_consent_is_refused_when_its_person_was_erased(
    stores: Stores, settings: Settings, ada: str
) -> None:
    """Whoever was let in before decides nothing; who comes back is asked anew."""
    erase(stores, settings, ada)
    with pytest.raises(ErasedError):
        stores.consent.decide(ada, "given", door="http")
    stores.keys.create(ADA, "student")
    assert stores.consent.status(ada).state == "never asked"
    assert stores.consent.decide(ada, "given", door="http").given


def test_local_person_decides_when_they_were_erased(stores: Stores, settings: Settings) -> None:
    """Nobody gives them an account, so they are back at once."""
    assert erase(stores, settings, stores.user_id).finished_at
    assert stores.consent.decide(stores.user_id, "given", door="terminal").given


def run_of(user_id: str, **changes: Any) -> dict[str, Any]:
    """Make a run within a trace outside."""
    return {
        "run_id": "run",
        "root_run_id": "run",
        "trace_id": "trace of ada",
        "parent_run_id": "outside",
        "dotted_order": "2026.trace-of-ada",
        "project": "ada's project",
        "run_type": "chain",
        "name": "graph of Ada",
        "error": "AdaError",
        "status": "started",
        "started_at": utc_now(),
        "user_id": user_id,
        "content": "kept",
        "inputs": "zanzibarquux",
        "thread_id": "thread",
        **changes,
    }


def stored(stores: Stores) -> dict[str, Any]:
    """Return the run as it stands in the database."""
    with stores.database.read() as session:
        return dict(session.execute(select(Run.__table__)).mappings().one())


@pytest.mark.parametrize("is_late", [True, False])
def test_run_is_nobodys_when_it_is_written_late(
    stores: Stores, settings: Settings, ada: str, *, is_late: bool
) -> None:
    """It keeps no more than one that was erased, is filled with nothing, and is not sent."""
    start = Changes(starts={"run": run_of(ada)}, to_send=["run"])
    if not is_late:
        stores.runs.write(start)
    erase(stores, settings, ada)
    if is_late:
        stores.runs.write(start)
    stores.runs.write(
        Changes(ends={"run": {"user_id": ada, "status": "done", "error": "AdaError"}})
    )
    late = {"assignment_id": "assignment", "prompt_type": "chat"}
    stores.runs.write(Changes(fills=[("run", late)], to_send=["run"]))
    row = stored(stores)
    assert {name: row[name] for name in ERASED} == ERASED
    assert (row["name"], row["status"], row["prompt_type"]) == ("chain", "done", "chat")
    with stores.database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutboxRow)) == 0


def test_run_is_sent_when_it_is_somebodys(stores: Stores, ada: str) -> None:
    """Only what was erased stays out of the outbox."""
    rows = {f"r{number}": run_of(ada, run_id=f"r{number}") for number in range(1_001)}
    stores.runs.write(Changes(starts=rows))
    assert erase_runs(stores.database, "somebody else") == 0
    stores.runs.write(Changes(to_send=list(rows)))
    with stores.database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutboxRow)) == len(rows)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_thread_is_emptied_again_when_remembered_between_two_passes(
    stores: Stores, settings: Settings, ada: str, *, is_remembered: bool
) -> None:
    """A checkpoint is committed just after the threads were emptied; the book still knows it."""
    with closing(sqlite3.connect(settings.checkpoints_path)) as file:
        file.execute("CREATE TABLE checkpoints (thread_id, checkpoint_ns, checkpoint_id, "
                     "parent_checkpoint_id, type, checkpoint, metadata)")  # fmt: skip
        file.execute("CREATE TABLE writes (thread_id, checkpoint_ns, checkpoint_id)")
    ThreadBook(stores.database, settings.checkpoints_path).note("key", Owner(ada), "thread")
    if is_remembered:
        change(settings.checkpoints_path, CHECKPOINT, id="1ef0")
    late = iter(["1ef1"])

    def remember(_: str) -> int:
        for checkpoint_id in late:
            change(settings.checkpoints_path, CHECKPOINT, id=checkpoint_id)
        return 0

    names = [holding.name for holding in holdings_of(stores, settings)]
    writer = Holding("late writer", erase=remember)
    receipt = erase(stores, settings, ada, writer, at=names.index("threads") + 1)
    assert receipt.finished_at
    assert next(late, None) is None
    assert remembered(settings.checkpoints_path) == set()
    assert ThreadBook(stores.database, settings.checkpoints_path).of(ada) == []


def test_names_are_forgotten_when_nobody_asks_for_them(
    stores: Stores, ada: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process erases; here the next request of anybody drops what was read long ago."""
    (tmp_path / "people.csv").write_text(HEAD + ROW, "utf-8")
    stores.roster.import_roster("prog1", tmp_path / "people.csv")
    redactors = Redactors(stores.people, stores.roster)
    redactors.of(Owner(ada, "prog1"))
    redactors.of(Owner("ben", "prog1"))
    assert (set(redactors._compiled), len(redactors._known)) == ({"prog1"}, 2)
    monkeypatch.setattr("agent.privacy.redactors._FRESH_FOR", 0.0)
    redactors.of(Owner("zoe", "prog2"))
    assert [key for key in redactors._known if key[1] == "prog1"] == []
    assert "prog1" not in redactors._compiled


def test_names_are_forgotten_when_one_of_them_is_erased(
    stores: Stores, ada: str, tmp_path: Path
) -> None:
    """Their name stands in what is remembered for the others of their course."""
    (tmp_path / "people.csv").write_text(HEAD + ROW, "utf-8")
    stores.roster.import_roster("prog1", tmp_path / "people.csv")
    redactors = Redactors(stores.people, stores.roster)
    redactors.of(Owner("ben", "prog1"))
    redactors.forget(ada)
    assert (len(redactors._known), len(redactors._compiled)) == (0, 0)


def test_teacher_is_told_when_course_files_name_them(stores: Stores, settings: Settings) -> None:
    """Their export names the courses, and the receipt says what stays; others' names none."""
    folder = settings.data_dir / "courses"
    folder.mkdir()
    (folder / "prog1.toml").write_text('name = "One"\nteachers = ["tara"]\n', "utf-8")
    (folder / "prog2.toml").write_text('name = "Two"\n', "utf-8")
    stores.keys.create("tara", "teacher")
    stores.keys.create(ADA, "student")
    (courses,) = [one for one in holdings_of(stores, settings) if one.name == "courses"]
    tara, other = (stores.people.user_id(name) for name in ("tara", ADA))
    assert [*courses.export(tara)] == [{"course": "prog1", "role": "teacher"}]
    assert [*courses.export(other)] == []
    (step,) = [one for one in erase(stores, settings, tara).steps if one.store == "courses"]
    assert (step.state, step.note) == ("kept", courses.kept)
    (folder / "prog2.toml").write_text("name = \n", "utf-8")
    assert [*courses.export(tara)] == [{"course": None, "content": "damaged"}]
