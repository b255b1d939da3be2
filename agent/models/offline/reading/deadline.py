"""The deadline of a brief: which of its dates says when the work has to be handed in.

It knows the words around a deadline. It does not know the clock: `today` is handed in.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
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
    r"|\bcut-?off\b|\b(?:hand(?:ing)?|turn(?:ing)?)[- ]?in\s?:|\bsubmi(?:t|ssion)\s?:"
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
    r"\b(?:late (?:submissions?|days?|work|penalty|hand-?ins?|until|by|with)|extensions?"
    r"|extended(?! (?:deadline|due|to|until))|was|originally|instead of|resubmi\w+"
    r"|re-?grade\w*|early"
    r"|milestone|proposal|draft|check-?point|peer review|next (?:assignment|homework|lab)"
    r"|previous|midterm|questions? by|office hours)\b",
    re.I,
)
_NEVER = re.compile(
    r"\b(?:appeals?|grace period|complain\w*"
    r"|(?:after|past|miss(?:ed|es|ing)?) (?:the |this |its )?(?:due|deadline))\b",
    re.I,
)
"""Words of a clause whose date comes after the deadline."""
_WORK = (
    r"(?:assignment|homework|project|report|draft|essay|paper|proposal|submission|solution|zip|pdf"
    r"|write-?up|presentation|notebook|repositor\w+|lab|part|exercise|plan|file|program|app)s?\b"
)
_THINGS = (
    r"(?:loan|invoice|bill|rent|payment|tax|fine|fee|book|copy|reminder|to-?do|subscription"
    r"|instal?lment|debt|mortgage|order|rental|maintenance)(?:s|es)?\b"
)
_OF_DATA = re.compile(
    rf"\b(?:{_THINGS}|(?:a|an|each|every|any) (?!{_WORK})(?:[\w-]+ ){{0,2}}?(?!{_WORK})[\w-]+"
    r"(?= (?:is|falls|becomes|has|with|made|that|which)\b))"
    r"(?: (?:that|which|made|issued|taken|borrowed|created|sent|lent)\b[^,;.]{0,40})?"
    r"\s(?:is|are|was|were|becomes?|falls?|comes?|has|have|with)\s[^,;.]{0,12}?\bdue\b",
    re.I,
)
"""What a program keeps, not the student, is due: `The invoice is due`, `Each task has a due`."""
_SHOWN = re.compile(
    r"\b(?:show\w*|display\w*|list|highlight\w*|prints?|filter|warns?|reminds?|notif\w+|alerts?"
    r"|colou?r|labels?|text|message|users?)\b.*\b(?:over)?due\b",
    re.I,
)
_MINE = re.compile(r"\b(?:my|me|our|us|i)\b", re.I)
_EXAMPLE = re.compile(
    r"\b(?:such as|e\.g\.|for (?:example|instance)|example|like)\W*$"
    r"|[\"']\w*(?:due|deadline)\w*[\"']\s*[:=]\s*[\"']?$",
    re.I,
)
_QUOTED = re.compile(
    r"(?<!\w)'[^']{1,80}'(?!\w)|\"[^\"]{1,80}\""
    r"|[\u201c\u2018\u201e][^\u201c\u201d\u2019]{1,80}[\u201c\u201d\u2019]"
)
_CLAUSE_END = re.compile(
    r"(?<!\bJan)(?<!\bFeb)(?<!\bMar)(?<!\bApr)(?<!\bJun)(?<!\bJul)(?<!\bAug)(?<!\bSep)(?<!\bOct)"
    r"(?<!\bNov)(?<!\bDec)(?<!\bMon)(?<!\bTue)(?<!\bWed)(?<!\bThu)(?<!\bFri)(?<!\bSat)(?<!\bSun)"
    r"[.!?]['\")]?\s+(?=[A-Z\d(])|;\s"
)
_PARENTHESIS = re.compile(r"\([^()]{0,200}\)")
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


@dataclass(frozen=True, slots=True)
class _Place:
    """The words around a date, no further than its clause reaches."""

    before: str
    clause: str
    """Of `before`, what belongs to the date's own clause."""
    near: str
    """What stands before it and behind the date before it."""
    behind: str
    is_quoted: bool


def find_deadline(text: str, today: date | None) -> str | None:
    """Return the deadline a text gives in ISO 8601, or `None` where it gives none for certain.

    A date such as `3/4/2027`, which can be read in two ways, is returned as it stands.

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
    mentions = find_dates(line, today)
    asides = [found.span() for found in _PARENTHESIS.finditer(line)] if mentions else []
    ends = [found.end() for found in _CLAUSE_END.finditer(line)] if mentions else []
    masked = _PARENTHESIS.sub(lambda aside: " " * len(aside[0]), line)
    last = 0
    for index, mention in enumerate(mentions):
        start, own, end = _clause(ends, mention, last, len(line))
        following = mentions[index + 1].start if index + 1 < len(mentions) else end
        is_aside = any(low < mention.start < high for low, high in asides)
        text = line if is_aside else masked
        place = _Place(
            before=text[max(start, mention.start - _REACH) : mention.start],
            clause=text[max(own, mention.start - _REACH) : mention.start],
            near=text[max(start, last, mention.start - _REACH) : mention.start],
            behind=text[mention.end : min(end, following, mention.end + _BEHIND)].partition(")")[0],
            is_quoted=_is_quoted(line, start, end, mention),
        )
        if (rank := _rank(place, is_short=is_short)) is not None:
            candidates.append(_Candidate(rank, mention))
        last = mention.end
    return candidates


def _clause(ends: Sequence[int], mention: Mention, last: int, length: int) -> tuple[int, int, int]:
    """Return from where a date is read, and where its own clause begins and ends.

    Where no date stands between, it is read from one clause before its own.
    """
    at = bisect_right(ends, mention.start)
    start = ends[at - 1] if at else 0
    before = ends[at - 2] if at > 1 else 0
    behind = bisect_right(ends, mention.end)
    end = ends[behind] if behind < len(ends) else length
    return (before if before >= last else start), start, end


def _is_quoted(line: str, start: int, end: int, mention: Mention) -> bool:
    """Say whether a date stands in quotation marks together with the word for a deadline."""
    low = max(start, mention.start - _REACH)
    clause = line[low : min(end, mention.end + _REACH)]
    return any(
        quoted.start() < mention.start - low < quoted.end() and _STRONG.search(quoted[0])
        for quoted in _QUOTED.finditer(clause)
    )


def _rank(place: _Place, *, is_short: bool) -> int | None:
    """Return how surely a date in this place is the deadline; `None` where it is not."""
    before, behind = place.before, place.behind
    if place.is_quoted or _is_of_data(place):
        return None
    aside = behind.partition(",")[0]
    lesser = -2 if _LESSER.search(place.near) or _LESSER.search(aside) else 0
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


def _is_of_data(place: _Place) -> bool:
    """Say whether a date is an example, or one of the things that the program is to keep."""
    around = f"{place.before} | {place.behind}"
    if _NEVER.search(around) or _EXAMPLE.search(place.near):
        return True
    said = place.clause if _STRONG.search(place.clause) else f"{place.clause}{place.behind}"
    shown = None if _MINE.search(around) else _SHOWN.search(place.clause)
    since = len(place.clause) - len(place.near)
    return any(found and found.end() > since for found in (shown, _OF_DATA.search(said)))


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
