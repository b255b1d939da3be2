"""Prompts and replies in the shape that LangChain's own tracer gives them.

LangSmith's playground opens a model call whose inputs and outputs look like this.
"""

from collections.abc import Mapping
from typing import Any

import orjson

_CLASSES = {
    "system": "SystemMessage",
    "human": "HumanMessage",
    "ai": "AIMessage",
    "tool": "ToolMessage",
    "function": "FunctionMessage",
    "AIMessageChunk": "AIMessageChunk",
}
_BETWEEN = "\n\n"
_EMPTY = b"{}"


def messages_of(row: Mapping[str, Any]) -> bytes:
    """Return what a run was given, as JSON; of a model call, its messages."""
    if row["run_type"] != "llm":
        if row["inputs"] is None and row["prompt"] is not None:
            return orjson.dumps({"input": row["prompt"]})
        return as_object(row["inputs"], "input")
    if row["prompt"] is None:
        return _EMPTY
    blocks = _split(row["prompt"], row["message_roles"] or ())
    if blocks is None:
        return orjson.dumps({"prompts": [row["prompt"]]})
    return orjson.dumps({"messages": [[_message(*block) for block in blocks]]})


def reply_of(row: Mapping[str, Any], usage: Mapping[str, Any]) -> bytes:
    """Return what a model wrote as LangChain's result, as JSON; nothing where nothing came."""
    text = row["response"]
    if text is None:
        return _EMPTY
    told = {
        "model_name": row["model_served"],
        "finish_reason": row["finish_reason"],
        "system_fingerprint": row["model_version"],
    }
    generation: dict[str, Any] = {"text": text, "generation_info": None, "type": "Generation"}
    if row["message_roles"]:
        calls = orjson.loads(row["outputs"]).get("tool_calls") if row["outputs"] else None
        details: dict[str, Any] = {
            "response_metadata": {name: value for name, value in told.items() if value},
            "id": f"lc_run--{row['run_id']}",
            "tool_calls": calls or [],
            "invalid_tool_calls": [],
        }
        if usage:
            details["usage_metadata"] = usage
        generation |= {"type": "ChatGeneration", "message": _message("ai", text, **details)}
    generations = [[generation]]
    result = {"generations": generations, "llm_output": None, "run": None, "type": "LLMResult"}
    return orjson.dumps(result)


def as_object(text: str | None, name: str) -> bytes:
    """Return stored JSON as it is; what is no object becomes one, because LangSmith wants one."""
    if not text:
        return _EMPTY
    stored = text.encode()
    return stored if stored.startswith(b"{") else b'{"%s":%s}' % (name.encode(), stored)


def _split(prompt: str, roles: Any) -> list[tuple[str, str, str]] | None:
    """Take a prompt apart into role, text and answered call; nothing where it does not fit."""
    blocks: list[tuple[str, str, str]] = []
    at = 0
    for role, length, *call in roles:
        begins = at + len(role) + 2
        if prompt[at:begins] != f"{role}: ":
            return None
        blocks.append((role, prompt[begins : begins + length], call[0] if call else ""))
        at = begins + length + len(_BETWEEN)
    return blocks if blocks and at == len(prompt) + len(_BETWEEN) else None


def _message(role: str, text: str, call: str = "", **details: Any) -> dict[str, Any]:
    known = _CLASSES.get(role)
    named: dict[str, Any] = {"type": role} if known else {"type": "chat", "role": role}
    if role == "tool":
        named["tool_call_id"] = call
    return {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", known or "ChatMessage"],
        "kwargs": {"content": text, **named, **details},
    }
