"""Erasures that people ask for, in threads of their own, so that no request of others waits."""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.erasure import Eraser
    from agent.privacy.access import Caller
    from agent.privacy.erasure import Receipt

_GRACE = 1.0
"""Seconds after which whoever asked hears that something is pending."""
_log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """The service ends while something is waited for; the erasure is gone on with later."""


class Erasing:
    """Two threads: one empties what is here, the other waits for what takes longer."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._here = ThreadPoolExecutor(1, thread_name_prefix="erasure")
        self._rest = ThreadPoolExecutor(1, thread_name_prefix="rest of erasure")

    async def erase(self, eraser: "Eraser", caller: "Caller") -> "Receipt":
        """Empty what is here of a caller, and return the receipt, finished or not."""
        loop = asyncio.get_running_loop()
        begin = partial(eraser.begin, caller.user_id, caller, door="http")
        receipt = await loop.run_in_executor(self._here, begin)
        rest = loop.run_in_executor(self._rest, self._go_on, eraser, receipt)
        done, _ = await asyncio.wait([rest], timeout=_GRACE)
        return rest.result() if done else receipt

    def resume(self, eraser: "Eraser") -> None:
        """Go on with every erasure that is not finished, until `stop`."""
        with suppress(_StoppedError):
            self._stoppable(eraser).resume(lambda: not self._stopped.is_set())

    def stop(self) -> None:
        """End before the next wait; what is left is for the next start."""
        self._stopped.set()
        for executor in (self._here, self._rest):
            executor.shutdown(cancel_futures=True)

    def _go_on(self, eraser: "Eraser", receipt: "Receipt") -> "Receipt":
        try:
            return self._stoppable(eraser).go_on(receipt)
        except Exception as error:  # noqa: BLE001 - the receipt says what is left, and a round goes on
            if not self._stopped.is_set():
                _log.warning("an erasure is gone on with later: %s", type(error).__name__)
            return receipt

    def _stoppable(self, eraser: "Eraser") -> "Eraser":
        return replace(eraser, wait=self._wait)

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise _StoppedError
