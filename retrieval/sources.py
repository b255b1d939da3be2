"""One quoted source: a passage of a past assignment and where it stands."""

from typing import Literal

from typing_extensions import TypedDict

Section = Literal["brief", "plan", "risks", "criteria", "solution", "text"]


class Source(TypedDict):
    """A passage that retrieval found; plain data, so that it can stand in a checkpoint."""

    number: int
    """The `n` of `[n]` in the answer; 1 is the best match."""
    document_id: str
    title: str
    section: Section
    place: str
    """Where the passage stands, for a reader: the file's name and the heading."""
    language: str
    """The programming language of the assignment, or an empty string."""
    passage: str
    """The matched text, word for word."""
    plan: str
    """The past assignment's plan as a Markdown table; empty unless it was asked for."""
    solution: str
    """The past assignment's solution excerpt; empty unless it was asked for."""
    score: float
    """Cosine similarity, 1.0 at best."""
