"""The record as the specification writes it: one JSON object a model call.

`agent.recording.importing` reads what this writes.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import select, tuple_

from agent.database import Database
from agent.prices import to_usd
from agent.recording.run_store import Run

_PLAIN = (
    "run_id", "parent_run_id", "root_run_id", "trace_id", "origin", "name", "tags", "status",
    "paused", "error", "ended_at", "latency_ms", "first_token_ms", "course", "provider",
    "model_asked", "model_served", "model_version", "parameters", "finish_reason", "cache",
    "usage_details", "cost_nano_usd", "price", "price_reference", "repriced", "left_out", "content",
)  # fmt: skip
"""The columns that stand in `metadata` under their own names."""
_PAGE = 500


def as_interaction(run: Run) -> dict[str, Any]:
    """Return a run under the specification's keys; all else stands in `metadata`."""
    prompt = {"version": run.prompt_version, "digest": run.prompt_digest}
    return {
        "timestamp": run.started_at,
        "session_id": run.thread_id or run.root_run_id,
        "user_id": run.user_id,
        "model": run.model_served or run.model_asked,
        "prompt_type": run.prompt_type,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "total_cost": to_usd(run.cost_nano_usd),
        "prompt": run.prompt,
        "response": run.response,
        "metadata": {
            "assignment_id": run.assignment_id,
            "task_type": run.task_type,
            "attempt": None,
            **(run.attributes or {}),
            **{name: getattr(run, name) for name in _PLAIN},
            "prompt": prompt if run.prompt_version else None,
        },
    }


def as_json_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Write runs as JSON Lines."""
    for run in runs:
        yield json.dumps(as_interaction(run), ensure_ascii=False)


def oldest_pages(database: Database) -> Iterator[Sequence[Run]]:
    """Yield every model call, oldest first, some at a time."""
    place = tuple_(Run.started_at, Run.run_id)
    in_order = select(Run).order_by(Run.started_at, Run.run_id)
    page = in_order.where(Run.run_type == "llm").limit(_PAGE)
    wanted = page
    while True:
        with database.read() as session:
            runs = session.scalars(wanted).all()
        if not runs:
            return
        yield runs
        wanted = page.where(place > (runs[-1].started_at, runs[-1].run_id))
