"""Where in a text a name can begin: looked for once, so that most patterns are tried nowhere.

It knows how a name is spelt and no cue: what stands around a name is for the rules to say.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from agent.privacy.redaction.gates import holds, matches_at

# Latin, Greek and Cyrillic capitals and small letters.
UPPER, LOWER = "A-Z\u0391-\u03a9\u0410-\u042f", "a-z\u03b1-\u03c9\u0430-\u044f"
CAP = (
    rf"(?:(?:[OD]'|Mc|Mac|[Aa]l-|El-|Le|De|Da|Di|La|Ja|Ke|Ty|Van|Fitz)?[{UPPER}][{LOWER}]{{1,24}}(?:[-'][{UPPER}"
    rf"{LOWER}][{LOWER}]{{1,24}})?)"
)
"""One word of a name."""
PARTICLE = r"(?:van|von|de|der|den|del|della|di|da|dos|du|la|le|bin|ibn|al|el|ter|ten)"

_FIRST = rf"[{UPPER}][{LOWER}'](?<!\w[{UPPER}][{LOWER}'])"
_FIRST_SMALL = rf"al-(?=[{UPPER}])(?<!\wal-)"
_LONGEST_WORD = 64
_LONGEST_GAP = 32
"""From the start of a cue's last word to the name at most."""
_BETWEEN = " \t\n.,:=?!-~\"'"
"""What may stand between a cue's last word and the name."""
_INSIDE = {"-", "'"}
"""Behind these a name goes on: only a cue makes one begin there."""
_NO_WORD = re.compile(r"\W")
_LONGEST_CUE = 64
_WORD = re.compile(r"\b\w")


class Finder:
    """Looks for the places where names can begin."""

    def __init__(self, followers: str) -> None:
        """Take a pattern of what follows the names of one word that are to be found."""
        rest = (
            rf"(?=[{UPPER}{LOWER}'-]{{0,{_LONGEST_WORD}}}"
            rf"(?:( (?:{PARTICLE} ){{0,2}}(?:[{UPPER}]|al-))|({followers}))?)"
        )
        # A choice at the front costs the engine its search for a first character.
        self._usual = re.compile(_FIRST + rest)
        self._any = re.compile(f"(?:{_FIRST}|{_FIRST_SMALL}){rest}")

    def openings(self, text: str) -> "Openings":
        """Return the places in one text."""
        pattern = self._any if "al-" in text else self._usual
        return Openings(text, pattern.finditer(text))


class Openings:
    """The places in one text where a name can begin, in reading order."""

    def __init__(self, text: str, matches: Iterable[re.Match[str]]) -> None:
        self.every: list[int] = []
        self.full: list[int] = []
        """Where a second word of a name follows."""
        self.followed: list[int] = []
        """Where a word follows that speaks of a person."""
        self.after: dict[str, list[int]] = {}
        """By the last word before them, in lower case."""
        for match in matches:
            place = match.start()
            self.every.append(place)
            if match.lastindex is not None and text[place - 1 : place] not in _INSIDE:
                (self.full if match.lastindex == 1 else self.followed).append(place)
            before = text[max(0, place - _LONGEST_GAP) : place].rstrip(_BETWEEN)
            word = before[before.rfind(" ") + 1 :]
            if not word.isalpha():
                word = _NO_WORD.split(word)[-1]
            self.after.setdefault(word.lower(), []).append(place)


class Rule(ABC):
    """A pattern, tried where it can match and nowhere else."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    @abstractmethod
    def matches(self, text: str, lower: str, openings: Openings) -> Iterator[re.Match[str]]:
        """Yield the matches in a text, which is given in lower case too."""


class Anywhere(Rule):
    """A pattern that is looked for if one of some words is in the text."""

    def __init__(self, words: str, pattern: str) -> None:
        super().__init__(pattern)
        self._words = words.split("|")

    def matches(self, text: str, lower: str, openings: Openings) -> Iterator[re.Match[str]]:
        """Yield the matches in a text, which is given in lower case too."""
        if holds(lower, self._words):
            yield from self._pattern.finditer(text)


class NameFirst(Rule):
    """A pattern that begins with a name: in full, one word of it, or either."""

    def __init__(
        self, pattern: str, *, full: bool = False, single: bool = False, words: str = ""
    ) -> None:
        """Take words of which one has to be in the text."""
        super().__init__(pattern)
        self._full, self._single = full, single
        self._words = words.split("|")

    def matches(self, text: str, lower: str, openings: Openings) -> Iterator[re.Match[str]]:
        """Yield the matches in a text, which is given in lower case too."""
        if self._full and self._single:
            starts = sorted(openings.full + openings.followed)
        else:
            starts = openings.full if self._full else openings.followed
        if starts and holds(lower, self._words):
            yield from matches_at(self._pattern, text, starts)


class CueFirst(Rule):
    """A pattern of a cue and then a name, by the last words that the cue can have."""

    def __init__(self, last: str, pattern: str, *, phrase: str = "", line: bool = False) -> None:
        """Take a phrase that any word may follow, and whether the cue begins the line."""
        super().__init__(pattern)
        self._last = frozenset(last.split("|"))
        self._phrase = phrase
        self._line = line

    def matches(self, text: str, lower: str, openings: Openings) -> Iterator[re.Match[str]]:
        """Yield the matches in a text, which is given in lower case too."""
        return matches_at(self._pattern, text, self._starts(text, lower, openings))

    def _starts(self, text: str, lower: str, openings: Openings) -> Iterator[int]:
        """Yield, in reading order, every place where a match may begin."""
        if self._phrase and self._phrase in lower:
            places = openings.every
        elif self._last.isdisjoint(openings.after):
            return
        else:
            places = sorted(place for word in self._last for place in openings.after.get(word, ()))
        tried = 0
        for place in places:
            least = max(tried, place - _LONGEST_CUE)
            if self._line:
                start = text.rfind("\n", least, place)
                if start >= 0:
                    yield start
                elif least == 0:
                    yield 0
            else:
                for word in _WORD.finditer(text, least, place):
                    yield word.start()
                tried = place
