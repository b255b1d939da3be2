"""A course: everything that one course decides differently from another.

It knows neither the folder that the files lie in nor the people of a course.
"""

import re
import tomllib
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from agent.courses.problems import (
    Problem,
    say,
    say_invalid,
    say_unreadable,
    suggest,
    written,
)
from agent.errors import SettingsError

_ID = r"^[a-z0-9][a-z0-9-]{0,63}$"
_NANO_USD = 1_000_000_000
_MOST_DAYS = 3_650
_MOST_USD = 1_000_000

Guidance = Literal["full", "hints", "explain-only"]
Days = Annotated[int, Field(strict=True, ge=1, le=_MOST_DAYS)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+:\S+$", max_length=200)]
Login = Annotated[str, Field(pattern=r"^\S(.*\S)?$", max_length=200)]


class Retention(BaseModel):
    """How many days each class of data is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: Days = Field(
        default=90,
        description="Days that the text of prompts and answers stays in the record.",
        examples=[90],
    )
    metadata: Days = Field(
        default=400,
        description="Days that the rest of a record stays (times, tokens, cost); "
        "at least as long as its text.",
        examples=[400],
        validate_default=True,
    )
    audit: Days = Field(
        default=2_190, description="Days that it stays known who read what.", examples=[2_190]
    )
    uploads: Days = Field(
        default=180,
        description="Days that assignments which people sent in, and their plans, are kept.",
        examples=[180],
    )
    threads: Days = Field(
        default=180, description="Days that a conversation can be gone on with.", examples=[180]
    )

    @field_validator("metadata")
    @classmethod
    def _outlives_its_text(cls, days: int, info: ValidationInfo) -> int:
        content = info.data.get("content", 0)
        if days < content:
            raise ValueError(
                f"the text of a record cannot outlive it, but content = {content}. "
                "Raise metadata, or lower content."
            )
        return days


class Course(BaseModel):
    """What one course decides; read from its file by `agent.courses.book`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=_ID, description="The name of the file, without `.toml`.")
    name: str = Field(
        default="",
        max_length=200,
        description="What people call it; empty: its id.",
        examples=["Programming 1"],
    )
    time_zone: str = Field(
        default="UTC",
        description="IANA name of the zone that deadlines and days are meant in.",
        examples=["Europe/Zurich"],
    )
    language: str = Field(
        default="en",
        pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$",
        description="BCP 47 tag of the language that answers are written in.",
        examples=["de"],
    )
    models: tuple[ModelName, ...] = Field(
        default=(),
        description="Each `provider:model` that may be asked for; empty: what the catalogue has.",
        examples=[["openai:gpt-5.4-mini"]],
    )
    guidance: Guidance = Field(
        default="full",
        description="How much of a solution an answer may give: `full`, `hints` or `explain-only`.",
        examples=["hints"],
    )
    budget: Decimal | None = Field(
        default=None,
        ge=0,
        le=_MOST_USD,
        max_digits=16,
        decimal_places=9,
        description="US dollars that one person may spend in a month; 0: free models alone; "
        "left out: no limit.",
        examples=[Decimal("2.50")],
    )
    consent_text: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*\.(md|txt))?$",
        description="Name of a file in the same folder with the wording that people consent to; "
        "empty: the one that comes with the assistant.",
        examples=["prog1-consent.md"],
    )
    consent_days: int = Field(
        default=365,
        strict=True,
        ge=1,
        le=3_650,
        description="How many days a consent holds; after that people are asked anew.",
        examples=[180],
    )
    teachers: tuple[Login, ...] = Field(
        default=(), description="The logins of those who teach it.", examples=[["meier", "lee"]]
    )
    starts: date | None = Field(
        default=None,
        strict=True,
        description="Its first day; left out: it has begun.",
        examples=[date(2026, 9, 14)],
    )
    ends: date | None = Field(
        default=None,
        strict=True,
        description="Its last day; left out: it does not end.",
        examples=[date(2027, 2, 12)],
    )
    outbound_redaction: bool = Field(
        default=True,
        strict=True,
        description="Replace names, addresses and numbers of people in what goes to a model "
        "on another machine.",
        examples=[True],
    )
    retention: Retention = Field(
        default_factory=Retention, description="How many days each class of data is kept."
    )

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.id

    @property
    def zone(self) -> tzinfo:
        """The time zone, for calculating."""
        return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)

    @property
    def budget_nano_usd(self) -> int | None:
        """The budget as money is counted: in nano-dollars; unlimited is None."""
        return None if self.budget is None else int(self.budget * _NANO_USD)

    def why_closed(self, now: datetime) -> str:
        """Say that it has not begun or is over, on the calendar of its zone; empty: it runs."""
        today = now.astimezone(self.zone).date()
        if self.starts and today < self.starts:
            return f"{self.id} begins on {self.starts}"
        if self.ends and today > self.ends:
            return f"{self.id} ended on {self.ends}"
        return ""

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        # UTC needs no database, so the default course works on a machine that has none.
        if name == "UTC" or name in _zones():
            return name
        if not _zones():
            raise ValueError("this machine knows no time zones. Run: pip install tzdata.")
        meant = suggest(name, _zones()) or ' Example: time_zone = "Europe/Zurich"'
        raise ValueError(f"there is no such time zone.{meant}")

    @field_validator("ends")
    @classmethod
    def _ends_after_it_starts(cls, ends: date | None, info: ValidationInfo) -> date | None:
        starts = info.data.get("starts")
        if ends and starts and ends < starts:
            raise ValueError(f"it ends before it starts, on {starts}. Correct one of the two.")
        return ends


def parse_course(course_id: str, text: str, place: str) -> Course:
    """Read a course out of the text of its file.

    Args:
        course_id: the name of the file, without `.toml`.
        text: what stands in it.
        place: how errors name the file.

    Raises:
        SettingsError: one line for each problem, in the order of the file.
    """
    if not re.fullmatch(_ID, course_id):
        raise SettingsError(
            f"{place}: a course's file is called like its id: small letters, digits and hyphens, "
            "at most 64. Rename it."
        )
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise SettingsError(say_unreadable(place, text, error)) from None
    problems: list[Problem] = []
    if "id" in values:
        sentence = f"the id is the name of the file, {course_id!r}. Remove the line."
        problems.append(say(place, text, ["id"], values["id"], sentence))
    try:
        course = Course.model_validate({**values, "id": course_id})
    except ValidationError as error:
        problems += [say_invalid(place, text, Course, found) for found in error.errors()]
    if problems:
        raise SettingsError("\n".join(problem.sentence for problem in sorted(problems)))
    return course


def keys_table() -> str:
    """List every key of a course's file with its default and meaning, as Markdown."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for name, field in Course.model_fields.items():
        if name == "retention":
            rows += [_row(f"retention.{inner}", of) for inner, of in Retention.model_fields.items()]
        elif name != "id":
            rows.append(_row(name, field))
    return "\n".join(rows) + "\n"


def _row(key: str, field: FieldInfo) -> str:
    default: Any = field.default
    shown = "-" if default is None or default in ("", ()) else f"`{written(default)}`"
    return f"| `{key}` | {shown} | {field.description} |"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
