"""Instructions that a model gives away: found in what it wrote, held back while it writes.

A text in a document may tell a model to repeat them. Order is what gives them away: so many of
their words in a row, whatever stands between the words that is no word. What whoever asks has
given word for word is no secret. Words that are reversed, translated, encoded, respelled or
spelled out letter by letter pass, and so do those that others stand between, or every n-th.
"""

import logging
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from graphs.errors import WithheldError
from prompts import UNSEEN, visible

ENOUGH = 25
"""Words in a row that are a copy: an answer may say one sentence of its instructions, as a plan
does that names what they ask for."""
_CHANCE = 4
"""Words in a row that are a coincidence; 11,000 texts about programming have no more."""
_DOUBT = 3
"""Words in a row that are not shown before the next one is known."""
_LONGEST = 40
"""Characters of a word or a tag that are seen; what is longer is cut, and not waited for."""
_PIECE = re.compile(
    rf"(?P<between>%[0-9A-Fa-f]{{2}}|\\[nrt]|<[A-Za-z/][^<>\n\r]{{0,{_LONGEST - 3}}}>)|"
    rf"(?P<word>[^\W\d_]{{1,{_LONGEST}}})|(?P<other>[\s\d.,:;!?()*`#\"'-]+|.)",
    re.S,
)
_MAY_GO_ON = re.compile(
    rf"(?:<(?:[A-Za-z/][^<>\n\r]{{0,{_LONGEST - 3}}})?|%[0-9A-Fa-f]?|\\|"
    rf"[^\W\d_]{{1,{_LONGEST - 1}}})\Z"
)
_SEEN = re.compile(rf"(?:[^{UNSEEN}]|\r)?(?:(?!\r)[{UNSEEN}])*", re.S)
"""A character that is seen, and those behind it that are not."""
_FORMAT = re.compile(r"^(?:[^\n]*:\n+)?\{$.*?^\}$|(?:\w+,\s+){5,}\w+", re.M | re.S)
"""An example of the JSON that is asked for, or a list of names; answers repeat it, nobody hides
it."""
_log = logging.getLogger(__name__)


class Instructions:
    """The words of a prompt's instructions, and where each of them stands.

    Args:
        text: What the model was told.
        given: What whoever asks has given, which an answer may repeat.
    """

    def __init__(self, text: str, given: Sequence[str] = ()) -> None:
        self._given = given
        self._places: dict[str, list[int]] = {}
        for place, word in enumerate(_words(_FORMAT.sub("", text))):
            self._places.setdefault(word, []).append(place)

    def follow(self) -> "Trail":
        """Return what follows a text word by word."""
        return Trail(self)

    def stand_in(self, text: str) -> bool:
        """Say whether so many of the words stand in a text in a row."""
        trail = self.follow()
        return any(trail.step(word) >= ENOUGH and trail.is_leak() for word in _words(text))

    def places_of(self, word: str) -> Sequence[int]:
        """Return where a word stands."""
        return self._places.get(word, ())

    @cached_property
    def known(self) -> frozenset[int]:
        """The places of all that was given in more words than chance puts in a row."""
        known: set[int] = set()
        for text in self._given:
            trail = self.follow()
            for word in _words(text):
                trail.step(word)
                known.update(*(run[-_CHANCE - 1 :] for run in trail.runs(_CHANCE + 1)))
        return frozenset(known)


class Trail:
    """How far the last words of a text are the instructions' own."""

    def __init__(self, instructions: Instructions) -> None:
        self._instructions = instructions
        self._ends: Mapping[int, int] = {}

    def step(self, word: str) -> int:
        """Take the next word, and return how many in a row stand in the instructions."""
        places = self._instructions.places_of(word)
        self._ends = {at: self._ends.get(at - 1, 0) + 1 for at in places}
        return max(self._ends.values(), default=0)

    def runs(self, least: int) -> Iterator[range]:
        """Return the places of the last words, for every run that is so long."""
        return (
            range(at - length + 1, at + 1) for at, length in self._ends.items() if length >= least
        )

    def is_leak(self) -> bool:
        """Say whether the last words are a copy of what nobody gave."""
        known = self._instructions.known
        return any(sum(at not in known for at in run) >= ENOUGH for run in self.runs(ENOUGH))


class LeakStream:
    """Passes an answer on as it comes; from where it repeats the instructions, nothing passes."""

    def __init__(self, instructions: Instructions) -> None:
        self._trail = instructions.follow()
        self._waiting: list[str] = []
        """What more text may make another word of: each seen character with the unseen behind."""
        self._held: deque[str] = deque()
        """Words in doubt, each with what stands behind it."""
        self._has_leaked = False

    def feed(self, piece: str) -> str:
        """Return what may be shown now."""
        more = [found for found in _SEEN.findall(piece) if found]
        if more and self._waiting and not visible(more[0]):
            self._waiting[-1] += more.pop(0)
        return self._pass(self._waiting + more, is_end=False)

    def end(self) -> str:
        """Return what had waited for more."""
        shown = self._pass(self._waiting, is_end=True)
        return shown if self._has_leaked else shown + "".join(self._held)

    def _pass(self, written: Sequence[str], *, is_end: bool) -> str:
        shown: list[str] = []
        # In place of what is not seen at all stands a character that is no part of a word.
        seen = "".join(visible(one) or "." for one in written)
        place = 0
        for found in _PIECE.finditer(seen):
            if not is_end and _MAY_GO_ON.match(seen, place):
                break
            piece, place = "".join(written[place : found.end()]), found.end()
            if word := _folded(found):
                length = self._trail.step(word)
                self._has_leaked = self._has_leaked or (length >= ENOUGH and self._trail.is_leak())
                self._held.append(piece)
                while len(self._held) > (length if length >= _DOUBT else 0):
                    shown.append(self._held.popleft())
            elif self._held:
                self._held[-1] += piece
            else:
                shown.append(piece)
        self._waiting = list(written[place:])
        if self._has_leaked:
            self._held.clear()
            return ""
        return "".join(shown)


def refuse_leaks(instructions: str, written: Any, given: Sequence[str] = ()) -> None:
    """Let only what keeps its instructions to itself become an answer.

    Args:
        instructions: What the model was told.
        written: What it wrote: text, or what its JSON says.
        given: What whoever asks has given, which an answer may repeat.

    Raises:
        WithheldError: the model repeats its instructions.
    """
    if Instructions(instructions, given).stand_in("\n".join(_texts(written))):
        _log.warning("An answer is withheld: it repeats the instructions of its prompt.")
        raise WithheldError(
            "The model's answer is withheld because it repeats its instructions, which a text in "
            "a past assignment or in the request may have told it to. Ask in other words, and "
            "tell your teacher."
        )


def _words(text: str) -> Iterator[str]:
    return filter(None, map(_folded, _PIECE.finditer(visible(text))))


def _folded(piece: re.Match[str]) -> str:
    """Return the word that a piece is, empty where it is none."""
    return unicodedata.normalize("NFKC", piece["word"] or "").casefold()


def _texts(written: Any) -> Iterator[str]:
    if isinstance(written, str):
        yield written
    elif isinstance(written, dict):
        for name, value in written.items():
            yield name
            yield from _texts(value)
    elif isinstance(written, list):
        for value in written:
            yield from _texts(value)
