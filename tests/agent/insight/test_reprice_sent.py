"""Repriced runs in LangSmith: the new cost is there, once, and what is not there is not sent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from typer.testing import CliRunner

from agent.cli import app
from agent.database import Database
from agent.insight.reprice import reprice
from agent.prices import PriceList
from agent.recording.backlog import Backlog, outbox_status
from agent.recording.outbox import OutboxRow
from agent.recording.processes import Lease, Process
from agent.recording.run_store import Run, RunStore
from agent.settings import Settings
from tests.agent.insight.test_reprice import OLD
from tests.agent.recording.test_shipper import SOON, plant, shipper_to, stored, tree
from tests.servers.langsmith import LangSmithServer, usage_of
from tests.servers.running import running

WRONG = 9_000_000
"""What the calls cost by an old list, in nano-dollars."""


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """The records, on each database they have to run on."""
    opened = Database.open(records_url)
    with opened.begin() as session:
        for table in (OutboxRow, Run, Lease, Process):
            session.execute(delete(table))
    yield opened
    opened.close()


def wrong(**changes: Any) -> list[dict[str, Any]]:
    """Make a request whose call has the wrong cost."""
    return tree(**{"cost_nano_usd": WRONG, "price_reference": OLD, **changes})


def flush(base: str, database: Database) -> None:
    """Send all that waits."""
    with shipper_to(base, database) as shipper:
        assert shipper.flush(SOON)
    assert outbox_status(database).parked == {}


def cost_of(database: Database, run_id: str) -> float:
    """Return what a recorded run costs, in dollars."""
    found = RunStore(database).get(run_id)
    assert found is not None
    assert found.cost_nano_usd not in (None, WRONG)
    return (found.cost_nano_usd or 0) / 1e9


@pytest.mark.parametrize("consents", [True, False])
def test_new_cost_is_sent_once_when_the_run_was_delivered(
    database: Database, *, consents: bool
) -> None:
    """As a change of what is there, in both places where LangSmith reads it, and nothing else."""
    server = LangSmithServer()
    *_, call = ids = plant(database, wrong(user_id="u1" if consents else "u2"))
    others = plant(database, wrong(provider=None))
    with running(server.app) as base:
        flush(base, database)
        before = dict(server.runs[call])
        assert usage_of(before)["total_cost"] == WRONG / 1e9
        result = reprice(database, PriceList(), sends=True)
        assert (result.changed, result.queued) == (1, 1)
        flush(base, database)
        assert reprice(database, PriceList(), sends=True).queued == 0
        flush(base, database)
    assert sorted(server.done) == sorted(
        [*(f"post.{one}" for one in ids + others), f"patch.{call}"]
    )
    after = server.runs[call]
    assert usage_of(after)["total_cost"] == cost_of(database, call)
    assert {name for name in after if after[name] != before[name]} <= {"extra", "outputs"}
    if consents:
        message = after["outputs"]["generations"][0][0]["message"]
        assert message["kwargs"]["usage_metadata"]["total_cost"] == cost_of(database, call)


def test_new_cost_is_in_the_first_message_when_the_run_still_waits(database: Database) -> None:
    """What LangSmith never had is no change of it; nor is what it had refused."""
    server = LangSmithServer()
    waiting, parked = plant(database, wrong()), plant(database, wrong())
    backlog = Backlog(database, "p1")
    for entry in backlog.take("run", 10)[3:]:
        backlog.park(entry, "HTTP 422")
    assert reprice(database, PriceList(), sends=True).queued == 2
    backlog.unpark()
    with running(server.app) as base:
        flush(base, database)
    assert sorted(server.done) == sorted(f"post.{run_id}" for run_id in waiting + parked)
    for run_id in (waiting[-1], parked[-1]):
        assert usage_of(server.runs[run_id])["total_cost"] == cost_of(database, run_id)


def test_change_is_taken_when_the_run_is_older_than_langsmith_takes(database: Database) -> None:
    """Its start, for which LangSmith would refuse it, is there already."""
    server = LangSmithServer()
    *_, call = plant(database, wrong())
    with running(server.app) as base:
        flush(base, database)
        before = stored(datetime.now(UTC) - timedelta(days=40))
        with database.begin() as session:
            session.execute(update(Run).values(started_at=before))
        assert reprice(database, PriceList(), sends=True).queued == 1
        flush(base, database)
    assert usage_of(server.runs[call])["total_cost"] == cost_of(database, call)


@pytest.mark.parametrize("case", ["imported", "off", "dry"])
def test_nothing_is_sent_when_langsmith_is_not_concerned(database: Database, case: str) -> None:
    """What was imported was never there; with tracing off nothing waits for ever."""
    *_, call = plant(database, wrong(origin="imported" if case == "imported" else None), send=False)
    result = reprice(database, PriceList(), sends=case != "off", dry_run=case == "dry")
    assert result.queued == 0
    assert outbox_status(database).waiting == 0
    found = RunStore(database).get(call)
    assert found is not None
    assert found.announced_at is None


def test_command_sends_when_tracing_is_on(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """It says what waits and how to send it; where nothing is traced it says nothing of that."""
    server = LangSmithServer()
    database = Database.open(settings.records_url)
    *_, call = plant(database, wrong(), send=False)
    with running(server.app) as base:
        assert "LangSmith" not in CliRunner().invoke(app, ["logs", "reprice"]).stdout
        with database.begin() as session:
            session.execute(update(Run).values(cost_nano_usd=WRONG))
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        told = CliRunner().invoke(app, ["logs", "reprice"]).stdout
        assert "1 wait for LangSmith; to send them now: assist outbox flush\n" in told
        sent = CliRunner().invoke(app, ["outbox", "flush"]).stdout
    assert sent == "1 were waiting; 0 wait now; 0 are parked\n"
    assert usage_of(server.runs[call])["total_cost"] == cost_of(database, call)
    database.close()
