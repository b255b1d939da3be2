"""What is still to be sent to LangSmith: ids alone, written together with what they name.

The text stands in the record, so that what is erased or withdrawn there is not sent from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Table, insert_into, utc_now

Kind = Literal["run", "feedback"]


class OutboxRow(Table):
    """One thing to send; it goes when it has been delivered."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("kind", "subject_id"),)

    entry: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    kind: Mapped[str]
    subject_id: Mapped[str]
    """The run's id; that of the run that was rated, for feedback."""
    queued_at: Mapped[str]
    """When what it names changed last."""
    parked_at: Mapped[str | None]
    """When it was set aside, because LangSmith refuses it."""
    reason: Mapped[str | None]
    """Why it was not delivered when it was last tried."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one person says of a request, as LangSmith gets it."""

    user_id: str
    rating: str
    score: int | None
    comment: str | None
    given_at: str
    changed_at: str


def queue(session: Session, kind: Kind, subject_ids: Iterable[str]) -> None:
    """Put something into the outbox, in the transaction that makes it; once is enough.

    What waits there already is marked as changed, so that it is not taken for delivered by
    whoever is sending its former state.
    """
    now = utc_now()
    rows = [
        {"kind": kind, "subject_id": found, "queued_at": now}
        for found in dict.fromkeys(subject_ids)
    ]
    if not rows:
        return
    insert = insert_into(session.get_bind().dialect, OutboxRow)
    anew = {"queued_at": now, "parked_at": None, "reason": None}
    session.execute(
        insert.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=anew), rows
    )
