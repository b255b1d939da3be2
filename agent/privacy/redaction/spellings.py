"""How a name is written: its parts, its words, and the forms they appear in."""

import re
from collections.abc import Iterator

from agent.privacy.redaction.folding import fold
from agent.privacy.redaction.words import words_of

WORD = re.compile(r"[^\W\d_]+")
PARTICLES = words_of("""
al el la le de del della der den di da do dos du van von zu zum zur ter ten te bin ibn ben abu y e
san st mac mc o d l
""")
LEAST_HANDLE = 6
"""A name written as one word, `cdupont`, is believed from this length on."""

_TITLES = words_of("mr mrs ms miss mx dr prof professor sir ir ing phd msc bsc jr sr")
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
)
_APOSTROPHES = str.maketrans("", "", "'\u2019")


def split_name(name: str) -> tuple[str, str]:
    """Split a roster's entry, `Last, First` or `First Last`, into its two parts."""
    if "," in name:
        last, _, first = name.partition(",")
        return first.strip(), last.strip()
    words = [word for word in name.split() if word.strip(".").lower() not in _TITLES]
    for place, word in enumerate(words[1:], 1):
        if word.lower() in PARTICLES:
            return " ".join(words[:place]), " ".join(words[place:])
    if len(words) == 1:
        return "", words[0]
    return " ".join(words[:-1]), " ".join(words[-1:])


def spellings(first: str, last: str) -> Iterator[tuple[str, str]]:
    """Yield a name as it stands, with umlauts spelt out, and without apostrophes."""
    for table in ({}, _UMLAUTS, _APOSTROPHES):
        yield first.translate(table), last.translate(table)


def atoms(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, without accents."""
    return tuple(word.lower() for word in WORD.findall(fold(name).text))


def is_caseless(name: str) -> bool:
    """Tell names of scripts without capitals, which stand between no spaces either."""
    return not name.isascii() and any(
        character.isalpha() and character.lower() == character.upper() for character in name
    )


def ways_to_write(
    given: tuple[str, ...], family: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
    """Yield the ways to write a name: its words, whether it is one name alone, whether turned."""
    short = tuple(word for word in family if word not in PARTICLES) or family
    if given and family:
        for last in dict.fromkeys((family, short, ("".join(family),))):
            for first in dict.fromkeys((given, given[:1], ("".join(given),))):
                yield first + last, False, False
                yield last + first, False, True
            yield (given[0][0], *last), False, False
            yield (*last, given[0][0]), False, True
        for glued in (
            "".join(given + family),
            "".join(family + given),
            given[0][0] + "".join(family),
        ):
            if len(glued) >= LEAST_HANDLE:
                yield (glued,), False, False
    for alone in dict.fromkeys(
        (given, given[:1], ("".join(given),), family, short, ("".join(family),))
    ):
        if alone:
            yield alone, True, False
