"""Whose a request is, as the door that let it in knows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The person and the course that decide what of a request may be kept."""

    user_id: str
    """The pseudonym."""
    course: str = ""
    """The course's id; empty for the default course."""
