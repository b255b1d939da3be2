"""How past assignments and the student's own assignment stand in a prompt, and in citations."""

import re
from collections.abc import Sequence

from graphs.state import Assignment
from retrieval import Source

NO_DOCUMENTS = "(no past assignment fits)"
NO_ASSIGNMENT = "No assignment is known."
_ENTRY_HEADING = re.compile(r"^### \[", re.M)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.S)
_CITATIONS = re.compile(r"(?<![\w\])])(?:\[\d{1,3}\])+(?![(:])")
"""One or more marks in a row; a subscript, a link and a link's definition are none."""
_NUMBER = re.compile(r"\[(\d{1,3})\]")


def format_sources(sources: Sequence[Source]) -> str:
    """Write sources as the `documents` block of a prompt."""
    return "\n\n".join(_format_source(source) for source in sources) or NO_DOCUMENTS


def format_assignment(assignment: Assignment | None) -> str:
    """Write the student's assignment as the `assignment` block of a prompt."""
    if assignment is None:
        return NO_ASSIGNMENT
    return f"{assignment['title']}\n\n{assignment['brief']}"


def cited_numbers(text: str) -> set[int]:
    """Return the numbers of the `[n]` marks in `text`, code left aside."""
    prose = _CODE.sub("", text)
    return {int(n) for marks in _CITATIONS.finditer(prose) for n in _NUMBER.findall(marks[0])}


def drop_citations(text: str, *, known: set[int]) -> str:
    """Take out the `[n]` marks that point to no known source; code stays as it is."""

    def keep_known(marks: re.Match[str]) -> str:
        return "".join(f"[{n}]" for n in _NUMBER.findall(marks[0]) if int(n) in known)

    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [_CITATIONS.sub(keep_known, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, _CITATIONS.sub(keep_known, text[end:])])


def _format_source(source: Source) -> str:
    parts = [
        f"### [{source['number']}] {source['title']}\n"
        f"language: {source['language'] or 'unknown'}\n"
        f"place: {source['place']}",
        source["passage"],
    ]
    if source["plan"]:
        parts.append(f"#### Plan that was followed\n{source['plan']}")
    if source["solution"]:
        parts.append(f"#### Solution\n{source['solution']}")
    head, *texts = parts
    return "\n\n".join([head, *(_ENTRY_HEADING.sub("#### [", text) for text in texts)])
