"""The `[n]` marks of an answer: which sources they name, and none that point nowhere.

Images go too: whoever displays an answer would load one from wherever a document told the model,
with whatever it told it to put into the address. It knows text, whole or in pieces, nothing of
what the sources are.
"""

import re
from typing import Any

_FENCE = "```"
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.S)
_CITATIONS = re.compile(r"(?<![\w\])])(?:\[\d{1,3}\])+(?![(:])")
"""One or more marks in a row; a subscript, a link and a link's definition are none."""
_NUMBER = re.compile(r"\[(\d{1,3})\]")
_IMAGE = re.compile(r"!(?=\[)")
_INLINE = re.compile(r"`[^`\n]*`")
_HALF_FENCE = re.compile(r"`{0,2}\Z")
_HALF_MARK = re.compile(r"!?(?:\[[\d\[\]]*)?\Z")
"""What more text may turn into the end of a fence, or into a mark; empty where nothing may."""


def cited_numbers(text: str) -> set[int]:
    """Return the numbers of the `[n]` marks in `text`, code left aside."""
    prose = _CODE.sub("", text)
    return {int(n) for marks in _CITATIONS.finditer(prose) for n in _NUMBER.findall(marks[0])}


def without_images(prose: Any) -> Any:
    """Make a link of each image, in a text or in all texts that JSON holds."""
    if isinstance(prose, str):
        return _IMAGE.sub("! ", prose)
    if isinstance(prose, dict):
        return {name: without_images(value) for name, value in prose.items()}
    if isinstance(prose, list):
        return [without_images(value) for value in prose]
    return prose


def drop_citations(text: str, *, known: set[int]) -> str:
    """Take out the `[n]` marks that point to no known source, and images; code stays as it is."""

    def keep_known(marks: re.Match[str]) -> str:
        return "".join(f"[{n}]" for n in _NUMBER.findall(marks[0]) if int(n) in known)

    def settle(prose: str) -> Any:
        return without_images(_CITATIONS.sub(keep_known, prose))

    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [settle(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, settle(text[end:])])


class CitationStream:
    """`drop_citations` for text that comes in pieces: what is undecided waits for the next."""

    def __init__(self, *, known: set[int]) -> None:
        self._known = known
        self._waiting = ""
        self._before = ""
        """The character before the waiting text: behind a word, a mark is a subscript."""
        self._in_fence = False

    def feed(self, piece: str) -> str:
        """Return what may be shown now."""
        self._waiting += piece
        return self._settle()

    def end(self) -> str:
        """Return what had waited for more."""
        rest = len(self._waiting)
        return self._take(rest) if self._in_fence else self._take_marked(rest)

    def _settle(self) -> str:
        shown = ""
        while part := self._take_code() if self._in_fence else self._take_prose():
            shown += part
        return shown

    def _take_code(self) -> str:
        """Take code up to the end of its fence, or up to what may be the beginning of it."""
        end = self._waiting.find(_FENCE)
        self._in_fence = end < 0
        return self._take(_undecided(_HALF_FENCE, self._waiting) if end < 0 else end + len(_FENCE))

    def _take_prose(self) -> str:
        """Take prose up to the next code or undecided mark, or the code that stands there."""
        if (start := self._waiting.find("`")) != 0:
            end = start if start > 0 else _undecided(_HALF_MARK, self._waiting)
            return self._take_marked(end)
        if self._waiting.startswith(_FENCE):
            self._in_fence = True
            return self._take(len(_FENCE))
        if self._waiting in ("`", "``"):
            return ""
        if code := _INLINE.match(self._waiting):
            return self._take(code.end())
        return self._take(1) if "\n" in self._waiting else ""

    def _take_marked(self, length: int) -> str:
        before, text = self._before, self._take(length)
        return drop_citations(before + text, known=self._known)[len(before) :]

    def _take(self, length: int) -> str:
        taken, self._waiting = self._waiting[:length], self._waiting[length:]
        if taken:
            is_code = self._in_fence or _INLINE.fullmatch(taken)
            self._before = "" if is_code else taken[-1]
        return taken


def _undecided(ending: re.Pattern[str], text: str) -> int:
    """Return where the end begins that more text may change."""
    found = ending.search(text)
    return found.start() if found else len(text)
