"""Who may do what: the policy as a table, and the one function that reads it.

It knows neither HTTP nor the database: a door says who asks and whose the object is.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from agent.errors import ForbiddenError, NotFoundError
from agent.privacy.people import LOCAL_PERSON

Role = Literal["student", "teacher", "auditor", "admin"]
"""What an API key can be made for."""
Action = Literal["ask", "own", "aggregates", "content", "audit", "keys", "manage"]
Reach = Literal["self", "courses", "courses or none", "all"]
"""One's own objects; named courses of one's own; the same, or no course at all; everything."""

ROLES: tuple[Role, ...] = get_args(Role)
ACTIONS: Mapping[Action, str] = {
    "ask": "Ask, plan and write code, grounded in the past assignments of a course.",
    "own": "Read, change, export and erase one's own threads, plans, feedback and consent.",
    "aggregates": "Read counts, tokens and cost of a course; no text and no person.",
    "content": "Read what other people wrote and were answered.",
    "audit": "Read and verify the log of who read what.",
    "keys": "Make, list and revoke API keys.",
    "manage": "Run the installation: index, prompts, prices, erasure on request.",
}
SHORTEST_REASON = 10
"""Characters."""
NOBODY = ""
"""The owner of an id that names nothing: it is answered as a stranger's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as their key says; never taken from what they send."""

    user_id: str
    name: str = field(repr=False)
    role: Role | Literal["local"]
    courses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """How far an action reaches, and whether it takes a stated reason."""

    reach: Reach
    needs_reason: bool = False


POLICY: Mapping[Role | Literal["local"], Mapping[Action, Rule]] = {
    "student": {
        "ask": Rule("courses or none"),
        "own": Rule("self"),
    },
    "teacher": {
        "ask": Rule("courses or none"),
        "own": Rule("self"),
        "aggregates": Rule("courses"),
        "content": Rule("courses", needs_reason=True),
    },
    "auditor": {
        "own": Rule("self"),
        "aggregates": Rule("all"),
        "audit": Rule("all"),
    },
    "admin": {
        "ask": Rule("all"),
        "own": Rule("self"),
        "aggregates": Rule("all"),
        "content": Rule("all", needs_reason=True),
        "audit": Rule("all"),
        "keys": Rule("all"),
        "manage": Rule("all"),
    },
    "local": {action: Rule("self" if action == "own" else "all") for action in ACTIONS},
}


def local_caller(user_id: str) -> Caller:
    """Return the one person of an installation that only its own machine reaches."""
    return Caller(user_id=user_id, name=LOCAL_PERSON, role="local")


def check(
    caller: Caller,
    action: Action,
    *,
    course: str | None = None,
    owner: str | None = None,
    reason: str | None = None,
) -> None:
    """Return if the caller may do it.

    Role and reason are judged before the object, so that a refusal tells nothing of it.

    Args:
        caller: who asks.
        action: what they want to do.
        course: the course that is asked about, or that the object belongs to.
        owner: whose the object is; `NOBODY` where its id names none; none if no object is named.
        reason: why somebody else's text is to be read.

    Raises:
        ForbiddenError: the role, the courses or the reason do not allow it.
        NotFoundError: the object is out of the caller's reach, or there is none.
    """
    rule = require_role(caller, action)
    if rule.needs_reason and not is_reason(reason):
        raise ForbiddenError(
            "What other people wrote is read for a stated reason alone, on one line, of at "
            f"least {SHORTEST_REASON} characters. State it; it is kept in the audit log."
        )
    if owner is not None:
        if not _reaches_object(rule.reach, caller, course, owner):
            raise NotFoundError("There is nothing of this id for you. Check the id.")
    elif not _reaches_course(rule.reach, caller, course):
        raise ForbiddenError(_other_course(caller, course))


def require_role(caller: Caller, action: Action) -> Rule:
    """Return how far a caller's role reaches with an action, whatever it is about.

    Raises:
        ForbiddenError: not at all.
    """
    rule = POLICY[caller.role].get(action)
    if rule is None:
        raise ForbiddenError(
            f"A key of role {caller.role!r} does not allow this ({action}). Ask the staff of "
            "this installation for one that does."
        )
    return rule


def is_reason(text: str | None) -> bool:
    """Say whether a text is long enough for a reason, and fit for one line of a log."""
    return text is not None and text.isprintable() and len(text.strip()) >= SHORTEST_REASON


def _reaches_object(reach: Reach, caller: Caller, course: str | None, owner: str) -> bool:
    if owner == NOBODY:
        return False
    return owner == caller.user_id if reach == "self" else _reaches_course(reach, caller, course)


def _reaches_course(reach: Reach, caller: Caller, course: str | None) -> bool:
    if reach == "courses":
        return course in caller.courses
    if reach == "courses or none":
        return not course or course in caller.courses
    return True


def _other_course(caller: Caller, course: str | None) -> str:
    named = f"The course {reprlib.repr(course)} is not one" if course else "Name a course: one"
    yours = ", ".join(caller.courses) or "none"
    return f"{named} of those that your key holds ({yours})."
