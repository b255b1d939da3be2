"""What the record holds of messages and replies: texts that every database takes."""

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agent.privacy.redaction import Redactor
from graphs.calls import written_by

_SOURCE = re.compile(r"source \[\d+\]")


def storable(text: str) -> str:
    """Replace what no database takes: half a surrogate pair, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def message_of(response: LLMResult | None) -> AIMessage | None:
    """Return the reply of a chat model, if it is one."""
    first = _first_generation(response)
    message = first.message if isinstance(first, ChatGeneration) else None
    return message if isinstance(message, AIMessage) else None


def text_of(response: LLMResult | None, message: AIMessage | None) -> str:
    """Return what a model wrote."""
    if message is not None:
        return written_by(message)
    first = _first_generation(response)
    return first.text if first else ""


def _first_generation(response: LLMResult | None) -> Any:
    return response.generations[0][0] if response and response.generations[0] else None


def left_out_of(items: Sequence[str] | None, redactor: Redactor | None) -> list[str] | None:
    """Return what did not fit; a source's title may name people, so it needs consent too.

    Args:
        items: What was left out, in words.
        redactor: What replaces personal data; none where nobody consented.

    """
    if not items:
        return None
    if redactor is not None:
        return [redactor.redact_or_hash(item) for item in items]
    return [source[0] if (source := _SOURCE.match(item)) else item for item in items]
