"""Where personal data stands in a text, and which of two overlapping claims holds."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PiiType = Literal[
    "PERSON", "EMAIL", "PHONE", "CARD", "IBAN", "SSN", "IP", "STUDENT_ID", "USERNAME", "ADDRESS",
    "DATE_OF_BIRTH", "ID_NUMBER", "SECRET",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of personal data, by its place in the original text."""

    start: int
    end: int
    type: PiiType


@dataclass(frozen=True, slots=True)
class Find:
    """A claim on the reading copy, made by one detector."""

    start: int
    end: int
    type: PiiType | Literal["KEPT"]
    """`KEPT` claims a place for what has to stay as it is."""
    person: str = ""
    """Who it is, where a record says so: two spellings of one person share a placeholder."""


def settle(finds: Iterable[Find]) -> list[Find]:
    """Return finds that do not overlap, in reading order; an earlier claim wins."""
    starts: list[int] = []
    kept: list[Find] = []
    for find in finds:
        place = bisect_right(starts, find.start)
        free_before = place == 0 or kept[place - 1].end <= find.start
        free_after = place == len(kept) or kept[place].start >= find.end
        if free_before and free_after:
            starts.insert(place, find.start)
            kept.insert(place, find)
    return kept
