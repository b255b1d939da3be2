"""Assignment Assistant: `from agent import Assistant` is the whole public surface.

The exports are lazy, so that `import agent` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.answer import Answer
    from agent.assistant import AsyncAssistant
    from agent.blocking import Assistant
    from agent.errors import AssistantError
    from agent.events import Event
    from agent.recording.handler import RecordingHandler
    from agent.settings import Settings
    from graphs.code import Code
    from graphs.context import Context
    from graphs.plan import Plan

__all__ = [
    "Answer",
    "Assistant",
    "AssistantError",
    "AsyncAssistant",
    "Code",
    "Context",
    "Event",
    "Plan",
    "RecordingHandler",
    "Settings",
]

_PLACES = {
    "Answer": "agent.answer",
    "Assistant": "agent.blocking",
    "AssistantError": "agent.errors",
    "AsyncAssistant": "agent.assistant",
    "Code": "graphs.code",
    "Context": "graphs.context",
    "Event": "agent.events",
    "Plan": "graphs.plan",
    "RecordingHandler": "agent.recording.handler",
    "Settings": "agent.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module 'agent' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
