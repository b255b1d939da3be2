"""The ledger of erasures: who asked, what went from which store and when, and what is left to do.

It holds no content, so it outlives what it tells of; nothing here erases anything.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import JSON, Index, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, utc_now
from agent.errors import ErasedError

State = Literal["done", "pending", "kept"]
_IS_UNDER_WAY = text("finished_at IS NULL")


class ErasureRow(Table):
    """One erasure of one person."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index(
            "erasures_under_way",
            "user_id",
            unique=True,
            sqlite_where=_IS_UNDER_WAY,
            postgresql_where=_IS_UNDER_WAY,
        ),
    )

    erasure_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    """The pseudonym; the name goes with the rest."""
    asked_at: Mapped[str]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    finished_at: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one store."""

    store: str
    state: State
    removed: int
    """How many things went; killed on the way, an erasure counts those after it again."""
    at: str
    note: str = ""
    """Why something is kept or pending."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure did so far."""

    erasure_id: str
    user_id: str
    asked_at: str
    steps: tuple[Step, ...]
    finished_at: str | None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        state = "finished" if self.finished_at else "pending"
        return {**asdict(self), "steps": [asdict(step) for step in self.steps], "state": state}


class ErasureLedger:
    """The erasures of one installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, user_id: str, note: Callable[[Session], None]) -> Receipt:
        """Open an erasure, or return the one of this person that is under way.

        Args:
            user_id: Whose.
            note: Writes into the audit log, in the same transaction.

        """
        try:
            with self._database.begin() as session:
                row = session.scalar(_under_way(user_id))
                if row is None:
                    row = ErasureRow(
                        erasure_id=str(uuid.uuid4()), user_id=user_id, asked_at=utc_now(), steps=[]
                    )
                    session.add(row)
                    session.flush()
                    note(session)
                return _receipt(row)
        except IntegrityError:  # another process was quicker
            with self._database.read() as session:
                row = session.scalar(_under_way(user_id))
            if row is None:
                raise
            return _receipt(row)

    def get(self, erasure_id: str) -> Receipt | None:
        """Return an erasure."""
        with self._database.read() as session:
            row = session.get(ErasureRow, erasure_id)
            return _receipt(row) if row else None

    def note(self, erasure_id: str, step: Step) -> bool:
        """Write down what became of a store; say whether the erasure is still under way.

        What was removed before is added to; of something that is pending, the most that was seen.
        """
        with self._database.begin() as session:
            row = session.get(ErasureRow, erasure_id, with_for_update=True)
            if row is None or row.finished_at:
                return False
            steps = {known["store"]: known for known in row.steps}
            if before := steps.get(step.store):
                was_asked = before["state"] == "pending" or step.state == "pending"
                join = max if was_asked else int.__add__
                step = replace(step, removed=join(before["removed"], step.removed))
            row.steps = [*{**steps, step.store: asdict(step)}.values()]
            return True

    def finish(self, erasure_id: str) -> None:
        """Close an erasure; from then on the person may come back, as somebody new."""
        with self._database.begin() as session:
            row = session.get(ErasureRow, erasure_id, with_for_update=True)
            if row is not None and row.finished_at is None:
                row.finished_at = utc_now()

    def all(self) -> Sequence[Receipt]:
        """Return every erasure, newest first."""
        query = select(ErasureRow).order_by(ErasureRow.asked_at.desc(), ErasureRow.erasure_id)
        with self._database.read() as session:
            return [_receipt(row) for row in session.scalars(query)]

    def unfinished(self) -> Sequence[Receipt]:
        """Return the erasures that are under way, oldest first."""
        return [receipt for receipt in reversed(self.all()) if receipt.finished_at is None]

    def latest_of(self, user_id: str) -> str | None:
        """Return the id of a person's last erasure.

        Raises:
            ErasedError: it is under way.
        """
        mine = select(ErasureRow.erasure_id).where(ErasureRow.user_id == user_id)
        with self._database.read() as session:
            refuse_while_erased(session, user_id)
            return session.scalar(mine.order_by(ErasureRow.asked_at.desc()).limit(1))


def refuse_while_erased(session: Session, user_id: str) -> None:
    """Return if nothing of a person is being erased.

    Raises:
        ErasedError: it is.
    """
    if session.scalar(_under_way(user_id)) is not None:
        raise being_erased()


def being_erased() -> ErasedError:
    """Return the error for whoever asks while what is theirs goes."""
    return ErasedError(
        "Everything of this person was asked to be erased, so nothing new is taken from them. "
        "They can come back when that is finished, with a new key from the staff."
    )


def _under_way(user_id: str) -> Any:
    return select(ErasureRow).where(ErasureRow.user_id == user_id, ErasureRow.finished_at.is_(None))


def _receipt(row: ErasureRow) -> Receipt:
    steps = tuple(Step(**step) for step in row.steps)
    return Receipt(row.erasure_id, row.user_id, row.asked_at, steps, row.finished_at)
