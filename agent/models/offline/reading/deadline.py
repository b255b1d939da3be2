"""The deadline of a brief: which of its dates says when the work has to be handed in.

It knows the words around a deadline. It does not know the clock: `today` is handed in.
"""

import re
from dataclasses import dataclass
from datetime import date

from agent.models.offline.reading.dates import Mention, find_dates
from agent.models.offline.reading.outline import shorten, split_front_matter, without_comments
from agent.models.offline.reading.words import CLIP, plain, printable

_SHORT_TEXT = 400
"""In a text of this length `by Friday` is a deadline; in a longer one it needs a verb."""
_REACH = 120
_BEHIND = 60
_LOOK_AHEAD = 2

_STRONG = re.compile(
    r"\bdue\b(?!\s+(?:to|diligence)\b)|\bdead[- ]?lines?\b|\bhand[- ]?in (?:date|time)\b"
    r"|\bcut-?off\b"
    r"|\babgabe(?:frist|termin|datum)?\b|\bfällig\b|\bfecha (?:de entrega|límite)\b|\bplazo\b"
    r"|\bprazo\b|\bdata de entrega\b|\bdate limite\b|\bà rendre\b|\béchéance\b|\bscadenza\b",
    re.I,
)
_SUBMIT = re.compile(
    r"\b(?:submi\w+|hand(?:ed)?\s+(?:it\s+)?in|turn(?:ed)?\s+(?:it\s+)?in|upload\w*"
    r"|deliver\w*|completed?"
    r"|finish\w*|send|push|abgeben|einreichen|abzugeben|entreg\w+|rendez|rendre|remettre)\b",
    re.I,
)
_BY = re.compile(
    r"\b(?:by|before|until|till|no later than|not later than|latest|bis(?: zum)?|spätestens"
    r"|antes (?:de|del|do)|até|avant|pour le|hasta(?: el)?)\b",
    re.I,
)
_NO_DEADLINE = re.compile(
    r"\b(?:no|without(?: an?)?|not have an?|there is no|isn't any|kein\w*) (?:due date"
    r"|deadline|fixed date)"
    r"|\b(?:due date|deadline)s?\b.{0,20}\b(?:tba|tbd|to be announced|will be announced)\b",
    re.I,
)
_OTHER_DAY = re.compile(
    r"\b(?:released?|published|posted|opens?|starts?|starting|begins?|available|from|since"
    r"|lectures?"
    r"|exam|quiz|updated|issued|assigned|handed out|copyright|version|recorded|collected|born)\b",
    re.I,
)
_LESSER = re.compile(
    r"\b(?:late (?:submissions?|days?|work|penalty)|extensions?|extended|resubmi\w+"
    r"|re-?grade\w*|early"
    r"|milestone|proposal|draft|check-?point|peer review|next (?:assignment|homework|lab)"
    r"|previous|midterm|questions? by|office hours)\b",
    re.I,
)
_HINT = re.compile(
    r"due|dead|submi|hand|turn|upload|deliver|complet|finish|send|push|\bby\b|until|before|left|abg"
    r"|fällig|einreich|entreg|plazo|prazo|date limite|rend|échéance|scadenza|latest|cut"
    r"|bis |days|week",
    re.I,
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    rank: int
    day: Mention


def find_deadline(text: str, today: date | None) -> str | None:
    """Return the deadline a text gives in ISO 8601, or `None` where it gives none for certain.

    >>> find_deadline("Due Friday, 12 December, 5 pm", date(2026, 11, 22))
    '2026-12-12T17:00'
    """
    body = split_front_matter(without_comments(shorten(printable(text))))[1]
    lines = [plain(line[:CLIP].lstrip("#> \t")) for line in body.splitlines() if line.strip()]
    is_short = len(body) <= _SHORT_TEXT
    found: list[_Candidate] = []
    for index, line in enumerate(lines):
        if not _HINT.search(line) or _NO_DEADLINE.search(line):
            continue
        candidates = _in_line(line, today, is_short=is_short)
        if not candidates and _STRONG.search(line) and len(line) < _BEHIND:
            candidates = _below(lines[index + 1 : index + 1 + _LOOK_AHEAD], today)
        found += candidates
    if not found:
        return None
    best = max(candidate.rank for candidate in found)
    last = max(
        (candidate.day for candidate in found if candidate.rank == best),
        key=lambda mention: (mention.day, mention.at is not None),
    )
    return last.iso()


def _in_line(line: str, today: date | None, *, is_short: bool) -> list[_Candidate]:
    candidates = []
    for mention in find_dates(line, today):
        start = max(0, mention.start - _REACH)
        before, behind = line[start : mention.start], line[mention.end : mention.end + _BEHIND]
        if (rank := _rank(before, behind, line, is_short=is_short)) is not None:
            candidates.append(_Candidate(rank, mention))
    return candidates


def _rank(before: str, behind: str, line: str, *, is_short: bool) -> int | None:
    """Return how surely a date between these words is the deadline; `None` where it is not."""
    lesser = -2 if _LESSER.search(line) else 0
    strong = _last_end(_STRONG, before)
    if strong is not None:
        return None if _OTHER_DAY.search(before, strong) else 4 + lesser
    by = _last_end(_BY, before)
    if by is not None and len(before) - by <= len("Wednesday, at 11:59 PM on "):
        if _SUBMIT.search(before):
            return 3 + lesser
        if is_short:
            return 2 + lesser
    other = _OTHER_DAY.search(before[-_BEHIND:])
    if not other and _STRONG.search(behind.partition(". ")[0]):
        return 2 + lesser
    return None


def _below(lines: list[str], today: date | None) -> list[_Candidate]:
    """Read the date under a heading such as `Due date`."""
    for line in lines:
        if _NO_DEADLINE.search(line):
            return []
        for mention in find_dates(line, today):
            if not _OTHER_DAY.search(line[: mention.start]):
                return [_Candidate(3, mention)]
    return []


def _last_end(pattern: re.Pattern[str], text: str) -> int | None:
    end = None
    for found in pattern.finditer(text):
        end = found.end()
    return end
