"""Who may do what: the policy against the same rules in plain sentences."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.errors import (
    AssistantError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)
from agent.privacy.access import (
    ACTIONS,
    NOBODY,
    POLICY,
    ROLES,
    Action,
    Caller,
    check,
    is_reason,
    local_caller,
)

ME, STRANGER = "8d0f-me", "8d0f-stranger"
MINE = ("prog1", "prog2")
REASON = "Complaint 17 of 3 March"


def key_of(role: Any, courses: tuple[str, ...] = MINE) -> Caller:
    """Make the caller that a key of a role gives."""
    return Caller(ME, "s1234567", role, courses)


def answer(caller: Caller, action: Action, **about: str | None) -> str:
    """Say how a door answers: it opens, or with which error."""
    try:
        check(caller, action, **about)
    except AssistantError as error:
        return error.code
    return "open"


def role_may(role: str, action: str) -> bool:
    """Say by role alone who is let near an action."""
    if role == "local" or action == "own":  # everybody has things of their own
        return True
    if action == "ask":  # an auditor looks on and causes no cost
        return role != "auditor"
    if action == "aggregates":  # a student sees nothing of others, not even counted
        return role != "student"
    if action == "content":  # an auditor reads who read what, not what was written
        return role in {"teacher", "admin"}
    return role == "admin" or (role == "auditor" and action == "audit")


def course_is_open(role: str, action: str, course: str | None) -> bool:
    """Say whose courses are theirs."""
    if role in {"local", "admin", "auditor"}:  # they serve the whole institution
        return True
    if action == "ask" and not course:  # what belongs to no course is for all who may ask
        return True
    return course in MINE


def expected(
    role: str, action: str, course: str | None, owner: str | None, reason: str | None
) -> str:
    """Answer as the rules say, in the order in which they protect."""
    if not role_may(role, action):
        return "forbidden"
    stated = reason is not None and len(reason.strip()) >= 10 and reason.isprintable()
    if action == "content" and role != "local" and not stated:
        return "forbidden"
    if action == "own":  # one's own is one's own, in whatever course; nobody else's ever is
        return "open" if owner in {None, ME} else "not_found"
    if owner == "":  # an id that names nothing
        return "not_found"
    if course_is_open(role, action, course):
        return "open"
    return "forbidden" if owner is None else "not_found"


@given(
    role=st.sampled_from([*ROLES, "local"]),
    action=st.sampled_from(sorted(ACTIONS)),
    course=st.sampled_from([None, "", "prog1", "prog2", "prog3", "PROG1", "prog"]) | st.text(),
    owner=st.sampled_from([None, NOBODY, ME, STRANGER, ME.upper()]) | st.text(),
    reason=st.none() | st.text() | st.text(min_size=8, max_size=12).map(lambda text: f" {text} "),
)
@settings(max_examples=3_000, deadline=None)
@example("teacher", "content", "prog1", STRANGER, REASON)
@example("teacher", "content", "prog3", STRANGER, REASON)
@example("admin", "content", None, STRANGER, "x" * 9)
@example("admin", "content", None, STRANGER, "x" * 10)
@example("local", "content", None, STRANGER, None)
@example("local", "own", None, STRANGER, None)
def test_policy_says_what_the_sentences_say_when_asked(
    role: str, action: Any, course: str | None, owner: str | None, reason: str | None
) -> None:
    """The table and its reader agree with rules that were written without them."""
    caller = local_caller(ME) if role == "local" else key_of(role)
    found = answer(caller, action, course=course, owner=owner, reason=reason)
    assert found == expected(role, action, course, owner, reason)


def test_every_role_has_its_row_when_the_policy_is_read() -> None:
    """No role is without rules, no rule without a description; own is always one's own."""
    assert set(POLICY) == {*ROLES, "local"}
    for rules in POLICY.values():
        assert set(rules) <= set(ACTIONS)
        assert rules["own"].reach == "self"


@pytest.mark.parametrize("action", ["own", "content"])
@pytest.mark.parametrize("role", ROLES)
def test_strangers_object_answers_like_an_unknown_one_when_named(role: str, action: Action) -> None:
    """Neither kind nor text of the error tells whether the object is there."""
    answers = set()
    for owner, course in ((STRANGER, "prog3"), (STRANGER, None), (NOBODY, None)):
        if (role, action, owner) == ("admin", "content", STRANGER):
            continue  # an admin with a reason reads every course
        with pytest.raises((NotFoundError, ForbiddenError)) as refused:
            check(key_of(role), action, course=course, owner=owner, reason=REASON)
        answers.add((type(refused.value), str(refused.value)))
    assert len(answers) == 1


@pytest.mark.parametrize("reason", [None, "", "too short", " " * 20, "x" * 10 + "\n", "x\0" * 9])
@pytest.mark.parametrize("owner", [ME, STRANGER, NOBODY, None])
def test_content_is_refused_when_no_reason_is_stated(reason: str | None, owner: str | None) -> None:
    """The refusal comes before the object is looked at, and says what to state."""
    for role in ("teacher", "admin"):
        with pytest.raises(ForbiddenError, match="for a stated reason alone"):
            check(key_of(role), "content", course="prog1", owner=owner, reason=reason)
    assert not is_reason(reason)


def test_refusal_names_the_courses_when_another_is_asked_about() -> None:
    """What is wrong with which value, and what would be right."""
    with pytest.raises(ForbiddenError, match=r"'prog3' is not one .* holds \(prog1, prog2\)\."):
        check(key_of("teacher"), "aggregates", course="prog3")
    with pytest.raises(ForbiddenError, match=r"^Name a course: one .* holds \(none\)\."):
        check(key_of("teacher", ()), "aggregates")
    with pytest.raises(ForbiddenError, match="role 'student' does not allow this \\(audit\\)"):
        check(key_of("student"), "audit")


def test_caller_keeps_the_name_inside_when_shown() -> None:
    """A log line that shows a caller shows a pseudonym; nothing changes a caller."""
    caller = key_of("student")
    assert "s1234567" not in repr(caller)
    assert ME in repr(caller)
    with pytest.raises(AttributeError):
        caller.role = "admin"  # type: ignore[misc]  # this is what must not work


def test_errors_have_their_status_when_they_leave() -> None:
    """Who is not known gets 401, who may not gets 403."""
    assert (UnauthenticatedError.status, UnauthenticatedError.code) == (401, "unauthenticated")
    assert (ForbiddenError.status, ForbiddenError.code) == (403, "forbidden")
