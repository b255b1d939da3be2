"""Reading copies: accents folded, invisible characters gone, every place still known.

It knows Unicode and nothing of personal data. Case stays, because names need it.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_SPECIAL = str.maketrans(
    "øØđĐðÐħĦłŁŋ\u0131\u2019\u2018\u02bb\u02bc\u00b4\u2010\u2011\u2013\u2014\u2212\uff20\uff0e",
    "oOdDdDhHlLni'''''-----@.",
) | {
    ord(letter): pair
    for letter, pair in zip(
        "ßẞæÆœŒþÞ", ("ss", "SS", "ae", "AE", "oe", "OE", "th", "Th"), strict=True
    )
}
_LONGEST = 3
"""A character that unfolds to more letters than this (a whole Arabic phrase does) stays."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A reading copy and where each of its characters came from."""

    text: str
    origins: tuple[int, ...] | None = None
    """Place in the original of every character, then its length; none: the places are equal."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original that a non-empty place in the copy stands for."""
        if self.origins is None:
            return start, end
        return self.origins[start], max(self.origins[end], self.origins[end - 1] + 1)


def fold(text: str) -> Folded:
    """Make the reading copy of a text."""
    if text.isascii():
        return Folded(text)
    table = {character: _fold(character) for character in set(text)}
    if all(len(folded) == 1 for folded in table.values()):
        return Folded(
            text.translate({ord(character): folded for character, folded in table.items()})
        )
    pieces: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(text):
        folded = table[character]
        pieces.append(folded)
        origins.extend([place] * len(folded))
    origins.append(len(text))
    return Folded("".join(pieces), tuple(origins))


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    special = _SPECIAL.get(ord(character))
    if special is not None:
        return special if isinstance(special, str) else chr(special)
    category = unicodedata.category(character)
    if category in {"Cf", "Mn", "Me"}:
        return ""
    if category == "Lo":
        # Letters without case: a Hangul syllable would fall apart.
        return character
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    return bare if 0 < len(bare) <= _LONGEST else character
