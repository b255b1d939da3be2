"""`POST /runs/{run}/feedback`: what a student thinks of an answer."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from routes.access import Owning
from routes.opening import OpenAssistant
from routes.problems import refusals

Rating = Literal["positive", "neutral", "negative"]
_NOT_KEPT = (
    "The rating is kept, the comment is not, because you have not agreed to your texts being "
    "kept. Agree with PUT /me/consent or 'assist consent give', then send it again."
)
router = APIRouter()


class Judgement(BaseModel):
    """What a student thinks of an answer."""

    model_config = ConfigDict(extra="forbid")

    rating: Rating
    score: int | None = Field(default=None, ge=1, le=5, strict=True)
    comment: str = Field(default="", max_length=2_000)


class Judged(BaseModel):
    """What is kept of it."""

    run_id: str
    rating: Rating
    score: int | None
    comment: str | None
    notice: str | None
    """Set where a comment was sent and not kept: what to do."""


@router.post("/runs/{run}/feedback", responses=refusals(401, 403, 404, 422, 503))
async def give_feedback(
    run: UUID, wanted: Judgement, caller: Owning, assistant: OpenAssistant
) -> Judged:
    """Keep what the student thinks of an answer; saying it again replaces it."""
    kept = await assistant.give_feedback(
        str(run),
        rating=wanted.rating,
        score=wanted.score,
        comment=wanted.comment,
        caller=caller,
    )
    is_dropped = bool(wanted.comment.strip()) and not kept.is_comment_kept
    return Judged(
        run_id=kept.run_id,
        rating=wanted.rating,
        score=kept.score,
        comment=kept.comment,
        notice=_NOT_KEPT if is_dropped else None,
    )
