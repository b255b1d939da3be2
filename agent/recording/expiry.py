"""What of the record is past its time: the text of a run goes first, its row later.

It knows when something is over and how it is taken out without holding others up; how many days
that is, and whose turn it is to look, is said by `agent.retention`.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from agent.database import Database, Table
from agent.privacy.holdings import Cutoffs, DataClass
from agent.recording.outbox import OutboxRow
from agent.recording.run_store import NOBODYS, Run

EXPIRED = "expired"
"""What `content` says where a text was kept until its time was over."""
_AT_ONCE = 200
"""Rows in one transaction, during which SQLite lets nobody else write."""
_STAYING = ("user_id", "content", "thread_id", "assignment_id")
"""What a run that lost its text keeps of what an erased one loses: its person and ids."""

_GONE = [Run.__table__.columns[name] for name in NOBODYS if name not in _STAYING]
_ROOT = aliased(Run)
_OTHER = aliased(Run)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One kind of thing that goes when its time is over."""

    what: str
    """As a report names it."""
    data_class: DataClass
    table: type[Table]
    key: Any
    """The column by which rows are taken out."""
    course: Any
    """Whose days count; empty for the default course."""
    at: Any
    """From when the days count."""
    found: Callable[[Select[Any]], Select[Any]]
    """Joins what `course` and `at` need, and leaves out what has to stay."""
    remove: Callable[[Session, Sequence[str]], None]
    """Takes rows out by their keys; afterwards they are found no more."""
    order: Sequence[Any] = ()
    """In which they go; none: by the key. What stands first also divides them into pages."""

    def count(self, database: Database, cutoffs: Cutoffs) -> Counter[str]:
        """Return how much is over, by course."""
        due = self._due(database, cutoffs).subquery()
        counted = select(due.c.course, func.count().label("number")).group_by(due.c.course)
        with database.read() as session:
            return Counter({row.course: row.number for row in session.execute(counted)})

    def run(
        self, database: Database, cutoffs: Cutoffs, *, goes_on: Callable[[], bool] = lambda: True
    ) -> Counter[str]:
        """Take out what is over, some at a time, and return how much it was, by course.

        Args:
            database: The records.
            cutoffs: From when on each course keeps something.
            goes_on: Asked before each transaction.

        """
        due, removed = self._due(database, cutoffs), Counter[str]()
        order = self.order or (self.key,)
        page = due.add_columns(order[0].label("place")).order_by(*order).limit(_AT_ONCE)
        rest = page
        while goes_on():
            with database.read() as session:
                rows = session.execute(rest).all()
            if not rows:
                break
            started = time.monotonic()
            taken = self._take(database, due, [row.key for row in rows])
            removed += taken
            # What could not be taken stands in the way of no other.
            last = rows[-1].place
            rest = page.where(order[0] >= last if taken else order[0] > last)
            time.sleep(time.monotonic() - started)  # whoever waits tries now and then, in no queue
        return removed

    def _take(self, database: Database, due: Select[Any], keys: Sequence[str]) -> Counter[str]:
        """Take out what of a page is still over, now that nobody else writes."""
        still = due.where(self.key.in_(keys)).with_for_update(of=self.table)
        with database.begin() as session:
            rows = session.execute(still).all()
            self.remove(session, [row.key for row in rows])
        return Counter(row.course for row in rows)

    def _due(self, database: Database, cutoffs: Cutoffs) -> Select[Any]:
        query = self.found(select(self.key.label("key"), self.course.label("course")))
        courses = self.found(select(self.course.label("course")).distinct())
        with database.read() as session:
            kept = {
                course: as_stored(cutoffs(course)[self.data_class])
                for course in session.scalars(courses)
            }
        default = as_stored(cutoffs("")[self.data_class])
        return query.where(
            self.at < (case(kept, value=self.course, else_=default) if kept else default)
        )


def sweeps_of_runs(*, stays: ColumnElement[bool]) -> Sequence[Sweep]:
    """Return the sweeps of the record, in their order.

    Every run of a request goes by the start of its root; one without, as others' exports are,
    by its own. What belongs to a request that is still under way is left alone.

    Args:
        stays: Which rows of `runs` are needed although their time is over.

    """
    # A run can be one of an import, whose root was never here.
    own_course = case((_ROOT.run_id.is_not(None), _ROOT.course), else_=Run.course)
    course = func.coalesce(own_course, "")
    started_at = func.coalesce(_ROOT.started_at, Run.started_at)
    is_root = case((Run.run_id == Run.root_run_id, 1), else_=0)
    has_text = or_(Run.content == "kept", *(column.is_not(None) for column in _GONE))
    return (
        Sweep(
            "texts of runs",
            "content",
            Run,
            Run.run_id,
            course,
            started_at,
            found=lambda query: _settled(query).where(has_text),
            remove=_remove_texts,
        ),
        Sweep(
            "runs",
            "metadata",
            Run,
            Run.run_id,
            course,
            started_at,
            found=lambda query: _settled(query).where(~stays),
            remove=_remove_runs,
            # From below, so that at no moment there is a run whose parent is missing.
            order=(Run.root_run_id, is_root, Run.dotted_order.desc(), Run.run_id),
        ),
    )


def as_stored(at: datetime) -> str:
    """Return a time as the database holds it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _settled(query: Select[Any]) -> Select[Any]:
    """Join the root, and leave out the requests of which a run is open."""
    # As the index of open runs says it.
    is_open = _OTHER.status == literal_column("'started'")
    return query.outerjoin_from(Run, _ROOT, _ROOT.run_id == Run.root_run_id).where(
        Run.root_run_id.not_in(select(_OTHER.root_run_id).where(is_open))
    )


def _remove_texts(session: Session, run_ids: Sequence[str]) -> None:
    """Take the texts out; that there was none for want of consent is still said."""
    values: Mapping[Any, Any] = {
        **{column.name: None for column in _GONE},
        "content": case((Run.content == "kept", EXPIRED), else_=Run.content),
    }
    wanted = update(Run).where(Run.run_id.in_(run_ids)).values(values)
    session.execute(wanted.execution_options(synchronize_session=False))


def _remove_runs(session: Session, run_ids: Sequence[str]) -> None:
    for theirs in (
        delete(OutboxRow).where(OutboxRow.subject_id.in_(run_ids)),
        delete(Run).where(Run.run_id.in_(run_ids)),
    ):
        session.execute(theirs.execution_options(synchronize_session=False))
