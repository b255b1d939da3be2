"""Cheap questions about a text, asked before a pattern is tried on all of it.

A gate may be open for nothing, and is never shut where the pattern would match.
"""

import re
from collections.abc import Iterable, Iterator

_NUMBER = re.compile(r"\d(?<![\w.]\d)")
_LONGEST_WORD = 48


def holds(text: str, words: Iterable[str]) -> bool:
    """Tell whether one of some words is in a text."""
    for word in words:  # noqa: SIM110 - a generator costs more than the question
        if word in text:
            return True
    return False


def numbers_in(text: str) -> list[int]:
    """Return where numbers begin that stand in no word and behind no dot."""
    return [match.start() for match in _NUMBER.finditer(text)]


def words_before(text: str, places: Iterable[int]) -> set[str]:
    """Return the words behind which, after a space, one of some places comes."""
    words = set()
    for place in places:
        if text[place - 1 : place] == " ":
            before = text[max(0, place - _LONGEST_WORD) : place].rstrip(", ")
            words.add(before[before.rfind(" ") + 1 :])
    return words


def matches_at(
    pattern: re.Pattern[str], text: str, places: Iterable[int]
) -> Iterator[re.Match[str]]:
    """Yield what `finditer` yields, if no match begins anywhere else; the places ascend."""
    past = 0
    for place in places:
        match = pattern.match(text, place) if place >= past else None
        if match is not None:
            past = match.end()
            yield match
