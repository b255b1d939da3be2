"""Usage and cost by day, month and model, as the specification's tables.

A request counts on the day its root started, a call of a model on the day it started itself.
"""

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, distinct, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from agent.courses.book import DEFAULT_ID
from agent.database import Database
from agent.prices import NANO, to_usd
from agent.recording.run_store import Run
from agent.recording.verify import Totals

_ORDER = ("planning", "chat", "codegen")
"""The specification's categories; others follow."""
_UNKNOWN = "unknown"
_MONTH = 7
"""Characters of a stored time that are its year and month."""
_IS_CALL = Run.run_type.in_(("llm", "embedding"))
"""What uses tokens and has a price."""
_IS_OFFLINE = or_(
    func.coalesce(Run.provider, "") == "offline",
    func.coalesce(Run.model_asked, "").like("offline:%"),
)
_IS_CACHED = func.coalesce(Run.cache, "") == "hit"


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the record that is meant."""

    since: date | None = None
    until: date | None = None
    """The last day; both are UTC and may be left open."""
    course: str = ""
    """One course; none: all."""

    def where(self) -> ColumnElement[bool]:
        """Return the condition on the runs."""
        conditions: list[ColumnElement[bool]] = [_IS_CALL | (Run.run_type == "chain")]
        if self.since:
            conditions.append(Run.started_at >= self.since.isoformat())
        if self.until and self.until < date.max:
            conditions.append(Run.started_at < (self.until + timedelta(days=1)).isoformat())
        if self.course:
            is_default = self.course == DEFAULT_ID
            conditions.append(Run.course.is_(None) if is_default else Run.course == self.course)
        return and_(*conditions)


@dataclass(frozen=True, slots=True)
class Usage:
    """What some requests used."""

    count: int
    """The requests; the model calls are counted beside them."""
    llm_runs: int
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    """Over the calls whose price is known."""
    unpriced: int
    """Calls whose price is not known; they are not in the cost."""
    answered: int
    """The LLM runs over which is averaged: those that used tokens of a known number."""
    answered_input: int
    answered_output: int

    @property
    def total_tokens(self) -> int:
        """Tokens in and out, as far as they are known."""
        return self.input_tokens + self.output_tokens

    @property
    def average_input_tokens(self) -> float | None:
        """Tokens in, of one LLM run."""
        return self.answered_input / self.answered if self.answered else None

    @property
    def average_output_tokens(self) -> float | None:
        """Tokens out, of one LLM run."""
        return self.answered_output / self.answered if self.answered else None

    @property
    def average_nano_usd(self) -> float | None:
        """The cost of one request."""
        return self.cost_nano_usd / self.count if self.count else None

    def figures(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "count": self.count,
            "llm_runs": self.llm_runs,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
            "average_input_tokens": self.average_input_tokens,
            "average_output_tokens": self.average_output_tokens,
            "total_cost": to_usd(self.cost_nano_usd),
            "unpriced": self.unpriced,
        }


@dataclass(frozen=True, slots=True)
class CategoryUsage(Usage):
    """The requests of one category."""

    category: str


@dataclass(frozen=True, slots=True)
class MonthUsage(Usage):
    """The requests of one UTC month."""

    month: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        nano = self.average_nano_usd
        average = None if nano is None else nano / NANO
        return {"month": self.month, **self.figures(), "average_cost": average}


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What one model was asked, replies from a cache left aside."""

    model: str
    calls: int
    requests: int
    """The requests in which it was called."""
    share: float
    """Of all calls, from 0 to 1."""
    cost_nano_usd: int
    unpriced: int
    average_nano_usd: float
    """The cost of one request, as far as prices are known."""
    monthly_nano_usd: float
    """The cost of one month, over the months in which anything was called."""


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """One UTC day."""

    day: str
    categories: list[CategoryUsage]
    total: Usage

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        rows = [{"category": row.category, **row.figures()} for row in self.categories]
        return {"day": self.day, "categories": rows, "total": self.total.figures()}


@dataclass(frozen=True, slots=True)
class ModelReport:
    """Every model that costs something, or may; what costs nothing is counted apart."""

    models: list[ModelUsage]
    cache_hits: int
    offline_runs: int

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        rows = [
            {
                "model": row.model,
                "calls": row.calls,
                "requests": row.requests,
                "share": row.share,
                "average_cost": row.average_nano_usd / NANO,
                "monthly_cost": row.monthly_nano_usd / NANO,
                "total_cost": to_usd(row.cost_nano_usd),
                "unpriced": row.unpriced,
            }
            for row in self.models
        ]
        return {"models": rows, "cache_hits": self.cache_hits, "offline_runs": self.offline_runs}


def daily_usage(database: Database, day: str, course: str = "") -> DailyUsage:
    """Add up a UTC day, given as ISO 8601, by category."""
    only = date.fromisoformat(day)
    with database.read() as session:
        found = _add_up(session, Run.prompt_type, Scope(only, only, course))
    rows = [CategoryUsage(**asdict(usage), category=name or _UNKNOWN) for name, usage in found]
    rows.sort(key=lambda row: _place(row.category))
    return DailyUsage(day, rows, _total(rows))


def monthly_usage(database: Database, scope: Scope) -> list[MonthUsage]:
    """Add up each UTC month in which something ran, oldest first."""
    month = func.substr(Run.started_at, 1, _MONTH)
    with database.read() as session:
        found = _add_up(session, month, scope)
    rows = [MonthUsage(**asdict(usage), month=name or "") for name, usage in found]
    return sorted(rows, key=lambda row: row.month)


def model_usage(database: Database, scope: Scope) -> ModelReport:
    """Add up the calls of each model, the most expensive first."""
    model = func.coalesce(Run.model_served, Run.model_asked, _UNKNOWN)
    months = func.count(distinct(func.substr(Run.started_at, 1, _MONTH)))
    calls = and_(scope.where(), _IS_CALL)
    counted = and_(calls, ~_IS_CACHED, ~_IS_OFFLINE)
    apart = select(_count(_IS_CACHED), _count(and_(_IS_OFFLINE, ~_IS_CACHED))).where(calls)
    wanted = select(
        model,
        func.count(),
        func.count(distinct(Run.root_run_id)),
        _sum(_IS_CALL, Run.cost_nano_usd),
        func.count() - func.count(Run.cost_nano_usd),
    )
    with database.read() as session:
        found = session.execute(wanted.where(counted).group_by(model)).all()
        number_of_months = session.scalar(select(months).where(counted)) or 1
        cached, offline = session.execute(apart).one()
    every = sum(row[1] for row in found)
    rows = [
        ModelUsage(
            model=name,
            calls=number,
            requests=requests,
            share=number / every,
            cost_nano_usd=int(nano),
            unpriced=unpriced,
            average_nano_usd=int(nano) / requests,
            monthly_nano_usd=int(nano) / number_of_months,
        )
        for name, number, requests, nano, unpriced in found
    ]
    rows.sort(key=lambda row: (-row.cost_nano_usd, row.model))
    return ModelReport(rows, int(cached or 0), int(offline or 0))


def whole_usage(session: Session) -> Totals:
    """Return what the reports say of everything, in a transaction that is open already."""
    usage = _total(usage for _, usage in _add_up(session, Run.prompt_type, Scope()))
    return Totals(usage.count, usage.llm_runs, usage.total_tokens, usage.cost_nano_usd)


def _add_up(
    session: Session, key: ColumnElement[Any] | Any, scope: Scope
) -> list[tuple[str | None, Usage]]:
    """Return the usage of each value of a key."""
    is_average = and_(
        Run.run_type == "llm",
        ~_IS_CACHED,
        Run.input_tokens.is_not(None),
        Run.output_tokens.is_not(None),
    )
    query = (
        select(
            key,
            _count(and_(Run.run_type.in_(("chain", "llm")), _opens_request())),
            _count(Run.run_type == "llm"),
            _sum(_IS_CALL, Run.input_tokens),
            _sum(_IS_CALL, Run.output_tokens),
            _sum(_IS_CALL, Run.cost_nano_usd),
            _count(and_(_IS_CALL, Run.cost_nano_usd.is_(None))),
            _count(is_average),
            _sum(is_average, Run.input_tokens),
            _sum(is_average, Run.output_tokens),
        )
        .where(scope.where(), or_(_IS_CALL, Run.run_id == Run.root_run_id))
        .group_by(key)
    )
    return [(row[0], Usage(*map(int, row[1:]))) for row in session.execute(query)]


def _opens_request() -> ColumnElement[bool]:
    """Return whether a run stands for its request: the root, or the first call where that is away.

    The root of an imported call stayed where it came from.
    """
    root, other = aliased(Run), aliased(Run)
    is_earlier = tuple_(other.started_at, other.run_id) < tuple_(Run.started_at, Run.run_id)
    earlier = exists().where(
        other.root_run_id == Run.root_run_id, other.run_type == "llm", is_earlier
    )
    is_away = ~exists().where(root.run_id == Run.root_run_id)
    return or_(Run.run_id == Run.root_run_id, and_(is_away, ~earlier))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _sum(condition: ColumnElement[bool], column: Any) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, column))), 0)


def _total(rows: Iterable[Usage]) -> Usage:
    width = len(fields(Usage))
    sums = [astuple(row)[:width] for row in rows]
    return Usage(*map(sum, zip(*sums, strict=True))) if sums else Usage(*[0] * width)


def _place(category: str) -> tuple[int, str]:
    known = category in _ORDER
    return (_ORDER.index(category) if known else len(_ORDER), category)
