"""An OpenAI-compatible server that gives scripted replies and remembers what it was asked."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}


class OpenAIServer:
    """Chat completions without streams; replies in order, the last one again and again."""

    def __init__(self, *replies: str, hang: bool = False) -> None:
        self.replies = replies
        self.hang = hang
        """Whether to wait, instead of answering, until the client goes away."""
        self.disconnects = 0
        self.requests: list[dict[str, Any]] = []
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._complete)

    async def _complete(self, request: Request) -> dict[str, Any]:
        self.requests.append(await request.json())
        while self.hang:
            if await request.is_disconnected():
                self.disconnects += 1
                return {}
            await asyncio.sleep(0.02)
        turn = min(len(self.requests), len(self.replies)) - 1
        message = {"role": "assistant", "content": self.replies[turn]}
        return {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "gpt-4o-2024-08-06",
            "system_fingerprint": "fp_test",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
