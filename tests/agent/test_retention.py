"""Retention: what is past the days of its course is gone, bytes included, and nothing sooner."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, insert, select, update
from typer.testing import CliRunner

from agent.assignments import AssignmentRow
from agent.cli.privacy import app
from agent.courses.book import CourseBook
from agent.database import Database
from agent.errors import StorageError
from agent.insight.feedback import FeedbackLedger, FeedbackRow
from agent.insight.usage import whole_usage
from agent.privacy.audit import Access, AuditAnchor, AuditEntry, AuditLog
from agent.recording.expiry import as_stored
from agent.recording.outbox import OutboxRow
from agent.recording.processes import Lease
from agent.recording.run_store import Run
from agent.recording.verify import verify
from agent.retention import Report, Retainer, Rounds, cutoffs_of
from agent.settings import Settings
from agent.stores import Stores
from agent.thread_book import Thread, ThreadBook
from server import create_app
from tests.agent.insight.test_usage import call
from tests.servers.running import running

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PROG1 = "[retention]\ncontent = 30\nmetadata = 200\nuploads = 60\nthreads = 20\n"
DAYS = {"": (90, 400, 180), "prog1": (30, 200, 60)}
"""The days that content, metadata and uploads are kept in the two courses."""
MARKER = re.compile(rb"marker-[a-z]+-\d{6}")
KILLED = """
import sys
from datetime import datetime
from pathlib import Path
from agent.courses.book import CourseBook
from agent.retention import Retainer
from agent.settings import Settings
from agent.stores import Stores
from agent.thread_book import ThreadBook

settings = Settings(data_dir=Path(sys.argv[1]))
stores = Stores.open(settings)
del stores.database.info["vault"]
def goes_on():
    print("step", flush=True)
    return True
Retainer(
    stores=stores,
    courses=CourseBook.open(settings.data_dir / "courses"),
    threads=ThreadBook(stores.database, settings.checkpoints_path),
    clock=lambda: datetime.fromisoformat(sys.argv[2]),
).retain(goes_on=goes_on)
"""


class Place:
    """An installation whose texts stand there in clear, so that they can be looked for."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self.stores = stores
        self.database = stores.database
        self.settings = settings
        self.now = NOW
        self.retainer = Retainer(
            stores=stores,
            courses=CourseBook.open(settings.data_dir / "courses"),
            threads=ThreadBook(stores.database, settings.checkpoints_path),
            clock=lambda: self.now,
        )

    def add(self, table: Any, *rows: dict[str, Any]) -> None:
        """Write rows as they are."""
        with self.database.begin() as session:
            session.connection().execute(insert(table.__table__), list(rows))

    def ids(self, column: Any, *conditions: Any) -> set[Any]:
        """Return what stands in a column."""
        with self.database.read() as session:
            return set(session.scalars(select(column).where(*conditions)))

    def markers(self) -> set[str]:
        """Return the planted words that any byte of any file still shows."""
        files = [path for path in self.settings.data_dir.rglob("*") if path.is_file()]
        return {found.decode() for path in files for found in MARKER.findall(path.read_bytes())}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An installation with two courses and nothing in it."""
    with opened(tmp_path / "data") as made:
        yield made


@contextmanager
def opened(data_dir: Path, **changes: Any) -> Iterator[Place]:
    """Open an installation, and take the vault out of it."""
    courses = data_dir / "courses"
    courses.mkdir(parents=True, exist_ok=True)
    (courses / "prog1.toml").write_text(PROG1, "utf-8")
    settings = Settings(data_dir=data_dir, **changes)
    with closing(Stores.open(settings)) as stores:
        del stores.database.info["vault"]
        yield Place(stores, settings)


def at(age: timedelta) -> str:
    """Return a stored time that is so long ago."""
    return as_stored(NOW - age)


def tree(name: str, age: timedelta, course: str | None, size: int = 4) -> list[dict[str, Any]]:
    """Make the runs of a request, one below the other."""
    rows = []
    for number in range(size):
        run_id, root = f"{name}-{number}", f"{name}-0"
        order = ".".join(f"{name}-{above}" for above in range(number + 1))
        rows.append(
            call(
                0,
                run_id=run_id,
                root_run_id=root,
                trace_id=root,
                parent_run_id=f"{name}-{number - 1}" if number else None,
                dotted_order=order,
                run_type="llm" if number else "chain",
                started_at=at(age - timedelta(seconds=number)),
                ended_at=at(age - timedelta(seconds=number + 1)),
                course=course,
                content="kept",
                prompt=f"marker-{'prompt'}-{name} " * 20,
                response=f"marker-reply-{name}",
                inputs=f"marker-input-{name}",
                tags=[f"marker-tag-{name}"],
                attributes={"said": f"marker-attribute-{name}"},
                message_roles=[["human", 7]],
                parameters={"stop": [f"marker-stop-{name}"]},
                thread_id=f"t-{name}",
            )
        )
    return rows


def fill(place: Place, requests: int) -> dict[str, tuple[str, float]]:
    """Spread requests over 400 days and more, in two courses; return whose and how old each is."""
    about: dict[str, tuple[str, float]] = {}
    runs, rated, waiting, briefs = [], [], [], []
    for number in range(requests):
        name, course = f"{number:06}", ("", "prog1")[number % 2]
        age = 440 * number / requests
        about[name] = (course, age)
        then = timedelta(days=age)
        runs += tree(name, then, course or None)
        run_id = f"{name}-0"
        rated.append(
            {"run_id": run_id, "user_id": "u", "rating": "positive", "score": 5,
             "comment": f"marker-comment-{name}", "given_at": at(then), "changed_at": at(then)}
        )  # fmt: skip
        waiting.append({"kind": "run", "subject_id": run_id, "queued_at": at(then)})
        briefs.append(
            {"assignment_id": f"a-{name}", "user_id": "u", "course": course,
             "title": f"marker-title-{name}", "brief": f"marker-brief-{name}", "plan": {"a": 1},
             "consented": True, "created_at": at(then), "updated_at": at(then)}
        )  # fmt: skip
    for table, rows in (
        (Run, runs), (FeedbackRow, rated), (OutboxRow, waiting), (AssignmentRow, briefs)
    ):  # fmt: skip
        place.add(table, *rows)
    return about


def dump(database: Database) -> dict[str, Sequence[Any]]:
    """Return every row of what expires."""
    tables = (Run, FeedbackRow, OutboxRow, AssignmentRow, Thread)
    with database.read() as session:
        return {
            table.__tablename__: session.connection()
            .execute(select(table.__table__).order_by(*table.__table__.primary_key))
            .all()
            for table in tables
        }


def check(place: Place, about: dict[str, tuple[str, float]]) -> None:
    """Compare rows and bytes with what has to be there, by the days of each course."""
    kept = check_rows(place, about)
    texts = ("prompt", "reply", "input", "tag", "attribute", "stop", "comment")
    assert place.markers() == {
        *(f"marker-{text}-{name}" for text in texts for name in kept["content"]),
        *(f"marker-{text}-{name}" for text in ("title", "brief") for name in kept["uploads"]),
    }


def check_rows(place: Place, about: dict[str, tuple[str, float]]) -> dict[str, set[str]]:
    """Compare the rows with what has to be there, and return which requests keep what."""
    kept: dict[str, set[str]] = {"content": set(), "metadata": set(), "uploads": set()}
    for name, (course, age) in about.items():
        for kind, days in zip(kept, DAYS[course], strict=True):
            if age <= days:
                kept[kind].add(name)
    runs = {f"{name}-{number}" for name in kept["metadata"] for number in range(4)}
    requests = {f"{name}-0" for name in kept["metadata"]}
    assert place.ids(Run.run_id) == runs
    assert place.ids(FeedbackRow.run_id) == place.ids(OutboxRow.subject_id) == requests
    kept_texts = {f"{name}-{number}" for name in kept["content"] for number in range(4)}
    assert place.ids(Run.run_id, Run.content == "kept") == kept_texts
    assert place.ids(Run.run_id, Run.content == "expired") == runs - kept_texts
    assert place.ids(AssignmentRow.assignment_id) == {f"a-{name}" for name in kept["uploads"]}
    return kept


def removed(report: Report) -> dict[tuple[str, str], int]:
    """Return how much of what was removed in which course."""
    return {(one.what, one.course): one.count for one in report.removed}


def test_all_of_the_expired_goes_and_nothing_else_when_retained(place: Place) -> None:
    """10,000 runs over 400 days in two courses: rows and bytes, while somebody else writes."""
    about = fill(place, 2_500)
    assert len(place.markers()) == 9 * 2_500  # the control: without it, all can be read
    waits: list[float] = []
    stops = threading.Event()

    def write() -> None:
        while not stops.wait(0.01):
            started = time.monotonic()
            with place.database.begin() as session:
                session.execute(update(Lease).where(Lease.name == "another").values(until=""))
            waits.append(time.monotonic() - started)

    writer = threading.Thread(target=write)
    writer.start()
    started = time.monotonic()
    report = place.retainer.retain()
    took = time.monotonic() - started
    stops.set()
    writer.join()
    check(place, about)
    assert report.state == "done"
    assert took < 30
    assert max(waits) < 4  # seconds; the busy timeout is 5
    with place.database.read() as session:
        assert not verify(session, whole_usage).findings
    assert removed(place.retainer.retain()) == {}


def test_same_rows_go_when_the_records_are_in_another_database(
    tmp_path: Path, records_url: str
) -> None:
    """Rows, and the audit log's oldest entries, on each database they have to run on."""
    with opened(tmp_path / "data", database_url=records_url) as place:
        about = fill(place, 100)
        audit = age_audit(place, [2_191, 5])
        report = place.retainer.retain()
        check_rows(place, about)
        assert removed(report)["audit entries", "default"] == 1
        assert audit.verify().intact
        assert removed(place.retainer.retain()) == {}


def test_writers_get_their_turn_when_somebody_reads_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log cannot be emptied while somebody reads; nobody who writes waits for that."""
    monkeypatch.setattr("agent.database._LOG_TRIES", 5)
    place.add(Run, *tree("000001", timedelta(days=100), None))
    waits: list[float] = []
    is_over = threading.Event()

    def write() -> None:
        while not is_over.wait(0.02):
            started = time.monotonic()
            with place.database.begin() as session:
                session.execute(update(Lease).values(until=Lease.until))
            waits.append(time.monotonic() - started)

    writer = threading.Thread(target=write)
    with place.database.read() as reading:
        assert reading.scalars(select(Run.run_id)).all()
        writer.start()
        report = place.retainer.retain()
        is_over.set()
        writer.join()
    assert (report.state, len(report.removed)) == ("in log", 1)
    assert max(waits) < 4  # seconds; the busy timeout is 5
    assert len(waits) > 10
    assert place.retainer.retain().state == "done"
    assert place.markers() == set()


def test_report_names_class_and_course_when_looked_and_retained(place: Place) -> None:
    """What a look counts is what a round removes; a look removes nothing."""
    about = fill(place, 60)
    before = dump(place.database)
    looked = place.retainer.look()
    assert dump(place.database) == before
    found = removed(looked)
    assert removed(place.retainer.retain()) == found
    texts = sum(course == "prog1" and age > 30 for course, age in about.values())
    assert found["texts of runs", "prog1"] == 4 * texts
    assert {(one.what, one.data_class) for one in looked.removed} == {
        ("comments", "content"), ("ratings", "metadata"), ("texts of runs", "content"),
        ("runs", "metadata"), ("assignments", "uploads"),
    }  # fmt: skip


@pytest.mark.parametrize("course", ["", "prog1"])
def test_second_decides_when_the_days_are_over(place: Place, course: str) -> None:
    """What is exactly as old as allowed stays, a second later it goes; the root's start counts."""
    content, metadata, uploads = (timedelta(days=days) for days in DAYS[course])
    place.add(Run, *tree("000001", content, course or None))
    place.add(Run, *tree("000002", metadata, course or None))
    row = {"assignment_id": "a", "user_id": "u", "course": course, "title": "t", "brief": "b"}
    when = {"consented": True, "created_at": at(uploads * 2), "updated_at": at(uploads)}
    place.add(AssignmentRow, {**row, **when})
    place.retainer.retain()
    assert place.ids(Run.prompt, Run.root_run_id == "000001-0") != {None}
    assert len(place.ids(Run.run_id)) == 8
    assert place.ids(AssignmentRow.assignment_id) == {"a"}
    place.now += SECOND
    place.retainer.retain()
    assert place.ids(Run.prompt, Run.root_run_id == "000001-0") == {None}
    assert place.ids(Run.root_run_id) == {"000001-0"}
    assert place.ids(AssignmentRow.assignment_id) == set()


def test_figures_stay_when_the_text_goes(place: Place) -> None:
    """Tokens, cost, person and thread of a run are kept until its metadata is over."""
    place.add(Run, *tree("000001", timedelta(days=100), None, size=1))
    place.retainer.retain()
    with place.database.read() as session:
        (run,) = session.scalars(select(Run)).all()
    assert (run.input_tokens, run.cost_nano_usd, run.user_id) == (100, 20_000_000, "u")
    assert (run.thread_id, run.content, run.name) == ("t-000001", "expired", "llm")
    gone = (run.prompt, run.response, run.inputs, run.tags, run.attributes, run.parameters)
    assert set(gone) == {None}


def test_open_request_is_left_alone_when_a_run_of_it_is_under_way(place: Place) -> None:
    """Nothing is taken from below what may still be written."""
    rows = tree("000001", timedelta(days=500), None)
    rows[2]["status"] = "started"
    place.add(Run, *rows)
    before = dump(place.database)
    place.retainer.retain()
    assert dump(place.database) == before


def test_imported_run_goes_by_its_own_start_when_its_root_was_never_here(place: Place) -> None:
    """An export holds the calls alone, so what is imported may have no root."""
    old, young = tree("000001", timedelta(days=500), None), tree("000002", timedelta(days=5), None)
    place.add(Run, *({**row, "origin": "imported"} for row in [*old[1:], *young[1:]]))
    place.retainer.retain()
    assert place.ids(Run.root_run_id) == {"000002-0"}


def test_days_of_the_default_course_count_when_a_course_has_no_file(place: Place) -> None:
    """A course may be a label alone, or its file may be gone."""
    days = DAYS[""][1]
    place.add(Run, *tree("000001", timedelta(days=days), "gone"))
    place.add(Run, *tree("000002", timedelta(days=days) + SECOND, "gone"))
    report = place.retainer.retain()
    assert place.ids(Run.root_run_id) == {"000001-0"}
    assert removed(report)["runs", "gone"] == 4


def test_comment_goes_when_it_was_given_after_the_text_had_expired(place: Place) -> None:
    """A comment belongs to its request, whenever it is given."""
    place.add(Run, *tree("000001", timedelta(days=100), None))
    place.retainer.retain()
    FeedbackLedger(place.database).give(
        "000001-0", "u", "positive", 4, "marker-late-000001", keep_comment=True
    )
    assert removed(place.retainer.retain()) == {("comments", "default"): 1}
    assert place.markers() == set()
    assert place.ids(FeedbackRow.score) == {4}


def test_want_of_consent_is_known_when_the_thread_outlives_the_run(place: Place) -> None:
    """What was said without consent is quoted as long as the thread is, so it stays known."""
    rows = tree("000001", timedelta(days=500), None)
    place.add(Run, *({**row, "content": "no consent", "thread_id": "t"} for row in rows))
    about = {"thread_key": "k", "user_id": "u", "course": "", "thread_id": "t"}
    place.add(Thread, {**about, "created_at": at(SECOND), "used_at": at(SECOND)})
    place.retainer.retain()
    assert place.ids(Run.run_id, Run.content == "no consent") == {"000001-0"}
    place.now += timedelta(days=181)
    place.retainer.retain()
    assert place.ids(Thread.thread_key) == set()
    place.retainer.retain()
    assert place.ids(Run.run_id) == set()


def test_threads_go_by_their_course_when_they_were_not_used(place: Place) -> None:
    """The memory of a thread goes with its line in the book."""
    for key, course, days in (("k1", "", 181), ("k2", "prog1", 21), ("k3", "", 21)):
        about = {"thread_key": key, "user_id": "u", "course": course, "thread_id": key}
        then = at(timedelta(days=days))
        place.add(Thread, {**about, "created_at": then, "used_at": then})
    looked = place.retainer.look()
    expected = {("threads", "default"): 1, ("threads", "prog1"): 1}
    assert removed(looked) == removed(place.retainer.retain()) == expected
    assert place.ids(Thread.thread_key) == {"k3"}


def test_round_is_audited_when_it_removes_something(place: Place) -> None:
    """What goes is written down before, once, and no text of it."""
    fill(place, 20)
    place.retainer.retain()
    place.retainer.retain()
    with place.database.read() as session:
        (entry,) = session.scalars(select(AuditEntry)).all()
    assert (entry.action, entry.role, entry.reader) == ("expire", "system", "system")
    assert "prog1: 20 runs" in entry.ids
    assert place.stores.audit.verify().intact


def test_state_is_the_same_when_killed_in_the_middle(tmp_path: Path) -> None:
    """SIGKILL at several steps, then once more: the same rows as in one go, and no more bytes."""
    with opened(tmp_path / "one") as place:
        about = fill(place, 400)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with opened(tmp_path / "one") as place:
        place.retainer.retain()
        expected = dump(place.database)
    for steps in (1, 4, 8):
        kill_after(steps, tmp_path / "two")
    with opened(tmp_path / "two") as place:
        free(place)
        assert place.retainer.retain().state == "done"
        assert dump(place.database) == expected
        check(place, about)


def kill_after(steps: int, data_dir: Path) -> None:
    """Let another process begin a round, and kill it."""
    with opened(data_dir) as place:
        free(place)
    command = [sys.executable, "-c", KILLED, str(data_dir), NOW.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(steps):
            assert child.stdout.readline() == "step\n"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def free(place: Place) -> None:
    """Take the job away from a process that is dead, which time does otherwise."""
    with place.database.begin() as session:
        session.execute(delete(Lease))


def test_nothing_is_done_when_another_process_does_it(place: Place) -> None:
    """One at a time; a process that says nothing any more has lost the job."""
    place.add(Run, *tree("000001", timedelta(days=500), None))
    lease = {"name": "retention", "process_id": "another"}
    place.add(Lease, {**lease, "until": as_stored(datetime.now(UTC) + timedelta(seconds=20))})
    assert place.retainer.retain().state == "elsewhere"
    assert place.ids(Run.run_id) != set()
    with place.database.begin() as session:
        session.execute(update(Lease).values(until=as_stored(datetime.now(UTC))))
    assert place.retainer.retain().state == "done"
    assert place.ids(Run.run_id) == place.ids(Lease.name) == set()


def test_round_ends_early_when_the_service_stops(place: Place) -> None:
    """What is left is for the next round."""
    fill(place, 400)
    steps = iter([True, True, False])
    assert place.retainer.retain(goes_on=lambda: next(steps, False)).state == "stopped"
    assert place.retainer.look().removed
    assert place.retainer.retain().state == "done"


def test_round_goes_on_when_a_job_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A job that fails keeps no other from its turn, and is tried again."""
    turns: list[str] = []
    is_over = threading.Event()

    def fail(_: Callable[[], bool]) -> None:
        turns.append("fail")
        raise StorageError("The disk is full.")

    def work(_: Callable[[], bool]) -> None:
        turns.append("work")
        if len(turns) > 3:
            is_over.set()

    rounds = Rounds(fail, work, every=0.01)
    rounds.start()
    assert is_over.wait(5)
    rounds.stop()
    assert turns[:4] == ["fail", "work", "fail", "work"]
    assert "The disk is full." in caplog.text


def test_cutoffs_follow_the_files_when_courses_differ(place: Place) -> None:
    """Each class has its own days."""
    cutoffs = cutoffs_of(place.retainer.courses, NOW)
    ages = {name: (NOW - then).days for name, then in cutoffs("prog1").items()}
    assert ages == {
        "content": 30, "metadata": 200, "audit": 2_190, "uploads": 60, "threads": 20
    }  # fmt: skip
    assert (NOW - cutoffs("")["content"]).days == (NOW - cutoffs("unknown")["content"]).days == 90


def test_command_reports_and_removes_when_run(tmp_path: Path) -> None:
    """`assist privacy retain` first looks, then does it, and both say the same."""
    now = datetime.now(UTC)
    with opened(tmp_path / "data") as place:
        age = NOW - now + timedelta(days=100)
        place.add(Run, *tree("000001", age, "prog1"))
    looked = told("retain", "--dry-run", "--json")
    removed_now = told("retain", "--json")
    assert looked["removed"] == removed_now["removed"] == [
        {"what": "texts of runs", "data_class": "content", "course": "prog1", "count": 4}
    ]  # fmt: skip
    assert (looked["dry_run"], removed_now["state"]) == (True, "done")
    said = CliRunner().invoke(app, ["retain"])
    assert (said.exit_code, said.output) == (0, "Nothing is past its time.\n")
    with opened(tmp_path / "data") as place:
        assert place.markers() == set()
        assert {entry.door for entry in place.stores.audit.list()} == {"terminal"}


def told(*words: str) -> dict[str, Any]:
    """Run a command of `assist privacy`, and return its JSON."""
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_server_retains_by_itself_when_it_starts(tmp_path: Path) -> None:
    """The first round comes after the assistant is open, and needs nobody to ask."""
    now = datetime.now(UTC)
    with opened(tmp_path / "data") as place:
        place.add(Run, *tree("000001", NOW - now + timedelta(days=500), None))
    with (
        running(create_app(Settings(data_dir=tmp_path / "data"))) as base,
        opened(tmp_path / "data") as place,
    ):
        assert httpx.get(f"{base}/live").status_code == 200
        ends_at = time.monotonic() + 20
        while place.ids(Run.run_id) and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert place.ids(Run.run_id) == set()


def test_audit_log_is_intact_when_its_oldest_entries_went(place: Place) -> None:
    """It begins with an anchor, and shows who pruned it; later entries stay to the second."""
    audit = age_audit(place, [2_191, 2_191, 2_190, 5])
    report = place.retainer.retain()
    assert removed(report) == {("audit entries", "default"): 2}
    assert [entry.entry for entry in audit.list()] == [5, 4, 3]
    checked = audit.verify()
    assert (checked.entries, checked.findings) == (3, ())
    assert place.ids(AuditAnchor.entry) == {2}
    assert place.ids(AuditAnchor.pruned_by) == {"system"}
    assert removed(place.retainer.retain()) == {}


def test_pruned_log_is_not_intact_when_it_was_cut_by_somebody_else(place: Place) -> None:
    """An anchor that the key did not seal is found, and so is an older one that is put back."""
    audit = age_audit(place, [2_191, 5, 5])
    path = place.settings.data_dir / "records.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        first = connection.execute("SELECT * FROM audit_anchor").fetchone()
        place.retainer.retain()
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute("DELETE FROM audit WHERE entry = 2")
        second = connection.execute("SELECT * FROM audit_anchor").fetchone()
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")

        def kinds(anchor: Sequence[Any]) -> set[str]:
            connection.execute("DELETE FROM audit_anchor")
            connection.execute("INSERT INTO audit_anchor VALUES (?, ?, ?, ?, ?, ?)", anchor)
            return {finding.kind for finding in audit.verify().findings}

        assert kinds(second) == set()
        assert kinds((*second[:4], "somebody", second[5])) == {"anchor"}
        assert kinds(first) == {"missing"}
        hash_2 = connection.execute("SELECT hash FROM audit WHERE entry = 2").fetchone()[0]
        connection.execute("DELETE FROM audit WHERE entry = 2")
        assert kinds((1, 2, hash_2, *second[3:])) == {"anchor"}


def test_nothing_is_pruned_when_an_old_entry_was_changed(place: Place) -> None:
    """What shows tampering is not removed before somebody looked at it."""
    audit = age_audit(place, [2_191, 5])
    with closing(sqlite3.connect(place.settings.data_dir / "records.db")) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET reader = 'nobody' WHERE entry = 1")
        connection.commit()
    with pytest.raises(StorageError, match="assist audit verify"):
        place.retainer.retain()
    assert [finding.kind for finding in audit.verify().findings] == ["changed"]


def age_audit(place: Place, days: Sequence[int]) -> AuditLog:
    """Write entries that are so many days old, and return the log."""
    audit = place.stores.audit
    moments = iter([*(NOW - timedelta(days=age) for age in days)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.privacy.audit.utc_now", lambda: as_stored(next(moments)))
        for number in range(len(days)):
            entry = Access(
                reader="t",
                role="teacher",
                action="read content",
                object_kind="run",
                object_ids=[str(number)],
                door="http",
            )
            with place.database.begin() as session:
                audit.append(session, entry)
    return audit
