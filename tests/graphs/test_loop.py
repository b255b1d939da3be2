"""The shared loop: results, errors, context, and interruptions."""

import asyncio
import os
import signal
import threading
from contextvars import ContextVar

import pytest

from graphs.loop import run_blocking

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


def test_result_comes_back_in_the_callers_context_when_run() -> None:
    """What the caller set is seen by the coroutine, and its result is returned."""

    async def read() -> str:
        await asyncio.sleep(0)
        return NAME.get()

    token = NAME.set("ada")
    assert run_blocking(read()) == "ada"
    NAME.reset(token)


def test_error_comes_back_when_raised() -> None:
    """An exception is the caller's."""

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_blocking(fail())


def test_work_is_cancelled_when_its_caller_is_interrupted() -> None:
    """Ctrl-C stops what would go on costing, and waits for it to clean up."""
    cleaned = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    # A shell that starts this in the background has the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_blocking(work())
    finally:
        signal.signal(signal.SIGINT, before)
    assert cleaned.wait(5)
