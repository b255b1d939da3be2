"""Whose a request is, as the door that let it in knows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The person and the course that decide what of a request may be kept."""

    user_id: str
    """The pseudonym."""
    course: str = ""
    """The course's id; empty for the default course."""
    withholds: bool = False
    """Whether this one request was let in without consent to its own text, or goes on with text
    that was written without; no later agreement changes that."""
