"""What steps were given and returned, as JSON in which every text has been read by the redactor."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from typing import Any
from uuid import UUID

import orjson
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

_DEEPEST = 24
"""Levels; whatever lies deeper is a cycle, or nothing anybody would open."""
_MOST = 10_000
"""Values of one input or output; what holds itself several times would have no end."""
_WIDEST = 64
"""Bits of a number that JSON takes."""
_LATEST = 30
"""Messages of a long conversation that each step shows; the others stand in earlier requests."""
_LEFT_OUT = "…"
WORD = re.compile(r"[\w.:/|-]{1,128}")
"""A name or an id; a sentence has blanks, and an address its sign."""

Change = Callable[[str], str]


def as_json(value: Any, change: Change) -> str:
    """Write a value as JSON, every text in it changed.

    Args:
        value: What LangChain hands to a callback.
        change: What replaces personal data in a text.

    """
    return orjson.dumps(shape(value, change)).decode()


def shape(value: Any, change: Change) -> Any:
    """Return a value as plain data, every text in it changed, those of dict keys too."""
    return _Shaper(change).shape(value, 0)


class _Shaper:
    """Makes one value plain, whatever it is."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._left = _MOST

    def shape(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if isinstance(value, str):
            return self._change(value)
        if value is None or isinstance(value, bool):
            return value
        if depth > _DEEPEST or self._left < 0:
            return _LEFT_OUT
        try:
            return self._shape_object(value, depth + 1)
        except Exception:  # noqa: BLE001 - a value that cannot be read must not cost the others
            return f"<{type(value).__name__}>"

    def _shape_object(self, value: Any, depth: int) -> Any:
        if isinstance(value, BaseMessage):
            return self._message(value, depth)
        if isinstance(value, Mapping):
            return {self._key(key): self.shape(inner, depth) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(list(value), depth)
        if isinstance(value, Enum):
            return self.shape(value.value, depth)
        if isinstance(value, Real):
            return _number(value)
        plain = _plain(value)
        return self._change(repr(value)) if plain is None else self.shape(plain, depth)

    def _list(self, values: Sequence[Any], depth: int) -> list[Any]:
        earlier = len(values) - _LATEST
        if earlier > 0 and isinstance(values[0], BaseMessage):
            shown = [self.shape(value, depth) for value in values[-_LATEST:]]
            return [{"type": "note", "content": f"{earlier} earlier messages"}, *shown]
        shown = [self.shape(value, depth) for value in values[: max(self._left, 0)]]
        return shown if len(shown) == len(values) else [*shown, _LEFT_OUT]

    def _message(self, message: BaseMessage, depth: int) -> dict[str, Any]:
        told = {"type": message.type, "content": self.shape(message.content, depth)}
        for name in ("name", "tool_calls", "tool_call_id", "status"):
            if said := getattr(message, name, None):
                told[name] = self.shape(said, depth)
        return told

    def _key(self, key: Any) -> str:
        text = str(key)
        return text if WORD.fullmatch(text) else self._change(text)


def _plain(value: Any) -> Any:
    """Return the data of an object that has some, one level of it."""
    if isinstance(value, Document):
        return {"page_content": value.page_content, "metadata": value.metadata}
    if isinstance(value, BaseModel):
        shown = (name for name, of in type(value).model_fields.items() if not of.exclude)
        return {name: getattr(value, name) for name in shown} | (value.model_extra or {})
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        # How bytes are written hides names from the redactor.
        return f"<{len(value)} bytes>"
    return str(value) if isinstance(value, UUID | date | Decimal) else None


def _number(value: Real) -> int | float | str:
    """Return a number as Python has it, numpy's too; one that JSON has no room for, in words."""
    if not isinstance(value, Integral):
        return float(value)
    whole = int(value)
    return whole if whole.bit_length() < _WIDEST else str(whole)
