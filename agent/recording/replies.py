"""What a model was asked and what it replied, as columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import LLMResult

from agent.prices import Price
from agent.recording.open_run import OpenRun, Spending
from agent.recording.run_store import Status
from agent.recording.shapes import WORD, as_json
from agent.recording.texts import message_of, text_of
from graphs.calls import finish_reason

_UNUSED = {"input_tokens": 0, "output_tokens": 0, "cost_nano_usd": 0, "cache": "hit"}
"""What a reply from a cache used; the figures of the first one stand in `usage_details`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of a model call, if anything."""

    run: OpenRun
    message: AIMessage | None
    text: str
    others: tuple[str, ...] = ()
    """What else a model wrote that was asked for several replies."""

    @classmethod
    def of(cls, response: LLMResult | None, run: OpenRun) -> "Reply":
        """Read LangChain's result, or what a stream had brought before it was cut."""
        response = response if response and response.generations else None
        message = message_of(response)
        text = text_of(response, message) or "".join(run.pieces)
        several = response.generations[0][1:] if response else ()
        return cls(run, message, text, tuple(one.text for one in several))

    @property
    def model(self) -> str:
        """The model that served, by its own word where it says so."""
        details = self.message.response_metadata if self.message else {}
        return str(details.get("model_name") or self.run.model)

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The tokens that the server counted."""
        return self.message.usage_metadata if self.message else None

    def values(self, price: Price) -> dict[str, Any]:
        """Return the columns of a call that has ended, without its text."""
        usage = self.usage
        details = self.message.response_metadata if self.message else {}
        # LangChain states a cost of 0 where a reply came from its cache.
        is_cached = usage is not None and usage.get("total_cost") == 0
        return {
            "model_served": self.model if self.message else None,
            "model_version": details.get("system_fingerprint"),
            "finish_reason": finish_reason(self.message) if self.message else None,
            "input_tokens": usage["input_tokens"] if usage else None,
            "output_tokens": usage["output_tokens"] if usage else None,
            "usage_details": dict(usage) if usage else None,
            "cost_nano_usd": price.nano_usd,
            "price": price.details or None,
            "price_reference": "cache: no charge" if is_cached else price.reference,
            "cache": None,
            **(_UNUSED if is_cached else {}),
        }

    def settled(self, status: Status, error: str | None) -> tuple[Status, str | None]:
        """Return how a call ended: what began and broke off is incomplete, whoever says so."""
        if self.message is not None and status == "done" and finish_reason(self.message) is None:
            return "incomplete", "no finish reason"
        if self.run.first_token_ms is not None and status == "error":
            return "incomplete", error
        return status, error

    def spending(self, values: Mapping[str, Any], run_type: str) -> Spending:
        """Return what the call used; the tokens of an embedding are none of a model's."""
        cost = values["cost_nano_usd"]
        if run_type == "embedding":
            return Spending(0, 0, cost)
        return Spending(values["input_tokens"], values["output_tokens"], cost)


def prompt_texts(
    parts: Sequence[tuple[str, BaseMessage | str]], change: Callable[[str], str]
) -> dict[str, Any]:
    """Write a prompt as the record holds it: blocks of `role: text`, and where they end."""
    said = [
        (role, change(part if isinstance(part, str) else str(part.text)), _call_of(part))
        for role, part in parts
    ]
    blocks = (f"{role}: {text}" if role else text for role, text, _ in said)
    return {
        "prompt": "\n\n".join(blocks),
        "message_roles": [[role, len(text), *call] for role, text, call in said if role] or None,
    }


def reply_texts(reply: Reply, change: Callable[[str], str]) -> dict[str, Any]:
    """Write a reply as the record holds it."""
    calls = reply.message.tool_calls if reply.message else []
    more = {"tool_calls": calls, "others": reply.others}
    told = {name: value for name, value in more.items() if value}
    outputs = {"outputs": as_json(told, change)} if told else {}
    return {"response": change(reply.text), **outputs}


def _call_of(part: BaseMessage | str) -> tuple[str, ...]:
    """Return the id of the call that a tool's message answers; nothing where it is no plain id."""
    call = part.tool_call_id if isinstance(part, ToolMessage) else ""
    return (call,) if WORD.fullmatch(call) else ()


def text_of_blocks(blocks: Sequence[str | Mapping[str, Any]]) -> str:
    """Return the words in a piece of a streamed reply that comes in blocks."""
    words = (block if isinstance(block, str) else block.get("text") for block in blocks)
    return "".join(str(word) for word in words if word)
