"""The outline of a Markdown text: headings, items, paragraphs, table rows, code.

It knows Markdown as teachers write it, notebooks as they look when flattened, and nothing of
what a text asks for. Lines are clipped and counted, so that any text is read in bounded time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from agent.models.offline.reading.words import CLIP, clean, plain, printable

Kind = Literal["heading", "checkbox", "bullet", "number", "paragraph", "row", "code"]
HEAD = 90_000
TAIL = 30_000
"""Of a longer text its first `HEAD` and its last `TAIL` characters are read."""
_MAX_CODE = 200
_MAX_ITEMS = 8_000
_TASK_INDENT = 2

_FENCE = re.compile(r"^ {0,12}(`{3,}|~{3,})[ \t]*([^`\s{]*)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(\S.*)$")
_CHECKBOX = re.compile(r"^(\s*)[-*+][ \t]+\[[ xX]?\][ \t]+(\S.*)$")
_BULLET = re.compile(r"^(\s*)[-*+•][ \t]+(\S.*)$")
_NUMBER = re.compile(r"^(\s*)\(?(?:\d{1,2}|[a-h])[.)][ \t]+(\S.*)$")
_LISTED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("checkbox", _CHECKBOX),
    ("bullet", _BULLET),
    ("number", _NUMBER),
)
_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULE = re.compile(r"^[\s|:=_*-]+$")
_BARE_CODE = re.compile(
    r"^\s*(?:import [\w.]+|from [\w.]+ import |def \w+\(|class \w+[(:]|return\b|%{1,2}\w+|@\w+"
    r"|for \w.* in .*:$|if .*:$|else:$|elif .*:$|while .*:$|print\(|#include"
    r"|[\w.\[\]'\"]+\s*[+-]?=\s"
    r"|[\w.]+\([^)]*\)?;?$|\.\.\.$|[})\]]+[;,]?$)"
)
_ONLY_A_LINK = re.compile(r"^\[[^\]]{0,300}\]\((?:#|https?:)[^)]{0,400}\)\.?$")
_TITLE = re.compile(r"^title:[ \t]*[\"']?([^\"'\n]{1,200})", re.M)


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a text and the headings it stands under."""

    kind: Kind
    text: str
    """On one line, without emphasis and links; code and table rows keep their lines and bars."""
    heading: str = ""
    """The nearest heading above."""
    trail: str = ""
    """All headings above, outermost first, in lower case."""
    indent: int = 0
    language: str = ""
    """A fence's language tag, in lower case."""


@dataclass(slots=True)
class _Reader:
    headings: list[tuple[int, str]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    open_kind: Kind | None = None
    open_lines: list[str] = field(default_factory=list)
    open_indent: int = 0

    def close(self) -> None:
        if self.open_kind and (text := plain(" ".join(self.open_lines))):
            self.add(self.open_kind, text, self.open_indent)
        self.open_kind, self.open_lines = None, []

    def begin(self, kind: Kind, line: str, indent: int = 0) -> None:
        self.close()
        self.open_kind, self.open_lines, self.open_indent = kind, [line], indent

    def add(self, kind: Kind, text: str, indent: int = 0, language: str = "") -> None:
        if len(self.items) >= _MAX_ITEMS:
            return
        heading = self.headings[-1][1] if self.headings else ""
        trail = " > ".join(name for _, name in self.headings).lower()
        self.items.append(Item(kind, text, heading, trail, indent, language))

    def enter(self, level: int, text: str) -> None:
        self.close()
        while self.headings and self.headings[-1][0] >= level:
            self.headings.pop()
        self.add("heading", text)
        self.headings.append((level, text))


def shorten(text: str) -> str:
    """Return a text of bounded length: beginning and end of a very long one."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n\n{text[-TAIL:]}"


def without_comments(text: str) -> str:
    """Take HTML comments out of a text; one that is never closed hides nothing."""
    pieces, start = [], 0
    while (opened := text.find("<!--", start)) >= 0:
        pieces.append(text[start:opened])
        closed = text.find("-->", opened)
        if closed < 0:
            return "".join([*pieces, text[opened + len("<!--") :]])
        start = closed + len("-->")
    return "".join([*pieces, text[start:]])


def split_front_matter(text: str) -> tuple[str, str]:
    """Return the YAML header of a text, or an empty string, and the rest."""
    if text.startswith("---\n") and (end := text.find("\n---", 4, 4_000)) >= 0:
        return text[4:end], text[end + 4 :].lstrip("-")
    return "", text


def front_title(text: str) -> str:
    """Return the title a text's YAML header gives, or an empty string."""
    found = _TITLE.search(split_front_matter(text.lstrip())[0])
    return clean(found[1]) if found else ""


def outline(text: str) -> list[Item]:
    """Read a text into its items, in order."""
    body = split_front_matter(without_comments(shorten(printable(text))).lstrip())[1]
    reader = _Reader()
    lines = iter(body.expandtabs(4).splitlines())
    for line in lines:
        if fence := _FENCE.match(line):
            reader.close()
            code = _read_fence(lines, fence[1])
            reader.add("code", "\n".join(code), language=fence[2].lower())
        else:
            _read_line(reader, line[:CLIP])
    reader.close()
    return _join_bare_code(reader.items)


def _read_fence(lines: Iterator[str], mark: str) -> list[str]:
    code: list[str] = []
    for line in lines:
        if line.strip().startswith(mark) and not line.strip(" `~"):
            break
        if len(code) < _MAX_CODE:
            code.append(line[:CLIP])
    return code


def _read_line(reader: _Reader, line: str) -> None:
    stripped = line.strip()
    if not stripped or _RULE.match(stripped):
        reader.close()
    elif heading := _HEADING.match(line):
        if text := plain(heading[2].rstrip("# ")):
            reader.enter(len(heading[1]), text)
    elif listed := _list_item(line):
        kind, indent, text = listed
        if kind == "bullet" and _ONLY_A_LINK.match(text.strip()):
            reader.close()
        else:
            reader.begin(kind, text, indent)
    elif _ROW.match(line):
        reader.close()
        reader.add("row", clean(stripped))
    elif _BARE_CODE.match(line):
        reader.close()
        reader.add("code", line.rstrip())
    elif reader.open_kind:
        reader.open_lines.append(stripped)
    else:
        reader.begin("paragraph", stripped)


def _list_item(line: str) -> tuple[Kind, int, str] | None:
    for kind, pattern in _LISTED:
        if found := pattern.match(line):
            return kind, len(found[1]), found[2]
    return None


def _join_bare_code(items: list[Item]) -> list[Item]:
    """Take comments between lines of unfenced code for code, not for headings."""
    joined: list[Item] = []
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        in_code = bool(following and following.kind == "code" and not following.language)
        if item.kind == "heading" and in_code and "\n" not in (following.text if following else ""):
            joined.append(Item("code", f"# {item.text}", item.heading, item.trail))
        else:
            joined.append(item)
    return joined


def cells(row: str) -> list[str]:
    """Return the cells of a table row.

    >>> cells("| `GET` | /users |")
    ['`GET`', '/users']
    """
    return [plain(cell) for cell in row.strip().strip("|").split("|")]
