"""The operator's own prices: a TOML file of `[[price]]` entries, the first that fits counts.

docs/prices.md shows one. Every fault of the file is named with its line, entry and key.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from agent.courses.problems import say_unreadable, suggest, written
from agent.errors import SettingsError
from agent.prices.addresses import OPENAI_HOST
from agent.prices.price import Price, Rates, Tokens, in_words
from agent.prices.public import own_name

_TABLE = "price"
_HEADER = re.compile(r"\s*\[\[\s*price\s*\]\]")
_ANY = "*"
_DEAREST = 100_000
_AMOUNTS = ("input", "output", "cache_read", "cache_write")
_AMOUNT = 'Write dollars per million tokens, such as "2.50".'
_DAY = "Write a day, such as 2026-11-22."
_SENTENCES = {
    "date_from_datetime_inexact": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_type": _DAY,
    "literal_error": "Prices are in USD; convert them, and leave this key out.",
    "string_too_short": "Name it.",
    "string_type": "Write it in quotes.",
}

Money = Annotated[Decimal, Field(ge=0, le=_DEAREST, allow_inf_nan=False)]


class Entry(BaseModel):
    """One price of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    """The name as it is asked for or served, or its beginning and a star."""
    host: str = ""
    """Host and port of the one OpenAI-compatible server where this is the price."""
    start: date | None = Field(default=None, alias="from")
    until: date | None = None
    """The last day, which is still part of it."""
    currency: Literal["USD"] = "USD"
    input: Money
    output: Money
    cache_read: Money | None = None
    cache_write: Money | None = None

    @field_validator(*_AMOUNTS, mode="before")
    @classmethod
    def _is_amount(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(_AMOUNT)  # noqa: TRY004 - pydantic collects ValueError alone
        return value

    @field_validator("model")
    @classmethod
    def _has_one_star(cls, value: str) -> str:
        if _ANY in value[:-1]:
            raise ValueError("A star stands for the rest of a name, so only at its end.")
        return value

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if re.search(r"[/@\s]", value):
            raise ValueError("Write host or host:port alone, such as gpu.example.edu:8000.")
        return value.lower().removesuffix(":443")

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.start and self.until and self.until < self.start:
            raise ValueError(f"until {self.until} is before from {self.start}. Exchange them.")
        return self

    @property
    def rates(self) -> Rates:
        """What a million tokens costs."""
        return Rates(self.input, self.output, self.cache_read, self.cache_write)

    def fits(self, model: str) -> bool:
        """Say whether a name is meant; case does not count."""
        wanted, name = self.model.lower(), model.lower()
        return name.startswith(wanted[:-1]) if wanted.endswith(_ANY) else name == wanted

    def is_valid(self, day: date) -> bool:
        """Say whether this is the price on a UTC day."""
        return (self.start is None or self.start <= day) and (
            self.until is None or day <= self.until
        )


@dataclass(frozen=True, eq=False, slots=True)
class PriceFile:
    """The entries of a file, in order."""

    name: str
    entries: tuple[Entry, ...]

    def price(self, call: "Call", tokens: Tokens, at: datetime, place: str) -> Price | None:
        """Price one call; `None` where no entry fits."""
        day = (at.astimezone(UTC) if at.tzinfo else at).date()
        for entry, listed, unit_prices in _fitting(self, call):
            if entry.is_valid(day):
                details = {
                    "provider": entry.provider,
                    "model": entry.model,
                    "valid_from": entry.start.isoformat() if entry.start else None,
                    "unit_prices": dict(unit_prices),
                    "list": f"file {self.name}",
                }
                return entry.rates.charge(tokens).priced(f"{listed}{place}", details)
        return None


@dataclass(frozen=True, slots=True)
class Call:
    """What was called, as far as its price depends on it."""

    provider: str
    """Of the client, which is `openai` for every server that speaks like OpenAI's."""
    payee: str
    """Whose prices apply; empty where nobody said so."""
    model: str
    host: str


def read_price_file(path: Path) -> PriceFile:
    """Read the operator's prices.

    Raises:
        SettingsError: the file cannot be read or is wrong; each fault with its line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"ASSIST_PRICE_FILE: {path} cannot be read ({error.strerror}). Name a TOML file."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"ASSIST_PRICE_FILE: {path} is not UTF-8. Save it as such.") from None
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise SettingsError(
            f"ASSIST_PRICE_FILE: {say_unreadable(str(path), text, error)}"
        ) from None
    entries, problems = _read(document, text, str(path))
    if problems:
        raise SettingsError("\n".join(f"ASSIST_PRICE_FILE: {problem}" for problem in problems))
    return PriceFile(path.name, tuple(entries))


@lru_cache(maxsize=1024)
def _fitting(file: PriceFile, call: Call) -> list[tuple[Entry, str, dict[str, str]]]:
    """Find the entries that mean a call on some day, with how they are named and written.

    Without a host an entry is for those who are paid by their own or the operator's word.
    """
    host = (call.host or OPENAI_HOST) if call.provider == "openai" else ""
    payees = {call.payee.lower()} if call.payee else set()
    here = payees | {call.provider.lower()}
    return [
        (
            entry,
            f"file {file.name} {entry.provider}:{entry.model}",
            in_words(entry.rates),
        )
        for entry in file.entries
        if entry.provider.lower() in (here if entry.host else payees)
        and entry.host in ("", host)
        and (entry.fits(call.model) or entry.fits(own_name(entry.provider, call.model)))
    ]


def _read(document: Mapping[str, Any], text: str, place: str) -> tuple[list[Entry], list[str]]:
    problems = [
        f"{place}: there is no {key!r} in a price file.{suggest(key, [_TABLE])} "
        "Begin each price with a line [[price]]."
        for key in document
        if key != _TABLE
    ]
    tables = document.get(_TABLE, [])
    if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
        return [], [f"{place}: begin each price with a line [[price]], in two brackets."]
    entries = []
    for number, table in enumerate(tables, 1):
        try:
            entries.append(Entry.model_validate(table))
        except ValidationError as error:
            where = _Place(place, text.split("\n"), number)
            problems += [_say(where, found) for found in error.errors()]
    return entries, problems


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entry stands."""

    file: str
    lines: Sequence[str]
    number: int

    def of(self, key: str) -> str:
        """Name the line of a key, or that of the entry's header."""
        block = list(self._block())
        wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
        line = next((number for number, line in block if wanted.match(line)), None)
        line = line or (block[0][0] if block else None)
        return (
            f"{self.file}:{line}, price {self.number}"
            if line
            else f"{self.file}, price {self.number}"
        )

    def _block(self) -> Iterator[tuple[int, str]]:
        seen = 0
        for number, line in enumerate(self.lines, 1):
            seen += bool(_HEADER.match(line))
            if seen == self.number:
                yield number, line


def _say(where: _Place, error: ErrorDetails) -> str:
    key = str(error["loc"][0]) if error["loc"] else "until"
    kind = error["type"]
    if kind == "missing":
        return f"{where.of(key)}: {key} is missing. {_AMOUNT if key in _AMOUNTS else 'Name it.'}"
    if kind == "extra_forbidden":
        known = [field.alias or name for name, field in Entry.model_fields.items()]
        hint = f"{suggest(key, known)} Known: {', '.join(known)}."
        return f"{where.of(key)}: there is no {key!r}.{hint}"
    if kind == "value_error":
        sentence = str(error.get("ctx", {})["error"])
    else:
        sentence = _SENTENCES.get(kind, f"{_AMOUNT} At most {_DEAREST:,}.")
    said = f"{key} = {written(error['input'])}: " if error["loc"] else ""
    return f"{where.of(key)}: {said}{sentence}"
