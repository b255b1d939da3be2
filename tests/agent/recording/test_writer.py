"""The writer: in order, in groups, on the disk before anybody is told so; nothing is lost."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, select
from sqlalchemy.exc import TimeoutError as NoConnectionError

import agent.recording.writer
from agent.database import Database
from agent.errors import StorageError
from agent.recording.outbox import OutboxRow
from agent.recording.run_store import Changes, Run, RunStore
from agent.recording.writer import Writer
from tests.agent.insight.test_usage import call

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


class Gate(RunStore):
    """A store that counts its transactions, and holds each up while it is shut."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.opened = threading.Event()
        self.opened.set()
        self.entered = threading.Event()
        self.writes = 0

    def write(self, changes: Changes) -> None:
        """Write, once it is open."""
        self.writes += 1
        self.entered.set()
        assert self.opened.wait(10)
        super().write(changes)


on_sqlite = pytest.mark.parametrize("records_url", ["sqlite"], indirect=True)
"""For what a database on this disk alone can suffer."""


@pytest.fixture
def store(database: Database) -> Gate:
    """A store in it."""
    return Gate(database)


@pytest.fixture
def writer(store: Gate) -> Iterator[Writer]:
    """A writer to it."""
    opened = Writer(store)
    yield opened
    store.opened.set()
    opened.close()


def start(number: int | str, **changes: Any) -> Callable[[Changes], None]:
    """Start a run."""
    name = str(number)
    row = {**call(0), "run_id": name, "root_run_id": name, "status": "started", **changes}
    return lambda to: to.start(dict(row))


def end(number: int | str, **values: Any) -> Callable[[Changes], None]:
    """Settle it, and put it into the outbox."""

    def change(changes: Changes) -> None:
        changes.end(str(number), {"status": "done", **values})
        changes.to_send.append(str(number))

    return change


def fill(number: int, **values: Any) -> Callable[[Changes], None]:
    """Complete it."""
    return lambda changes: changes.fill(str(number), values)


def statuses(database: Database) -> dict[str, str]:
    """Return every run's status; a run that is there twice breaks the key of the table."""
    with database.read() as session:
        return {run.run_id: run.status for run in session.scalars(select(Run))}


def outbox(database: Database) -> set[str]:
    """Return the runs in the outbox."""
    with database.read() as session:
        return set(session.scalars(select(OutboxRow.subject_id)))


@contextmanager
def held(database: Database) -> Iterator[Callable[[], None]]:
    """Let another process hold the database; yield what makes it let go."""
    command = [sys.executable, "-c", _HOLD, str(database.engine.url.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process.stdin.close


def wait_at_most(database: Database, milliseconds: int) -> None:
    """Set how long SQLite waits for another's lock."""

    def shorten(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={milliseconds}")

    event.listen(database.engine, "checkout", shorten)


@contextmanager
def full(database: Database) -> Iterator[None]:
    """Let the file not grow by a page."""

    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    event.listen(database.engine, "begin", smallest := partial(limit, pages=1))
    yield
    event.remove(database.engine, "begin", smallest)
    event.listen(database.engine, "begin", partial(limit, pages=2**30))


async def lags(until: "asyncio.Future[Any]") -> list[float]:
    """Note how late the event loop is until something is done."""
    found = []
    while not until.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        found.append(time.perf_counter() - before - 0.005)
    return sorted(found)


def test_changes_are_written_in_order_when_somebody_waits(
    writer: Writer, database: Database
) -> None:
    """A start, what became known late and an end make one row, in one transaction or in three."""
    for number, waits in enumerate((lambda: None, writer.wait)):
        writer.submit(start(number, prompt_type=None))
        waits()
        writer.submit(fill(number, prompt_type="code"))
        waits()
        writer.submit(end(number))
        writer.wait()
    with database.read() as session:
        runs = session.scalars(select(Run)).all()
    assert [(run.status, run.prompt_type) for run in runs] == [("done", "code")] * 2
    assert outbox(database) == {"0", "1"}


def test_many_share_a_transaction_when_they_come_together(
    writer: Writer, store: Gate, database: Database
) -> None:
    """What is enqueued during a write is written with the next one."""
    store.opened.clear()
    with ThreadPoolExecutor(21) as pool:
        writer.submit(start("first"))
        first = pool.submit(writer.wait)
        assert store.entered.wait(5)
        for number in range(500):
            writer.submit(start(number))
        others = [pool.submit(writer.wait) for _ in range(20)]
        wait_for(lambda: len(writer._waiters) == 20)
        assert not first.done()
        store.opened.set()
        for waiting in (first, *others):
            waiting.result(5)
    assert store.writes == 2
    assert len(statuses(database)) == 501


def test_changes_are_written_when_nobody_waits(writer: Writer, database: Database) -> None:
    """They linger for others, and not for long."""
    writer.submit(start(1))
    wait_for(lambda: statuses(database) == {"1": "started"})


@pytest.mark.anyio
async def test_all_are_woken_when_32_wait_in_one_loop(
    writer: Writer, store: Gate, database: Database
) -> None:
    """Each finds its own row on the disk; one that was cancelled disturbs nobody."""
    store.opened.clear()

    async def ask(number: int) -> None:
        writer.submit(start(number))
        await writer.wait_async()
        assert store.opened.is_set()

    asking = [asyncio.create_task(ask(number)) for number in range(33)]
    await asyncio.sleep(0.05)
    asking.pop().cancel()
    store.opened.set()
    await asyncio.wait_for(asyncio.gather(*asking), 5)
    assert store.writes <= 3
    assert len(await asyncio.to_thread(statuses, database)) == 33


@pytest.mark.slow
@pytest.mark.anyio
async def test_all_succeed_when_another_process_holds_the_database_for_3_s(
    writer: Writer, database: Database
) -> None:
    """Whoever waits does so without holding up the event loop."""
    with held(database) as let_go:
        asyncio.get_running_loop().call_later(3, let_go)
        for number in range(16):
            writer.submit(start(number))
        waiting = asyncio.gather(*(writer.wait_async() for _ in range(16)))
        late = await lags(waiting)
        await waiting
    assert late[int(len(late) * 0.99)] < 0.1
    assert late[-1] < 1
    assert len(await asyncio.to_thread(statuses, database)) == 16


@on_sqlite
@pytest.mark.parametrize("patience", [200, pytest.param(5_000, marks=pytest.mark.slow)])
@pytest.mark.anyio
async def test_waiters_are_told_when_the_database_is_held_for_too_long(
    writer: Writer, database: Database, patience: int
) -> None:
    """They get an error and no success; what they enqueued is written once the lock is gone."""
    wait_at_most(database, patience)
    with held(database) as let_go:
        for number in range(16):
            writer.submit(start(number))
        waiting = asyncio.gather(*(writer.wait_async() for _ in range(16)), return_exceptions=True)
        late = await lags(waiting)
        told = await waiting
        writer.submit(end(0))
        let_go()
    assert {type(error) for error in told} == {StorageError}
    assert "no other program holds it" in str(told[0])
    assert late[int(len(late) * 0.99)] < 0.1
    await asyncio.to_thread(wait_for, lambda: len(statuses(database)) == 16)
    await writer.wait_async()
    expected = {"0": "done", **{str(number): "started" for number in range(1, 16)}}
    assert await asyncio.to_thread(statuses, database) == expected


@on_sqlite
def test_nothing_is_lost_when_the_disk_was_full(writer: Writer, database: Database) -> None:
    """Nobody is told of a success meanwhile; with space again the same writer goes on."""
    told: list[str] = []
    with full(database):
        for number in range(20):
            writer.submit(start(number, prompt="long " * 2_000))
            try:
                writer.wait()
            except StorageError as error:
                told.append(str(error))
    assert len(told) > 10
    assert "full" in told[0]
    writer.submit(end(0))
    writer.wait()
    assert len(statuses(database)) == 20
    assert outbox(database) == {"0"}


def test_others_are_written_when_a_row_is_refused(
    writer: Writer, store: Gate, database: Database
) -> None:
    """No success is told of a group that lost a row; the next one is not concerned."""
    store.opened.clear()
    writer.submit(start("first"))
    assert store.entered.wait(5)
    for number, tokens in enumerate((1, 2**70, 3)):
        writer.submit(start(number, input_tokens=tokens))
        writer.submit(end(number))
    store.opened.set()
    with pytest.raises(StorageError, match="1 runs could not be recorded"):
        writer.wait()
    assert statuses(database) == {"first": "started", "0": "done", "2": "done"}
    assert outbox(database) == {"0", "2"}
    writer.wait()


def test_row_is_kept_without_text_when_its_text_is_refused(
    writer: Writer, database: Database
) -> None:
    """What somebody wrote may not cost the record of what was used."""
    writer.submit(start(1, prompt="half a \ud800 pair"))
    writer.submit(end(1, response="\ud800"))
    writer.wait()
    with database.read() as session:
        run = session.get_one(Run, "1")
    assert (run.status, run.prompt, run.input_tokens) == ("done", None, 100)
    assert outbox(database) == {"1"}


def test_run_and_its_outbox_entry_stay_together_when_written_singly() -> None:
    """A kill between two transactions may not leave a run that is never sent."""
    changes = Changes(
        starts={"1": call(1)}, ends={"2": {"status": "done"}}, to_send=["1", "2", "3"]
    )
    changes.fill("2", {"prompt_type": "chat"})
    singles = list(changes.singly())
    assert [single.to_send for single in singles] == [["1"], ["2"], ["3"], []]
    assert [list(single.starts or single.ends) for single in singles[:2]] == [["1"], ["2"]]
    assert sum(single.size for single in singles) == changes.size


def test_waiters_are_told_when_a_row_cannot_be_made(writer: Writer, database: Database) -> None:
    """An answer whose record was never made is not acknowledged; others are written."""

    def fail(_: Changes) -> None:
        raise KeyError

    writer.submit(start(1))
    writer.submit(fail)
    with pytest.raises(StorageError, match="1 runs could not be recorded"):
        writer.wait()
    assert statuses(database) == {"1": "started"}


def test_rows_are_kept_when_there_is_no_connection(database: Database) -> None:
    """That is the database's fault and not the rows', so they are tried again."""

    class Busy(RunStore):
        fails = True

        def write(self, changes: Changes) -> None:
            if self.fails:
                raise NoConnectionError
            super().write(changes)

    busy = Busy(database)
    writer = Writer(busy)
    writer.submit(start(1))
    with pytest.raises(StorageError, match="could not be written"):
        writer.wait()
    busy.fails = False
    writer.wait()
    writer.close()
    assert statuses(database) == {"1": "started"}


@on_sqlite
def test_no_more_is_taken_when_too_much_waits(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused by the database counts too; a full disk may not fill the memory."""
    monkeypatch.setattr(agent.recording.writer, "_MOST", 30)
    taken = 0
    with full(database), suppress(StorageError):
        for number in range(100):
            writer.submit(start(number, prompt="long " * 2_000))
            taken += 1
            with suppress(StorageError):
                writer.wait()
    assert 30 <= taken < 100
    writer.wait()
    writer.submit(start("next"))
    writer.wait()
    assert len(statuses(database)) == taken + 1


def test_what_is_left_is_written_when_closed(store: Gate, database: Database) -> None:
    """Then nothing more is taken, and whoever waits is told so at once."""
    writer = Writer(store)
    for number in range(100):
        writer.submit(start(number))
    writer.close()
    assert len(statuses(database)) == 100
    with pytest.raises(StorageError):
        writer.submit(start("late"))
    with pytest.raises(StorageError, match="closed"):
        writer.wait()


def test_waiter_is_answered_when_it_comes_while_closing(store: Gate) -> None:
    """Nobody is forgotten between the last write and the end of the thread."""
    writer = Writer(store)
    store.opened.clear()
    with ThreadPoolExecutor(2) as pool:
        writer.submit(start(1))
        closing = pool.submit(writer.close)
        assert store.entered.wait(5)
        waiting = pool.submit(writer.wait)
        wait_for(lambda: len(writer._waiters) == 1)
        store.opened.set()
        waiting.result(5)
        closing.result(5)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    ends_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)
