"""Which processes are alive: each says so, and what a dead one left open is closed.

It knows rows of processes and of runs; it decides nothing about a run that has an owner alive.
"""

import os
import socket
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, utc_now
from agent.errors import StorageError
from agent.recording.outbox import queue
from agent.recording.run_store import IS_OPEN, Run

_BEAT = 5.0
"""Seconds between two signs of life."""
_DEAD_AFTER = 30.0
"""Seconds without one; on this machine the end of a process is seen at once."""
_AT_ONCE = 500
"""Runs in one statement, whose length databases limit."""
_HERE: set[str] = set()
"""Those alive in this very process; its number alone may have been another's before."""


class Process(Table):
    """A process that records."""

    __tablename__ = "processes"

    process_id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    """The machine, and the space in which its process numbers count."""
    pid: Mapped[int]
    started_at: Mapped[str]
    beat_at: Mapped[str]


class Lease(Table):
    """A job that one process at a time does for all."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    process_id: Mapped[str]
    until: Mapped[str]


class Heartbeat:
    """Says that this process is alive, and closes what dead ones left open."""

    def __init__(self, database: Database, *, sends: bool = False) -> None:
        self.process_id = str(uuid.uuid4())
        self._database = database
        self._sends = sends
        self._started_at = utc_now()
        self._host = _host()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Enter this process, and close what dead ones left.

        Raises:
            StorageError: the database cannot be used.
        """
        _HERE.add(self.process_id)
        self._sign()
        self._thread.start()

    def close(self) -> None:
        """Stop; what this process left open, if anything, nobody will settle any more."""
        self._stopped.set()
        self._thread.join()
        _HERE.discard(self.process_id)
        with self._database.begin() as session:
            session.execute(delete(Process).where(Process.process_id == self.process_id))
            self._abandon(session)

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT):
            # The requests say so, and the next beat tries anew.
            with suppress(StorageError, SQLAlchemyError):
                self._sign()

    def _sign(self) -> None:
        me = Process(
            process_id=self.process_id,
            host=self._host,
            pid=os.getpid(),
            started_at=self._started_at,
            beat_at=utc_now(),
        )
        with self._database.begin() as session:
            session.merge(me)
            session.flush()
            self._abandon(session)

    def _abandon(self, session: Session) -> None:
        """Close the runs of the dead, and forget them."""
        others = session.scalars(select(Process).where(Process.process_id != self.process_id))
        dead = [process.process_id for process in others if self._is_dead(process)]
        if dead:
            session.execute(delete(Process).where(Process.process_id.in_(dead)))
            session.execute(delete(Lease).where(Lease.process_id.in_(dead)))
        abandon(session, sends=self._sends)

    def _is_dead(self, process: Process) -> bool:
        if process.process_id in _HERE:
            return False
        if process.host == self._host and (
            process.pid == os.getpid() or not _is_running(process.pid)
        ):
            return True
        latest = datetime.now(UTC) - timedelta(seconds=_DEAD_AFTER)
        return datetime.fromisoformat(process.beat_at) < latest


def abandon(session: Session, *, sends: bool) -> None:
    """Close every run whose process is not in the list of those alive.

    A process that was taken for dead and is not settles its runs all the same.
    """
    alive = select(Process.process_id)
    nobodys: ColumnElement[bool] = or_(Run.process_id.is_(None), Run.process_id.not_in(alive))
    left = select(Run.run_id).where(IS_OPEN, nobodys).limit(_AT_ONCE)
    while run_ids := session.scalars(left).all():
        session.execute(
            update(Run)
            .where(Run.run_id.in_(run_ids), IS_OPEN)
            .values(status="abandoned", ended_at=utc_now(), error="ProcessEnded")
        )
        if sends:
            queue(session, "run", run_ids)


def others_are_alive(database: Database) -> bool:
    """Say whether another process than this one records."""
    latest = (datetime.now(UTC) - timedelta(seconds=_DEAD_AFTER)).isoformat(timespec="microseconds")
    alive = select(Process.process_id).where(Process.beat_at > latest)
    with database.read() as session:
        return any(process_id not in _HERE for process_id in session.scalars(alive))


def _host() -> str:
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    return f"{socket.gethostname()}/{space}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
