"""Split a document into the passages that are embedded and quoted.

The chunks of one section, joined in order, are that section word for word.
It knows nothing of embeddings or the index.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from retrieval.reading.blocks import SECTION_LEVEL, Block, blocks_of
from retrieval.reading.documents import Document
from retrieval.sources import Section

PASSAGE_LIMIT = 1_800
"""Characters of a passage, where no code fence stands in the way."""
LONGEST = 4_000
"""Characters of a section of a past assignment, or of a code fence, that is kept whole."""

_SMALLEST = 300
_HEADING_SHOWN = 80
_SECTIONS: dict[str, Section] = {
    "brief": "brief",
    "plan": "plan",
    "risks": "risks",
    "success criteria": "criteria",
    "solution": "solution",
    "tests": "tests",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, and where it stands."""

    chunk_id: str
    position: int
    """Its place in the order of the document's chunks, from 0."""
    section: Section
    place: str
    """The file and the heading, for a reader."""
    text: str
    """Word for word, with the line ends around it."""


def split_document(document: Document) -> list[Chunk]:
    """Split a document: by its sections if it is a past assignment, else into passages."""
    blocks = list(blocks_of(document.text))
    pieces = list(_sections(blocks, document.title)) if document.is_past_assignment else []
    pieces = pieces or list(_section("text", "", blocks))
    return [
        Chunk(
            chunk_id=f"{document.document_id}:{position}",
            position=position,
            section=section,
            place=f"{document.name}, {heading[:_HEADING_SHOWN]}" if heading else document.name,
            text=text,
        )
        for position, (section, heading, text) in enumerate(pieces)
    ]


def _sections(blocks: Iterable[Block], title: str) -> Iterator[tuple[Section, str, str]]:
    """Group the blocks of a past assignment by its `##` headings."""
    section: Section = "text"
    heading = ""
    group: list[Block] = []
    for block in blocks:
        if block.level == SECTION_LEVEL:
            yield from _section(section, heading, group)
            section = _SECTIONS.get(block.heading.lower(), "text")
            heading = block.heading
            group = [] if section != "text" else [block]
        elif not (block.level == 1 and block.heading == title and section == "text"):
            group.append(block)
    yield from _section(section, heading, group)


def _section(
    section: Section, heading: str, blocks: list[Block]
) -> Iterator[tuple[Section, str, str]]:
    limit = PASSAGE_LIMIT if section == "text" else LONGEST
    for found, text in _passages(blocks, limit):
        if text.strip():
            yield section, found if section == "text" else heading, text


def _passages(blocks: Iterable[Block], limit: int) -> Iterator[tuple[str, str]]:
    """Pack blocks into passages, each with the heading that it stands under."""
    heading = under = ""
    passage = ""
    for block in blocks:
        if block.heading and len(passage) >= _SMALLEST:
            yield under, passage
            passage = ""
        heading = block.heading or heading
        for piece in _pieces(block, limit):
            if passage and len(passage) + len(piece) > limit:
                yield under, passage
                passage = ""
            under = under if passage else heading
            passage += piece
    yield under, passage


def _pieces(block: Block, limit: int) -> Iterator[str]:
    """Cut a block that is too long at line ends, else between words, else anywhere."""
    text = block.text
    longest = LONGEST if block.is_fence else limit
    while len(text) > longest:
        line_end, space = text.rfind("\n", 0, limit), text.rfind(" ", 0, limit)
        cut = line_end + 1 or space + 1 or limit
        yield text[:cut]
        text = text[cut:]
    yield text
