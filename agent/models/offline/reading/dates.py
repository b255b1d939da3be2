"""Dates and times as people write them in English, German, Spanish, French and Portuguese.

It knows how a date looks and how one without a year is completed. It does not know which
date of a text matters.
"""

import calendar
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta

_MONTHS: dict[str, int] = {}
for _number, _names in enumerate(
    (
        "january jan januar jänner enero janvier janeiro",
        "february feb februar febrero février fevrier fevereiro",
        "march mar märz maerz marzo mars março marco",
        "april apr abril avril",
        "may mai mayo maio",
        "june jun juni junio juin junho",
        "july jul juli julio juillet julho",
        "august aug agosto août aout",
        "september sept sep septiembre septembre setembro",
        "october oct oktober okt octubre octobre outubro",
        "november nov noviembre novembre novembro",
        "december dec dezember dez diciembre décembre decembre dezembro",
    ),
    start=1,
):
    _MONTHS |= dict.fromkeys(_names.split(), _number)
_WEEKDAYS: dict[str, int] = {}
for _number, _names in enumerate(
    (
        "monday mon montag lunes lundi",
        "tuesday tues tue dienstag martes mardi",
        "wednesday wed mittwoch miércoles miercoles mercredi",
        "thursday thurs thur thu donnerstag jueves jeudi",
        "friday fri freitag viernes vendredi",
        "saturday sat samstag sonnabend sábado samedi",
        "sunday sun sonntag domingo dimanche",
    )
):
    _WEEKDAYS |= dict.fromkeys(_names.split(), _number)
_COUNTS = dict(
    zip(["one", "two", "three", "four", "five", "six", "seven"], range(1, 8), strict=True)
) | {
    "a": 1,
    "an": 1,
}

_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WEEKDAY = "|".join(sorted(_WEEKDAYS, key=len, reverse=True))
_COUNT = "|".join(_COUNTS)
_YEAR = r"(?P<{0}>(?:19|20)\d\d)"
_DATE = re.compile(
    rf"\b(?P<iso>(?:19|20)\d\d(?P<cut>[-/])\d{{2}}(?P=cut)\d{{2}})"
    rf"(?:[T ](?P<isotime>\d{{2}}:\d{{2}}))?"
    rf"|(?:\b(?P<weekday>{_WEEKDAY})\b\.?,?\s{{0,3}}(?:(?:the|den|el|le|on)\s)?)?"
    rf"(?:\b(?P<mon1>{_MONTH})\b\.?\s{{0,2}}(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"(?:,?\s{{0,2}}{_YEAR.format('year1')}\b)?"
    rf"|\b(?P<day2>\d{{1,2}})(?:st|nd|rd|th|\.|º|er)?\s{{0,2}}(?:of\s|de\s)?"
    rf"(?P<mon2>{_MONTH})\b\.?(?:,?\s{{0,2}}(?:de\s)?{_YEAR.format('year2')}\b)?"
    rf"|(?<![\d/.-])(?P<a>\d{{1,2}})(?P<sep>[/.])(?P<b>\d{{1,2}})(?:(?P=sep)(?P<y>(?:20)?\d\d))?"
    r"(?![\d/%-])(?!\.\d)"
    r"|(?<![\d/.-])(?P<a2>\d{1,2})-(?P<b2>\d{1,2})-(?P<y2>20\d\d)(?![\d/%-]))",
    re.I,
)
_LOOSE = re.compile(
    rf"\b(?P<next>next\s+|this\s+|coming\s+)?(?P<weekday>{_WEEKDAY})\b"
    rf"|\b(?P<day>today|tonight|tomorrow|heute|morgen|hoy|mañana|demain)\b"
    rf"|\b(?:in|within|have|got|there (?:are|is))\s+(?:only\s+|just\s+|about\s+)?"
    rf"(?P<count>\d{{1,2}}|{_COUNT})\s+(?P<unit>day|week)s?\b"
    rf"|\b(?P<count2>\d{{1,2}}|{_COUNT})\s+(?P<unit2>day|week)s?\s+(?:left|until|before"
    r"|from now|to go)\b"
    r"|\b(?P<end>end of (?:the|this) month)\b",
    re.I,
)
_TIME = re.compile(
    r"(?<![\d.:])(?:(?P<h12>1[0-2]|0?[1-9])(?:[:.](?P<m12>[0-5]\d))?\s?(?P<half>[ap])\.?m\b"
    r"|(?P<h24>[01]?\d|2[0-4])[:h](?P<m24>[0-5]\d)(?![\d:])"
    r"|(?P<uhr>[01]?\d|2[0-4])(?:\.(?P<muhr>[0-5]\d))?\s?Uhr\b)"
    r"|\b(?P<word>noon|midday|midnight|end of (?:the )?day|eod|mitternacht|medianoche)\b",
    re.I,
)
_TIME_REACH = 48
_SENTENCE_END = re.compile(r"[.!?]\s+(?=[A-Z])|;\s")
_TIME_WORDS = re.compile(
    r"\b(?:by|before|until|till|at|on|the|of|due|around|latest|no later than|from|um|am|bis|zum|den"
    r"|next|this|[pmce][sd]t|cest|utc|gmt)\b",
    re.I,
)
_HALF_DAY = 12
_LAST_MINUTE = time(23, 59)
_SHORT_YEAR = 100


@dataclass(frozen=True, slots=True)
class Mention:
    """A date in a line: where it stands and which day it means."""

    start: int
    end: int
    day: date
    at: time | None
    literal: str = ""
    """The date as it stands there, if it can be read as one of two days."""

    def iso(self) -> str:
        """Return the date, or date and time, in ISO 8601; one of two meanings as it stands."""
        if self.literal:
            return f"{self.literal} {self.at.isoformat('minutes')}" if self.at else self.literal
        if self.at is None:
            return self.day.isoformat()
        return f"{self.day.isoformat()}T{self.at.isoformat(timespec='minutes')}"


def find_dates(line: str, today: date | None) -> list[Mention]:
    """Return the dates of a line in order; one without a year needs `today`, and is not before.

    A time belongs to the date beside it in its sentence, never to one beyond another date.
    """
    found = [
        Mention(one.start(), one.end(), days[0], _iso_time(one), _literal(one, days))
        for one in _DATE.finditer(line)
        if (days := _days_of(one, today))
    ]
    taken = [(one.start, one.end) for one in found]
    for one in () if today is None else _LOOSE.finditer(line):
        free = all(one.end() <= start or end <= one.start() for start, end in taken)
        if free and today and (day := _loose_day(one, today)):
            found.append(Mention(one.start(), one.end(), day, None))
    return _with_times(line, sorted(found, key=lambda one: one.start))


def is_time_only(text: str) -> bool:
    """Say whether a text names a date or a time and nothing else.

    >>> is_time_only("12.12.2026"), is_time_only("18 Uhr"), is_time_only("a zip on Friday")
    (True, True, False)
    """
    rest = text
    for pattern in (_DATE, _LOOSE, _TIME):
        rest = pattern.sub(" ", rest)
    return rest != text and not _TIME_WORDS.sub(" ", rest).strip(" .,:;()-\u2013")


def _with_times(line: str, found: list[Mention]) -> list[Mention]:
    timed = []
    for index, one in enumerate(found):
        floor = found[index - 1].end if index else 0
        ceiling = found[index + 1].start if index + 1 < len(found) else len(line)
        at = one.at or _time_near(
            line[max(floor, one.start - _TIME_REACH) : one.start],
            line[one.end : min(ceiling, one.end + _TIME_REACH)],
        )
        timed.append(replace(one, at=at))
    return timed


def _days_of(found: re.Match[str], today: date | None) -> list[date]:
    """Return the day a date means; two where it can be read both ways."""
    if found["iso"]:
        return _known([_safe_date(*map(int, found["iso"].split(found["cut"])))])
    weekday = _WEEKDAYS.get((found["weekday"] or "").lower())
    if found["a"] or found["a2"]:
        return _numeric_days(found, weekday, today)
    month = _MONTHS[(found["mon1"] or found["mon2"]).lower()]
    day = int(found["day1"] or found["day2"])
    year = found["year1"] or found["year2"]
    return _known([_safe_date(int(year), month, day) if year else _next(month, day, today)])


def _numeric_days(found: re.Match[str], weekday: int | None, today: date | None) -> list[date]:
    first, second = int(found["a"] or found["a2"]), int(found["b"] or found["b2"])
    if found["sep"] == "." and not found["y"] and weekday is None and not _ends_like_a_date(found):
        return []
    year = int(found["y"] or found["y2"] or 0)
    days = []
    for month, day in ((first, second), (second, first)):
        if year:
            days.append(_safe_date(year if year > _SHORT_YEAR else 2000 + year, month, day))
        else:
            days.append(_next(month, day, today))
    if found["sep"] == ".":
        return _known(days[::-1])[:1]
    both = list(dict.fromkeys(_known(days)))
    return [day for day in both if day.weekday() == weekday] or both


def _known(days: Iterable[date | None]) -> list[date]:
    return [day for day in days if day]


def _literal(found: re.Match[str], days: Sequence[date]) -> str:
    if len(days) == 1:
        return ""
    return found.string[found.start("a") if found["a"] else found.start("a2") : found.end()]


def _ends_like_a_date(found: re.Match[str]) -> bool:
    """Tell `12.11.` from a version or a decimal number such as `3.11`."""
    return found.string[found.end() : found.end() + 1] == "."


def _loose_day(found: re.Match[str], today: date) -> date | None:
    if name := found["weekday"]:
        if len(name) <= len("thurs") and not name[0].isupper():
            return None
        ahead = (_WEEKDAYS[name.lower()] - today.weekday()) % 7
        is_next = (found["next"] or "").strip().lower() == "next"
        return today + timedelta(days=ahead or (7 if is_next else 0))
    if word := found["day"]:
        return today + timedelta(days=word.lower() in {"tomorrow", "morgen", "mañana", "demain"})
    if found["end"]:
        return today.replace(day=calendar.monthrange(today.year, today.month)[1])
    count = (found["count"] or found["count2"]).lower()
    number = int(count) if count.isdigit() else _COUNTS[count]
    weeks = (found["unit"] or found["unit2"]).lower() == "week"
    try:
        return today + timedelta(days=number * (7 if weeks else 1))
    except OverflowError:
        return None


def _next(month: int, day: int, today: date | None) -> date | None:
    """Return the next such day on or after today; a leap day may lie some years ahead."""
    if today is None:
        return None
    for year in range(today.year, today.year + 9):
        found = _safe_date(year, month, day)
        if found and found >= today:
            return found
    return None


def _safe_date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _iso_time(found: re.Match[str]) -> time | None:
    if not found["isotime"]:
        return None
    try:
        return time.fromisoformat(found["isotime"])
    except ValueError:
        return None


def _time_near(before: str, behind: str) -> time | None:
    """Return the time in the rest of a date's sentence: behind the date, else before it."""
    after = _TIME.search(_SENTENCE_END.split(behind, maxsplit=1)[0])
    ahead = None if after else _last(_TIME.finditer(_SENTENCE_END.split(before)[-1]))
    return _time_of(after or ahead)


def _last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    last = None
    for last in matches:  # noqa: B007 - only the last one is wanted
        pass
    return last


def _time_of(found: re.Match[str] | None) -> time | None:
    if found is None:
        return None
    if found["word"]:
        return time(12) if found["word"].lower() in {"noon", "midday"} else _LAST_MINUTE
    if found["half"]:
        hour = int(found["h12"]) % _HALF_DAY + (_HALF_DAY if found["half"].lower() == "p" else 0)
        return time(hour, int(found["m12"] or 0))
    hour, minute = int(found["h24"] or found["uhr"]), int(found["m24"] or found["muhr"] or 0)
    return _LAST_MINUTE if hour == 2 * _HALF_DAY else time(hour, minute)
