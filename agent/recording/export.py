"""The record as the specification writes it: one JSON object a model call."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from agent.prices import to_usd
from agent.recording.run_store import Run

_MORE = (
    "run_id", "parent_run_id", "trace_id", "status", "error", "ended_at", "latency_ms",
    "first_token_ms", "course", "model_asked", "model_served", "model_version", "parameters",
    "finish_reason", "usage_details", "cost_nano_usd", "price_reference", "prompt_version",
    "prompt_digest", "left_out", "content",
)  # fmt: skip


def as_interaction(run: Run) -> dict[str, Any]:
    """Return a run under the specification's keys; all else stands in `metadata`."""
    return {
        "timestamp": run.started_at,
        "session_id": run.thread_id or run.trace_id,
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
            **{name: getattr(run, name) for name in _MORE},
        },
    }


def as_json_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Write runs as JSON Lines."""
    for run in runs:
        yield json.dumps(as_interaction(run), ensure_ascii=False)
