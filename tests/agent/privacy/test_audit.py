"""The audit log: no reading without its entry, and no change of it that is not found."""

import json
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from agent.cli.audit import app
from agent.database import Database
from agent.errors import InputError, SettingsError, StorageError
from agent.privacy.audit import START, Access, AuditEntry, AuditLog, Finding
from agent.privacy.secret import SECRET_FILE, Secret
from agent.recording.run_store import Run, RunStore
from tests.agent.insight.test_usage import call

ROOT = Path(__file__).parents[3]
KEY = b"k" * 32
ENTRIES = 30
COLUMNS = tuple(column.key for column in AuditEntry.__table__.columns)
INSERT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
REFUSED = "append-only|permission denied"

READER = """
import sys, uuid
from agent.database import Database
from agent.privacy.audit import Access, AuditLog
from agent.recording.run_store import Run
database = Database.open(sys.argv[1])
audit = AuditLog(database, b"k" * 32)
for _ in range(int(sys.argv[2])):
    number, reason = uuid.uuid4().int % 50, str(uuid.uuid4())
    access = Access(reader="t", role="teacher", action="read content", object_kind="run",
                    object_ids=[str(number)], door="python", reason=reason)
    with audit.reading(access) as session:
        content = session.get(Run, str(number)).response
    print(reason, number, content, flush=True)
"""


def access(number: int = 0, **changes: Any) -> Access:
    """Make one reading of a run."""
    given_values: dict[str, Any] = {
        "reader": "teacher-1", "role": "teacher", "action": "read content", "subject": "student-1",
        "object_kind": "run", "object_ids": [str(number)], "reason": "appeal", "door": "python",
    }  # fmt: skip
    return Access(**given_values | changes)


def fill(database: Database, accesses: Sequence[Access]) -> None:
    """Write many entries in one transaction."""
    audit = AuditLog(database, KEY)
    with database.begin() as session:
        for one in accesses:
            audit.append(session, one)


def store_runs(database: Database, count: int) -> None:
    """Write runs that have content."""
    store = RunStore(database)
    for number in range(count):
        store.start(call(number, content="kept", response=f"content-{number}"))


@pytest.fixture
def audit_url(records_url: str) -> Iterator[str]:
    """A log of its own on every database: on PostgreSQL in a schema that is dropped again."""
    place = make_url(records_url)
    if place.get_backend_name() == "sqlite":
        yield records_url
        return
    schema = f"audit_{uuid.uuid4().hex}"
    engine = create_engine(place)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    own = place.update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def database(audit_url: str) -> Iterator[Database]:
    """The database under test."""
    opened = Database.open(audit_url)
    yield opened
    opened.close()


@pytest.fixture
def audit(database: Database) -> AuditLog:
    """An empty log."""
    return AuditLog(database, KEY)


class Forge:
    """Somebody who can write the file, and can drop what stands in the way."""

    def __init__(self, path: Path) -> None:
        self.database = Database.open(f"sqlite:///{path}")
        self.audit = AuditLog(self.database, KEY)
        fill(self.database, [access(n, course=None if n % 2 else "c") for n in range(ENTRIES)])
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = OFF")
        names = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            self.connection.execute(f"DROP TRIGGER {name}")
        self.rows = self.connection.execute("SELECT * FROM audit ORDER BY entry").fetchall()
        self.head = self.connection.execute("SELECT * FROM audit_head").fetchone()

    def found_after(self, *statements: tuple[str, Sequence[Any]]) -> tuple[Finding, ...]:
        """Run statements, verify, and put everything back."""
        for sql, values in statements:
            self.connection.execute(sql, values)
        findings = self.audit.verify(self.rows[-1][-1]).findings
        self.replace(self.rows)
        self.connection.execute("DELETE FROM audit_head")
        self.connection.execute("INSERT INTO audit_head VALUES (?, ?, ?, ?)", self.head)
        return findings

    def found_in(self, rows: Sequence[Sequence[Any]]) -> tuple[Finding, ...]:
        """Verify other rows under the same head."""
        self.replace(rows)
        return self.found_after()

    def replace(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write other rows in place of all."""
        self.connection.execute("BEGIN")
        self.connection.execute("DELETE FROM audit")
        self.connection.executemany(INSERT, rows)
        self.connection.execute("COMMIT")


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """A log of 30 entries without its triggers."""
    made = Forge(tmp_path_factory.mktemp("forge") / "records.db")
    yield made
    assert made.found_after() == ()
    made.connection.close()
    made.database.close()


def test_entry_is_there_when_content_has_left(database: Database, audit: AuditLog) -> None:
    """Content is read in the entry's transaction, and can be used after it."""
    store_runs(database, 1)
    with audit.reading(access()) as session:
        run = session.get(Run, "0")
    (entry,) = audit.list()
    assert run is not None
    assert run.response == "content-0"
    assert (entry.entry, entry.reader, entry.subject) == (1, "teacher-1", "student-1")
    assert entry.as_json()["object_ids"] == ["0"]
    assert (entry.previous_hash, audit.verify(entry.hash).head) == (START, entry.hash)
    assert audit.verify(entry.hash).intact


def test_log_is_intact_when_a_reading_was_rolled_back(database: Database, audit: AuditLog) -> None:
    """What was not read leaves no entry, and no gap that looks like a removal."""
    for number in range(6):
        try:
            with audit.reading(access(number)) as session:
                session.add(Run(**call(number)))
                assert number % 2 == 0, "refused"
        except AssertionError:
            continue
    assert [entry.entry for entry in audit.list()] == [3, 2, 1]
    assert audit.verify().intact
    with database.read() as session:
        assert session.query(Run).count() == 3


def test_entries_are_chosen_when_listed(database: Database, audit: AuditLog) -> None:
    """By person, by reader, by time; the newest first, no more than asked for."""
    fill(database, [access(n, subject=f"s{n % 2}", reader=f"r{n % 3}") for n in range(6)])
    listed = [entry.ids for entry in audit.list(2, subject="s1")]
    assert listed == [["5"], ["3"]]
    assert [entry.ids for entry in audit.list(reader="r0")] == [["3"], ["0"]]
    assert len(audit.list(None, since="2020-01-01")) == 6
    assert not audit.list(since="2999-01-01")


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "x" * 501},
        {"reason": "two\nlines"},
        {"reader": "nul\0"},
        {"object_ids": ["\ud800"]},
        {"object_ids": ["1"] * 1001},
    ],
)
def test_access_is_refused_when_it_cannot_be_kept(changes: dict[str, Any]) -> None:
    """Too long, too many, or characters that no database or terminal should get."""
    with pytest.raises(InputError, match=r"audit"):
        access(**changes)
    assert access(reason="Häufung, 再審査\u3000ok").reason


def test_change_is_refused_when_tried_in_sql(database: Database, audit: AuditLog) -> None:
    """Triggers and, on PostgreSQL, rights; the triggers stand when the rights are given back."""
    fill(database, [access(n) for n in range(3)])
    statements = [
        "UPDATE audit SET reason = 'x' WHERE entry = 2",
        "DELETE FROM audit WHERE entry = 3",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET entry = 1",
        "INSERT INTO audit_head VALUES (2, 0, '', '')",
    ]
    if database.engine.dialect.name == "sqlite":
        rounds = [[*statements, "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE entry = 1"]]
    else:
        rounds = [statements, [*statements, "TRUNCATE audit", "TRUNCATE audit_head"]]
    for number, tried in enumerate(rounds):
        for sql in tried:
            with pytest.raises((IntegrityError, StorageError), match=REFUSED):
                _run(database, sql)
        if number + 1 < len(rounds):
            _run(database, "GRANT ALL ON audit, audit_head TO CURRENT_USER")
    assert audit.verify().entries == 3
    assert audit.verify().intact


def _run(database: Database, sql: str) -> None:
    with database.begin() as session:
        session.execute(text(sql))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_change_is_found_when_any_column_is_written(forge: Forge, data: st.DataObject) -> None:
    """Whatever is put in whichever column, the entry is named."""
    row = data.draw(st.sampled_from(forge.rows))
    column = data.draw(st.sampled_from(COLUMNS[1:]))
    old = row[COLUMNS.index(column)]
    edited = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
    new = data.draw(st.one_of(edited, st.binary(max_size=9), st.integers(0, 9)))
    assume(old != (str(new) if isinstance(new, int) else new))
    sql = f"UPDATE audit SET {column} = ? WHERE entry = ?"  # noqa: S608 - a name of ours
    found = forge.found_after((sql, (new, row[0])))
    assert Finding("changed", row[0]) in found
    if column not in {"hash", "previous_hash"}:
        assert found == (Finding("changed", row[0]),)


@settings(max_examples=200, deadline=None)
@given(gone=st.sets(st.integers(1, ENTRIES), min_size=1), is_renumbered=st.booleans())
def test_removal_is_found_when_any_entries_are_gone(
    *, forge: Forge, gone: set[int], is_renumbered: bool
) -> None:
    """The first, the last, all of them; also where the rest is numbered anew."""
    left = [row for row in forge.rows if row[0] not in gone]
    kept = [(n + 1, *row[1:]) for n, row in enumerate(left)] if is_renumbered else left
    found = forge.found_in(kept)
    for before, (row, written) in enumerate(zip(left, kept, strict=True)):
        follows = left[before - 1][0] if before else 0
        assert (Finding("missing", written[0]) in found) is (row[0] != follows + 1)
    if ENTRIES in gone or is_renumbered:
        assert Finding("cut", kept[-1][0] if kept else 0) in found


@settings(max_examples=200, deadline=None)
@given(order=st.permutations(range(ENTRIES)))
def test_order_is_found_when_entries_are_moved(forge: Forge, order: list[int]) -> None:
    """The first entry in a wrong place is named."""
    wrong = next((place for place, number in enumerate(order) if place != number), None)
    assume(wrong is not None)
    found = forge.found_in([(n + 1, *forge.rows[old][1:]) for n, old in enumerate(order)])
    assert wrong is not None
    assert found[0] == Finding("moved", wrong + 1)


@settings(max_examples=100, deadline=None)
@given(numbers=st.sets(st.integers(1, ENTRIES), min_size=2, max_size=2))
def test_swap_is_found_when_two_entries_change_places(forge: Forge, numbers: set[int]) -> None:
    """Both places are named."""
    rows = {row[0]: row for row in forge.rows}
    one, other = numbers
    rows[one], rows[other] = (one, *rows[other][1:]), (other, *rows[one][1:])
    found = forge.found_in(list(rows.values()))
    assert {Finding("moved", one), Finding("moved", other)} <= set(found)


def test_both_are_found_when_an_entry_is_gone_and_the_next_is_changed(forge: Forge) -> None:
    """One finding does not hide the other."""
    left = [row for row in forge.rows if row[0] != 10]
    left[9] = (11, left[9][1], "nobody", *left[9][3:])
    assert set(forge.found_in(left)) == {Finding("changed", 11), Finding("missing", 11)}


def test_number_is_found_when_it_alone_is_written(forge: Forge) -> None:
    """The chain goes on, but not at its place."""
    first, *others = forge.rows
    assert forge.found_in([(0, *first[1:]), *others]) == (
        Finding("moved", 0),
        Finding("moved", 2),
    )
    shifted = [(row[0] + 5 * (row[0] > 20), *row[1:]) for row in forge.rows]
    assert forge.found_in(shifted)[0] == Finding("moved", 26)


@settings(max_examples=500, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["remove", "swap", "edit", "copy", "renumber"]),
            st.integers(0, ENTRIES - 1),
            st.integers(0, ENTRIES - 1),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_mixture_is_found_unless_it_undoes_itself(
    forge: Forge, steps: list[tuple[str, int, int]]
) -> None:
    """Intact means: the very rows that were written, in their order, all of them."""
    rows = list(forge.rows)
    for step, one, other in steps:
        if rows:
            rows = _tampered(rows, step, one % len(rows), other % len(rows))
    unique = {row[0]: row for row in rows}
    assume(len(unique) == len({row[-1] for row in unique.values()}))
    written = [unique[number] for number in sorted(unique)]
    assert (not forge.found_in(written)) is (written == forge.rows)


def _tampered(rows: list[Any], step: str, one: int, other: int) -> list[Any]:
    changed = list(rows)
    first, second = rows[one], rows[other]
    if step == "remove":
        del changed[one]
    elif step == "swap":
        changed[one], changed[other] = (first[0], *second[1:]), (second[0], *first[1:])
    elif step == "edit":
        changed[one] = (*first[:2], second[11], *first[3:])
    elif step == "copy":
        changed[one] = (first[0], *second[1:-1], first[-1])
    else:
        changed = [(row[0] + (row[0] > first[0]), *row[1:]) for row in rows]
    return changed


def test_forgery_is_found_when_the_chain_is_built_again(forge: Forge, tmp_path: Path) -> None:
    """Who knows the code but not the key can write a log that looks whole to another key."""
    forged = Database.open(f"sqlite:///{tmp_path / 'forged.db'}")
    other = AuditLog(forged, b"x" * 32)
    with forged.begin() as session:
        for number in range(ENTRIES):
            other.append(session, access(number, reader="nobody"))
        rows = [tuple(row) for row in session.execute(text("SELECT * FROM audit"))]
        head = tuple(session.execute(text("SELECT * FROM audit_head")).one())
    assert other.verify().intact
    forged.close()
    forge.replace(rows)
    sql = "UPDATE audit_head SET place = ?, entry = ?, hash = ?, seal = ?"
    found = {finding.kind for finding in forge.found_after((sql, head))}
    assert {"changed", "head", "noted"} <= found


@pytest.mark.parametrize("kept", [0, 1, 17, ENTRIES - 1])
def test_cut_is_found_when_the_head_is_put_back_too(forge: Forge, kept: int) -> None:
    """A whole older state passes for itself; a head that was noted later tells."""
    older = forge.rows[:kept]
    seal = forge.audit._mac([kept, older[-1][-1]]) if older else ""
    head = (kept, older[-1][-1] if older else START, seal)
    forge.replace(older)
    assert Finding("cut", kept) in forge.audit.verify().findings
    sql = "UPDATE audit_head SET entry = ?, hash = ?, seal = ?"
    forge.connection.execute(sql, head)
    assert forge.audit.verify().intact
    assert forge.found_after() == (Finding("noted", kept),)


def test_reading_is_refused_when_the_head_was_changed(forge: Forge) -> None:
    """Writing on would seal the change; so nothing is read before it is looked at."""
    changes: list[tuple[str, Sequence[Any]]] = [
        ("UPDATE audit_head SET entry = 7", ()),
        ("UPDATE audit_head SET seal = ''", ()),
        ("DELETE FROM audit_head", ()),
        ("UPDATE audit_head SET entry = 0, hash = ?, seal = ''", (START,)),
    ]
    for sql, values in changes:
        forge.connection.execute(sql, values)
        with (
            pytest.raises(StorageError, match="audit log was changed"),
            forge.audit.reading(access()),
        ):
            pytest.fail("nothing may be read")
        (found,) = forge.found_after()
        assert found.kind in {"head", "cut"}
    stranger = AuditLog(forge.database, b"x" * 32)
    with pytest.raises(StorageError, match="its key is another"), stranger.reading(access()):
        pytest.fail("nothing may be read")


def test_list_is_shown_when_an_entry_was_broken(forge: Forge) -> None:
    """Somebody's change does not hide the log from its readers."""
    sql = "UPDATE audit SET object_ids = ? WHERE entry = ?"
    for broken in ("[", "7", b"\x00"):
        forge.connection.execute(sql, (broken, ENTRIES))
        assert forge.audit.list(1)[0].ids == [str(broken)]
        assert forge.found_after() == (Finding("changed", ENTRIES),)


def test_check_fails_aloud_when_an_entry_is_no_text(forge: Forge) -> None:
    """Bytes that SQLite calls text and Python cannot read are an error, not a pass."""
    forge.connection.execute("UPDATE audit SET reason = CAST(x'ff' AS TEXT) WHERE entry = 9")
    with pytest.raises(StorageError, match="cannot be used"):
        forge.audit.verify()
    forge.replace(forge.rows)


@contextmanager
def reading_process(url: str, count: int) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that reads runs and prints what it read."""
    command = [sys.executable, "-c", READER, url, str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_chain_is_one_when_processes_and_threads_write(audit_url: str, database: Database) -> None:
    """Nobody writes beside the chain, and nobody's entry is lost."""
    store_runs(database, 50)
    audit = AuditLog(database, KEY)

    def write(number: int) -> None:
        with audit.reading(access(number)):
            pass

    with reading_process(audit_url, 25) as one, reading_process(audit_url, 25) as other:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(50)))
        printed = [*one.communicate()[0].splitlines(), *other.communicate()[0].splitlines()]
    checked = audit.verify()
    assert len(printed) == 50
    assert (checked.entries, checked.findings) == (100, ())


@pytest.mark.slow
def test_no_reading_lacks_its_entry_when_readers_are_killed(
    audit_url: str, database: Database
) -> None:
    """1,000 random readings, 20 kills: whatever left a process stands in the log."""
    store_runs(database, 50)
    printed: list[list[str]] = []
    for number in range(20):
        with reading_process(audit_url, 10_000) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(45 + number % 10)]
            time.sleep(uuid.uuid4().int % 20 / 1_000)
            process.kill()
            lines += process.stdout.readlines()
        printed += [line.split() for line in lines if line.endswith("\n")]
    assert len(printed) >= 1_000
    audit = AuditLog(database, KEY)
    written = {entry.reason: entry.ids for entry in audit.list(None)}
    for reason, run, content in printed:
        assert content == f"content-{run}"
        assert written[reason] == [run]
    assert audit.verify().intact
    assert len(printed) <= len(written) <= len(printed) + 20


@pytest.mark.slow
def test_check_is_quick_when_the_log_is_long(database: Database, audit: AuditLog) -> None:
    """10,000 entries in well under five seconds."""
    fill(database, [access(number) for number in range(10_000)])
    started = time.monotonic()
    checked = audit.verify()
    assert time.monotonic() - started < 5
    assert (checked.entries, checked.intact) == (10_000, True)


def test_log_is_shown_and_checked_when_asked_at_the_terminal(tmp_path: Path) -> None:
    """Lines for people, JSON for programs, exit code 1 where something is wrong."""
    run: Callable[..., Any] = CliRunner().invoke
    data = tmp_path / "data"
    assert run(app, ["list"]).output == "Nothing was read yet.\n"
    database = Database.open(f"sqlite:///{data / 'records.db'}")
    audit = AuditLog.of(database, Secret.open(data / SECRET_FILE))
    for ids in (["7"], ["8", "9"]):
        with audit.reading(access(object_ids=ids)):
            pass
    shown = run(app, ["list"]).output.splitlines()
    assert "teacher teacher-1  read content (run 7 of student-1) by python: appeal" in shown[1]
    assert "(run 2 of them of student-1)" in shown[0]
    assert json.loads(run(app, ["list", "--limit", "1", "--json"]).output)[0]["entry"] == 2
    assert run(app, ["list", "--subject", "nobody"]).output == "No entry fits.\n"
    assert isinstance(run(app, ["list", "--since", "soon"]).exception, InputError)
    checked = run(app, ["verify"])
    head = audit.verify().head
    assert (checked.exit_code, checked.output) == (0, f"2 entries, intact\nhead {head}\n")
    assert run(app, ["verify", "--head", head]).exit_code == 0
    assert run(app, ["verify", "--head", "f" * 64]).output.startswith("noted    at entry 2\n")
    for _ in range(25):
        with audit.reading(access()):
            pass
    (data / SECRET_FILE).write_bytes(b"x" * 32)
    assert "\nand 8 more; --json lists all" in run(app, ["verify"]).output
    wrong = run(app, ["verify", "--json"])
    assert (wrong.exit_code, json.loads(wrong.output)["intact"]) == (1, False)
    database.close()


def test_key_is_refused_when_it_is_short(database: Database) -> None:
    """A key that can be tried out seals nothing."""
    with pytest.raises(SettingsError, match="has 5 bytes"):
        AuditLog(database, b"short")
