"""Whether the record is complete: what fits is counted, what does not is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.database import Database, utc_now
from agent.insight.usage import whole_usage
from agent.recording.outbox import queue
from agent.recording.processes import Process
from agent.recording.run_store import RunStore
from agent.recording.verify import Totals, Verification, verify
from tests.agent.insight.test_usage import call

END = "2026-11-22T10:00:01.000000Z"


def checked(database: Database, *runs: dict[str, Any]) -> Verification:
    """Record runs and verify them."""
    for run in runs:
        RunStore(database).start({"ended_at": END, "dotted_order": "1", **run})
    with database.read() as session:
        return verify(session, whole_usage)


def found(database: Database, *runs: dict[str, Any]) -> list[tuple[str, str]]:
    """Record runs and return the findings."""
    return [(one.kind, one.what) for one in checked(database, *runs).findings]


def below(number: int, parent: int = 1, **changes: Any) -> dict[str, Any]:
    """Make a run of the request 1."""
    return call(number, root_run_id="1", parent_run_id=str(parent), **changes)


def test_record_is_ok_when_it_is_complete(database: Database) -> None:
    """A whole request, one inside another's trace, an old one, an import: all are counted."""
    nothing: dict[str, Any] = dict.fromkeys(("input_tokens", "output_tokens", "cost_nano_usd"))
    result = checked(
        database,
        call(1, run_type="chain", parent_run_id="outside", trace_id="outside", **nothing),
        below(2, run_type="chain", **nothing),
        below(3, 2, content="kept", prompt="hello"),
        below(4, 3, status="error", cost_nano_usd=None),
        call(5, parent_run_id="away", root_run_id="1", dotted_order=None),
        call(6, root_run_id="away", parent_run_id="away", origin="imported", ended_at=None),
        call(7, run_type="embedding", output_tokens=None),
    )
    assert result.findings == []
    assert result.ok
    assert result.counts == {
        "runs": 7,
        "requests": 2,
        "llm_runs": 4,
        "tokens": 700,
        "cost_nano_usd": 80_000_000,
        "unpriced": 1,
        "imported": 1,
        "done": 6,
        "error": 1,
        "to_send": 0,
    }


def test_run_is_found_when_it_is_open_and_nobody_runs_it(database: Database) -> None:
    """A living process may still end its runs; a dead one, and one that is unknown, will not."""
    ago = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    with database.begin() as session:
        for name, beat in (("alive", utc_now()), ("dead", ago)):
            me = {"process_id": name, "host": "h", "pid": 1, "started_at": ago, "beat_at": beat}
            session.add(Process(**me))
    is_open = {"status": "started", "ended_at": None}
    runs = [
        call(number, process_id=name, **is_open)
        for number, name in enumerate(("alive", "dead", "unknown", None))
    ]
    assert found(database, *runs) == [("open, and nobody runs it", str(n)) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (below(2, 9), "its parent is missing"),
        (call(2, root_run_id="9"), "its root is missing"),
        (below(2, ended_at=None), "settled without an end"),
        (below(2, ended_at="2026-11-22T09:59:59.000000Z"), "ended before it started"),
        (below(2, prompt="hello"), "text that may not be kept"),
        (below(2, content="not text", outputs="{}"), "text that may not be kept"),
    ],
)
def test_run_is_found_when_it_does_not_fit(
    database: Database, run: dict[str, Any], kind: str
) -> None:
    """Each fault has its name, and the run's id beside it."""
    assert found(database, call(1, run_type="chain"), run) == [(kind, "2")]


def test_entry_is_found_when_its_run_is_gone(database: Database) -> None:
    """What waits to be sent is in the record; feedback is another matter."""
    with database.begin() as session:
        queue(session, "run", ["1", "2"])
        queue(session, "feedback", ["3"])
    assert found(database, call(1)) == [("waits to be sent, and is not there", "2")]


def test_report_is_found_when_it_adds_up_to_something_else(database: Database) -> None:
    """Every figure is compared with the rows."""
    RunStore(database).start(call(1, ended_at=END))
    with database.read() as session:
        result = verify(session, lambda _: Totals(2, 1, 150, 1))
    assert not result.ok
    assert [one.what for one in result.findings] == [
        "requests: 2 instead of 1",
        "cost_nano_usd: 1 instead of 20000000",
    ]
