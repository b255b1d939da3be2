"""The record's content for whoever may read it: checked first, audited before a byte leaves."""

import reprlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from agent.courses.book import DEFAULT_ID
from agent.errors import InputError
from agent.privacy.access import Caller, check
from agent.privacy.audit import Access, Action, Door
from agent.recording.export import as_interaction
from agent.recording.run_store import Run
from agent.stores import Stores

MOST = 1_000
"""Model calls that one reading may hold, as many as one entry of the audit log names."""


def read_interactions(
    stores: Stores,
    caller: Caller,
    *,
    door: Door,
    course: str | None = None,
    user_id: str | None = None,
    reason: str | None = None,
    before: str | None = None,
    limit: int = MOST,
) -> list[dict[str, Any]]:
    """Return the newest model calls in the specification's form, newest first.

    Each person whose calls are among them has an entry of their own in the audit log; a reading
    that finds nothing leaves one entry too.

    Args:
        stores: What is read, and where the reading is written down.
        caller: Who reads.
        door: Where they come in.
        course: The course they read in; a teacher has to name one.
        user_id: One person's alone.
        reason: Why; staff have to state it.
        before: The `run_id` that the page before ended with; what is older follows.
        limit: How many at most, up to `MOST`.

    Raises:
        ForbiddenError: role, course or reason do not allow it.
        InputError: `before` is no call among those that this reading is about.
        StorageError: the reading cannot be written down, so nothing is read.
    """
    check(caller, "content", course=course, reason=reason)
    access = Access(
        reader=caller.user_id,
        role=caller.role,
        action="read content",
        object_kind="run",
        object_ids=[],
        door=door,
        subject=user_id,
        course=course,
        reason=reason,
    )
    with stores.database.begin() as session:
        runs = _page(session, _calls(course, user_id), before, min(limit, MOST))
        found = [as_interaction(run) for run in runs]
        _note_each(stores, session, access, runs)
    return found


def note_reading(stores: Stores, caller: Caller, runs: Sequence[Run], *, door: Door) -> None:
    """Write down that somebody is about to see the content of these runs."""
    if not runs:
        return
    access = Access(
        reader=caller.user_id,
        role=caller.role,
        action="read content",
        object_kind="run",
        object_ids=[],
        door=door,
    )
    with stores.database.begin() as session:
        _note_each(stores, session, access, runs)


def note_act(
    stores: Stores, caller: Caller, action: Action, kind: str, ids: Sequence[str], *, door: Door
) -> None:
    """Write down what somebody does with keys, or with the log itself."""
    act = Access(
        reader=caller.user_id,
        role=caller.role,
        action=action,
        object_kind=kind,
        object_ids=list(ids),
        door=door,
    )
    with stores.database.begin() as session:
        stores.audit.append(session, act)


def _calls(course: str | None, user_id: str | None) -> Select[Run]:
    """Return the query for the model calls of a course, of a person, or of everybody."""
    wanted = select(Run).where(Run.run_type == "llm")
    if course:
        is_default = course == DEFAULT_ID
        wanted = wanted.where(Run.course.is_(None) if is_default else Run.course == course)
    if user_id:
        wanted = wanted.where(Run.user_id == user_id)
    return wanted


def _page(session: Session, wanted: Select[Run], before: str | None, limit: int) -> Sequence[Run]:
    """Return the newest of the runs that are wanted, or those that come after another one.

    The id decides between runs of one moment, so that a page that ends among them loses none.
    """
    place = tuple_(Run.started_at, Run.run_id)
    if before:
        # Within what is wanted: an id from elsewhere is refused as an unknown one is.
        last = session.scalars(wanted.where(Run.run_id == before)).one_or_none()
        if last is None:
            raise InputError(
                f"before: {reprlib.repr(before)} is not a call among those that you read here. "
                "Send the `run_id` of the last one that you got, with the same course and person."
            )
        wanted = wanted.where(place < (last.started_at, last.run_id))
    newest_first = wanted.order_by(Run.started_at.desc(), Run.run_id.desc())
    return session.scalars(newest_first.limit(limit)).all()


def _note_each(stores: Stores, session: Session, access: Access, runs: Sequence[Run]) -> None:
    """Write an entry for each person whose runs these are; for no runs, the one as it stands."""
    ids: dict[str | None, list[str]] = {}
    for run in runs:
        ids.setdefault(run.user_id, []).append(run.run_id)
    for subject, theirs in (ids or {access.subject: []}).items():
        for first in range(0, max(len(theirs), 1), MOST):
            some = theirs[first : first + MOST]
            stores.audit.append(session, replace(access, subject=subject, object_ids=some))
