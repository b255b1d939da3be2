"""Whose open runs are abandoned: a dead process's at once, a living neighbour's never."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, select
from sqlalchemy.exc import SQLAlchemyError

import agent.recording.processes
from agent.database import Database, utc_now
from agent.recording.outbox import OutboxRow
from agent.recording.processes import Heartbeat, Lease, Process, _host, abandon
from agent.recording.run_store import Changes, RunStore
from tests.agent.insight.test_usage import call
from tests.agent.recording.test_writer import outbox, statuses, wait_for

ROOT = Path(__file__).parents[3]
_NEIGHBOUR = """
import sys
from agent.database import Database
from agent.recording.processes import Heartbeat
from tests.agent.recording.test_processes import open_run
database = Database.open(sys.argv[1])
heart = Heartbeat(database)
heart.start()
open_run(database, sys.argv[2], heart.process_id)
print("open", flush=True)
sys.stdin.read()
"""


def open_run(database: Database, run_id: str, process_id: str | None) -> None:
    """Leave a run open."""
    row = {**call(0), "run_id": run_id, "root_run_id": run_id, "process_id": process_id}
    RunStore(database).start({**row, "status": "started"})


@contextmanager
def neighbour(url: str, run_id: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run another process that records here, and has a run open."""
    command = [sys.executable, "-c", _NEIGHBOUR, url, run_id]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"open\n"
            yield process
        finally:
            process.kill()


@contextmanager
def alive(database: Database, *, sends: bool = False) -> Iterator[Heartbeat]:
    """Be a process that records."""
    heart = Heartbeat(database, sends=sends)
    heart.start()
    with closing(heart):
        yield heart


def enter(database: Database, process_id: str, **changes: Any) -> None:
    """Enter a process."""
    known = {"host": _host(), "pid": os.getpid(), "started_at": utc_now(), "beat_at": utc_now()}
    with database.begin() as session:
        session.add(Process(**{"process_id": process_id, **known, **changes}))


def processes(database: Database) -> set[str]:
    """Return who is taken for alive."""
    with database.read() as session:
        return set(session.scalars(select(Process.process_id)))


@pytest.mark.parametrize("sends", [False, True])
def test_runs_are_abandoned_when_their_process_was_killed(
    database: Database, records_url: str, *, sends: bool
) -> None:
    """At the next start, at once; their ends are to reach LangSmith too where it is used."""
    with neighbour(records_url, "theirs") as process:
        process.kill()
    with alive(database, sends=sends) as heart:
        assert statuses(database) == {"theirs": "abandoned"}
        assert processes(database) == {heart.process_id}
    assert outbox(database) == ({"theirs"} if sends else set())
    run = RunStore(database).get("theirs")
    assert run is not None
    assert (run.error, bool(run.ended_at)) == ("ProcessEnded", True)


def test_neighbours_runs_stay_when_it_is_alive(
    database: Database, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are abandoned within a beat when it is killed beside a process that goes on."""
    monkeypatch.setattr(agent.recording.processes, "_BEAT", 0.05)
    with neighbour(records_url, "theirs") as process, alive(database) as heart:
        open_run(database, "mine", heart.process_id)
        with database.read() as session:
            beaten = session.get_one(Process, heart.process_id).beat_at
        wait_for(lambda: last_beat(database, heart) > beaten)
        assert statuses(database) == {"theirs": "started", "mine": "started"}
        process.kill()
        process.wait()
        wait_for(lambda: statuses(database) == {"theirs": "abandoned", "mine": "started"})


def last_beat(database: Database, heart: Heartbeat) -> str:
    """Return when a process last said that it is alive."""
    with database.read() as session:
        return session.get_one(Process, heart.process_id).beat_at


def test_both_are_alive_when_they_are_in_one_process(database: Database) -> None:
    """A notebook may open the assistant twice."""
    with alive(database) as first:
        open_run(database, "first", first.process_id)
        with alive(database):
            assert statuses(database) == {"first": "started"}
        assert processes(database) == {first.process_id}


@pytest.mark.parametrize(
    ("changes", "is_alive"),
    [
        ({"host": "elsewhere"}, True),
        ({"host": "elsewhere", "beat_at": 25}, True),
        ({"host": "elsewhere", "beat_at": 31}, False),
        ({"pid": 1}, True),
        ({"pid": 1, "beat_at": 31}, False),
        ({"pid": os.getpid()}, False),
        ({"pid": 2**22 + 1}, False),
    ],
)
def test_process_is_dead_when_it_says_nothing_or_is_gone(
    database: Database, changes: dict[str, Any], *, is_alive: bool
) -> None:
    """On this machine its number tells; one that another has got since tells nothing."""
    seconds = changes.get("beat_at", 0)
    beat_at = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    enter(database, "other", **{**changes, "beat_at": beat_at.replace("+00:00", "Z")})
    open_run(database, "theirs", "other")
    with database.begin() as session:
        session.add(Lease(name="shipper", process_id="other", until=utc_now()))
    with alive(database) as heart:
        assert (processes(database) == {heart.process_id, "other"}) is is_alive
        assert statuses(database) == {"theirs": "started" if is_alive else "abandoned"}
        with database.read() as session:
            assert (session.get(Lease, "shipper") is not None) is is_alive


def test_process_has_the_last_word_when_it_was_taken_for_dead(database: Database) -> None:
    """Its machine may have slept; what it settles then is true, and is sent once more."""
    open_run(database, "late", "asleep")
    with alive(database, sends=True):
        assert statuses(database) == {"late": "abandoned"}
        with database.begin() as session:
            session.execute(delete(OutboxRow))
        ended = {"status": "done", "error": None, "response": "It works."}
        RunStore(database).write(Changes(ends={"late": ended}, to_send=["late"]))
        assert statuses(database) == {"late": "done"}
    run = RunStore(database).get("late")
    assert run is not None
    assert (run.status, run.error, run.response) == ("done", None, "It works.")
    assert outbox(database) == {"late"}


def test_end_stays_when_it_comes_while_others_are_abandoned(database: Database) -> None:
    """On PostgreSQL the owner may settle a run between two statements of who abandons it."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    open_run(database, "theirs", "asleep")
    store = RunStore(database)
    settled: list[bool] = []

    def settle(*given: Any) -> None:
        if given[2].startswith("SELECT runs.run_id") and not settled:
            settled.append(True)
            store.settle("theirs", {"status": "done"})

    event.listen(database.engine, "after_cursor_execute", settle)
    with database.begin() as session:
        abandon(session, sends=False)
    assert settled
    assert statuses(database) == {"theirs": "done"}


def test_many_are_abandoned_when_a_busy_process_died(database: Database) -> None:
    """More than one statement may name are closed all the same, and each is sent."""
    runs = [str(uuid.uuid4()) for _ in range(1_100)]
    rows = {run_id: {**call(0), "run_id": run_id, "root_run_id": run_id} for run_id in runs}
    started = {run_id: {**row, "status": "started"} for run_id, row in rows.items()}
    RunStore(database).write(Changes(starts=started))
    with alive(database, sends=True):
        assert set(statuses(database).values()) == {"abandoned"}
    assert outbox(database) == set(runs)


def test_process_leaves_nothing_open_when_it_closes(database: Database) -> None:
    """What it did not settle nobody will, and it is no longer in the list."""
    with alive(database) as heart:
        open_run(database, "mine", heart.process_id)
    assert statuses(database) == {"mine": "abandoned"}
    assert processes(database) == set()


def test_heart_goes_on_when_a_beat_failed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is out of order for a while does not make the process look dead."""
    monkeypatch.setattr(agent.recording.processes, "_BEAT", 0.01)
    with alive(database) as heart:
        sign, failures = heart._sign, [SQLAlchemyError(), SQLAlchemyError()]

        def fail_twice() -> None:
            if failures:
                raise failures.pop()
            sign()

        monkeypatch.setattr(heart, "_sign", fail_twice)
        wait_for(lambda: not failures)
        now = utc_now()
        wait_for(lambda: last_beat(database, heart) > now)
