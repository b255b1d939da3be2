"""How a model is asked for JSON of a schema: by the way that fits it, found once a model.

OpenAI-compatible servers differ: some take a JSON Schema, some only the wish for JSON, some
only tools. It knows requests and replies, nothing of what the JSON is for.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage, SystemMessage
from langchain_core.runnables import Runnable

from graphs.calls import was_cut, written_by
from graphs.context import Reply

Format = Literal["json_schema", "json_object", "tools", "native"]
"""`native` leaves the choice to the model's LangChain integration."""
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(?P<inside>.*)```", re.S)


class JsonFormats:
    """The formats that a model may take, best first; the one that worked is kept to."""

    def __init__(self, formats: Sequence[Format]) -> None:
        self._formats = tuple(formats)
        self._suspected: Format | None = None

    def to_try(self) -> tuple[Format, ...]:
        """Return what to ask in, in this order; what others find out meanwhile changes nothing."""
        return self._formats

    def settle(self, worked: Format, *, is_certain: bool) -> None:
        """Keep to a format from now on, or from the second time on where a fault led to it."""
        if is_certain or self._suspected == worked:
            self._formats = (worked,)
        self._suspected = worked


def bind_schema(
    model: BaseChatModel, schema: Mapping[str, Any], asked: Format
) -> Runnable[LanguageModelInput, Any]:
    """Return the model with a schema bound to it in one of the formats.

    The format of an OpenAI reply goes out as `extra_body`: given as an argument, the client
    parses the reply itself, and raises on one that was cut, which loses its usage.
    """
    name = str(schema.get("title", "answer"))
    described = {"name": name, "description": str(schema.get("description", ""))}
    if asked == "native":
        return model.with_structured_output(dict(schema), include_raw=True)
    if asked == "tools":
        tool = {**described, "parameters": dict(schema), "strict": True}
        # By name would be the same to OpenAI, but llama.cpp ignores a tool that is named.
        return model.bind_tools([{"type": "function", "function": tool}], tool_choice="required")
    wanted: dict[str, Any] = {"type": "json_object"}
    if asked == "json_schema":
        wanted = {
            "type": "json_schema",
            "json_schema": {**described, "schema": dict(schema), "strict": True},
        }
    return model.bind(extra_body={"response_format": wanted})


def say_schema(
    messages: Sequence[AnyMessage], schema: Mapping[str, Any], asked: Format
) -> list[AnyMessage]:
    """Return the messages, with the schema in words where the format carries none."""
    if asked != "json_object":
        return list(messages)
    wording = f"Answer with one JSON object of this JSON Schema:\n{json.dumps(schema)}"
    return [SystemMessage(wording), *messages]


def read_words(message: AIMessage) -> Reply:
    """Return a reply in words."""
    return Reply(message, message.text)


def read_json(out: Any) -> Reply:
    """Return the JSON of a reply, from its tool call or its text; half a JSON is none."""
    if isinstance(out, Mapping):
        message, value = out["raw"], out["parsed"]
        return Reply(message, written_by(message), value)
    text = written_by(out)
    if was_cut(out):
        return Reply(out, text)
    fenced = _FENCED.fullmatch(text.strip())
    try:
        return Reply(out, text, json.loads(fenced["inside"] if fenced else text))
    except (ValueError, RecursionError):
        return Reply(out, text)
