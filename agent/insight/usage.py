"""Usage and cost by day and category, as the specification's table."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select

from agent.database import Database
from agent.prices import to_usd
from agent.recording.run_store import Run

_DAY = 10
"""Characters of a stored time that are its date."""


@dataclass(frozen=True, slots=True)
class CategoryUsage:
    """What the model calls of one category used on one day."""

    category: str
    count: int
    total_tokens: int
    total_cost: float
    """Dollars, over the calls whose price is known."""
    unpriced: int
    """Calls whose price is not known; they are not in `total_cost`."""


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """One UTC day."""

    day: str
    categories: list[CategoryUsage]
    total: CategoryUsage

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def daily_usage(database: Database, day: str) -> DailyUsage:
    """Add up the model calls that started on a UTC day, given as ISO 8601."""
    tokens = func.coalesce(Run.input_tokens, 0) + func.coalesce(Run.output_tokens, 0)
    query = (
        select(
            Run.prompt_type,
            func.count(),
            func.sum(tokens),
            func.coalesce(func.sum(Run.cost_nano_usd), 0),
            func.count() - func.count(Run.cost_nano_usd),
        )
        .where(Run.run_type == "llm", func.substr(Run.started_at, 1, _DAY) == day)
        .group_by(Run.prompt_type)
        .order_by(Run.prompt_type)
    )
    with database.read() as session:
        rows = session.execute(query).all()
    categories = [
        CategoryUsage(kind or "unknown", count, used, to_usd(nano or 0) or 0.0, unpriced)
        for kind, count, used, nano, unpriced in rows
    ]
    nano_total = sum(row[3] or 0 for row in rows)
    total = CategoryUsage(
        category="total",
        count=sum(row.count for row in categories),
        total_tokens=sum(row.total_tokens for row in categories),
        total_cost=to_usd(nano_total) or 0.0,
        unpriced=sum(row.unpriced for row in categories),
    )
    return DailyUsage(day, categories, total)
