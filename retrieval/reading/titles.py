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
    r"getting started|table of contents|plan|risks?|success criteria|solutions?|tests?|"
    r"page \d+|\[.*\])\W*",
    re.I,
)
_PROGRAM = re.compile(r"\A(?:Microsoft|LibreOffice) \w+ - ", re.I)
_PROGRAMS_OWN = re.compile(
    r"(?:PowerPoint Presentation|Word Document|Document\s?\d*|Slide \d+|.*\.(?:docx?|dvi|tex|pdf))",
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


def given_title(text: str) -> str:
    """Return the title that a file carries hidden in it, or an empty string.

    Word processors fill it in by themselves; what they write says nothing.
    """
    printable = "".join(sign if sign.isprintable() else " " for sign in text[:_READ])
    plain = _plain(_PROGRAM.sub("", printable))
    says_nothing = _PROGRAMS_OWN.fullmatch(plain) or _SAYS_NOTHING.fullmatch(plain)
    return "" if says_nothing else plain


def _plain(line: str) -> str:
    words = " ".join(line.strip("#*_ \t").split())
    return words if len(words) <= TITLE_LENGTH else f"{words[: TITLE_LENGTH - 1].rstrip()}…"
