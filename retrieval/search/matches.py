"""From ranked chunks to numbered sources: few of a document, and none twice.

It knows chunks and their rows; it knows nothing of how they are ranked or stored.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from retrieval.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.search.ranking import Candidate
    from retrieval.search.snapshot import Snapshot

Attach = Literal["plan", "solution", ""]
"""What is handed over beside a passage: the whole plan, the whole solution, or nothing."""

_SAME = 0.9
"""Chunks that share as much of their runs of characters are one: the first is shown."""
_AN_AUTHOR = 1
"""Chunks of one named author in an answer, so that nobody can fill it alone."""


def choose(
    candidates: Iterable[Candidate], snapshot: Snapshot, *, limit: int, per_document: int
) -> list[Candidate]:
    """Pick the best chunks: few of a document or an author, and none twice.

    Of two that are the same, the course's own stands before a public one.
    """
    chosen: list[Candidate] = []
    documents: Counter[str] = Counter()
    authors: Counter[str] = Counter()
    for candidate in candidates:
        if len(chosen) == limit:
            break
        row = snapshot.entries[candidate.number].row
        if documents[row["document_id"]] == per_document:
            continue
        if row["author"] and authors[row["author"]] == _AN_AUTHOR:
            continue
        twin = _twin(candidate, chosen, snapshot)
        if twin is None:
            chosen.append(candidate)
        elif row["course"] and not snapshot.entries[chosen[twin].number].row["course"]:
            chosen[twin] = candidate._replace(score=chosen[twin].score)
        else:
            continue
        documents[row["document_id"]] += 1
        authors[row["author"]] += 1
    return chosen


def _twin(candidate: Candidate, chosen: Sequence[Candidate], snapshot: Snapshot) -> int | None:
    """Return the place of a chosen chunk that is the same for a reader, in the same language."""
    language = snapshot.entries[candidate.number].row["language"]
    for place, one in enumerate(chosen):
        if (
            snapshot.entries[one.number].row["language"] == language
            and snapshot.ranker.likeness(candidate.number, one.number) >= _SAME
        ):
            return place
    return None


def sources(chosen: Iterable[Candidate], snapshot: Snapshot, attach: Attach) -> list[Source]:
    """Return the numbered sources of a search, with the attached sections."""
    return [
        _source(number, candidate, snapshot, attach)
        for number, candidate in enumerate(chosen, start=1)
    ]


def _source(number: int, candidate: Candidate, snapshot: Snapshot, attach: Attach) -> Source:
    entry = snapshot.entries[candidate.number]
    row = entry.row
    attached = snapshot.section(row["document_id"], attach) if attach else ""
    return Source(
        number=number,
        document_id=row["document_id"],
        title=row["title"],
        section=row["section"],
        place=row["place"],
        language=row["language"],
        course=row["course"],
        passage=entry.text.strip("\n").rstrip(),
        plan=attached if attach == "plan" else "",
        solution=attached if attach == "solution" else "",
        score=round(candidate.score, 4),
        parts={name: round(part, 4) for name, part in candidate.parts.items()},
        matched=candidate.matched,
    )
