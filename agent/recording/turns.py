"""One process at a time does a job for all: each takes its turn, for as long as it says something.

It knows leases alone; what the job is, and who is alive, is others' business.
"""

import time
import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, or_

from agent.database import Database, insert_into
from agent.recording.expiry import as_stored
from agent.recording.processes import Lease

PATIENCE = 25.0
"""Seconds after which the job of a process that died is free."""
_HELD_FOR = timedelta(seconds=20)
"""After which a process that says nothing more has lost the job to another."""
_RENEWED_AFTER = 7.0
"""Seconds; a transaction takes less than what is left of the lease then."""
_LOOKS = 0.5
"""Seconds between two looks whether the other process is ready."""


class Turn:
    """The right to be the one process that does a job."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._holder = f"{name} {uuid.uuid4()}"
        self._taken_at = 0.0

    def take(self, patience: float) -> bool:
        """Take it, once it is free."""
        ends_at = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= ends_at:
                return False
            time.sleep(_LOOKS)
        return True

    def renew(self) -> bool:
        """Keep it; say whether it is still held."""
        return time.monotonic() - self._taken_at < _RENEWED_AFTER or self._try()

    def release(self) -> None:
        """Give it back."""
        mine = delete(Lease).where(Lease.name == self._name, Lease.process_id == self._holder)
        with self._database.begin() as session:
            session.execute(mine)

    def _try(self) -> bool:
        now, taken_at = datetime.now(UTC), time.monotonic()
        values = {"process_id": self._holder, "until": as_stored(now + _HELD_FOR)}
        is_free = or_(Lease.process_id == self._holder, Lease.until < as_stored(now))
        with self._database.begin() as session:
            insert = insert_into(session.connection().dialect, Lease)
            wanted = insert.values(name=self._name, **values).on_conflict_do_update(
                index_elements=["name"], set_=values, where=is_free
            )
            is_mine = session.scalar(wanted.returning(Lease.name)) is not None
        self._taken_at = taken_at if is_mine else 0.0
        return is_mine
