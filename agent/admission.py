"""What is checked before anything is spent on a request, and the request that is let in.

Who asks comes from the door; nothing of it is taken from what they send.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agent.courses.book import DEFAULT_ID, CourseBook
from agent.courses.course import Course
from agent.errors import InputError, NotFoundError, UnauthenticatedError
from agent.models.catalogue import ModelCatalogue
from agent.privacy.access import Caller, check
from agent.privacy.consent import ConsentStatus, Decision, Wording, embedded_wording
from agent.privacy.owner import Owner
from agent.privacy.redactors import Redactors
from agent.requests import Call, Request, check_prompt_type, check_text, check_uuid
from agent.stores import Stores
from graphs.context import Context
from graphs.state import Assignment

_OPEN_STATES = ("pending", "in_progress")


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets requests in."""

    stores: Stores
    courses: CourseBook
    models: ModelCatalogue
    redactors: Redactors

    def admit(self, run_id: uuid.UUID, caller: Caller, call: Call) -> Request:
        """Turn a call into a request.

        Raises:
            InputError: the call is wrong.
            ForbiddenError: the caller may not ask, or not in this course.
        """
        check_text(call.message)
        course = self.course_of(caller, call.course)
        owner = _owner(caller, course)
        check(caller, "ask", course=owner.course or None)
        thread = check_uuid(call.thread_id, "thread_id") if call.thread_id else str(uuid.uuid4())
        return Request(
            message=call.message,
            run_id=run_id,
            thread_id=thread,
            opens_thread=not call.thread_id,
            memory_id=self._memory_of(caller, owner.course, thread),
            outbound=self.redactors.of(owner, exact=True) if course.outbound_redaction else None,
            owner=owner,
            course=course,
            consent=self.stores.consent.status(owner.user_id, self.wording_of(owner)),
            context=Context(
                run_id=str(run_id),
                prompt_type=check_prompt_type(call.prompt_type),
                assignment=self._assignment_of(caller, call.assignment_id),
                course=owner.course,
                model=self._model_of(course, call.model),
            ),
        )

    def course_of(self, caller: Caller, asked: str, *, is_over: bool = False) -> Course:
        """Return the one course that a call of somebody belongs to.

        Args:
            caller: Who calls.
            asked: The course they name.
            is_over: Whether a course that is over, or has not begun, will do.

        Raises:
            InputError: they have to choose, or the course is not theirs.
        """
        if caller.role == "local":
            return self.courses.of_local(asked)
        if caller.role == "admin" and asked:
            return self.courses.get(asked)
        now = None if is_over else datetime.now(UTC)
        return self.courses.resolve(asked, caller.courses, now=now)

    def caller_of(self, key: str) -> Caller:
        """Return who holds an API key, with all of their courses.

        Raises:
            UnauthenticatedError: nobody does.
        """
        found = self.stores.keys.find(key)
        if found is None:
            raise UnauthenticatedError(
                "No valid API key came with the request. Send the header "
                "'Authorization: Bearer KEY' with the key that the staff gave you."
            )
        # What a key of one role opens must not grow by what its person is elsewhere: a teacher
        # who sits in another course as a student may not read what is written there.
        theirs = (
            self.stores.roster.courses_of(found.name)
            if found.role == "student"
            else self.courses.taught_by(found.name)
        )
        courses = {*found.courses, *theirs}
        return replace(found, courses=tuple(sorted(courses)))

    def wording_of(self, owner: Owner) -> Wording:
        """Return what people of a course agree to."""
        course_id = owner.course or DEFAULT_ID
        embedded = embedded_wording()
        course = self.courses.courses.get(course_id)
        if course is None:
            return embedded
        own = self.courses.wording_of(course_id)
        version = course_id if own else embedded.version
        return Wording(version, own or embedded.text, course.consent_days)

    def consent_of(self, caller: Caller, asked: str) -> tuple[Wording, ConsentStatus]:
        """Return the wording of a caller's course, and what they decided on it."""
        wording = self.wording_of(self._owner_in(caller, asked))
        return wording, self.stores.consent.status(caller.user_id, wording)

    def decide(
        self, caller: Caller, asked: str, *, given: bool, door: str
    ) -> tuple[Wording, ConsentStatus]:
        """Write a caller's decision down; to withdraw, nobody needs a course."""
        try:
            wording = self.wording_of(self._owner_in(caller, asked))
        except InputError as error:
            if given or isinstance(error, NotFoundError):
                raise
            wording = embedded_wording()
        decision: Decision = "given" if given else "withdrawn"
        ledger = self.stores.consent
        return wording, ledger.decide(caller.user_id, decision, door=door, wording=wording)

    def _owner_in(self, caller: Caller, asked: str) -> Owner:
        return _owner(caller, self.course_of(caller, asked, is_over=True))

    def may_keep(self, owner: Owner) -> bool:
        """Say whether an owner's text may be kept and traced, as things stand now."""
        return self.stores.consent.status(owner.user_id, self.wording_of(owner)).given

    def _memory_of(self, caller: Caller, course: str, thread_id: str) -> str:
        """Return a thread's key in the checkpoints, which depends on person and course.

        A stranger who knows the id of a thread gets one of their own by it; and what was said in
        one course is not heard of in another, whose staff are others.
        """
        if caller.role == "local":
            return thread_id
        return self.stores.secret.hmac("thread", f"{caller.user_id}/{course}/{thread_id}").hex()

    def _assignment_of(self, caller: Caller, assignment_id: str | None) -> Assignment | None:
        if not assignment_id:
            return None
        known = check_uuid(assignment_id, "assignment_id")
        row = self.stores.assignments.get(caller.user_id, known)
        tasks = (row.plan or {}).get("tasks", [])
        current = next((task for task in tasks if task["status"] in _OPEN_STATES), None)
        return Assignment(
            assignment_id=known,
            title=row.title,
            brief=row.brief,
            current_task=current["description"] if current else "",
            tools=current["tool_requirements"] if current else [],
        )

    def _model_of(self, course: Course, asked: str) -> str:
        if asked and course.models and asked not in course.models:
            raise InputError(
                f"The course {course.id!r} does not offer the model asked for. "
                f"It offers: {', '.join(course.models)}."
            )
        if not asked and course.models and not set(self.models.names[:2]) <= set(course.models):
            asked = course.models[0]
        return self.models.check(asked)


def _owner(caller: Caller, course: Course) -> Owner:
    return Owner(caller.user_id, "" if course.id == DEFAULT_ID else course.id)
