"""What is checked before anything is spent on a request, and the request that is let in."""

import uuid

from agent.models.catalogue import ModelCatalogue
from agent.requests import Call, Request, check_prompt_type, check_text, check_uuid
from agent.stores import Stores
from graphs.context import Context
from graphs.state import Assignment

_OPEN_STATES = ("pending", "in_progress")


def admit(run_id: uuid.UUID, call: Call, *, stores: Stores, models: ModelCatalogue) -> Request:
    """Turn a call into a request of the local person.

    Raises:
        InputError: the call is wrong.
    """
    check_text(call.message)
    assignment = None
    if call.assignment_id:
        assignment = _known_assignment(check_uuid(call.assignment_id, "assignment_id"), stores)
    thread_id = check_uuid(call.thread_id, "thread_id") if call.thread_id else str(uuid.uuid4())
    return Request(
        message=call.message,
        run_id=run_id,
        thread_id=thread_id,
        user_id=stores.user_id,
        has_consent=stores.consent.status(stores.user_id).given,
        context=Context(
            run_id=str(run_id),
            prompt_type=check_prompt_type(call.prompt_type),
            assignment=assignment,
            course=call.course,
            model=models.check(call.model),
        ),
    )


def _known_assignment(assignment_id: str, stores: Stores) -> Assignment:
    row = stores.assignments.get(stores.user_id, assignment_id)
    tasks = (row.plan or {}).get("tasks", [])
    current = next((task for task in tasks if task["status"] in _OPEN_STATES), None)
    return Assignment(
        assignment_id=assignment_id,
        title=row.title,
        brief=row.brief,
        current_task=current["description"] if current else "",
        tools=current["tool_requirements"] if current else [],
    )
