"""Dates and times as people write them in English, German, Spanish, French and Portuguese.

It knows how a date looks and how one without a year is completed. It does not know which
date of a text matters.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
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
    rf"\b(?P<iso>(?:19|20)\d\d-\d{{2}}-\d{{2}})(?:[T ](?P<isotime>\d{{2}}:\d{{2}}))?"
    rf"|(?:\b(?P<weekday>{_WEEKDAY})\b\.?,?\s{{0,3}}(?:(?:the|den|el|le|on)\s)?)?"
    rf"(?:\b(?P<mon1>{_MONTH})\b\.?\s{{0,2}}(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"(?:,?\s{{0,2}}{_YEAR.format('year1')}\b)?"
    rf"|\b(?P<day2>\d{{1,2}})(?:st|nd|rd|th|\.|º|er)?\s{{0,2}}(?:of\s|de\s)?"
    rf"(?P<mon2>{_MONTH})\b\.?(?:,?\s{{0,2}}(?:de\s)?{_YEAR.format('year2')}\b)?"
    rf"|(?<![\d/.-])(?P<a>\d{{1,2}})(?P<sep>[/.])(?P<b>\d{{1,2}})(?:(?P=sep)(?P<y>(?:20)?\d\d))?"
    r"(?![\d/%-])(?!\.\d))",
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

    def iso(self) -> str:
        """Return the date, or date and time, in ISO 8601."""
        if self.at is None:
            return self.day.isoformat()
        return f"{self.day.isoformat()}T{self.at.isoformat(timespec='minutes')}"


def find_dates(line: str, today: date | None) -> Iterator[Mention]:
    """Yield the dates of a line; those without a year need `today` and lie on or after it."""
    taken: list[tuple[int, int]] = []
    for found in _DATE.finditer(line):
        if day := _day_of(found, today):
            at = _iso_time(found) or _time_near(line, found.start(), found.end())
            taken.append(found.span())
            yield Mention(found.start(), found.end(), day, at)
    if today is None:
        return
    for found in _LOOSE.finditer(line):
        free = all(found.end() <= start or end <= found.start() for start, end in taken)
        if free and (day := _loose_day(found, today)):
            yield Mention(
                found.start(), found.end(), day, _time_near(line, found.start(), found.end())
            )


def _day_of(found: re.Match[str], today: date | None) -> date | None:
    if found["iso"]:
        return _safe_date(*map(int, found["iso"].split("-")))
    weekday = _WEEKDAYS.get((found["weekday"] or "").lower())
    if found["a"]:
        return _numeric_day(found, weekday, today)
    month = _MONTHS[(found["mon1"] or found["mon2"]).lower()]
    day = int(found["day1"] or found["day2"])
    year = found["year1"] or found["year2"]
    return _safe_date(int(year), month, day) if year else _next(month, day, today)


def _numeric_day(found: re.Match[str], weekday: int | None, today: date | None) -> date | None:
    first, second = int(found["a"]), int(found["b"])
    if found["sep"] == "." and not found["y"] and weekday is None and not _ends_like_a_date(found):
        return None
    orders = (
        [(second, first), (first, second)]
        if found["sep"] == "."
        else [(first, second), (second, first)]
    )
    days = []
    for month, day in orders:
        if found["y"]:
            year = int(found["y"])
            days.append(_safe_date(year if year > _SHORT_YEAR else 2000 + year, month, day))
        else:
            days.append(_next(month, day, today))
    known = [day for day in days if day]
    by_weekday = [day for day in known if day.weekday() == weekday]
    return next(iter(by_weekday or known), None)


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


def _time_near(line: str, start: int, end: int) -> time | None:
    after = _TIME.search(line[end : end + _TIME_REACH])
    before = None if after else _last(_TIME.finditer(line[max(0, start - _TIME_REACH) : start]))
    return _time_of(after or before)


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
