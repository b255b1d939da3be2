"""`assist outbox`: what waits for LangSmith, and sending it from the terminal."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.database import Database
from agent.errors import SettingsError
from agent.insight.feedback import FeedbackLedger
from agent.recording.backlog import Backlog
from agent.recording.outbox import OutboxRow, queue
from agent.recording.run_store import RunStore
from agent.settings import Settings
from tests.agent.recording.test_shipper import check_delivered, enter, plant, tree, trees
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The records that the commands open."""
    opened = Database.open(settings.records_url)
    yield opened
    opened.close()


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmithServer]:
    """LangSmith, which the environment names."""
    server = LangSmithServer()
    with running(server.app) as base:
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        monkeypatch.setenv("LANGSMITH_API_KEY", "ls-key")
        yield server


def assist(*arguments: str) -> Result:
    """Run a command on the outbox."""
    return CliRunner().invoke(app, ["outbox", *arguments])


def test_entry_is_one_when_it_is_queued_again(database: Database) -> None:
    """It keeps its place; what was set aside is tried again, because it has changed."""
    with database.begin() as session:
        queue(session, "run", ["a", "b", "a"])
        queue(session, "feedback", ["a"])
        queue(session, "run", [])
    backlog = Backlog(database, "p1")
    first = backlog.take("run", 10)
    backlog.park(first[0], "HTTP 422")
    assert backlog.take("run", 10) == first[1:]
    with database.begin() as session:
        queue(session, "run", ["a"])
    with database.read() as session:
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.entry)).all()
    assert [(row.kind, row.subject_id, row.reason) for row in rows] == [
        ("run", "a", None),
        ("run", "b", None),
        ("feedback", "a", None),
    ]
    assert backlog.take("run", 10) == first


@pytest.mark.parametrize("sends", [True, False])
def test_feedback_is_queued_when_tracing_is_on(database: Database, *, sends: bool) -> None:
    """In the transaction that keeps it, under the request's id; what is sent is what is kept."""
    (run_id,) = plant(database, tree()[:1], send=False)
    ledger = FeedbackLedger(database, sends=sends)
    given = ledger.give(run_id, "u1", "positive", 5, "Clear.", keep_comment=True)
    assert len(Backlog(database, "p1").take("feedback", 10)) == int(sends)
    (opinion,) = ledger.to_send(run_id)
    assert (opinion.user_id, opinion.rating, opinion.score) == ("u1", "positive", 5)
    assert (opinion.comment, opinion.changed_at) == ("Clear.", given.changed_at)
    assert ledger.to_send("unknown") == []


def test_status_is_told_when_nothing_waits() -> None:
    """Tracing is off, nothing waits, nobody sends."""
    assert assist("status").stdout.splitlines() == [
        "tracing     off (LANGSMITH_TRACING)",
        "waiting     0",
        "last error  -",
        "parked      0",
        "sender      none at the moment",
    ]


@pytest.mark.usefixtures("sink")
def test_status_says_why_when_something_waits(database: Database) -> None:
    """How much, since when, what LangSmith says, and which process sends."""
    trees(database, 1)
    enter(database, "p1")
    backlog = Backlog(database, "p1")
    parked, waiting, _ = backlog.take("run", 10)
    backlog.park(parked, "HTTP 422")
    backlog.note(waiting, "HTTP 503")
    backlog.acquire()
    told: dict[str, Any] = json.loads(assist("status", "--json").stdout)
    assert told.pop("oldest").startswith("20")
    assert told == {
        "tracing": True,
        "waiting": 2,
        "last_error": "HTTP 503",
        "parked": {"HTTP 422": 1},
        "sender": "here, process 0",
    }
    shown = assist("status").stdout
    assert "tracing     on" in shown
    assert "waiting     2, the oldest since 20" in shown
    assert "         1  HTTP 422" in shown


def test_what_waits_is_sent_when_flushed(database: Database, sink: LangSmithServer) -> None:
    """With feedback; without an agreement on record, as skeletons."""
    ids = trees(database, 2)
    FeedbackLedger(database, sends=True).give(ids[0], "u1", "neutral", keep_comment=False)
    done = assist("flush")
    assert (done.exit_code, done.stdout) == (0, "7 were waiting; 0 wait now; 0 are parked\n")
    check_delivered(sink, ids)
    assert b"zanzibar" not in b"".join(sink.bodies)
    assert [said["value"] for said in sink.feedback] == ["neutral"]
    assert json.loads(assist("status", "--json").stdout)["sender"] is None
    assert all(run.announced_at is None for run in RunStore(database).tree(ids[0]))


def test_failure_is_told_when_something_is_left(database: Database, sink: LangSmithServer) -> None:
    """Exit code 1; what was set aside is tried again when asked for."""
    ids = trees(database, 1)
    sink.status = 401
    left = assist("flush", "--timeout", "0.5")
    assert left.exit_code == 1
    assert "3 wait now (HTTP 401: the key is refused; check LANGSMITH_API_KEY)" in left.stdout
    sink.status = 422
    assert assist("flush").exit_code == 0
    assert assist("flush", "--parked", "--json").exit_code == 1
    sink.status = None
    told = assist("flush", "--parked", "--json")
    assert (told.exit_code, json.loads(told.stdout)["parked"]) == (0, {})
    check_delivered(sink, ids)


def test_nothing_is_sent_when_tracing_is_off() -> None:
    """What to set is said."""
    refused = assist("flush")
    assert isinstance(refused.exception, SettingsError)
    assert "LANGSMITH_TRACING" in str(refused.exception)
