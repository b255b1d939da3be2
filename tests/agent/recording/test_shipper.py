"""From the outbox to LangSmith: nothing lost, nothing twice, whatever LangSmith does."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select, update

from agent.database import Database
from agent.errors import StorageError
from agent.privacy.owner import Owner
from agent.recording.backlog import Backlog, OutboxStatus, outbox_status
from agent.recording.frames import RunShaper
from agent.recording.langsmith import LangSmith
from agent.recording.outbox import Kind, Opinion, OutboxRow, queue
from agent.recording.processes import Lease, Process
from agent.recording.run_store import Changes, Run, RunStore
from agent.recording.shipper import Pace, Shipper, _Pauses
from agent.settings import Settings
from tests.agent.recording.test_frames import call, row
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running

ROOT = Path(__file__).parents[3]
QUICK = Pace(
    poll=0.05, gather=0.01, first_pause=0.05, longest_pause=0.2, closed_pause=0.2, longest_asked=60,
    announced_after=0.0,
)  # fmt: skip
SOON = 20.0
REFUSED = "HTTP 422; it started a day ago"


@contextmanager
def shipper_to(
    base: str, database: Database, *, process_id: str = "p1", pace: Pace = QUICK, **changes: Any
) -> Iterator[Shipper]:
    """Run a shipper with a quick pace; `u1` alone consents."""
    options: dict[str, Any] = {
        "has_consent": lambda owner: owner.user_id == "u1",
        "opinions_of": lambda _: (),
        **changes,
    }
    langsmith = LangSmith(base, "ls-key", project="assignment-assistant")
    shaper = RunShaper(project="assignment-assistant")
    shipper = Shipper(Backlog(database, process_id), langsmith, shaper, pace=pace, **options)
    shipper.start()
    try:
        yield shipper
    finally:
        shipper.close()


def tree(*, at: datetime | None = None, **changes: Any) -> list[dict[str, Any]]:
    """Make the rows of one request: its root, a step, and a model call."""
    started = at or datetime.now(UTC) - timedelta(seconds=3)
    root, rows, order = str(uuid.uuid4()), [], ""
    parent: str | None = None
    for make, kind in ((row, "chain"), (row, "chain"), (call, "llm")):
        run_id = root if parent is None else str(uuid.uuid4())
        order = f"{order}.{started:%Y%m%dT%H%M%S%fZ}{run_id}".lstrip(".")
        place = {"run_id": run_id, "root_run_id": root, "trace_id": root, "parent_run_id": parent}
        times = {"started_at": stored(started), "ended_at": stored(started + timedelta(seconds=2))}
        rows.append(make(run_type=kind, dotted_order=order, **place, **times, **changes))
        parent = run_id
    return rows


def stored(time_: datetime) -> str:
    """Write a time as the record does."""
    return time_.isoformat(timespec="microseconds").replace("+00:00", "Z")


def plant(database: Database, rows: Sequence[dict[str, Any]], *, send: bool = True) -> list[str]:
    """Record runs, children first in the outbox as they end; return their ids."""
    ids = [found["run_id"] for found in rows]
    starts = {found["run_id"]: found for found in rows}
    RunStore(database).write(Changes(starts=starts, to_send=ids[::-1] if send else []))
    return ids


def trees(database: Database, count: int) -> list[str]:
    """Record requests; return the ids of their runs."""
    return plant(database, [run for _ in range(count) for run in tree()])


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what a thread does."""
    ends_at = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def check_delivered(server: LangSmithServer, ids: Sequence[str]) -> None:
    """Check that each run is there once, complete, and with its parent."""
    assert sorted(server.runs) == sorted(ids)
    for run in server.runs.values():
        assert run["end_time"]
        assert run.get("parent_run_id", run["id"]) in server.runs
        assert run["dotted_order"].startswith(server.runs[run["trace_id"]]["dotted_order"])


@pytest.mark.parametrize("multipart", [True, False])
@pytest.mark.parametrize("zstd", [True, False])
def test_trees_arrive_when_they_were_recorded(
    database: Database, *, zstd: bool, multipart: bool
) -> None:
    """In whatever form the server takes, each run once, and the outbox is empty after it."""
    server = LangSmithServer(zstd=zstd, multipart=multipart)
    ids = trees(database, 70)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
        more = trees(database, 1)
        shipper.wake()
        wait_until(lambda: more[0] in server.runs)
    check_delivered(server, ids + more)
    assert sorted(server.done) == sorted(f"post.{run_id}" for run_id in ids + more)
    assert server.keys == {"ls-key"}
    assert server.encodings[0] == ("zstd" if zstd and multipart else "")
    assert outbox_status(database) == OutboxStatus(0, None, None, {}, None)


def test_batch_is_used_when_the_server_turns_out_to_lack_multipart(database: Database) -> None:
    """What says nothing of itself is asked for multipart first, once."""
    server = LangSmithServer()
    server.app.router.routes = [
        route for route in server.app.router.routes
        if getattr(route, "path", "") not in ("/info", "/runs/multipart")
    ]  # fmt: skip
    ids = trees(database, 70)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert server.requests == 3


@pytest.mark.parametrize("outage", ["refuses", "silent", "503", "429", "500", "401", "slow"])
def test_every_run_arrives_once_when_langsmith_was_out(database: Database, outage: str) -> None:
    """What was recorded meanwhile waits, why is said, and it arrives when LangSmith is back."""
    server = LangSmithServer()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if outage == "silent":
            listener.listen()
        elif outage != "refuses":
            base = stack.enter_context(running(server.app))
            server.status = int(outage) if outage.isdigit() else None
            server.delay = 0.5 if outage == "slow" else 0.0
        ids = trees(database, 40)
        shipper = stack.enter_context(shipper_to(base, database))
        if outage == "slow":
            assert shipper.flush(SOON)
        else:
            assert not shipper.flush(0.3)
            if outage == "silent":
                shipper.close(patience=0.5)
            wait_until(lambda: outbox_status(database).last_error or outage == "silent")
        if outage.isdigit():
            assert f"HTTP {outage}" in (outbox_status(database).last_error or "")
        server.status = None
        ids += trees(database, 10)
        shipper.close(patience=2.0)
        place = stack.enter_context(running(server.app)) if not outage.isdigit() else base
        with shipper_to(place, database, process_id="p2") as after:
            assert after.flush(SOON)
    check_delivered(server, ids)
    assert sorted(server.done) == sorted(f"post.{run_id}" for run_id in ids)


@pytest.mark.parametrize("conflicts", [True, False])
def test_every_run_arrives_when_answers_are_cut_off(database: Database, *, conflicts: bool) -> None:
    """What was taken without an answer is sent again, and known or replaced; nothing is lost."""
    server = LangSmithServer()
    server.conflicts, server.resets = conflicts, 3
    ids = trees(database, 20)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        wait_until(lambda: server.resets == 0)
        more = trees(database, 5)
        assert shipper.flush(SOON)
    check_delivered(server, ids + more)
    assert not conflicts or len(server.done) == len(set(server.done))


def test_frame_is_sent_again_as_it_was_when_it_failed(database: Database) -> None:
    """What is recorded meanwhile does not join it, so that it is known as a whole or not at all."""
    server = LangSmithServer(zstd=False)
    server.status = 503
    ids = trees(database, 2)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        server.status = None
        assert shipper.flush(SOON)
        server.status = 503
        first = trees(database, 2)
        shipper.wake()
        wait_until(lambda: server.requests >= 3)
        trees(database, 2)
        before = server.requests
        wait_until(lambda: server.requests >= before + 2)
        server.status = None
        assert shipper.flush(SOON)
    assert len(server.runs) == len(ids) * 3
    tried = [body for body in server.bodies if first[0].encode() in body]
    assert len(tried) >= 3
    assert {body.count(b"end_time") for body in tried} == {len(first)}


def test_bad_run_is_parked_alone_when_a_frame_is_refused(database: Database) -> None:
    """One that LangSmith refuses goes aside with its reason; the 99 others arrive."""
    server = LangSmithServer()
    ids = trees(database, 33)
    (stale,) = plant(database, tree(at=datetime.now(UTC) - timedelta(days=2))[:1])
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
        status = outbox_status(database)
        assert (status.waiting, status.parked) == (0, {REFUSED: 1})
        check_delivered(server, ids)
        assert server.requests < 20
        assert Backlog(database, "p1").unpark() == 1
        assert shipper.flush(SOON)
        assert outbox_status(database).parked == {REFUSED: 1}
    assert stale not in server.runs


def test_row_is_parked_when_it_cannot_be_written_down(database: Database) -> None:
    """Whatever is odd about one run holds up no other."""
    server = LangSmithServer()
    ids = trees(database, 1)
    plant(database, [{**tree()[0], "attributes": ["no", "metadata"]}])
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert list(outbox_status(database).parked) == ["cannot be written (ValueError)"]


def test_frame_is_split_when_it_is_larger_than_the_server_takes(database: Database) -> None:
    """Before it is sent, by what the server says of itself."""
    server = LangSmithServer(zstd=False, most_bytes=10_000)
    ids = trees(database, 10)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert max(map(len, server.bodies)) < 20_000
    assert server.requests > 2


def test_server_is_left_alone_when_it_asks_for_time(database: Database) -> None:
    """`Retry-After` is honoured, as seconds and as a date."""
    server = LangSmithServer()
    server.status, server.retry_after = 429, "1"
    trees(database, 1)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        wait_until(lambda: outbox_status(database).last_error)
        assert 0.5 < shipper._pauses.left <= 1
        server.retry_after = "Wed, 21 Oct 2099 07:28:00 GMT"
        shipper._pauses.reset()
        wait_until(lambda: shipper._pauses.left > 50)
        server.status = None
        assert shipper.flush(SOON)


def enter(database: Database, *process_ids: str) -> None:
    """Say of processes that they are alive."""
    now = stored(datetime.now(UTC))
    with database.begin() as session:
        for pid, process_id in enumerate(process_ids):
            about = {"host": "here/1", "pid": pid, "started_at": now, "beat_at": now}
            session.merge(Process(process_id=process_id, **about))


def test_nothing_is_sent_twice_when_two_send(database: Database) -> None:
    """One of two processes sends; the other takes over when it dies without a word."""
    server = LangSmithServer()
    enter(database, "p0", "p1")
    with running(server.app) as base, ExitStack() as stack:
        shippers = [
            stack.enter_context(shipper_to(base, database, process_id=name))
            for name in ("p0", "p1")
        ]
        ids: list[str] = []
        for _ in range(20):
            ids += trees(database, 5)
            for shipper in shippers:
                shipper.wake()
            time.sleep(0.01)
        assert shippers[0].flush(SOON)
        (holder,) = (number for number, one in enumerate(shippers) if one._backlog._held_until)
        assert outbox_status(database).sender == f"here, process {holder}"
        shippers[holder]._ends_at = 0.0  # it sends no more, and does not give the lease back
        ids += trees(database, 1)
        with database.begin() as session:
            session.execute(delete(Process).where(Process.process_id == f"p{holder}"))
        wait_until(shippers[1 - holder]._backlog.is_empty)
    check_delivered(server, ids)
    assert len(server.done) == len(set(server.done))


def test_lease_ends_when_its_holder_says_nothing_more(database: Database) -> None:
    """A process that is alive and stuck loses it after a while; one that works keeps it."""
    enter(database, "p0", "p1")
    mine, other = Backlog(database, "p0"), Backlog(database, "p1")
    assert mine.acquire()
    assert not other.acquire()
    mine._held_until -= 10
    assert mine.acquire()
    assert mine._held_until > time.monotonic() + 15
    with database.begin() as session:
        session.execute(update(Lease).values(until="2026-01-01T00:00:00.000000Z"))
    assert other.acquire()
    mine._held_until = 0.0
    assert not mine.acquire()
    other.release()
    assert mine.acquire()


@pytest.mark.parametrize("consent", ["withdrawn", "fails"])
def test_no_word_is_sent_when_consent_is_gone_meanwhile(database: Database, consent: str) -> None:
    """It is asked again for each frame, once for each person; the skeleton still arrives."""
    server, asked = LangSmithServer(), []

    def has_consent(owner: Owner) -> bool:
        asked.append(owner)
        if consent == "fails":
            raise OSError(owner.user_id)
        return owner.user_id == "u2"

    ids = plant(database, [*tree(), *tree(user_id="u3", course=None)])
    with (
        running(server.app) as base,
        shipper_to(base, database, has_consent=has_consent) as shipper,
    ):
        assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert sorted(asked, key=repr) == [Owner("u1", "cs1"), Owner("u3")]
    assert b"zanzibar" not in b"".join(server.bodies)


def test_long_run_is_seen_when_it_has_not_ended(database: Database) -> None:
    """Its start and what is open below it; what ends later is a patch, the rest a post."""
    server = LangSmithServer()
    rows = tree()
    ids = [run["run_id"] for run in rows]
    opened = [{**run, "status": "started", "ended_at": None} for run in rows[:2]]
    plant(database, opened, send=False)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        wait_until(lambda: len(server.runs) == 2)
        assert not any("end_time" in run for run in server.runs.values())
        wait_until(lambda: all(run.announced_at for run in RunStore(database).tree(ids[0])))
        plant(database, rows[2:])
        for run_id in ids[1::-1]:
            ends = {run_id: {"status": "done", "ended_at": rows[0]["ended_at"]}}
            RunStore(database).write(Changes(ends=ends, to_send=[run_id]))
        assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert sorted(server.done[2:]) == sorted(
        [f"patch.{ids[0]}", f"patch.{ids[1]}", f"post.{ids[2]}"]
    )


@pytest.mark.parametrize("status", [503, 422])
def test_end_is_sent_when_its_start_could_not_be(database: Database, status: int) -> None:
    """A start that is refused or lost is no harm: the end brings everything."""
    server = LangSmithServer()
    server.status = status
    rows = tree()[:1]
    plant(database, [{**rows[0], "status": "started", "ended_at": None}], send=False)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        wait_until(lambda: server.requests or status == 503)
        server.status = None
        run_id = rows[0]["run_id"]
        ends = {run_id: {"status": "done", "ended_at": rows[0]["ended_at"]}}
        RunStore(database).write(Changes(ends=ends, to_send=[run_id]))
        assert shipper.flush(SOON)
    check_delivered(server, [run_id])


def test_end_is_sent_when_it_is_not_known_that_the_start_was(database: Database) -> None:
    """The process died between telling and noting it; the answer 409 leads to a patch."""
    server = LangSmithServer()
    server.conflicts = True
    ids = trees(database, 1)
    with running(server.app) as base:
        httpx.post(f"{base}/runs", json={"id": ids[0], "name": "assistant"})
        with shipper_to(base, database) as shipper:
            assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert f"patch.{ids[0]}" in server.done


def test_last_word_is_sent_when_a_run_was_taken_for_dead(database: Database) -> None:
    """`abandoned` went out as its end; what its process says after all is a patch."""
    server = LangSmithServer()
    rows = tree(status="abandoned", error="ProcessEnded")[:1]
    (run_id,) = plant(database, rows)
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
        assert server.runs[run_id]["error"] == "ProcessEnded"
        ends = {run_id: {"status": "done", "error": None}}
        RunStore(database).write(Changes(ends=ends, to_send=[run_id]))
        assert shipper.flush(SOON)
    assert server.done == [f"post.{run_id}", f"patch.{run_id}"]
    assert server.runs[run_id]["extra"]["metadata"]["status"] == "done"


def test_entry_stays_when_its_run_changes_while_it_is_sent(database: Database) -> None:
    """Else the change would be taken for delivered."""
    (run_id,) = plant(database, tree()[:1])
    backlog = Backlog(database, "p1")
    entries = backlog.take("run", 10)
    read = backlog.read(entries)
    with database.begin() as session:
        queue(session, "run", [run_id, run_id])
    backlog.settle(read)
    assert backlog.take("run", 10) == entries
    backlog.settle(backlog.read(entries))
    assert backlog.is_empty()


def test_run_is_dropped_when_it_was_erased(database: Database) -> None:
    """What stands in the record no more is not sent; the rest is."""
    server = LangSmithServer()
    gone, ids = trees(database, 1), trees(database, 1)
    with database.begin() as session:
        session.execute(delete(Run).where(Run.run_id.in_(gone)))
    with running(server.app) as base, shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
    check_delivered(server, ids)
    assert outbox_status(database).parked == {}


@pytest.mark.parametrize("conflicts", [True, False])
def test_feedback_is_replaced_when_it_is_given_again(
    database: Database, *, conflicts: bool
) -> None:
    """One id for a person and a request; the comment goes with consent alone."""
    server = LangSmithServer()
    server.conflicts = conflicts
    said: dict[str, list[Opinion]] = {}
    mine, theirs = tree()[:1], tree(user_id="u2")[:1]
    ids = plant(database, [*mine, *theirs])
    with (
        running(server.app) as base,
        shipper_to(base, database, opinions_of=lambda run_id: said.get(run_id, [])) as shipper,
    ):
        for rating, comment in (("negative", "zanzibar"), ("positive", "Clear.")):
            for run_id, user_id in zip(ids, ("u1", "u2"), strict=True):
                said[run_id] = [Opinion(user_id, rating, 4, comment, "2026-11-22", "2026-11-22")]
            with database.begin() as session:
                queue(session, "feedback", ids)
            assert shipper.flush(SOON)
        with database.begin() as session:
            queue(session, "feedback", ["an erased run"])
        assert shipper.flush(SOON)
    kept = {found["run_id"]: (found["value"], found["comment"]) for found in server.feedback}
    assert kept == {ids[0]: ("positive", "Clear."), ids[1]: ("positive", None)}


@pytest.mark.parametrize(
    ("status", "age", "is_parked"), [(422, 0, True), (404, 0, False), (404, 3_600, True)]
)
def test_feedback_is_parked_when_it_is_refused(
    database: Database, status: int, age: int, *, is_parked: bool
) -> None:
    """That of a run which LangSmith does not know waits for a while."""
    server = LangSmithServer()
    (run_id,) = plant(database, tree()[:1], send=False)
    said = [Opinion("u1", "neutral", None, None, "2026-11-22", "2026-11-22")]
    with database.begin() as session:
        queue(session, "feedback", [run_id])
        queued_at = stored(datetime.now(UTC) - timedelta(seconds=age))
        session.execute(update(OutboxRow).values(queued_at=queued_at))
    with running(server.app) as base:
        server.status = status
        with shipper_to(base, database, opinions_of=lambda _: said):
            wait_until(lambda: outbox_status(database).last_error or is_parked)
            wait_until(lambda: bool(outbox_status(database).parked) == is_parked)


def test_feedback_is_parked_when_its_run_has_a_foreign_id(database: Database) -> None:
    """LangSmith knows runs by UUIDs alone."""
    plant(database, [{**tree()[0], "run_id": "sess_1"}], send=False)
    said = [Opinion("u1", "neutral", None, None, "2026-11-22", "2026-11-22")]
    with database.begin() as session:
        queue(session, "feedback", ["sess_1"])
    with shipper_to("http://127.0.0.1:9", database, opinions_of=lambda _: said):
        wait_until(lambda: outbox_status(database).parked)


class Faulty(Backlog):
    """Fails a few times, as a database does that is locked, and once as only a bug does."""

    faults: ClassVar[list[Exception]] = []

    def take(self, kind: Kind, limit: int) -> list[int]:
        """Fail, or take."""
        if self.faults:
            raise self.faults.pop()
        return super().take(kind, limit)


def test_sending_goes_on_when_the_records_fail(database: Database) -> None:
    """Nothing ends the thread, and nothing is lost."""
    server = LangSmithServer()
    Faulty.faults = [RuntimeError(), StorageError("locked"), StorageError("locked")]
    ids = trees(database, 1)
    with running(server.app) as base:
        shipper = Shipper(
            Faulty(database, "p1"),
            LangSmith(base, "k"),
            RunShaper(project="p"),
            has_consent=lambda _: False,
            opinions_of=lambda _: (),
            pace=QUICK,
        )
        shipper.close()  # before it was started: nothing to wait for
        shipper = Shipper.open(
            Settings(langsmith_endpoint=base),
            database,
            process_id="p1",
            has_consent=lambda _: False,
            opinions_of=lambda _: (),
        )
        shipper._backlog, shipper._pauses = Faulty(database, "p1"), _Pauses(QUICK)
        shipper.start()
        wait_until(lambda: not Faulty.faults)
        assert shipper.flush(SOON)
        shipper.close()
    check_delivered(server, ids)


def test_nothing_is_parked_when_the_address_is_wrong(database: Database) -> None:
    """A server that knows nothing of runs says so of every one; they wait for a better address."""
    trees(database, 1)
    with running(FastAPI()) as base, shipper_to(base, database) as shipper:
        assert not shipper.flush(0.3)
    status = outbox_status(database)
    assert (status.waiting, status.parked) == (3, {})
    assert status.last_error == "HTTP 404: check LANGSMITH_ENDPOINT"


def test_closing_is_quick_when_langsmith_does_not_answer(database: Database) -> None:
    """It waits for seconds at most, and what is left waits for the next process."""
    trees(database, 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        base = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with shipper_to(base, database) as shipper:
            time.sleep(0.1)
            started = time.monotonic()
            shipper.close(patience=0.5)
            assert time.monotonic() - started < 2
    assert outbox_status(database).waiting == 3


def test_what_is_left_is_sent_when_closing(database: Database) -> None:
    """Without being woken, and the lease is given back."""
    server = LangSmithServer()
    slow = Pace(poll=60.0, gather=60.0)
    with running(server.app) as base, shipper_to(base, database, pace=slow) as shipper:
        time.sleep(0.1)
        ids = trees(database, 50)
        shipper.close()
    check_delivered(server, ids)
    with database.read() as session:
        assert session.scalars(select(Lease)).all() == []


_FORKS = """
import os, sys
from agent.database import Database
from agent.errors import StorageError
from tests.agent.recording.test_shipper import SOON, shipper_to, trees
database = Database.open(sys.argv[1])
with shipper_to(sys.argv[2], database) as shipper:
    trees(database, 1)
    if not (child := os.fork()):
        shipper.wake()
        shipper.close()  # waits for no thread, and leaves the parent's connection alone
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    trees(database, 1)
    assert shipper.flush(SOON)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the machine cannot fork")
def test_copy_sends_nothing_when_a_process_forks(tmp_path: Path) -> None:
    """The child's copy does nothing at all; the parent goes on."""
    server = LangSmithServer()
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with running(server.app) as base:
        command = [sys.executable, "-W", "ignore", "-c", _FORKS, url, base]
        subprocess.run(command, cwd=ROOT, check=True, timeout=SOON * 3)
    assert len(server.done) == len(set(server.done)) == 6


_CHILD = """
import sys
from agent.database import Database
from agent.errors import StorageError
from tests.agent.recording.test_shipper import shipper_to, trees
database = Database.open(sys.argv[1])
with shipper_to(sys.argv[2], database) as shipper:
    print("ready", flush=True)
    while True:
        print(*trees(database, 3), flush=True)
        shipper.wake()
"""


def test_every_run_arrives_once_when_a_process_is_killed(tmp_path: Path) -> None:
    """In the middle of recording and sending; the next process sends what is left."""
    server = LangSmithServer()
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with running(server.app) as base:
        command = [sys.executable, "-c", _CHILD, url, base]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            threading.Timer(SOON * 3, child.kill).start()
            wait_until_runs(server, child)
            server.status = 503
            time.sleep(0.3)
            child.send_signal(signal.SIGKILL)
            said = (child.stdout.read() if child.stdout else "").split()
        server.status = None
        database = Database.open(url)
        with shipper_to(base, database, process_id="p2") as shipper:
            assert shipper.flush(SOON)
        with database.read() as session:
            ids = list(session.scalars(select(Run.run_id)))
        database.close()
    check_delivered(server, ids)
    assert len(ids) > 50
    assert set(ids) >= {word for word in said if len(word) == 36}


def wait_until_runs(server: LangSmithServer, child: subprocess.Popen[str]) -> None:
    """Wait until some runs of a process have arrived."""
    ends_at = time.monotonic() + SOON * 3
    while len(server.runs) < 50:
        assert child.poll() is None
        assert time.monotonic() < ends_at
        time.sleep(0.01)
