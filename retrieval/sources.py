"""One quoted source: a passage of a past assignment and where it stands."""

from typing import Literal

from typing_extensions import TypedDict

Section = Literal["brief", "plan", "risks", "criteria", "solution", "tests", "text"]


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
    course: str
    """The course whose members may see it; empty for everyone."""
    passage: str
    """The matched text, word for word."""
    plan: str
    """The past assignment's plan as a Markdown table; empty unless it was asked for."""
    solution: str
    """The past assignment's solution excerpt; empty unless it was asked for."""
    score: float
    """0 to 1, for comparing the sources of one search: 1 where every signal puts it first."""
    parts: dict[str, float]
    """What each signal adds to the score: `words`, `grams`, `meaning`, `vector`."""
    matched: list[str]
    """The words of the query that stand in the passage or its title."""
