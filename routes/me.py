"""`/me`: the student's own rights, so far the consent to keeping their texts."""

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StrictBool

from routes.access import Owning
from routes.opening import OpenAssistant
from routes.problems import refusals

if TYPE_CHECKING:
    from agent.privacy.consent import ConsentStatus, Wording

router = APIRouter(prefix="/me")


class Decision(BaseModel):
    """What a student decides."""

    model_config = ConfigDict(extra="forbid")

    given: StrictBool


class Consent(BaseModel):
    """The decision in force, and what it is about."""

    given: bool
    state: str
    """`never asked`, `given`, `withdrawn`, `expired` or `reworded`."""
    decided_at: str | None
    expires_at: str | None
    text_version: str
    text: str
    """What is agreed to."""


@router.get("/consent", responses=refusals(401, 403, 404, 422, 503))
async def show_consent(caller: Owning, assistant: OpenAssistant, course: str = "") -> Consent:
    """Show the wording of a course and the caller's decision on it."""
    found = await asyncio.to_thread(assistant.admission.agreements.consent_of, caller, course)
    return _shown(found)


@router.put("/consent", responses=refusals(401, 403, 404, 422, 503))
async def decide(
    wanted: Decision, caller: Owning, assistant: OpenAssistant, course: str = ""
) -> Consent:
    """Agree to the wording of a course, or take every agreement back; it holds at once."""
    found = await asyncio.to_thread(
        assistant.admission.agreements.decide, caller, course, given=wanted.given, door="http"
    )
    return _shown(found)


def _shown(found: "tuple[Wording, ConsentStatus]") -> Consent:
    wording, status = found
    return Consent(
        given=status.given,
        state=status.state,
        decided_at=status.decided_at,
        expires_at=status.expires_at,
        text_version=wording.version,
        text=wording.text,
    )
