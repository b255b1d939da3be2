"""What a finished request comes to: an answer with its cost, or the error that leaves."""

import sqlite3
from pathlib import Path
from typing import Any

from agent.answer import CONSENT_HINT, Answer, Usage, make_answer
from agent.errors import AssistantError, DraftError, translate
from agent.prices import to_usd
from agent.recording.handler import RecordingHandler
from agent.requests import Request
from agent.stores import Stores
from agent.threads import threads_unusable
from retrieval.reading.titles import title_of


def conclude(
    request: Request, values: dict[str, Any], stores: Stores, handler: RecordingHandler
) -> Answer:
    """Make the answer of what the graph returned, and keep its plan.

    Raises:
        DraftError: the model's drafts failed their checks; the last one is kept.
    """
    run_id, kind = str(request.run_id), values["prompt_type"]
    assignment_id = request.assignment_id
    if kind == "planning":
        assignment_id = _keep_plan(request, values, stores)
        handler.complete(request.run_id, assignment_id=assignment_id)
    if values["findings"]:
        findings = values["findings"]
        kept = f"assignment {assignment_id}" if kind == "planning" else "its thread"
        raise DraftError(
            f"The model's {'plan' if kind == 'planning' else 'code'} failed its check "
            f"{values['attempts']} times: {' '.join(findings)} "
            f"The last draft is kept with {kept}; try again, or choose another model.",
            findings=findings,
            draft=values["draft_text"],
            run_id=run_id,
        )
    spent = handler.spent(request.run_id)
    return make_answer(
        values,
        run_id=run_id,
        thread_id=request.thread_id,
        assignment_id=assignment_id,
        usage=Usage(input_tokens=spent.input_tokens, output_tokens=spent.output_tokens),
        cost_usd=to_usd(spent.cost_nano_usd),
        text_recorded=request.keeps_text,
        consent_hint=CONSENT_HINT if _has_to_be_told(request) else None,
    )


def explain(error: Exception, *, threads: Path) -> AssistantError:
    """Return the error that leaves in place of another."""
    return threads_unusable(threads) if isinstance(error, sqlite3.Error) else translate(error)


def _has_to_be_told(request: Request) -> bool:
    """Say whether somebody begins to talk who never decided on consent."""
    return request.opens_thread and request.consent.state == "never asked"


def _keep_plan(request: Request, values: dict[str, Any], stores: Stores) -> str:
    """Keep the plan, or its failed draft, with the assignment it belongs to."""
    assignment_id = request.assignment_id or stores.assignments.add(
        request.owner, title=title_of(request.message), brief=request.message
    )
    if values["plan"] is not None:
        stores.assignments.keep_plan(request.owner, assignment_id, values["plan"])
    else:
        stores.assignments.keep_draft(request.owner, assignment_id, values["draft_text"])
    return assignment_id
