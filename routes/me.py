"""`/me`: the student's own rights: consent to keeping their texts, export, erasure."""

import asyncio
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, StrictBool

from routes.access import Owning
from routes.opening import OpenAssistant, OpenErasing
from routes.problems import refusals

if TYPE_CHECKING:
    from agent.privacy.consent import ConsentStatus, Wording

router = APIRouter(prefix="/me")
JSON_LINES = "application/x-ndjson"


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


class StepTaken(BaseModel):
    """What became of one store."""

    store: str
    state: Literal["done", "pending", "kept"]
    removed: int
    at: str
    note: str
    """Why something is kept or pending."""


class Receipt(BaseModel):
    """What was erased; it names stores and numbers, and no content."""

    erasure_id: str
    user_id: str
    asked_at: str
    finished_at: str | None
    state: Literal["finished", "pending"]
    steps: list[StepTaken]


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


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {JSON_LINES: {}}}, **refusals(401, 403, 503)},
)
async def export(caller: Owning, assistant: OpenAssistant) -> StreamingResponse:
    """Give out everything that is kept of the caller, as JSON Lines of `store` and `item`.

    The last line is of the store `export`; without it, something went wrong on the way.
    """
    lines = await asyncio.to_thread(assistant.eraser.export, caller.user_id, caller, door="http")
    headers = {"Content-Disposition": 'attachment; filename="export.jsonl"'}
    return StreamingResponse(lines, media_type=JSON_LINES, headers=headers)


@router.delete("", responses={202: {"model": Receipt}, **refusals(401, 403, 503)})
async def erase(
    caller: Owning, assistant: OpenAssistant, erasing: OpenErasing, response: Response
) -> Receipt:
    """Erase everything of the caller, their API keys too; the receipt says what it was.

    With 202 what is here is gone, and something is still pending that goes by itself later; until
    then nothing new is taken from this person.
    """
    receipt = await erasing.erase(assistant.eraser, caller)
    if receipt.finished_at is None:
        response.status_code = 202
    return Receipt.model_validate(receipt.as_json())


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
