"""An OpenAI-compatible server that answers, fails and counts as it is told.

In a test it gives scripted replies and remembers what it was asked. By hand it gives the
answers of the project's offline model: `python -m tests.servers.openai --port 9000`.
"""

import argparse
import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.openai_refusals import (
    METHODS,
    RefusedError,
    check_fault,
    check_key,
    check_request,
    read_object,
)
from tests.servers.openai_vectors import embeddings
from tests.servers.openai_wire import Answer, Watched, Wire

Fault = Literal["429", "500", "400", "hang", "cut", "eof", "stall"]
"""`hang`: no headers; `stall`: no more after some words; `eof`: a clean end without a finish
reason; `cut`: the connection breaks in mid-body. `hang` and `stall` last until the client leaves.
"""

MODEL = "gpt-4o-2024-08-06"
OTHER_MODELS = (
    "gpt-5.4", "gpt-5.4-mini", "gpt-4o", "gpt-4", "gpt-3.5-turbo", "text-embedding-3-small",
)  # fmt: skip
USAGE: Mapping[str, Any] = {
    "prompt_tokens": 1_000,
    "completion_tokens": 500,
    "total_tokens": 1_500,
}


class OpenAIServer:
    """Chat completions, embeddings and models; `app` is served by `running`.

    Args:
        replies: Given in order, the last one again and again; a call that is refused or has a
            status for a fault uses none up. Without any, the offline model answers.
        hang: The same as `fault="hang"`.
        model: The model that answers say they are of.
        usage: What answers report, `None` for nothing; the offline model counts its own.
        fault: What goes wrong.
        faulty_calls: How many of the first calls go wrong; `None` for all.
        retry_after: The header of a 429.
        after_tokens: The words that arrive before `cut`, `eof` or `stall`.
        token_delay: Seconds before each word of a stream.
        refuses: Methods this server does not know, out of `METHODS`.
        refusal_status: The status it says so with.
        ignores_tool_choice: Answer in text when one tool is named, as llama.cpp does.
        finish_reason: Of an answer in text; a tool call says "tool_calls" in place of "stop".
        models: What `/v1/models` lists.
        key: The only bearer key that is taken; `None` for any.

    """

    def __init__(  # noqa: PLR0913 - one keyword for each way in which servers differ
        self,
        *replies: str,
        hang: bool = False,
        model: str = MODEL,
        usage: Mapping[str, Any] | None = USAGE,
        fault: Fault | None = None,
        faulty_calls: int | None = None,
        retry_after: str | None = None,
        after_tokens: int = 3,
        token_delay: float = 0.0,
        refuses: Iterable[str] = (),
        refusal_status: int = 400,
        ignores_tool_choice: bool = False,
        finish_reason: str = "stop",
        models: Iterable[str] | None = None,
        key: str | None = None,
    ) -> None:
        if unknown := set(refuses) - METHODS:
            raise ValueError(f"Cannot refuse {sorted(unknown)}. Known: {sorted(METHODS)}.")
        self.replies = replies
        self.model = model
        self.usage = usage
        self.fault: Fault | None = "hang" if hang else fault
        self.faulty_calls = faulty_calls
        self.retry_after = retry_after
        self.after_tokens = after_tokens
        self.token_delay = token_delay
        self.refuses = frozenset(refuses)
        self.refusal_status = refusal_status
        self.ignores_tool_choice = ignores_tool_choice
        self.finish_reason = finish_reason
        self.models = (model, *OTHER_MODELS) if models is None else tuple(models)
        self.key = key
        self.requests: list[dict[str, Any]] = []
        """The bodies of the chat completions that were asked for."""
        self.embedded: list[dict[str, Any]] = []
        """The bodies of the embeddings that were asked for."""
        self.calls = 0
        """Chat completions asked for, refused ones too."""
        self.open_calls = 0
        """Chat completions in progress."""
        self.left_at: list[float] = []
        """When clients left in the middle of a chat completion, by `time.monotonic`."""
        self._answered = 0
        self.app = Starlette(exception_handlers={RefusedError: _refusal})
        self.app.add_route("/v1/chat/completions", self._complete, methods=["POST"])
        self.app.add_route("/v1/embeddings", self._embed, methods=["POST"])
        self.app.add_route("/v1/models", self._list, methods=["GET"])

    @property
    def disconnects(self) -> int:
        """Count the clients that left in the middle of a chat completion."""
        return len(self.left_at)

    async def _complete(self, request: Request) -> Response:
        self.calls += 1
        check_key(request.headers.get("Authorization", ""), self.key)
        body = read_object(await request.body())
        self.requests.append(body)
        faulty = self.faulty_calls is None or self.calls <= self.faulty_calls
        fault = self.fault if faulty else None

        async def make(wire: Wire) -> None:
            self.open_calls += 1
            try:
                await self._play(wire, body, fault)
            except RefusedError as refused:
                wait = self.retry_after if fault == "429" else None
                headers = {"Retry-After": wait} if wait else {}
                await wire.json(refused.body, refused.status, headers)
            finally:
                self.open_calls -= 1

        return Watched(make, lambda: self.left_at.append(time.monotonic()))

    async def _play(self, wire: Wire, body: Mapping[str, Any], fault: Fault | None) -> None:
        streamed = bool(body.get("stream"))
        if fault == "hang" or (fault == "stall" and not streamed):
            await _forever()
        check_fault(fault)
        check_request(body, self.refuses, self.refusal_status)
        answer = await self._answer(body)
        if not streamed:
            await wire.json(answer.whole(), cut=fault in ("cut", "eof"))
            return
        await wire.start(200, {"Content-Type": "text/event-stream; charset=utf-8"})
        await wire.event(answer.opening())
        for position, piece in enumerate(answer.pieces()):
            if fault and position == self.after_tokens:
                break
            await asyncio.sleep(self.token_delay)
            await wire.event(piece)
        if fault == "stall":
            await _forever()
        if fault is None:
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            for chunk in answer.closing(with_usage=with_usage):
                await wire.event(chunk)
            await wire.write(b"data: [DONE]\n\n")
        if fault != "cut":
            await wire.write(b"", more=False)

    async def _answer(self, body: Mapping[str, Any]) -> Answer:
        tool = self._called(body)
        usage = self.usage
        if self.replies:
            text = self.replies[min(self._answered, len(self.replies) - 1)]
        else:
            from tests.servers.openai_offline import answer_offline

            text, counted = await asyncio.to_thread(answer_offline, body, tool)
            usage = counted if usage is USAGE else usage
        self._answered += 1
        reason = "tool_calls" if tool and self.finish_reason == "stop" else self.finish_reason
        return Answer(self._answered, self.model, text, reason, usage, tool)

    def _called(self, body: Mapping[str, Any]) -> str | None:
        """Return the function that has to be called."""
        choice = body.get("tool_choice")
        if choice == "required":
            return str(body["tools"][0]["function"]["name"])
        if isinstance(choice, dict) and not self.ignores_tool_choice:
            return str(choice["function"]["name"])
        return None

    async def _embed(self, request: Request) -> Response:
        check_key(request.headers.get("Authorization", ""), self.key)
        body = read_object(await request.body())
        self.embedded.append(body)
        return JSONResponse(embeddings(body))

    async def _list(self, request: Request) -> Response:
        check_key(request.headers.get("Authorization", ""), self.key)
        listed = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "tests"}
            for name in self.models
        ]
        return JSONResponse({"object": "list", "data": listed})


async def _forever() -> None:
    await asyncio.Event().wait()


async def _refusal(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, RefusedError)
    return JSONResponse(refused.body, refused.status)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Serve an OpenAI-compatible API on loopback.")
    parser.add_argument("--port", type=int, default=9000, help="0 for a free one")
    parser.add_argument("--fault", choices=get_args(Fault))
    parser.add_argument("--faulty-calls", type=int, help="only the first calls are faulty")
    parser.add_argument("--token-delay", type=float, default=0.0, help="seconds between words")
    parser.add_argument("--reply", action="append", help="instead of the offline model; repeatable")
    options = parser.parse_args()
    server = OpenAIServer(
        *options.reply or (),
        fault=options.fault,
        faulty_calls=options.faulty_calls,
        token_delay=options.token_delay,
    )
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        sys.stdout.write(f"export OPENAI_BASE_URL={base} OPENAI_API_KEY=any\n")
        sys.stdout.flush()
        # A call that hangs would keep the server from stopping.
        config = uvicorn.Config(server.app, log_level="warning", timeout_graceful_shutdown=1)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
