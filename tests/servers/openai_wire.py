"""How an answer travels: whole or in pieces, watched for a client that leaves.

It knows HTTP and the shapes of chat completions; what is answered is decided elsewhere.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

FINGERPRINT = "fp_test"
_CREATED = 1_700_000_000
_WORD = re.compile(r"\s*\S+|\s+\Z")


class Wire:
    """The server's end of one response, written step by step; a body left open is a cut."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body; the last one says that no more comes."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def event(self, content: Mapping[str, Any]) -> None:
        """Send one server-sent event."""
        await self.write(f"data: {json.dumps(content)}\n\n".encode())

    async def json(
        self,
        content: Mapping[str, Any],
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        cut: bool = False,
    ) -> None:
        """Send a JSON body, or the first half of one."""
        body = json.dumps(content).encode()
        length = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        await self.start(status, {**length, **headers})
        await self.write(body[: len(body) // 2] if cut else body, more=cut)


class Watched(Response):
    """A response whose making ends as soon as its client leaves."""

    def __init__(self, make: Callable[[Wire], Awaitable[None]], left: Callable[[], None]) -> None:
        super().__init__()
        self._make = make
        self._left = left

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        making = asyncio.ensure_future(self._make(Wire(send)))
        leaving = asyncio.ensure_future(_departure(receive))
        try:
            await asyncio.wait({making, leaving}, return_when=asyncio.FIRST_COMPLETED)
            gone = not making.done()
        finally:
            making.cancel()
            leaving.cancel()
            await asyncio.gather(making, leaving, return_exceptions=True)
        if gone:
            self._left()
        else:
            making.result()


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass(frozen=True)
class Answer:
    """One chat completion, in both forms."""

    number: int
    model: str
    text: str
    finish_reason: str
    usage: Mapping[str, Any] | None
    tool: str | None = None
    """The function that the text holds the arguments of; `None` for a plain answer."""

    def whole(self) -> dict[str, Any]:
        """Return the `chat.completion`."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": None}
        if self.tool:
            call = {"id": self._call_id, "type": "function", "function": self._function(self.text)}
            message |= {"content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        usage = {} if self.usage is None else {"usage": self.usage}
        return {**self._head("chat.completion"), "choices": [choice], **usage}

    def opening(self) -> dict[str, Any]:
        """Return the chunk that says who speaks, and which function is called."""
        delta: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if self.tool:
            call = {"index": 0, "id": self._call_id, "type": "function"}
            delta |= {"content": None, "tool_calls": [{**call, "function": self._function("")}]}
        return self._chunk(delta)

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the text, or the arguments, word by word."""
        for piece in _WORD.findall(self.text):
            call = {"index": 0, "function": {"arguments": piece}}
            yield self._chunk({"tool_calls": [call]} if self.tool else {"content": piece})

    def closing(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        """Yield the chunk with the finish reason, then the usage if it is asked for and known."""
        yield self._chunk({}, self.finish_reason)
        if with_usage and self.usage is not None:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage}

    @property
    def _call_id(self) -> str:
        return f"call_{self.number}"

    def _function(self, arguments: str) -> dict[str, Any]:
        return {"name": self.tool, "arguments": arguments}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": kind,
            "created": _CREATED,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
        }

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}
