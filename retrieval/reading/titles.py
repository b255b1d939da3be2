"""What a text calls itself: its first heading that says something, code left aside."""

import re

TITLE_LENGTH = 80
_READ = 20_000
"""Characters of a text in which a heading is looked for."""
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1|\Z)", re.M | re.S)
_HEADING = re.compile(r"^#{1,3}[ \t]+(\S[^\n]*)$", re.M)
_SAYS_NOTHING = re.compile(
    r"\W*(?:untitled.*|instructions?|descriptions?|set-?\s?up|introduction|overview|brief|"
    r"assignments?|tasks?|goals?|home|readme|user stories|requirements|grading|exercises?|"
    r"getting started|table of contents|\[.*\])\W*",
    re.I,
)


def heading_of(text: str) -> str:
    """Return the first heading that says something, or an empty string."""
    prose = _FENCE.sub("", text[:_READ])
    for heading in _HEADING.finditer(prose):
        plain = _plain(heading[1])
        if plain and not _SAYS_NOTHING.fullmatch(plain):
            return plain
    return ""


def title_of(text: str) -> str:
    """Return the heading of a text, else its first line, cut to a title's length."""
    return heading_of(text) or _plain(text[:_READ].strip().partition("\n")[0])


def _plain(line: str) -> str:
    words = " ".join(line.strip("#*_ \t").split())
    return words if len(words) <= TITLE_LENGTH else f"{words[: TITLE_LENGTH - 1].rstrip()}…"
