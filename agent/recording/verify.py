"""Whether the record is complete: what it holds is counted, and what does not fit is named by ids.

It reads rows and changes none; what the reports say, which it compares, is given to it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from agent.recording.outbox import OutboxRow
from agent.recording.processes import Process
from agent.recording.run_store import Run

_ALIVE = timedelta(seconds=30)
"""How old the last sign of life of a process may be."""
_AT_ONCE = 10_000
_TEXTS = (Run.prompt, Run.response, Run.inputs, Run.outputs)
_IS_OURS = Run.origin.is_(None)
"""An imported run names ids of what stayed where it came from, and lacks what was not told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    kind: str
    what: str
    """The run's id, or the figure."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a report says of everything that is recorded."""

    requests: int
    llm_runs: int
    tokens: int
    cost_nano_usd: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was counted and found."""

    counts: dict[str, int]
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Say whether everything fits."""
        return not self.findings


def verify(session: Session, report: Callable[[Session], Totals]) -> Verification:
    """Check every run, and what a report says of all of them at the same moment.

    Args:
        session: A transaction that has read nothing yet.
        report: Makes the report in it.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite reads one moment anyway
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    told = asdict(report(session))
    findings = [
        Finding(kind, run_id)
        for kind, query in _checks().items()
        for run_id in sorted(session.scalars(query))
    ]
    counted = _add_up(session)
    findings += [
        Finding("reported wrongly", f"{name}: {told[name]} instead of {number}")
        for name, number in asdict(counted).items()
        if told[name] != number
    ]
    return Verification(_counts(session, counted), findings)


def _checks() -> dict[str, Select[str]]:
    """Return what must not be there."""
    other = aliased(Run)
    latest = (datetime.now(UTC) - _ALIVE).isoformat(timespec="microseconds")
    alive = select(Process.process_id).where(Process.beat_at > latest)
    is_open = Run.status == "started"
    nobodys = or_(Run.process_id.is_(None), Run.process_id.not_in(alive))
    has_parent = exists().where(other.run_id == Run.parent_run_id)
    has_root = exists().where(other.run_id == Run.root_run_id)
    # A root's parent lies in a trace outside; without an order a run is older than the tree.
    needs_parent = and_(
        Run.parent_run_id.is_not(None),
        Run.run_id != Run.root_run_id,
        Run.dotted_order.is_not(None),
    )
    has_text = or_(*(column.is_not(None) for column in _TEXTS))
    is_there = exists().where(Run.run_id == OutboxRow.subject_id)
    return {
        "open, and nobody runs it": _runs(is_open, nobodys),
        "its parent is missing": _runs(_IS_OURS, needs_parent, ~has_parent),
        "its root is missing": _runs(_IS_OURS, ~has_root),
        "settled without an end": _runs(_IS_OURS, ~is_open, Run.ended_at.is_(None)),
        "ended before it started": _runs(Run.ended_at < Run.started_at),
        "text that may not be kept": _runs(Run.content != "kept", has_text),
        "waits to be sent, and is not there": select(OutboxRow.subject_id).where(
            OutboxRow.kind == "run", ~is_there
        ),
    }


def _runs(*conditions: ColumnElement[bool]) -> Select[str]:
    return select(Run.run_id).where(*conditions)


def _add_up(session: Session) -> Totals:
    """Add up row by row what the reports add up in groups."""
    is_call = Run.run_type.in_(("llm", "embedding"))
    is_root = and_(Run.run_type == "chain", Run.run_id == Run.root_run_id)
    columns = (Run.root_run_id, Run.run_type, Run.input_tokens, Run.output_tokens)
    rows = session.execute(
        select(*columns, Run.cost_nano_usd).where(or_(is_call, is_root)).order_by(Run.root_run_id)
    ).yield_per(_AT_ONCE)
    requests = llm_runs = tokens = nano = 0
    for _, request in groupby(rows, key=itemgetter(0)):
        is_request = False
        for _, run_type, used, written, cost in request:
            is_request = is_request or run_type != "embedding"
            llm_runs += run_type == "llm"
            if run_type != "chain":
                tokens += (used or 0) + (written or 0)
                nano += cost or 0
        requests += is_request
    return Totals(requests, llm_runs, tokens, nano)


def _counts(session: Session, counted: Totals) -> dict[str, int]:
    number = func.count().label("number")
    by_status = select(Run.status, number).group_by(Run.status).order_by(Run.status)
    unpriced = and_(Run.cost_nano_usd.is_(None), Run.run_type.in_(("llm", "embedding")))
    return {
        "runs": _number(session, select(func.count()).select_from(Run)),
        **asdict(counted),
        "unpriced": _number(session, select(func.count()).where(unpriced)),
        "imported": _number(session, select(func.count()).where(~_IS_OURS)),
        **{row.status: row.number for row in session.execute(by_status)},
        "to_send": _number(session, select(func.count()).select_from(OutboxRow)),
    }


def _number(session: Session, query: Select[int]) -> int:
    return session.scalar(query) or 0
