"""`/interactions` and `/audit`: staff alone; what is read of people is written down first."""

import asyncio
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from routes.access import Auditing, Reading
from routes.opening import OpenAssistant
from routes.problems import refusals

router = APIRouter()
Limit = Annotated[int, Query(ge=1, le=1_000)]


@router.get("/interactions", responses=refusals(401, 403, 422, 503))
async def read_interactions(
    caller: Reading,
    assistant: OpenAssistant,
    *,
    course: str | None = None,
    user_id: str | None = None,
    reason: str | None = None,
    before: UUID | None = None,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """Read the newest model calls, in the specification's form; the reason is kept.

    `before` is the `run_id` of the last call of the page before; what is older follows.
    """
    from agent.insight import interactions

    return await asyncio.to_thread(
        interactions.read_interactions,
        assistant.stores,
        caller,
        door="http",
        course=course,
        user_id=user_id,
        reason=reason,
        before=str(before) if before else None,
        limit=limit,
    )


@router.get("/audit", responses=refusals(401, 403, 422, 503))
async def read_audit(
    caller: Auditing,
    assistant: OpenAssistant,
    subject: str | None = None,
    reader: str | None = None,
    since: date | None = None,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """Read who read what, newest first; this too is written down."""
    from agent.insight.interactions import note_act

    def read() -> list[dict[str, Any]]:
        stores = assistant.stores
        note_act(stores, caller, "read audit", "audit", [], door="http")
        day = since.isoformat() if since else None
        entries = stores.audit.list(limit, subject=subject, reader=reader, since=day)
        return [entry.as_json() for entry in entries]

    return await asyncio.to_thread(read)
