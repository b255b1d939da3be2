"""What the record holds of one person: given out whole, or taken out of it.

Of an erased run a line without person and text stays, so that the totals of every report hold.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.engine import CursorResult

from agent.database import Database
from agent.privacy.holdings import rows_of
from agent.recording.expiry import as_stored
from agent.recording.outbox import OutboxRow
from agent.recording.run_store import ERASED, IS_OPEN, Run

_AT_ONCE = 500
"""Runs in one transaction, so that requests of others need not wait long."""
_UNTOLD = ("process_id", "announced_at")
"""Columns of a run that are about this installation, and not about a person."""


def export_runs(database: Database, user_id: str) -> Iterator[dict[str, Any]]:
    """Yield every run of a person, oldest first, with its texts as far as they are kept."""
    for row in rows_of(database, Run, user_id, order_by="started_at"):
        yield {name: value for name, value in row.items() if name not in _UNTOLD}


def erase_runs(database: Database, user_id: str) -> int:
    """Take person and text out of a person's runs and what of them waits to be sent.

    Returns:
        How many runs it were.

    """
    with database.read() as session:
        run_ids = session.scalars(select(Run.run_id).where(Run.user_id == user_id)).all()
    count = 0
    for first in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[first : first + _AT_ONCE]
        with database.begin() as session:
            session.execute(delete(OutboxRow).where(OutboxRow.subject_id.in_(some)))
            done = session.execute(
                update(Run)
                .where(Run.run_id.in_(some), Run.user_id == user_id)
                .values({**ERASED, "name": Run.run_type})
                .execution_options(synchronize_session=False)
            )
            count += cast("CursorResult[Any]", done).rowcount
    return count


def may_be_under_way(database: Database, user_id: str, *, within: float) -> bool:
    """Say whether something of a person may be on its way to LangSmith, or not be listed there yet.

    Args:
        database: The records.
        user_id: Whose.
        within: Seconds since the end of a run for which that is so.

    """
    since = as_stored(datetime.now(UTC) - timedelta(seconds=within))
    waits = exists().where(OutboxRow.subject_id == Run.run_id)
    late = or_(IS_OPEN, waits, Run.ended_at > since)
    mine = select(Run.run_id).where(Run.user_id == user_id, late).limit(1)
    with database.read() as session:
        return session.scalar(mine) is not None
