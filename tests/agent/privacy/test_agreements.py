"""Whose wording is asked for, and who decides on it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent.courses.book import CourseBook
from agent.courses.course import Course
from agent.database import Database
from agent.errors import InputError, NotFoundError
from agent.privacy.access import Caller, local_caller
from agent.privacy.agreements import Agreements, course_of
from agent.privacy.consent import ConsentLedger, embedded_wording
from agent.privacy.owner import Owner

LOCAL = local_caller("local-1")
STUDENT = Caller("student-1", "ada", "student", ("prog1",))
ADMIN = Caller("admin-1", "adam", "admin")


@pytest.fixture
def agreements(tmp_path: Path) -> Iterator[Agreements]:
    """Two courses: one with a wording of its own, and one that is over."""
    book = CourseBook.open()
    courses = {
        **book.courses,
        "prog1": Course(id="prog1", consent_days=7),
        "prog2": Course(id="prog2", ends=date(2020, 6, 30)),
    }
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield Agreements(CourseBook(courses, {"prog1": "Ours."}), ConsentLedger(database))
    database.close()


def test_wording_is_the_courses_own_when_it_has_one(agreements: Agreements) -> None:
    """Else the embedded one, for as many days as the course says."""
    own = agreements.wording_of("prog1")
    assert (own.version, own.text, own.days) == ("prog1", "Ours.", 7)
    for course in ("", "default", "prog2", "a label"):
        assert agreements.wording_of(course) == embedded_wording()


def test_decision_holds_in_its_course_when_given(agreements: Agreements) -> None:
    """By the course of a request, by the only one of the caller, and nowhere else."""
    wording, status = agreements.decide(STUDENT, "", given=True, door="http")
    assert (wording.version, status.state) == ("prog1", "given")
    assert agreements.consent_of(STUDENT, "prog1") == (wording, status)
    assert agreements.status_of(Owner("student-1", "prog1")).given
    assert not agreements.status_of(Owner("student-1")).given
    assert not agreements.status_of(Owner("student-2", "prog1")).given


def test_consent_is_withdrawn_when_no_course_can_be_told(agreements: Agreements) -> None:
    """Whoever is in two courses, or in one that is gone, has to choose to agree alone."""
    both = replace(STUDENT, courses=("prog1", "prog2"))
    for caller in (both, replace(STUDENT, courses=("gone",))):
        agreements.decide(STUDENT, "", given=True, door="http")
        with pytest.raises(InputError):
            agreements.decide(caller, "", given=True, door="http")
        _, status = agreements.decide(caller, "", given=False, door="http")
        assert status.state == "withdrawn"
    with pytest.raises(NotFoundError):
        agreements.decide(STUDENT, "prog2", given=False, door="http")


def test_course_is_found_when_somebody_calls(agreements: Agreements) -> None:
    """The local person's by its name or the default one, an administrator's any."""
    book = agreements.courses
    assert [course_of(book, LOCAL, one).id for one in ("", "prog1", "x")] == [
        "default",
        "prog1",
        "x",
    ]
    assert course_of(book, ADMIN, "prog2").id == "prog2"
    assert course_of(book, ADMIN, "").id == "default"
    over = replace(STUDENT, courses=("prog2",))
    assert course_of(book, over, "", is_over=True).id == "prog2"
    with pytest.raises(InputError, match="no running course"):
        course_of(book, over, "")
