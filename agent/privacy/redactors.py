"""The redactor of each request: by the sender's enrolment and the names of their course.

A redactor lives as long as its request, because it remembers what its placeholders stand for.
"""

import threading
import time
from collections import OrderedDict
from contextvars import ContextVar
from typing import NamedTuple

from agent.courses.roster import Roster as Enrolments
from agent.courses.roster_file import Student
from agent.privacy.owner import Owner
from agent.privacy.people import People
from agent.privacy.redaction import Enrolment, Placeholders, Redactor, Roster

OUTBOUND: ContextVar[Redactor | None] = ContextVar("outbound")
"""What replaces personal data in what the current request sends to a model; none: nothing does.
Where no request is known, as in a graph that is invoked directly, forms alone are replaced."""


def outbound_redactor() -> Redactor | None:
    """Return the redactor of what is about to be sent to a model."""
    try:
        return OUTBOUND.get()
    except LookupError:
        return Redactor()


_FRESH_FOR = 5.0
"""Seconds until a roster that was imported meanwhile is known to a request."""
_REMEMBERED = 1_000


class _Known(NamedTuple):
    read_at: float
    enrolment: Enrolment | None
    roster: Roster


class Redactors:
    """Makes redactors; what they know of people and courses is read anew after some seconds."""

    def __init__(self, people: People, enrolments: Enrolments) -> None:
        self._people = people
        self._enrolments = enrolments
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        """By person and course, the last ones last."""
        self._compiled: dict[str, tuple[tuple[str, ...], Roster]] = {}
        self._lock = threading.Lock()

    def of(self, owner: Owner, *, exact: bool = False) -> Redactor:
        """Return a new redactor for one request of an owner.

        With `exact` each spelling has a placeholder of its own, so that all come back as they were.
        """
        key = (owner.user_id, owner.course)
        self._drop_old()
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._read(owner)
            with self._lock:
                self._known[key] = known
                self._known.move_to_end(key)
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return Redactor(known.enrolment, known.roster, Placeholders(exact=exact))

    def forget(self, user_id: str) -> None:
        """Drop what is remembered of a person, and of all others, whose courses may name them."""
        with self._lock:
            self._known.clear()
            self._compiled.clear()

    def _drop_old(self) -> None:
        """Drop what was read long ago; a person may have been erased by another process since."""
        oldest = time.monotonic() - _FRESH_FOR
        with self._lock:
            while self._known and next(iter(self._known.values())).read_at < oldest:
                self._known.popitem(last=False)
            used = {course for _, course in self._known}
            for course in self._compiled.keys() - used:
                del self._compiled[course]

    def _read(self, owner: Owner) -> "_Known":
        read_at = time.monotonic()
        name = self._people.name_of(owner.user_id)
        student = self._enrolments.of_person(owner.course, name) if name and owner.course else None
        return _Known(read_at, _enrolment(student), self._roster(owner.course))

    def _roster(self, course: str) -> Roster:
        names = tuple(self._enrolments.names_of(course)) if course else ()
        with self._lock:
            known = self._compiled.get(course)
            if known is None or known[0] != names:
                self._compiled[course] = known = (names, Roster(names))
            return known[1]


def _enrolment(student: Student | None) -> Enrolment | None:
    if student is None:
        return None
    return Enrolment(
        first=student.first,
        last=student.last,
        email=student.email,
        student_id=student.student_id,
        username=student.username,
    )
