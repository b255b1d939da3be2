"""Which lines of a text are prose and which are code, by their look.

The weak cues of names, addresses and telephones are believed in prose alone.
"""

import re
from bisect import bisect_right
from functools import cached_property

_CODE = re.compile(
    r"\s*(?:[#@*/\\|+>$%}{)(\]\[;]|\"\"\"|'''|<[/!a-z]|--|=>|[-+]{3}"
    r"|(?:def|class|import|from \S+ import|return|raise|assert|package|using|public|private"
    r"|protected|static|const|let|var|function|func|fn|struct|enum|interface|namespace|export|async|await|elif"
    r"|else:|try:|except|finally|lambda|yield|print|SELECT|INSERT|UPDATE|DELETE|CREATE|void|int|char|double|float"
    r"|bool|string|pass|File \"|Traceback|at \S+\()\b)"
    r"|.*(?:[;{}\[(=\\]\s*\Z|\):\s*\Z|==|!=|<=|>=|->|=>|::|&&|\|\||\+=|-="
    r"|\w\(|\w\[|\w=\S"
    r"|\w = |\)\.\w|\S\.\w+\(|</|/>)"
)
_FENCE = re.compile(r"\s*(?:```|~~~)")
_SHARE = 0.3
"""With this share of code lines the rest are comments and strings, not a letter."""
_FEW = 3


class Layout:
    """The lines of one text, read when first asked about."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _lines(self) -> tuple[list[int], list[bool]]:
        starts: list[int] = []
        code: list[bool] = []
        place, fenced, blank = 0, False, 0
        for line in self._text.splitlines(keepends=True):
            starts.append(place)
            place += len(line)
            fence = _FENCE.match(line) is not None
            fenced ^= fence
            code.append(fenced or fence or _CODE.match(line[:400].rstrip()) is not None)
            blank += not line.strip()
        written = len(starts) - blank
        if sum(code) >= max(_FEW, written * _SHARE):
            code = [True] * len(code)
        return starts, code

    def prose(self, place: int) -> bool:
        """Tell whether a place stands in prose."""
        starts, code = self._lines
        line = bisect_right(starts, place) - 1
        return line < 0 or not code[line]
