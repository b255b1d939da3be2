"""The assignments a person works on, with the plan that was made: kept for them, erasable.

This is what the service needs to go on, not the log: it is kept with and without consent.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, mapped_column

from agent.database import Database, Table, utc_now
from agent.errors import NotFoundError


class AssignmentRow(Table):
    """One assignment of one person."""

    __tablename__ = "assignments"

    assignment_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    brief: Mapped[str]
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    draft: Mapped[str | None]
    """The last draft of a plan that failed its checks, as the model wrote it."""
    created_at: Mapped[str]
    updated_at: Mapped[str]


class AssignmentStore:
    """Keeps assignments and their plans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, user_id: str, *, title: str, brief: str) -> str:
        """Keep a new assignment and return its id."""
        assignment_id, now = str(uuid.uuid4()), utc_now()
        with self._database.begin() as session:
            session.add(
                AssignmentRow(
                    assignment_id=assignment_id,
                    user_id=user_id,
                    title=title,
                    brief=brief,
                    created_at=now,
                    updated_at=now,
                )
            )
        return assignment_id

    def get(self, user_id: str, assignment_id: str) -> AssignmentRow:
        """Return an assignment of this person.

        Raises:
            NotFoundError: there is none of that id, or it is somebody else's.
        """
        with self._database.read() as session:
            row = session.get(AssignmentRow, assignment_id)
        if row is None or row.user_id != user_id:
            raise NotFoundError(
                f"There is no assignment {assignment_id!r}. "
                "Plan one first; its id stands in the answer."
            )
        return row

    def all_of(self, user_id: str) -> Sequence[AssignmentRow]:
        """Return a person's assignments, newest first."""
        newest = select(AssignmentRow).where(AssignmentRow.user_id == user_id)
        with self._database.read() as session:
            return session.scalars(newest.order_by(AssignmentRow.created_at.desc())).all()

    def keep_plan(self, assignment_id: str, plan: dict[str, Any]) -> None:
        """Keep a checked plan in place of the one before."""
        self._change(assignment_id, {"plan": plan, "draft": None})

    def keep_draft(self, assignment_id: str, draft: str) -> None:
        """Keep a draft that failed, so that nothing written is lost."""
        self._change(assignment_id, {"draft": draft})

    def _change(self, assignment_id: str, values: dict[str, Any]) -> None:
        with self._database.begin() as session:
            row = session.get_one(AssignmentRow, assignment_id)
            for name, value in {**values, "updated_at": utc_now()}.items():
                setattr(row, name, value)
