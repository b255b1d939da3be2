"""Retention: what is past the days of its course goes, from every store, by itself.

One process at a time does it, in transactions so short that requests do not wait for it. Every
step can be done again, so a round that was killed is simply run once more.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from typing import Any, Literal, get_args

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.orm import Session

from agent.assignments import AssignmentRow
from agent.courses.book import DEFAULT_ID, CourseBook
from agent.errors import AssistantError
from agent.insight.feedback import FeedbackRow
from agent.privacy.access import Caller
from agent.privacy.audit import Access, AuditEntry, Door
from agent.privacy.holdings import Cutoffs, DataClass
from agent.recording.expiry import Sweep, as_stored, sweeps_of_runs
from agent.recording.run_store import IS_ROOT, Run
from agent.recording.turns import Turn
from agent.stores import Stores
from agent.thread_book import Thread, ThreadBook

State = Literal["done", "in log", "stopped", "elsewhere"]
"""`in log`: SQLite's log still holds what was overwritten, for somebody reads all the time;
`elsewhere`: another process is doing it."""

_CLASSES: Sequence[DataClass] = get_args(DataClass)
_KEPT = datetime(1970, 1, 1, tzinfo=UTC)
"""A time before which nothing is."""
_AUDIT = "audit entries"
_SYSTEM = "system"
"""Who does what nobody asked for."""
_JOB = "retention"
_DAY = 86_400.0
_HOUR = 3_600.0
_JOINED = 2.0
"""Seconds that a stop waits for what is under way."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expired:
    """What of one kind is over in one course."""

    what: str
    data_class: DataClass
    course: str
    """Its id; what has none goes by the days of the default course."""
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a round did."""

    at: str
    """The time by which the days were counted."""
    state: State
    removed: tuple[Expired, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def cutoffs_of(courses: CourseBook, now: datetime) -> Cutoffs:
    """Return from when on each course keeps each class of data.

    A course that has no file, or none any more, keeps it as long as the default course does.
    """
    default = courses.courses[DEFAULT_ID]

    @cache
    def cutoffs(course_id: str) -> Mapping[DataClass, datetime]:
        days = courses.courses.get(course_id, default).retention
        return {name: now - timedelta(days=getattr(days, name)) for name in _CLASSES}

    return cutoffs


@dataclass(frozen=True, slots=True, kw_only=True)
class Retainer:
    """Removes what is over in one installation."""

    stores: Stores
    courses: CourseBook
    threads: ThreadBook
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def look(self) -> Report:
        """Say what is over, and remove nothing."""
        now = self.clock()
        return Report(as_stored(now), "done", self._due(cutoffs_of(self.courses, now)))

    def retain(
        self,
        caller: Caller | None = None,
        *,
        door: Door = "python",
        goes_on: Callable[[], bool] = lambda: True,
        patience: float = 0.0,
    ) -> Report:
        """Remove what is over; what there is to remove is written into the audit log before.

        Args:
            caller: Who asks for it; none: the service by itself.
            door: Where they came in.
            goes_on: Asked again and again; what is left when it says no is for the next time.
            patience: Seconds to wait for another process that does it.

        Raises:
            StorageError: a store cannot be used now; another call goes on.
        """
        now = self.clock()
        cutoffs, turn = cutoffs_of(self.courses, now), Turn(self.stores.database, _JOB)
        if not turn.take(patience):
            return Report(as_stored(now), "elsewhere", ())

        def holds() -> bool:
            return goes_on() and turn.renew()

        try:
            if due := self._due(cutoffs):
                self._note(due, caller, door)
            removed = self._remove(cutoffs, holds) + self._prune(cutoffs, caller, holds)
            state: State = "stopped"
            if holds():
                state = "done" if self.stores.database.empty_log() else "in log"
        finally:
            turn.release()
        return Report(as_stored(now), state, removed)

    @property
    def classes(self) -> frozenset[tuple[str, DataClass]]:
        """The tables out of which something goes, each with the class by which it does."""
        swept = {(one.table.__tablename__, one.data_class) for one in self._counted}
        return frozenset({*swept, (AuditEntry.__tablename__, "audit")})

    @property
    def _sweeps(self) -> Sequence[Sweep]:
        return (
            *_sweeps_of_feedback(),
            *sweeps_of_runs(stays=_tells_of_a_thread()),
            Sweep(
                "assignments",
                "uploads",
                AssignmentRow,
                AssignmentRow.assignment_id,
                AssignmentRow.course,
                AssignmentRow.updated_at,
                found=lambda query: query,
                remove=_delete_assignments,
            ),
        )

    def _due(self, cutoffs: Cutoffs) -> tuple[Expired, ...]:
        counts = [(one, one.count(self.stores.database, cutoffs)) for one in self._counted]
        found = [_expired(one.what, one.data_class, count) for one, count in counts]
        return (*chain(*found), *_expired(_AUDIT, "audit", self._oldest(cutoffs)[1]))

    @property
    def _counted(self) -> Sequence[Sweep]:
        return (*self._sweeps, _THREADS)

    def _remove(self, cutoffs: Cutoffs, goes_on: Callable[[], bool]) -> tuple[Expired, ...]:
        database = self.stores.database
        counts = [(one, one.run(database, cutoffs, goes_on=goes_on)) for one in self._sweeps]
        threads = Counter[str]()
        # What is remembered without standing in the book goes with the default course's.
        for course in sorted({"", *_THREADS.count(database, cutoffs)}):
            if goes_on():
                threads[course] = self.threads.expire(_only(course, cutoffs))
        found = [_expired(one.what, one.data_class, count) for one, count in counts]
        return (*chain(*found), *_expired(_THREADS.what, "threads", threads))

    def _oldest(self, cutoffs: Cutoffs) -> tuple[int, Counter[str]]:
        """Return the last of the audit entries that are over with all before them, and how many."""
        until, counts = 0, Counter[str]()
        columns = (AuditEntry.entry, AuditEntry.at, AuditEntry.course)
        entries = select(*columns).order_by(AuditEntry.entry).execution_options(yield_per=1_000)
        with self.stores.database.read() as session, closing(session.execute(entries)) as rows:
            for entry, at, course in rows:
                if at >= as_stored(cutoffs(course or "")["audit"]):
                    break
                until = entry
                counts[course or ""] += 1
        return until, counts

    def _prune(
        self, cutoffs: Cutoffs, caller: Caller | None, goes_on: Callable[[], bool]
    ) -> tuple[Expired, ...]:
        until, before = self._oldest(cutoffs)
        by = caller.user_id if caller else _SYSTEM
        while goes_on() and self.stores.audit.prune(until, by):
            pass
        return _expired(_AUDIT, "audit", before - self._oldest(cutoffs)[1])

    def _note(self, due: Sequence[Expired], caller: Caller | None, door: Door) -> None:
        act = Access(
            reader=caller.user_id if caller else _SYSTEM,
            role=caller.role if caller else _SYSTEM,
            action="expire",
            object_kind="class",
            object_ids=[f"{one.course}: {one.count} {one.what}" for one in due],
            door=door,
        )
        with self.stores.database.begin() as session:
            self.stores.audit.append(session, act)


class Rounds:
    """Does jobs once a day in a thread of its own, the first time at once."""

    def __init__(self, *jobs: Callable[[Callable[[], bool]], object], every: float = _DAY) -> None:
        """Take jobs, each of which is given a function that says whether to go on."""
        self._jobs = jobs
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End before the next step; what is left is for the next round."""
        self._stopped.set()
        self._thread.join(_JOINED)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            done = [self._do(job) for job in self._jobs]
            pause = self._every if all(done) else min(_HOUR, self._every)

    def _do(self, job: Callable[[Callable[[], bool]], object]) -> bool:
        try:
            job(lambda: not self._stopped.is_set())
        except Exception as error:  # noqa: BLE001 - nothing may end the thread of the next rounds
            if not self._stopped.is_set():
                # A fault of ours keeps its cause; another's words name what to do.
                told = str(error) if isinstance(error, AssistantError) else type(error).__name__
                _log.warning("the daily round is tried again in an hour: %s", told)
            return False
        return True


def _expired(what: str, data_class: DataClass, counts: Counter[str]) -> tuple[Expired, ...]:
    return tuple(
        Expired(what, data_class, course or DEFAULT_ID, count)
        for course, count in sorted(counts.items())
        if count
    )


def _only(course: str, cutoffs: Cutoffs) -> Cutoffs:
    """Return cutoffs by which everything of other courses is kept."""

    def of(asked: str) -> Mapping[DataClass, datetime]:
        return cutoffs(asked) if asked == course else dict.fromkeys(_CLASSES, _KEPT)

    return of


def _tells_of_a_thread() -> Any:
    """Return which runs say that something in a thread was said without consent.

    Whoever goes on with the thread quotes it in every prompt, so that it has to be known as long
    as the thread is.
    """
    thread = select(Thread.thread_key).where(
        Thread.thread_id == Run.thread_id, Thread.user_id == Run.user_id
    )
    return and_(IS_ROOT, Run.content == "no consent", thread.exists())


def _sweeps_of_feedback() -> Sequence[Sweep]:
    """Return the sweeps of what people said of answers: by the start of the request."""
    course = func.coalesce(Run.course, "")
    started_at = func.coalesce(Run.started_at, FeedbackRow.changed_at)

    def rated(query: Any) -> Any:
        return query.outerjoin_from(FeedbackRow, Run, Run.run_id == FeedbackRow.run_id)

    def forget_comments(session: Session, run_ids: Sequence[str]) -> None:
        wanted = update(FeedbackRow).where(FeedbackRow.run_id.in_(run_ids)).values(comment=None)
        session.execute(wanted.execution_options(synchronize_session=False))

    def forget_ratings(session: Session, run_ids: Sequence[str]) -> None:
        wanted = delete(FeedbackRow).where(FeedbackRow.run_id.in_(run_ids))
        session.execute(wanted.execution_options(synchronize_session=False))

    return (
        Sweep(
            "comments",
            "content",
            FeedbackRow,
            FeedbackRow.run_id,
            course,
            started_at,
            found=lambda query: rated(query).where(FeedbackRow.comment.is_not(None)),
            remove=forget_comments,
        ),
        Sweep(
            "ratings",
            "metadata",
            FeedbackRow,
            FeedbackRow.run_id,
            course,
            started_at,
            found=rated,
            remove=forget_ratings,
        ),
    )


def _delete_assignments(session: Session, assignment_ids: Sequence[str]) -> None:
    wanted = delete(AssignmentRow).where(AssignmentRow.assignment_id.in_(assignment_ids))
    session.execute(wanted.execution_options(synchronize_session=False))


def _refuse(_: Session, __: Sequence[str]) -> None:
    raise NotImplementedError  # the book of threads removes them, with what they remember


_THREADS = Sweep(
    "threads",
    "threads",
    Thread,
    Thread.thread_key,
    Thread.course,
    Thread.used_at,
    found=lambda query: query,
    remove=_refuse,
)
"""By which threads are counted alone."""
