"""The record's content for whoever may read it: checked first, audited before a byte leaves."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from sqlalchemy import select

from agent.courses.book import DEFAULT_ID
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
    limit: int = MOST,
) -> list[dict[str, Any]]:
    """Return the newest model calls in the specification's form, newest first.

    Args:
        stores: What is read, and where the reading is written down.
        caller: Who reads.
        door: Where they come in.
        course: The course they read in; a teacher has to name one.
        user_id: One person's alone.
        reason: Why; staff have to state it.
        limit: How many at most, up to `MOST`.

    Raises:
        ForbiddenError: role, course or reason do not allow it.
        StorageError: the reading cannot be written down, so nothing is read.
    """
    check(caller, "content", course=course, reason=reason)
    wanted = select(Run).where(Run.run_type == "llm").order_by(Run.started_at.desc())
    if course:
        is_default = course == DEFAULT_ID
        wanted = wanted.where(Run.course.is_(None) if is_default else Run.course == course)
    if user_id:
        wanted = wanted.where(Run.user_id == user_id)
    with stores.database.begin() as session:
        runs = session.scalars(wanted.limit(min(limit, MOST))).all()
        found = [as_interaction(run) for run in runs]
        access = Access(
            reader=caller.user_id,
            role=caller.role,
            action="read content",
            object_kind="run",
            object_ids=[run.run_id for run in runs],
            door=door,
            subject=user_id,
            course=course,
            reason=reason,
        )
        stores.audit.append(session, access)
    return found


def note_reading(stores: Stores, caller: Caller, runs: Sequence[Run], *, door: Door) -> None:
    """Write down that somebody is about to see the content of these runs."""
    ids = iter([run.run_id for run in runs])
    while some := list(islice(ids, MOST)):
        note_act(stores, caller, "read content", "run", some, door=door)


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
