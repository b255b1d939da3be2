"""Give recorded calls the price that today's lists state for their own day.

A figure that is replaced stays on the run, with whose it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, or_, select, update
from sqlalchemy.engine import CursorResult

from agent.database import Database, utc_now
from agent.prices import Price, PriceList, host_named
from agent.recording.backlog import queue_again
from agent.recording.run_store import Run

_BATCH = 500
_PRICED = ("llm", "embedding")
_OPEN = "started"


@dataclass(slots=True)
class Repricing:
    """What came of it."""

    dry_run: bool
    runs: int = 0
    """The calls that were looked at."""
    changed: int = 0
    kept: int = 0
    """Calls that no list has a price for now; the cost they have stays."""
    unpriced: int = 0
    """Calls that have no price, before and after; they are in neither total."""
    before_nano_usd: int = 0
    after_nano_usd: int = 0
    queued: int = 0
    """Calls whose new cost is to be sent to LangSmith."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def reprice(
    database: Database,
    prices: PriceList,
    *,
    since: date | None = None,
    until: date | None = None,
    dry_run: bool = False,
    sends: bool = False,
) -> Repricing:
    """Reprice the calls of some days, both of them included, or of all.

    What a record states that was imported stays, and so does what a cache answered for nothing.
    Another time round changes nothing more.

    Args:
        database: The records.
        prices: Today's lists.
        since: The first day.
        until: The last day.
        dry_run: Whether nothing is to be written.
        sends: Whether LangSmith is to learn of the new figures.

    Raises:
        StorageError: the database refuses; what was repriced until then stays so.
    """
    result = Repricing(dry_run=dry_run)
    for runs in _batches(database, _chosen(since, until)):
        found = [(run, _price(prices, run)) for run in runs]
        fresh = [(run, price) for run, price in found if _count(result, run, price)]
        if fresh and not dry_run:
            changed = _write(database, fresh, sends=sends)
            result.queued += changed if sends else 0
    return result


def _chosen(since: date | None, until: date | None) -> Select[Run]:
    query = select(Run).where(
        Run.run_type.in_(_PRICED),
        Run.status != _OPEN,
        or_(Run.origin.is_(None), Run.origin != "imported"),
        or_(Run.cache.is_(None), Run.cache != "hit"),
    )
    if since:
        query = query.where(Run.started_at >= since.isoformat())
    if until:
        query = query.where(Run.started_at < (until + timedelta(days=1)).isoformat())
    return query.order_by(Run.run_id).limit(_BATCH)


def _batches(database: Database, query: Select[Run]) -> Iterator[Sequence[Run]]:
    """Read the runs a few at a time, so that no writer waits for all of them."""
    last = ""
    while True:
        with database.read() as session:
            runs = session.scalars(query.where(Run.run_id > last)).all()
        if not runs:
            return
        yield runs
        last = runs[-1].run_id


def _price(prices: PriceList, run: Run) -> Price:
    """Price a run as it was when it ran, by the server that its reference names."""
    if not run.provider:
        return Price(None, "unknown: the record does not say who was called")
    is_embedding = run.run_type == "embedding"
    usage = {
        **(run.usage_details or {}),
        "input_tokens": run.input_tokens,
        "output_tokens": 0 if is_embedding else run.output_tokens,
    }
    return prices.at_host(host_named(run.price_reference or "")).price(
        provider=run.provider,
        model=run.model_served or run.model_asked or "",
        usage=usage,
        at=datetime.fromisoformat(run.started_at),
    )


def _count(result: Repricing, run: Run, price: Price) -> bool:
    """Count a run; say whether its figure changes."""
    before, after = run.cost_nano_usd, price.nano_usd
    result.runs += 1
    result.before_nano_usd += before or 0
    result.after_nano_usd += (before if after is None else after) or 0
    result.unpriced += before is None and after is None
    result.kept += before is not None and after is None
    is_changed = after is not None and after != before
    result.changed += is_changed
    return is_changed


def _write(database: Database, fresh: Sequence[tuple[Run, Price]], *, sends: bool) -> int:
    """Write new figures, and put them into the outbox; return how many were still new."""
    at = utc_now()
    changed: list[str] = []
    with database.begin() as session:
        for run, price in fresh:
            old = {"at": at, "nano_usd": run.cost_nano_usd, "reference": run.price_reference}
            done = session.execute(
                update(Run)
                .where(
                    Run.run_id == run.run_id,
                    # Whoever repriced it meanwhile has kept the old figure already.
                    Run.cost_nano_usd.is_not_distinct_from(run.cost_nano_usd),
                )
                .values(
                    cost_nano_usd=price.nano_usd,
                    price_reference=price.reference,
                    price=price.details,
                    repriced=[*(run.repriced or []), old],
                )
            )
            if cast("CursorResult[Any]", done).rowcount:
                changed.append(run.run_id)
        if sends and changed:
            queue_again(session, changed)
    return len(changed)
