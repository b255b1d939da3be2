"""One event loop in a thread of its own, for callers that have none, or that must not block theirs.

It is the same loop for the life of the process, because the connections that model clients
pool belong to the loop they were made on.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import wait
from functools import cache
from typing import Any, TypeVar

Result = TypeVar("Result")

_PATIENCE = 10.0
"""Seconds that cancelled work may take to put its things in order."""


def run_blocking(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the shared loop, in the caller's context, and wait for its result.

    When the wait is interrupted, the work is cancelled before the interruption goes on.
    """
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        if future.cancel():
            wait([future], timeout=_PATIENCE)
        raise


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="assistant-loop", daemon=True).start()
    return loop
