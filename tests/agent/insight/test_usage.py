"""Usage by day, month and model, as the specification's tables."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete

from agent.database import Database
from agent.insight.usage import Scope, daily_usage, model_usage, monthly_usage
from agent.recording.run_store import Run, RunStore


def call(number: int, **changes: Any) -> dict[str, Any]:
    """Make a settled model call."""
    return {
        "run_id": str(number),
        "root_run_id": str(number),
        "run_type": "llm",
        "name": "llm",
        "status": "done",
        "started_at": "2026-11-22T10:00:00.000000Z",
        "user_id": "u",
        "prompt_type": "chat",
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nano_usd": 20_000_000,
        "content": "no consent",
        **changes,
    }


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """The records' database."""
    opened = Database.open(records_url)
    with opened.begin() as session:
        session.execute(delete(Run))  # PostgreSQL keeps them from test to test
    yield opened
    opened.close()


def record(database: Database, *runs: dict[str, Any]) -> None:
    """Write runs."""
    for run in runs:
        RunStore(database).start(run)


def test_table_adds_up_when_a_day_is_read(database: Database) -> None:
    """Count, tokens and cost by category; an unknown price is counted, never taken for 0."""
    record(
        database,
        call(1),
        call(2, cost_nano_usd=None),
        call(3, prompt_type="planning", input_tokens=None, output_tokens=None),
        call(4, started_at="2026-11-23T00:00:00.000000Z"),
        call(5, prompt_type=None),
    )
    usage = daily_usage(database, "2026-11-22")
    planning, chat, other = usage.categories
    assert (chat.category, chat.count, chat.total_tokens) == ("chat", 2, 300)
    assert (chat.cost_nano_usd, chat.unpriced) == (20_000_000, 1)
    assert (planning.category, planning.total_tokens) == ("planning", 0)
    assert (planning.average_input_tokens, chat.average_output_tokens) == (None, 50)
    assert other.category == "unknown"
    assert (usage.total.count, usage.total.cost_nano_usd, usage.total.unpriced) == (
        4,
        60_000_000,
        1,
    )
    assert usage.as_json()["total"]["total_cost"] == 0.06


def test_table_is_empty_when_nothing_ran(database: Database) -> None:
    """A quiet day is a table of zeros."""
    usage = daily_usage(database, "2026-11-22")
    assert usage.categories == []
    assert usage.as_json()["total"]["count"] == 0


def test_request_counts_once_when_it_asked_several_models(database: Database) -> None:
    """The root is what is counted, on the day it began; LLM runs and embeddings stand beside it."""
    below = {"root_run_id": "1", "parent_run_id": "1"}
    nothing = {"input_tokens": None, "output_tokens": None, "cost_nano_usd": None}
    record(
        database,
        call(1, run_type="chain", started_at="2026-11-22T23:59:59.000000Z", **nothing),
        call(2, run_type="chain", started_at="2026-11-22T23:59:59.000000Z", **below, **nothing),
        call(3, started_at="2026-11-22T23:59:59.000000Z", **below),
        call(4, started_at="2026-11-23T00:00:01.000000Z", **below),
        call(5, run_type="embedding", input_tokens=7, output_tokens=0, **below),
        call(6, run_type="embedding", input_tokens=7, output_tokens=0),
        call(7, run_type="chain", **nothing),
    )
    first, second = (daily_usage(database, f"2026-11-{day}").total for day in (22, 23))
    assert (first.count, first.llm_runs, first.total_tokens) == (2, 1, 164)
    assert (second.count, second.llm_runs, second.total_tokens) == (0, 1, 150)
    assert (first.unpriced, first.average_input_tokens) == (0, 100)
    (month,) = monthly_usage(database, Scope())
    assert (month.count, month.llm_runs) == (2, 2)


def test_request_counts_once_when_its_root_stayed_elsewhere(database: Database) -> None:
    """Calls that were imported without their root are one request, whatever their categories."""
    record(
        database,
        call(1, root_run_id="away"),
        call(2, root_run_id="away", started_at="2026-11-22T11:00:00.000000Z", prompt_type=None),
    )
    assert daily_usage(database, "2026-11-22").total.count == 1


def test_average_is_of_answers_when_replies_came_from_a_cache(database: Database) -> None:
    """A reply from a cache used nothing, which says nothing of what an answer uses."""
    record(database, call(1), call(2, cache="hit", input_tokens=0, output_tokens=0))
    total = daily_usage(database, "2026-11-22").total
    assert (total.llm_runs, total.average_input_tokens) == (2, 100)


def test_months_follow_each_other_when_they_are_read(database: Database) -> None:
    """Each month in which something ran, with the cost of an interaction; or those of a scope."""
    record(
        database,
        call(1, started_at="2023-12-31T23:59:59.000000Z"),
        call(2, started_at="2024-01-01T00:00:00.000000Z", cost_nano_usd=0),
        call(3, started_at="2024-01-31T23:59:59.000000Z"),
    )
    december, january = monthly_usage(database, Scope())
    assert (december.month, december.count) == ("2023-12", 1)
    assert (january.as_json()["average_cost"], january.count) == (0.01, 2)
    last_day = date(2024, 1, 31)
    assert [row.count for row in monthly_usage(database, Scope(last_day, last_day))] == [1]
    assert len(monthly_usage(database, Scope(until=date.max))) == 2


def test_models_are_compared_when_several_answered(database: Database) -> None:
    """Share, cost of a request and of a month; what costs nothing by nature is counted apart."""
    gpt = {"model_served": "gpt-4"}
    record(
        database,
        call(1, **gpt),
        call(2, **gpt, root_run_id="1"),
        call(3, **gpt, started_at="2026-12-01T00:00:00.000000Z", cost_nano_usd=None),
        call(4, model_asked="openai:small", cost_nano_usd=1_000_000),
        call(5, **gpt, cache="hit", cost_nano_usd=0),
        call(6, provider="offline", cost_nano_usd=0),
        call(7, model_asked="offline:offline-1", cost_nano_usd=0),
        call(8, run_type="chain"),
    )
    report = model_usage(database, Scope())
    large, small = report.models
    assert (large.model, large.calls, large.requests, large.share) == ("gpt-4", 3, 2, 0.75)
    assert (large.cost_nano_usd, large.unpriced) == (40_000_000, 1)
    assert (large.average_nano_usd, large.monthly_nano_usd) == (20_000_000, 20_000_000)
    assert (small.model, small.share) == ("openai:small", 0.25)
    assert (report.cache_hits, report.offline_runs) == (1, 2)
    assert report.as_json()["models"][0]["total_cost"] == 0.04


def test_course_is_left_out_when_another_one_is_asked_for(database: Database) -> None:
    """The default course is the one without a name."""
    record(database, call(1), call(2, course="prog1"))
    counts = [daily_usage(database, "2026-11-22", name).total.count for name in ("", "prog1")]
    assert counts == [2, 1]
    (only,) = monthly_usage(database, Scope(course="default"))
    assert only.count == 1
