"""Instructions that a model gives away: found in what it wrote, held back while it writes.

A text in a document may tell a model to repeat them. Order is what gives them away: so many of
their words in a row, whatever stands between the words that is no word.
"""

import logging
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from typing import Any

from graphs.errors import WithheldError
from prompts import UNSEEN, visible

ENOUGH = 12
"""Words in a row that are no coincidence; in 11,000 texts about programming the most are 4."""
_DOUBT = 3
"""Words in a row that are not shown before the next one is known."""
_LONGEST = 40
"""Characters of a word; what is longer is none, and is not waited for."""
_PIECE = re.compile(
    r"(?P<between>%[0-9A-Fa-f]{2}|\\[nrt]|</?[A-Za-z][^<>\n]{0,40}>)|"
    rf"(?P<word>(?:[^\W\d_]|[{UNSEEN}])+)|(?P<other>[\s\d.,:;!?()*`#\"'-]+|.)",
    re.S,
)
_MAY_GO_ON = re.compile(
    r"(?:</?(?:[A-Za-z][^<>\n]{0,40})?|"
    rf"(?=.)(?:%[0-9A-Fa-f]{{0,2}}|\\[nrt]?)?(?:[^\W\d_]|[{UNSEEN}])*)\Z"
)
_FORMAT = re.compile(r"^\{$.*?^\}$", re.M | re.S)
"""An example of the JSON that is asked for, which answers repeat and nobody hides."""
_log = logging.getLogger(__name__)


class Instructions:
    """The words of a prompt's instructions, and where each of them stands."""

    def __init__(self, text: str) -> None:
        self._places: dict[str, list[int]] = {}
        words = [word for _, word in _pieces(_FORMAT.sub("", text)) if word]
        for place, word in enumerate(words):
            self._places.setdefault(word, []).append(place)

    def follow(self) -> "Trail":
        """Return what follows a text word by word."""
        return Trail(self._places)

    def stand_in(self, text: str) -> bool:
        """Say whether so many of the words stand in a text in a row."""
        trail = self.follow()
        return any(trail.step(word) >= ENOUGH for _, word in _pieces(text) if word)


class Trail:
    """How far the last words of a text are the instructions' own."""

    def __init__(self, places: dict[str, list[int]]) -> None:
        self._places = places
        self._ends: dict[int, int] = {}

    def step(self, word: str) -> int:
        """Take the next word, and return how many in a row stand in the instructions."""
        self._ends = {at: self._ends.get(at - 1, 0) + 1 for at in self._places.get(word, ())}
        return max(self._ends.values(), default=0)


class LeakStream:
    """Passes an answer on as it comes; from where it repeats the instructions, nothing passes."""

    def __init__(self, instructions: Instructions) -> None:
        self._trail = instructions.follow()
        self._waiting = ""
        """What more text may make another word of."""
        self._held: deque[str] = deque()
        """Words in doubt, each with what stands behind it."""
        self._has_leaked = False

    def feed(self, piece: str) -> str:
        """Return what may be shown now."""
        text = self._waiting + piece
        found = _MAY_GO_ON.search(text, max(0, len(text) - _LONGEST))
        cut = found.start() if found and len(text) - found.start() < _LONGEST else len(text)
        self._waiting = text[cut:]
        return self._pass(text[:cut])

    def end(self) -> str:
        """Return what had waited for more."""
        rest, self._waiting = self._waiting, ""
        shown = self._pass(rest)
        return shown if self._has_leaked else shown + "".join(self._held)

    def _pass(self, text: str) -> str:
        shown: list[str] = []
        for piece, word in _pieces(text):
            if word:
                length = self._trail.step(word)
                self._has_leaked = self._has_leaked or length >= ENOUGH
                self._held.append(piece)
                while len(self._held) > (length if length >= _DOUBT else 0):
                    shown.append(self._held.popleft())
            elif self._held:
                self._held[-1] += piece
            else:
                shown.append(piece)
            if self._has_leaked:
                self._held.clear()
                return ""
        return "".join(shown)


def refuse_leaks(instructions: str, written: Any) -> None:
    """Let only what keeps its instructions to itself become an answer.

    Args:
        instructions: What the model was told.
        written: What it wrote: text, or what its JSON says.

    Raises:
        WithheldError: the model repeats its instructions.
    """
    if Instructions(instructions).stand_in("\n".join(_texts(written))):
        _log.warning("An answer is withheld: it repeats the instructions of its prompt.")
        raise WithheldError(
            "The model's answer is withheld because it repeats its instructions, which a text in "
            "a past assignment or in the request may have told it to. Ask in other words, and "
            "tell your teacher."
        )


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Cut a text up; each piece comes with the word that it is, empty where it is none."""
    for piece in _PIECE.finditer(text):
        word = piece["word"] or ""
        yield piece[0], unicodedata.normalize("NFKC", visible(word)).casefold()


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
