"""What is checked before anything is spent on a request, and the request that is let in.

Who asks comes from the door; nothing of it is taken from what they send.
"""

import uuid
from dataclasses import dataclass, replace

from sqlalchemy import select

from agent.assignments import AssignmentRow
from agent.courses.book import DEFAULT_ID, CourseBook
from agent.courses.course import Course
from agent.errors import ErasedError, InputError, UnauthenticatedError
from agent.models.catalogue import ModelCatalogue
from agent.privacy.access import Caller, check
from agent.privacy.agreements import Agreements, course_of
from agent.privacy.erasure import ErasureLedger, being_erased
from agent.privacy.owner import Owner
from agent.privacy.redactors import Redactors
from agent.recording.run_store import IS_ROOT, Run
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
        self._let_in(caller)
        row = self._assignment_of(owner, call.assignment_id)
        consent = self.agreements.status_of(owner)
        withholds = (
            not consent.given
            or (row is not None and not row.consented)
            or (bool(call.thread_id) and self._is_withheld(owner, thread))
        )
        owner = replace(owner, withholds=withholds)
        return Request(
            message=call.message,
            run_id=run_id,
            thread_id=thread,
            opens_thread=not call.thread_id,
            memory_id=self._memory_of(caller, owner.course, thread),
            outbound=self.redactors.of(owner, exact=True) if course.outbound_redaction else None,
            owner=owner,
            course=course,
            consent=consent,
            context=Context(
                run_id=str(run_id),
                prompt_type=check_prompt_type(call.prompt_type),
                assignment=_as_assignment(row) if row else None,
                course=owner.course,
                model=self._model_of(course, call.model),
            ),
        )

    def course_of(self, caller: Caller, asked: str) -> Course:
        """Return the one course that a call of somebody belongs to.

        Raises:
            InputError: they have to choose, or the course is not theirs.
        """
        return course_of(self.courses, caller, asked)

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

    @property
    def agreements(self) -> Agreements:
        """What the people of each course agree to, and what they decided."""
        return Agreements(self.courses, self.stores.consent)

    def check_here(self, owner: Owner) -> None:
        """Return if nothing of a person was erased since they were let in.

        Raises:
            ErasedError: it was; whatever was written down of them meanwhile has to go too.
        """
        if not self.stores.vault.knows(owner.user_id):
            raise being_erased()

    def _let_in(self, caller: Caller) -> None:
        """Make a key for somebody who has none, unless what is theirs is or was just erased."""
        keys, people = self.stores.vault.keys, self.stores.people
        if keys.current(caller.user_id) is not None:
            return
        erasures = ErasureLedger(self.stores.database)
        latest = erasures.latest_of(caller.user_id)
        if caller.role != "local" and people.name_of(caller.user_id) is None:
            raise being_erased()
        made = keys.admit(caller.user_id)
        try:
            if erasures.latest_of(caller.user_id) != latest and caller.role != "local":
                raise being_erased()
        except ErasedError:  # it began after the look above, so the key may have come too late
            if made:
                keys.destroy(caller.user_id, made)
            raise

    def may_keep(self, owner: Owner) -> bool:
        """Say whether an owner's text may be kept and traced, as things stand now."""
        return not owner.withholds and self.agreements.status_of(owner).given

    def _is_withheld(self, owner: Owner, thread_id: str) -> bool:
        """Say whether something was said on a thread without consent, whatever holds now.

        What was said stands in every later prompt of the thread. The course is not asked for,
        because the local person's threads go through all of them.
        """
        said = select(Run.run_id).where(
            Run.thread_id == thread_id,
            Run.user_id == owner.user_id,
            Run.content == "no consent",
            IS_ROOT,
        )
        with self.stores.database.read() as session:
            return session.scalar(said.limit(1)) is not None

    def _memory_of(self, caller: Caller, course: str, thread_id: str) -> str:
        """Return a thread's key in the checkpoints, which depends on person and course.

        A stranger who knows the id of a thread gets one of their own by it; and what was said in
        one course is not heard of in another, whose staff are others.
        """
        if caller.role == "local":
            return thread_id
        return self.stores.secret.hmac("thread", f"{caller.user_id}/{course}/{thread_id}").hex()

    def _assignment_of(self, owner: Owner, assignment_id: str | None) -> AssignmentRow | None:
        if not assignment_id:
            return None
        return self.stores.assignments.get(owner, check_uuid(assignment_id, "assignment_id"))

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


def _as_assignment(row: AssignmentRow) -> Assignment:
    tasks = (row.plan or {}).get("tasks", [])
    current = next((task for task in tasks if task["status"] in _OPEN_STATES), None)
    return Assignment(
        assignment_id=row.assignment_id,
        title=row.title,
        brief=row.brief,
        current_task=current["description"] if current else "",
        tools=current["tool_requirements"] if current else [],
    )
