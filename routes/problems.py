"""What leaves when a request fails: one shape, in our own words, without the caller's."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from agent.errors import DraftError, translate

CLIENT_LEFT = 499
"""What proxies log for a client that went away; nobody reads this answer."""
_SHOWN = 40
"""Characters of a field's name that an error repeats."""
_WRONG = "is not what is expected here; send JSON as content-type application/json, see /docs"
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "string_type": "has to be a string",
    "value_error": "is empty or not text",
    "json_invalid": "is not valid JSON",
    "uuid_parsing": "is not a UUID",
    "uuid_type": "is not a UUID",
    "date_from_datetime_parsing": "is not a date like 2026-11-22",
    "date_parsing": "is not a date like 2026-11-22",
    "literal_error": "has to be one of the values listed in /docs",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "int_type": "has to be a whole number",
}


class Problem(BaseModel):
    """What went wrong, in a sentence that says what to do."""

    code: str
    message: str
    run_id: str | None = None
    draft: str | None = None
    """With `draft_invalid`: the last draft, as the model wrote it."""


class Refusal(BaseModel):
    """The body of every answer that is not a success."""

    error: Problem


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the ways in which a route may refuse, for its OpenAPI entry."""
    return {status: {"model": Refusal} for status in statuses}


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Name the field that is wrong and never repeat what stood in it."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        names = [part for part in first["loc"] if isinstance(part, str) and part != "body"]
        place = ".".join(name[:_SHOWN] for name in names)
        place = place.encode("ascii", "replace").decode() or "body"
        return _problem(422, "invalid_input", f"{place}: {_SENTENCES.get(first['type'], _WRONG)}")
    status = error.status_code if isinstance(error, HTTPException) else 500
    phrase = HTTPStatus(status).phrase if status != CLIENT_LEFT else "The client left"
    answer = _problem(status, "http", phrase)
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


async def fail(_: Request, error: Exception) -> JSONResponse:
    """Say what failed."""
    known = translate(error)
    answer = _problem(known.status, **problem_of(known))
    if known.status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def problem_of(error: Exception) -> dict[str, str]:
    """Return what an error tells the client: code, message, and its run and draft, if any."""
    known = translate(error)
    found = {"code": known.code, "message": str(known)}
    if known.run_id:
        found["run_id"] = known.run_id
    if isinstance(known, DraftError):
        found["draft"] = known.draft
    return found


def _problem(status: int, code: str, message: str, **more: str) -> JSONResponse:
    body = {"code": code, "message": message, **more}
    headers = {"Retry-After": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"error": body}, status, headers=headers)
