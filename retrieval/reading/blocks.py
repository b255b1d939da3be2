"""Cut a text into headings, paragraphs and code fences: the Markdown that the chunks go by.

It knows nothing of documents or sections.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SECTION_LEVEL = 2
"""The level of the headings that part a past assignment into its sections."""

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+)\n?")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*\Z)|~{3,})")
_AS_CODE = "    "


@dataclass(frozen=True, slots=True)
class Block:
    """A heading line, a paragraph or a code fence, with the blank lines after it."""

    text: str
    heading: str = ""
    level: int = 0
    is_fence: bool = False
    open_fence: str = ""
    """What would close it, if it is a fence that runs to the end of the text."""


def blocks_of(text: str) -> Iterator[Block]:
    """Cut a text into blocks; joined, they are the text."""
    lines: list[str] = []
    fence = ""
    ended = False
    for line in text.splitlines(keepends=True):
        opening = _FENCE.match(line)
        heading = None if fence else _HEADING.fullmatch(line)
        if not fence and line.strip() and (heading or opening or ended):
            if lines:
                yield _block(lines)
            lines = []
        lines.append(line)
        if fence:
            ended = opening is not None and opening[1].startswith(fence) and _closes(line)
            fence = "" if ended else fence
        elif opening:
            fence, ended = opening[1], False
        else:
            ended = heading is not None or not line.strip()
    yield _block(lines, fence)


def as_section(text: str) -> str:
    """Return a text that stays whole below a `##` heading, and ends where it ends.

    Its own section headings go one level down, and a fence left open is closed.
    """
    blocks = list(blocks_of(text.strip("\n")))
    held = "".join(f"#{b.text}" if b.level == SECTION_LEVEL else b.text for b in blocks)
    return f"{held}\n{blocks[-1].open_fence}" if blocks[-1].open_fence else held


def as_plain(text: str) -> str:
    """Return a text of which no line reads as a heading or opens a fence: four spaces hide it."""
    lines = text.splitlines()
    return "\n".join(f"{_AS_CODE}{line}" if _means(line) else line for line in lines)


def _means(line: str) -> bool:
    return _HEADING.fullmatch(line) is not None or _FENCE.match(line) is not None


def _closes(line: str) -> bool:
    return not line.strip().strip("`~")


def _block(lines: list[str], open_fence: str = "") -> Block:
    text = "".join(lines)
    heading = _HEADING.fullmatch(lines[0]) if lines else None
    if heading:
        return Block(text, heading=heading[2].rstrip(" \t#"), level=len(heading[1]))
    is_fence = bool(lines) and _FENCE.match(lines[0]) is not None
    return Block(text, is_fence=is_fence, open_fence=open_fence)
