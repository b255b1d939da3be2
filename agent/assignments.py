"""The assignments a person works on, with the plan that was made: kept for them, erasable.

This is what the service needs to go on, not the log: it is kept with and without consent.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, utc_now
from agent.errors import NotFoundError
from agent.privacy.owner import Owner


class AssignmentRow(Table):
    """One assignment of one person in one course."""

    __tablename__ = "assignments"
    __sealed__ = ("title", "brief", "plan", "draft")

    assignment_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    course: Mapped[str]
    """As `Owner.course` has it: empty for the default course."""
    title: Mapped[str]
    brief: Mapped[str]
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    draft: Mapped[str | None]
    """The last draft of a plan that failed its checks, as the model wrote it."""
    consented: Mapped[bool]
    """Whether everything above was written in requests whose text may be kept."""
    created_at: Mapped[str]
    updated_at: Mapped[str]


class AssignmentStore:
    """Keeps assignments and their plans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, owner: Owner, *, title: str, brief: str) -> str:
        """Keep a new assignment and return its id."""
        assignment_id, now = str(uuid.uuid4()), utc_now()
        with self._database.begin() as session:
            session.add(
                AssignmentRow(
                    assignment_id=assignment_id,
                    user_id=owner.user_id,
                    course=owner.course,
                    title=title,
                    brief=brief,
                    consented=not owner.withholds,
                    created_at=now,
                    updated_at=now,
                )
            )
        return assignment_id

    def get(self, owner: Owner, assignment_id: str) -> AssignmentRow:
        """Return an assignment of this person in this course.

        Raises:
            NotFoundError: there is none of that id, or it is somebody else's or another course's.
        """
        with self._database.read() as session:
            return _find(session, owner, assignment_id)

    def all_of(self, user_id: str) -> Sequence[AssignmentRow]:
        """Return a person's assignments, newest first."""
        newest = select(AssignmentRow).where(AssignmentRow.user_id == user_id)
        with self._database.read() as session:
            return session.scalars(newest.order_by(AssignmentRow.created_at.desc())).all()

    def keep_plan(self, owner: Owner, assignment_id: str, plan: dict[str, Any]) -> None:
        """Keep a checked plan in place of the one before."""
        self._change(owner, assignment_id, {"plan": plan, "draft": None})

    def keep_draft(self, owner: Owner, assignment_id: str, draft: str) -> None:
        """Keep a draft that failed, so that nothing written is lost."""
        self._change(owner, assignment_id, {"draft": draft})

    def _change(self, owner: Owner, assignment_id: str, values: dict[str, Any]) -> None:
        with self._database.begin() as session:
            row = _find(session, owner, assignment_id)
            row.consented = row.consented and not owner.withholds
            for name, value in {**values, "updated_at": utc_now()}.items():
                setattr(row, name, value)


def _find(session: Session, owner: Owner, assignment_id: str) -> AssignmentRow:
    row = session.get(AssignmentRow, assignment_id)
    if row is None or (row.user_id, row.course) != (owner.user_id, owner.course):
        raise NotFoundError(
            f"There is no assignment {assignment_id!r}. "
            "Plan one first; its id stands in the answer."
        )
    return row
