"""What the people of each course agree to, and what they decided on it.

It joins the courses' wordings with the ledger, and needs neither models nor requests: the
terminal decides with it, and so does whatever lets requests in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from agent.courses.book import DEFAULT_ID, CourseBook
from agent.courses.course import Course
from agent.errors import InputError, NotFoundError
from agent.privacy.access import Caller
from agent.privacy.consent import (
    ConsentLedger,
    ConsentStatus,
    Decision,
    Wording,
    embedded_wording,
)
from agent.privacy.owner import Owner


@dataclass(frozen=True, slots=True)
class Agreements:
    """The wordings of the courses over the ledger of decisions."""

    courses: CourseBook
    ledger: ConsentLedger

    def wording_of(self, course_id: str) -> Wording:
        """Return what people of a course agree to; no id: those of the default course."""
        course_id = course_id or DEFAULT_ID
        embedded = embedded_wording()
        course = self.courses.courses.get(course_id)
        if course is None:
            return embedded
        own = self.courses.wording_of(course_id)
        version = course_id if own else embedded.version
        return Wording(version, own or embedded.text, course.consent_days)

    def status_of(self, owner: Owner) -> ConsentStatus:
        """Return what the owner of a request decided on their course's wording."""
        return self.ledger.status(owner.user_id, self.wording_of(owner.course))

    def consent_of(self, caller: Caller, asked: str) -> tuple[Wording, ConsentStatus]:
        """Return the wording of a caller's course, and what they decided on it.

        Raises:
            InputError: they have to choose a course, or it is not theirs.
        """
        wording = self.wording_of(self._course_of(caller, asked))
        return wording, self.ledger.status(caller.user_id, wording)

    def decide(
        self, caller: Caller, asked: str, *, given: bool, door: str
    ) -> tuple[Wording, ConsentStatus]:
        """Write a caller's decision down; to withdraw, nobody needs a course.

        Raises:
            InputError: they agree and have to choose a course, or it is not theirs.
        """
        try:
            wording = self.wording_of(self._course_of(caller, asked))
        except InputError as error:
            if given or isinstance(error, NotFoundError):
                raise
            wording = embedded_wording()
        decision: Decision = "given" if given else "withdrawn"
        return wording, self.ledger.decide(caller.user_id, decision, door=door, wording=wording)

    def _course_of(self, caller: Caller, asked: str) -> str:
        return course_of(self.courses, caller, asked, is_over=True).id


def course_of(courses: CourseBook, caller: Caller, asked: str, *, is_over: bool = False) -> Course:
    """Return the one course that a call of somebody belongs to.

    Args:
        courses: Every course.
        caller: Who calls.
        asked: The course they name.
        is_over: Whether a course that is over, or has not begun, will do.

    Raises:
        InputError: they have to choose, or the course is not theirs.
    """
    if caller.role == "local":
        return courses.of_local(asked)
    if caller.role == "admin" and asked:
        return courses.get(asked)
    now = None if is_over else datetime.now(UTC)
    return courses.resolve(asked, caller.courses, now=now)
