"""The book of threads: whose they are, and how they are erased, expire and are exported."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from langgraph.checkpoint.base.id import uuid6
from sqlalchemy import update

from agent.blocking import Assistant
from agent.database import Database
from agent.errors import StorageError
from agent.privacy.access import Caller
from agent.privacy.holdings import DataClass
from agent.privacy.owner import Owner
from agent.settings import Settings
from agent.thread_book import Thread, ThreadBook
from agent.threads import erase_threads, expire_threads, remembered
from tests.agent.test_assistant import NOTE
from tests.agent.test_threads import bytes_of, cells, change

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAYS = {"": 180, "prog1": 30}
WORD = "quagmarmalade"
CHECKPOINT = "INSERT INTO checkpoints VALUES (:key, '', :id, NULL, 'msgpack+gcm1', :content, '{}')"
WRITE = "INSERT INTO writes VALUES (:key, '', :id, 'task', '', 0, 'note', 'msgpack+gcm1', :content)"


def cutoffs(course: str) -> Mapping[DataClass, datetime]:
    """Keep threads for some days before a fixed moment."""
    return {"threads": NOW - timedelta(days=DAYS[course])}


def id_at(moment: datetime) -> str:
    """Return the id of a checkpoint that was made at a moment."""
    steps = int(moment.timestamp()) * 10**7 + 0x01B21DD213814000
    whole = (steps >> 12) << 80 | 6 << 76 | (steps & 0xFFF) << 64 | 2 << 62
    return str(uuid.UUID(int=whole))


@pytest.fixture
def book(tmp_path: Path, records_url: str) -> Iterator[ThreadBook]:
    """An empty book over a file of threads as the checkpointer lays it out."""
    path = tmp_path / "threads.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            PRAGMA journal_mode=WAL;
            CREATE TABLE checkpoints (thread_id TEXT, checkpoint_ns TEXT, checkpoint_id TEXT,
                parent_checkpoint_id TEXT, type TEXT, checkpoint BLOB, metadata BLOB);
            CREATE TABLE writes (thread_id TEXT, checkpoint_ns TEXT, checkpoint_id TEXT,
                task_id TEXT, task_path TEXT, idx INTEGER, channel TEXT, type TEXT, value BLOB);
            """
        )
    database = Database.open(records_url)
    yield ThreadBook(database, path)
    database.close()


def keep(book: ThreadBook, key: str, owner: Owner, *moments: datetime) -> None:
    """Note a thread, last used at the last of some moments, with a checkpoint at each."""
    book.note(key, owner, f"id-of-{key}")
    used = update(Thread).where(Thread.thread_key == key)
    with book.database.begin() as session:
        session.execute(used.values(used_at=moments[-1].isoformat().replace("+00:00", ".000000Z")))
    content = f"{WORD} of {key}".encode() * 100
    for moment in moments:
        change(book.path, CHECKPOINT, key=key, id=id_at(moment), content=content)
        change(book.path, WRITE, key=key, id=id_at(moment), content=content)


def keys_of(book: ThreadBook, *people: str) -> list[str]:
    """Return the keys of the threads that are known of people."""
    return [thread.thread_key for person in people for thread in book.of(person)]


def test_ids_sort_as_langgraph_makes_them_when_compared() -> None:
    """What the tests here call an id of a moment lies where LangGraph's own does."""
    now = datetime.now(UTC)
    assert id_at(now - 2 * SECOND) < str(uuid6(clock_seq=-2)) < id_at(now + 2 * SECOND)


def test_thread_is_noted_once_when_used_often(
    book: ThreadBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its course and its last use follow; within an hour nothing is written."""
    book.note("key", Owner("ada"), "thread")
    (first,) = book.of("ada")
    book.note("key", Owner("ada"), "thread")
    (again,) = book.of("ada")
    assert (again.used_at, again.course) == (first.used_at, "")
    book.note("key", Owner("ada", "prog1"), "thread")
    (moved,) = book.of("ada")
    assert (moved.created_at, moved.course, moved.thread_id) == (
        first.created_at,
        "prog1",
        "thread",
    )
    monkeypatch.setattr("agent.thread_book._NOTED_FOR", timedelta(0))
    book.note("key", Owner("ada", "prog1"), "thread")
    assert book.of("ada")[0].used_at > moved.used_at
    assert book.of("bob") == []


def test_threads_are_gone_with_their_bytes_when_their_person_is_erased(book: ThreadBook) -> None:
    """While the server has the file open; another's stay as they were, and again is nothing."""
    with closing(sqlite3.connect(book.path)) as server:
        server.execute("SELECT count(*) FROM checkpoints").fetchone()
        for number in range(5):
            keep(book, f"adas-{number}", Owner("ada"), NOW)
        keep(book, "bobs", Owner("bob"), NOW)
        before = [row for row in cells(book.path) if row[0] == "bobs"]
        assert f"{WORD} of adas".encode() in bytes_of(book.path)
        assert (book.erase("ada"), book.erase("ada")) == (5, 0)
        assert b"adas" not in bytes_of(book.path)
    assert cells(book.path) == before
    assert keys_of(book, "ada", "bob") == ["bobs"]


def test_memory_is_gone_when_a_killed_erasure_is_run_again(book: ThreadBook) -> None:
    """Killed after the checkpoints went, the book still knows what to look for."""
    keep(book, "key", Owner("ada"), NOW)
    assert erase_threads(book.path, ["key"]) == {"key"}
    assert book.erase("ada") == 1
    assert book.of("ada") == []


def test_thread_expires_when_its_newest_checkpoint_is_too_old(book: ThreadBook) -> None:
    """To the second, by the days of its course; one that was gone on with stays whole."""
    edge = {course: cutoffs(course)["threads"] for course in DAYS}
    keep(book, "old", Owner("ada"), edge[""] - SECOND)
    keep(book, "kept", Owner("ada"), edge[""])
    keep(book, "old of a course", Owner("ada", "prog1"), edge["prog1"] - SECOND)
    keep(book, "kept of a course", Owner("bob", "prog1"), edge["prog1"])
    keep(book, "gone on with", Owner("bob"), edge[""] - 99 * SECOND, NOW)
    keep(book, "noted late", Owner("bob"), NOW, edge[""] - SECOND)
    change(book.path, CHECKPOINT, key="unknown", id=id_at(edge[""] - SECOND), content=b"")
    change(book.path, CHECKPOINT, key="unknown but new", id=id_at(edge[""]), content=b"")
    assert (book.expire(cutoffs), book.expire(cutoffs)) == (3, 0)
    kept = {"kept", "kept of a course", "gone on with", "noted late"}
    assert set(keys_of(book, "ada", "bob")) == kept
    assert remembered(book.path) == kept | {"unknown but new"}
    assert len([row for row in cells(book.path) if row[0] == "gone on with"]) == 4
    assert b"of old" not in bytes_of(book.path)


def test_thread_without_memory_expires_when_last_used_too_long_ago(book: ThreadBook) -> None:
    """Nothing was ever answered on it."""
    keep(book, "key", Owner("ada"), NOW - timedelta(days=181))
    erase_threads(book.path, ["key"])
    assert book.expire(cutoffs) == 1
    assert book.of("ada") == []


def test_thread_stays_in_the_book_when_it_is_used_again_meanwhile(book: ThreadBook) -> None:
    """Its old memory was too old; the new one needs its owner."""
    keep(book, "key", Owner("ada"), NOW)
    assert book._forget(["key"], before="2026-11-22T12:00:00.000000Z") == 0
    assert keys_of(book, "ada") == ["key"]


def test_nothing_is_made_when_there_never_were_threads(tmp_path: Path) -> None:
    """Neither file nor tables."""
    path = tmp_path / "threads.db"
    assert erase_threads(path, ["key"]) == set()
    assert not path.exists()
    path.touch()
    assert expire_threads(path, ["key"], NOW) == 0
    assert remembered(path) == set()


def test_file_is_named_when_it_is_no_database(tmp_path: Path) -> None:
    """With what to look at."""
    (tmp_path / "threads.db").write_text("no database" * 100, "utf-8")
    with pytest.raises(StorageError, match=r"threads\.db cannot be read or written"):
        erase_threads(tmp_path / "threads.db", ["key"])


def test_erasure_waits_when_somebody_reads(book: ThreadBook) -> None:
    """What was removed stands in the log as long as an older state is read."""
    keep(book, "key", Owner("ada"), NOW)
    with closing(sqlite3.connect(book.path, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM checkpoints").fetchone()
        threading.Timer(0.5, reader.rollback).start()
        began = time.monotonic()
        assert book.erase("ada") == 1
        assert time.monotonic() - began > 0.3
        assert WORD.encode() not in bytes_of(book.path)


def test_erasure_says_so_when_somebody_never_stops_reading(
    book: ThreadBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is run again later, and then finds what it needs."""
    monkeypatch.setattr("agent.database._LOG_TRIES", 2)
    monkeypatch.setattr("agent.threads._PRAGMAS", ("busy_timeout=10", "secure_delete=ON"))
    keep(book, "key", Owner("ada"), NOW)
    with closing(sqlite3.connect(book.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM checkpoints").fetchone()
        with pytest.raises(StorageError, match="still stands in its log"):
            book.erase("ada")
    assert book.erase("ada") == 1
    assert WORD.encode() not in bytes_of(book.path)


@pytest.fixture
def assistant(settings: Settings, tmp_path: Path) -> Iterator[Assistant]:
    """An assistant with one course and one document."""
    (settings.data_dir / "courses").mkdir(parents=True)
    (settings.data_dir / "courses" / "prog1.toml").write_text('name = "One"\n', "utf-8")
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as opened:
        opened.knowledge.add(tmp_path / "note.md")
        yield opened


@pytest.fixture
def person(assistant: Assistant) -> Callable[[str], Caller]:
    """Make a student of the course."""

    def make(name: str) -> Caller:
        return Caller(assistant.stores.people.user_id(name), name, "student", ("prog1",))

    return make


def test_every_thread_is_in_the_book_when_requests_were_answered(
    assistant: Assistant, person: Callable[[str], Caller]
) -> None:
    """Under the key of its checkpoints, with person and course; erasing finds all of them."""
    ada, book = person("ada"), assistant._async.thread_book
    mine = assistant.ask("What is a dict?", course="prog1")
    hers = assistant.ask("What is a dict?", caller=ada)
    assistant.ask("And then?", caller=ada, thread_id=hers.thread_id)
    (known,) = book.of(ada.user_id)
    assert (known.thread_id, known.course) == (hers.thread_id, "prog1")
    assert keys_of(book, assistant.stores.user_id) == [mine.thread_id]
    assert remembered(book.path) == {known.thread_key, mine.thread_id}
    assert book.erase(ada.user_id) == 1
    assert remembered(book.path) == {mine.thread_id}


def test_export_holds_what_was_said_when_asked_for(
    assistant: Assistant, person: Callable[[str], Caller]
) -> None:
    """A person's own threads and nobody else's; what does not open is said."""
    ada, bob, vault = person("ada"), person("bob"), assistant.stores.vault
    book = assistant._async.thread_book
    thread = assistant.ask(f"What is {WORD}?", caller=ada).thread_id
    assistant.ask("And then?", caller=ada, thread_id=thread)
    assistant.ask("What is a list?", caller=bob)
    (hers,) = book.export(ada.user_id, vault)
    assert (hers["thread_id"], hers["course"]) == (thread, "prog1")
    assert [said["role"] for said in hers["messages"]] == ["human", "ai"] * 2
    assert hers["messages"][0]["text"] == f"What is {WORD}?"
    vault.keys.destroy(bob.user_id)
    (his,) = book.export(bob.user_id, vault)
    assert (his["messages"], his["content"]) == (None, "erased")
    book.note("unanswered", Owner(ada.user_id), "id")
    assert [thread["messages"] for thread in book.export(ada.user_id, vault)][1] == []
