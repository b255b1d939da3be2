"""What waits in the outbox, what became of it, and which process sends for all.

It knows tables; what an answer of LangSmith means is its caller's business.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Delete, Select, Update, bindparam, delete, func, or_, select, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session, aliased

from agent.database import Database, insert_into, utc_now
from agent.privacy.sealing import open_values
from agent.recording.outbox import Kind, OutboxRow, queue
from agent.recording.processes import Lease, Process
from agent.recording.run_store import IS_OPEN, Run

_LEASE = "shipper"
_HELD_FOR = 20.0
"""Seconds after which a process that says nothing more has lost the job to another."""
_RENEWED_BELOW = 13.0
"""Seconds left of a lease before it is renewed; a request takes less."""
_YOUNGEST = 1.0
"""Seconds that a run has been open before its start is worth telling."""
_OLDEST = 86_400.0
"""Seconds; LangSmith is reported to refuse a run that started longer ago."""

_ROOT = aliased(Run)
_ENTRY = (OutboxRow.entry, OutboxRow.queued_at, OutboxRow.subject_id)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """What waits, and why."""

    waiting: int
    oldest: str | None
    """Since when the oldest has waited."""
    last_error: str | None
    """Why the oldest was not delivered when it was last tried."""
    parked: dict[str, int]
    """How many were set aside, by their reasons."""
    sender: str | None
    """The process that sends, if one does: its host and number."""


class Backlog:
    """The outbox, as one process sees it."""

    def __init__(self, database: Database, process_id: str) -> None:
        self._database = database
        self._process_id = process_id
        self._held_until = 0.0
        """On this process's own clock."""

    def is_empty(self) -> bool:
        """Say whether nothing waits that is to be sent."""
        waiting = select(OutboxRow.entry).where(OutboxRow.parked_at.is_(None)).limit(1)
        with self._database.read() as session:
            return session.scalar(waiting) is None

    def take(self, kind: Kind, limit: int) -> list[int]:
        """Return the oldest entries that wait."""
        oldest = (
            select(OutboxRow.entry)
            # Written so that no index is found for it: entries are wanted in their order, and
            # a sort of everything that waits would make a long outage longer.
            .where(OutboxRow.kind.concat("") == kind, OutboxRow.parked_at.is_(None))
            .order_by(OutboxRow.entry)
            .limit(limit)
        )
        with self._database.read() as session:
            return list(session.scalars(oldest))

    def read(self, entries: Sequence[int]) -> list[Row]:
        """Return those entries that still wait, each with its run; an erased run is empty."""
        joined = (
            select(*_ENTRY, *Run.__table__.columns)
            .outerjoin(Run, (Run.run_id == OutboxRow.subject_id) & (Run.content != "erased"))
            .where(OutboxRow.entry.in_(entries), OutboxRow.parked_at.is_(None))
            .order_by(OutboxRow.entry)
        )
        return self._rows(joined)

    def open_runs(self, older_than: float, limit: int) -> list[Row]:
        """Return the open runs of requests that take long, unless LangSmith has heard of them."""
        wanted = (
            select(*Run.__table__.columns)
            .join(_ROOT, _ROOT.run_id == Run.root_run_id)
            .where(IS_OPEN, Run.announced_at.is_(None), Run.content != "erased")
            .where(Run.started_at < _from_now(-_YOUNGEST), _ROOT.status == "started")
            .where(_ROOT.started_at < _from_now(-older_than))
            .where(_ROOT.started_at > _from_now(-_OLDEST))
            .order_by(Run.dotted_order)
            .limit(limit)
        )
        return self._rows(wanted)

    def settle(self, delivered: Sequence[Row], *, known: Sequence[str] = ()) -> None:
        """Take out what was delivered, unless it has changed since it was read.

        Args:
            delivered: What `read` returned.
            known: The runs among it that may change once more; that will be a patch.

        """
        gone = delete(_table()).where(
            _table().c.entry == bindparam("_entry"), _table().c.queued_at == bindparam("_at")
        )
        pairs = [{"_entry": row["entry"], "_at": row["queued_at"]} for row in delivered]
        with self._database.begin() as session:
            session.connection().execute(gone, pairs)
            if known:
                session.execute(_announce(known))

    def announced(self, run_ids: Sequence[str]) -> None:
        """Note that LangSmith knows of runs that are still open."""
        self._write(_announce(run_ids))

    def park(self, entry: int, reason: str) -> None:
        """Set an entry aside, so that it holds nothing up."""
        mine = update(OutboxRow).where(OutboxRow.entry == entry)
        self._write(mine.values(parked_at=utc_now(), reason=reason))

    def note(self, entry: int, reason: str) -> None:
        """Write down why an entry still waits."""
        self._write(
            update(OutboxRow)
            .where(OutboxRow.entry == entry, OutboxRow.reason.is_distinct_from(reason))
            .values(reason=reason)
        )

    def unpark(self) -> int:
        """Let everything that was set aside be tried again; return how much it is."""
        with self._database.begin() as session:
            parked = update(OutboxRow).where(OutboxRow.parked_at.is_not(None))
            done = session.execute(parked.values(parked_at=None, reason=None))
            return cast("CursorResult[Any]", done).rowcount

    def acquire(self) -> bool:
        """Say whether this process is the one that sends, and become it if there is none."""
        if self._held_until - time.monotonic() > _RENEWED_BELOW:
            return True
        alive = select(Process.process_id)
        values = {"process_id": self._process_id, "until": _from_now(_HELD_FOR)}
        held_until = time.monotonic() + _HELD_FOR
        with self._database.begin() as session:
            insert = insert_into(session.get_bind().dialect, Lease)
            wanted = insert.values(name=_LEASE, **values).on_conflict_do_update(
                index_elements=["name"],
                set_=values,
                where=or_(
                    Lease.process_id == self._process_id,
                    Lease.until < utc_now(),
                    Lease.process_id.not_in(alive),
                ),
            )
            is_mine = session.scalar(wanted.returning(Lease.name)) is not None
        self._held_until = held_until if is_mine else 0.0
        return is_mine

    def release(self) -> None:
        """Let another process send."""
        if self._held_until:
            self._held_until = 0.0
            self._write(
                delete(Lease).where(Lease.name == _LEASE, Lease.process_id == self._process_id)
            )

    def _rows(self, query: Select[Any]) -> list[Row]:
        with self._database.read() as session:
            found = session.connection().execute(query).mappings().all()
        return [
            open_values(self._database, Run, row["run_id"], row) if row["run_id"] else row
            for row in cast("list[Row]", found)
        ]

    def _write(self, statement: Update | Delete) -> None:
        with self._database.begin() as session:
            session.execute(statement)


def queue_again(session: Session, run_ids: Sequence[str]) -> None:
    """Queue runs that have changed after their ends, in the transaction that changes them.

    Those that no longer wait have been delivered, so that this is a patch; it is noted, because
    nobody notes it when a run is delivered that will not change any more.
    """
    waiting = select(OutboxRow.subject_id).where(OutboxRow.kind == "run")
    delivered = Run.run_id.not_in(waiting.where(OutboxRow.subject_id.in_(run_ids)))
    session.execute(_announce(run_ids).where(delivered, Run.announced_at.is_(None)))
    queue(session, "run", run_ids)


def outbox_status(database: Database) -> OutboxStatus:
    """Return what waits, and why."""
    waiting = OutboxRow.parked_at.is_(None)
    counted = select(func.count(), func.min(OutboxRow.queued_at)).where(waiting)
    first = select(OutboxRow.reason).where(waiting, OutboxRow.reason.is_not(None))
    parked = (
        select(OutboxRow.reason, func.count())
        .where(OutboxRow.parked_at.is_not(None))
        .group_by(OutboxRow.reason)
        .order_by(OutboxRow.reason)
    )
    sender = (
        select(Process.host, Process.pid)
        .join(Lease, Lease.process_id == Process.process_id)
        .where(Lease.name == _LEASE, Lease.until >= utc_now())
    )
    with database.read() as session:
        count, oldest = session.execute(counted).one()
        found = session.execute(sender).first()
        return OutboxStatus(
            waiting=count,
            oldest=oldest,
            last_error=session.scalar(first.order_by(OutboxRow.entry).limit(1)),
            parked={reason or "unknown": number for reason, number in session.execute(parked)},
            sender=f"{found.host.partition('/')[0]}, process {found.pid}" if found else None,
        )


def _table() -> SqlTable:
    return cast("SqlTable", OutboxRow.__table__)


def _announce(run_ids: Iterable[str]) -> Update:
    return update(Run).where(Run.run_id.in_(list(run_ids))).values(announced_at=utc_now())


def _from_now(seconds: float) -> str:
    """Return a time as `utc_now` writes it."""
    there = datetime.now(UTC) + timedelta(seconds=seconds)
    return there.isoformat(timespec="microseconds").replace("+00:00", "Z")
