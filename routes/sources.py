"""`GET /sources/{document_id}`: what the `[n]` of an answer leads to."""

import asyncio
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from agent.errors import NotFoundError
from routes.access import Asking
from routes.opening import OpenAssistant
from routes.problems import refusals

router = APIRouter()


class Passage(BaseModel):
    """A piece of a document, word for word."""

    section: str
    place: str
    text: str


class SourceDocument(BaseModel):
    """A past assignment or a course file, as the index holds it."""

    document_id: str
    title: str
    name: str
    kind: str
    language: str
    course: str
    """Empty: everyone may see it."""
    term: str
    passages: list[Passage]


@router.get("/sources/{document_id}", responses=refusals(401, 403, 404, 409, 422, 503))
async def open_source(
    document_id: UUID, caller: Asking, assistant: OpenAssistant
) -> SourceDocument:
    """Show a document of the caller's courses, or one that everyone may see, whole."""
    entries = await asyncio.to_thread(assistant.knowledge.document, str(document_id))
    row = entries[0].row if entries else None
    is_everywhere = caller.role in {"local", "admin"}
    if row is None or not (is_everywhere or row["course"] in {"", *caller.courses}):
        raise NotFoundError("No document of yours has this id. Ask again for current sources.")
    return SourceDocument(
        document_id=row["document_id"],
        title=row["title"],
        name=row["name"],
        kind=row["kind"],
        language=row["language"],
        course=row["course"],
        term=row["term"],
        passages=[
            Passage(section=entry.row["section"], place=entry.row["place"], text=entry.text)
            for entry in entries
        ],
    )
