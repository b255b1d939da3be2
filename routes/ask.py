"""`POST /ask`: one call for a plan, an answer or code, whole or as it is written."""

import asyncio
import re
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.exceptions import HTTPException

from agent.answer import Answer
from agent.errors import InputError
from routes.access import Asking
from routes.opening import OpenAssistant
from routes.problems import CLIENT_LEFT, refusals
from routes.streams import EVENT_STREAM, start_stream

if TYPE_CHECKING:
    from agent.requests import Options

router = APIRouter()


class Ask(BaseModel):
    """What a student asks for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    message: str = Field(min_length=1)
    prompt_type: Literal["auto", "planning", "chat", "codegen"] = "auto"
    assignment_id: UUID | None = None
    thread_id: UUID | None = None
    course: str = Field(default="", max_length=64)
    model: str = Field(default="", max_length=100)

    @field_validator("message")
    @classmethod
    def _is_text(cls, value: str) -> str:
        if not value.strip() or "\0" in value:
            message = "is empty or not text"
            raise ValueError(message)
        return value

    def options(self) -> "Options":
        """Return what stands beside the message."""
        return {
            "prompt_type": self.prompt_type,
            "assignment_id": str(self.assignment_id) if self.assignment_id else None,
            "thread_id": str(self.thread_id) if self.thread_id else None,
            "course": self.course,
            "model": self.model,
        }


@router.post(
    "/ask",
    response_model=Answer,
    responses={
        200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
        **refusals(401, 403, 404, 409, 413, 422, 502, 503, 504),
    },
)
async def ask(
    wanted: Ask, request: Request, caller: Asking, assistant: OpenAssistant
) -> Answer | Response:
    """Answer a request: a plan, an answer with sources, or code; recorded before it is sent.

    With `Accept: text/event-stream` it comes as events.
    """
    message, options = wanted.message, wanted.options()
    if not _wants_events(request):
        return await _while_connected(request, assistant.ask(message, caller=caller, **options))
    if "last-event-id" in request.headers:
        raise InputError(
            "Last-Event-ID: a stream that was closed is cancelled and cannot be taken up again. "
            "Ask again without this header."
        )
    return await start_stream(assistant.stream(message, caller=caller, **options))


def _wants_events(request: Request) -> bool:
    """Say whether the client takes an event stream; `q=0` says that it does not."""
    for one in ",".join(request.headers.getlist("accept")).split(","):
        media, *parameters = (part.strip().lower() for part in one.split(";"))
        if media == EVENT_STREAM:
            return not any(re.fullmatch(r"q=0(\.0*)?", given) for given in parameters)
    return False


async def _while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do the work for as long as somebody waits for it; nothing is paid for nobody."""
    answering = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise HTTPException(CLIENT_LEFT)
        return answering.result()
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
