"""From a query's vector to numbered sources.

It knows what is asked and what Chroma answers; it knows nothing of embeddings or files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from retrieval.rows import where_in
from retrieval.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Where

    from retrieval.rows import Row

Attach = Literal["plan", "solution", ""]
"""What is handed over beside a passage: the whole plan, the whole solution, or nothing."""

_MOST_ROWS = 5_000


class Asked(NamedTuple):
    """One search, as Chroma is asked it."""

    vector: Sequence[float]
    where: Where
    limit: int
    per_document: int
    minimum: float


class _Match(NamedTuple):
    text: str
    row: Row
    score: float


def find_sources(collection: Collection, asked: Asked, attach: Attach) -> list[Source]:
    """Return the numbered sources of a search, with the attached sections."""
    matches = _matches(collection, asked)
    attached = _attached(collection, attach, [match.row["document_id"] for match in matches])
    return [
        Source(
            number=number,
            document_id=match.row["document_id"],
            title=match.row["title"],
            section=match.row["section"],
            place=match.row["place"],
            language=match.row["language"],
            passage=match.text,
            plan=attached.get(match.row["document_id"], "") if attach == "plan" else "",
            solution=attached.get(match.row["document_id"], "") if attach == "solution" else "",
            score=round(match.score, 4),
        )
        for number, match in enumerate(matches, start=1)
    ]


def _matches(collection: Collection, asked: Asked) -> list[_Match]:
    """Ask for ever more rows until enough documents are among them."""
    total = min(collection.count(), _MOST_ROWS)
    size = max(1, min(8 * asked.limit, total))
    while True:
        found = _query(collection, asked, size)
        chosen = _chosen(found, asked)
        is_drained = len(found) < size or size >= total or found[-1].score < asked.minimum
        if len(chosen) == asked.limit or is_drained:
            return chosen
        size = min(4 * size, total)


def _query(collection: Collection, asked: Asked, size: int) -> list[_Match]:
    found = collection.query(
        query_embeddings=[asked.vector],
        n_results=size,
        where=asked.where,
        include=["documents", "metadatas", "distances"],
    )
    # All three were asked for, so none is None; every row was written by `write`.
    texts = cast("list[list[str]]", found["documents"])[0]
    rows = cast("list[list[Row]]", found["metadatas"])[0]
    distances = cast("list[list[float]]", found["distances"])[0]
    return [
        _Match(text.strip("\n").rstrip(), row, min(1.0, 1.0 - distance))
        for text, row, distance in zip(texts, rows, distances, strict=True)
    ]


def _chosen(matches: Iterable[_Match], asked: Asked) -> list[_Match]:
    """Pick the best matches: few of a document, none twice, none too far."""
    chosen: list[_Match] = []
    taken: Counter[str] = Counter()
    for match in matches:
        if match.score < asked.minimum or len(chosen) == asked.limit:
            break
        document, passage = match.row["document_id"], match.text
        if taken[document] < asked.per_document and not taken[passage]:
            chosen.append(match)
            taken.update((document, passage))
    return chosen


def _attached(
    collection: Collection, attach: Attach, document_ids: Sequence[str]
) -> dict[str, str]:
    """Return the whole section that was asked for, for each document that has it."""
    if not attach or not document_ids:
        return {}
    where = where_in(document_id=document_ids, section=[attach])
    found = collection.get(where=where, include=["documents", "metadatas"])
    rows = cast("list[Row]", found["metadatas"])
    pieces: defaultdict[str, str] = defaultdict(str)
    ordered = sorted(zip(rows, found["documents"] or [], strict=True), key=_position)
    for row, text in ordered:
        pieces[row["document_id"]] += text
    return {document_id: text.strip() for document_id, text in pieces.items()}


def _position(piece: tuple[Row, str]) -> int:
    return piece[0]["position"]
