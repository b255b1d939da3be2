"""Run an ASGI app on a real loopback socket for as long as a test needs it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

_TICK = 0.01
"""Seconds between two looks; uvicorn's own tenths add up over hundreds of tests."""
_PATIENCE = 30.0
"""Seconds after which what is still being answered is cancelled, so that a test fails."""


class _Server(uvicorn.Server):
    """Uvicorn, which stops as soon as nothing is left to be answered."""

    async def main_loop(self) -> None:
        """Serve until it is to end."""
        while not await self.on_tick(0):  # noqa: ASYNC110 - another thread ends it, by a flag
            await asyncio.sleep(_TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is being answered be answered, then close the app."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        left = self.server_state
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while left.connections or left.tasks:  # noqa: ASYNC110 - uvicorn's, without events
                    await asyncio.sleep(_TICK)
        for task in left.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Yield the address of the running app."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # so that a client that is quicker than the server waits for it
        server = _Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
    return port
