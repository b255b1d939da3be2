"""Answers of the project's own offline model to OpenAI's requests, for use by hand."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, convert_to_messages

from agent.models.offline import OfflineChatModel
from tests.servers.openai_refusals import RefusedError


def answer_offline(body: Mapping[str, Any], tool: str | None) -> tuple[str, dict[str, Any]]:
    """Return the text that the offline model answers, and OpenAI's form of its usage."""
    schema = _schema(body, tool)
    model = OfflineChatModel()
    messages = convert_to_messages(body["messages"])
    if schema is None:
        reply = model.invoke(messages)
    else:
        try:
            structured = model.with_structured_output(schema, include_raw=True)
        except NotImplementedError as error:
            param = "tools" if tool else "response_format"
            raise RefusedError(str(error), param=param) from error
        reply = structured.invoke(messages)["raw"]
    return reply.text, _usage(reply)


def _schema(body: Mapping[str, Any], tool: str | None) -> dict[str, Any] | None:
    wanted = body.get("response_format") or {}
    if tool:
        functions = [item["function"] for item in body["tools"]]
        named = next(function for function in functions if function["name"] == tool)
        return {"title": tool, **named.get("parameters", {})}
    if wanted.get("type") == "json_schema":
        described = wanted["json_schema"]
        return {"title": described["name"], **described.get("schema", {})}
    if wanted.get("type") == "json_object":
        message = "The offline model writes JSON of a schema only: use json_schema or tools."
        raise RefusedError(message, param="response_format")
    return None


def _usage(reply: AIMessage) -> dict[str, Any]:
    usage = reply.usage_metadata or {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }
