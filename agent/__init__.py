"""Assignment Assistant: `from agent import Assistant` is the whole public surface.

The exports are lazy, so that `import agent` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.answer import Answer
    from agent.assistant import Assistant, AsyncAssistant
    from agent.errors import AssistantError
    from agent.settings import Settings

__all__ = ["Answer", "Assistant", "AssistantError", "AsyncAssistant", "Settings"]

_PLACES = {
    "Answer": "agent.answer",
    "Assistant": "agent.assistant",
    "AssistantError": "agent.errors",
    "AsyncAssistant": "agent.assistant",
    "Settings": "agent.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module 'agent' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_PLACES[name]), name)
