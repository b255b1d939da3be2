"""An answer as Server-Sent Events: each with an id, a heartbeat in between, an error at worst."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from sse_starlette import EventSourceResponse, ServerSentEvent

from routes.problems import problem_of

if TYPE_CHECKING:
    from agent.events import Event

EVENT_STREAM = "text/event-stream"
_HEARTBEAT = 10
"""Seconds between two signs of life while a model is silent."""
_STUCK = 30
"""Seconds after which a client that takes nothing is given up."""


async def start_stream(events: "AsyncGenerator[Event, None]") -> EventSourceResponse:
    """Return the response of a request that was let in; one that was not raises here."""
    first = await anext(events)
    return EventSourceResponse(
        _as_sent(first, events),
        ping=_HEARTBEAT,
        ping_message_factory=lambda: ServerSentEvent(comment="heartbeat"),
        send_timeout=_STUCK,
    )


async def _as_sent(
    first: "Event", events: "AsyncGenerator[Event, None]"
) -> AsyncIterator[ServerSentEvent]:
    """Number the events; whatever fails is the last one. The status was sent long before."""
    number = 1
    try:
        yield _sent(number, first.name, first.data)
        async for event in events:
            number += 1
            yield _sent(number, event.name, event.data)
    except Exception as error:  # noqa: BLE001 - there is no other way left to tell the client
        yield _sent(number + 1, "error", problem_of(error))
    finally:
        await events.aclose()


def _sent(number: int, name: str, data: Any) -> ServerSentEvent:
    return ServerSentEvent(id=str(number), event=name, data=json.dumps(data, ensure_ascii=False))
