"""How past assignments and the student's own assignment stand in a prompt."""

import re
from collections.abc import Sequence

from langgraph.config import get_stream_writer

from graphs.state import Assignment
from retrieval import Source

NO_DOCUMENTS = "(no past assignment fits)"
NO_ASSIGNMENT = "No assignment is known."
_ENTRY_HEADING = re.compile(r"^### \[", re.M)


def announce(sources: Sequence[Source], given: Sequence[str]) -> None:
    """Tell whoever streams the run what a model is about to be given.

    Args:
        sources: The sources.
        given: The texts of the request, of what it is about, and of the sources.
    """
    get_stream_writer()({"sources": list(sources), "given": list(given)})


def format_sources(sources: Sequence[Source]) -> str:
    """Write sources as the `documents` block of a prompt."""
    return "\n\n".join(_format_source(source) for source in sources) or NO_DOCUMENTS


def format_assignment(assignment: Assignment | None) -> str:
    """Write the student's assignment as the `assignment` block of a prompt."""
    if assignment is None:
        return NO_ASSIGNMENT
    return f"{assignment['title']}\n\n{assignment['brief']}"


def _format_source(source: Source) -> str:
    parts = [
        f"### [{source['number']}] {_one_line(source['title'])}\n"
        f"language: {_one_line(source['language']) or 'unknown'}\n"
        f"place: {_one_line(source['place'])}",
        source["passage"],
    ]
    if source["plan"]:
        parts.append(f"#### Plan that was followed\n{source['plan']}")
    if source["solution"]:
        parts.append(f"#### Solution\n{source['solution']}")
    head, *texts = parts
    return "\n\n".join([head, *(_ENTRY_HEADING.sub("#### [", text) for text in texts)])


def _one_line(text: str) -> str:
    """Write what stands in an entry's head so that it cannot end it."""
    return " ".join(text.split())
