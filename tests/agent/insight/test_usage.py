"""Usage by day and category, as the specification's table."""

from pathlib import Path
from typing import Any

from agent.database import Database
from agent.insight.usage import daily_usage
from agent.recording.run_store import RunStore


def call(number: int, **changes: Any) -> dict[str, Any]:
    """Make a settled model call."""
    return {
        "run_id": str(number),
        "trace_id": str(number),
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


def test_table_adds_up_when_a_day_is_read(tmp_path: Path) -> None:
    """Count, tokens and cost by category; an unknown price is counted, never taken for 0."""
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    store = RunStore(database)
    for run in (
        call(1),
        call(2, cost_nano_usd=None),
        call(3, prompt_type="planning", input_tokens=None, output_tokens=None),
        call(4, started_at="2026-11-23T00:00:00.000000Z"),
        call(5, run_type="chain", cost_nano_usd=None),
    ):
        store.start(run)
    usage = daily_usage(database, "2026-11-22")
    database.close()
    chat, planning = usage.categories
    assert (chat.category, chat.count, chat.total_tokens) == ("chat", 2, 300)
    assert (chat.total_cost, chat.unpriced) == (0.02, 1)
    assert (planning.category, planning.total_tokens) == ("planning", 0)
    assert (usage.total.count, usage.total.total_cost, usage.total.unpriced) == (3, 0.04, 1)


def test_table_is_empty_when_nothing_ran(tmp_path: Path) -> None:
    """A quiet day is a table of zeros."""
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    usage = daily_usage(database, "2026-11-22")
    database.close()
    assert usage.categories == []
    assert usage.as_json()["total"]["count"] == 0
