"""The one writer of runs: a thread that commits what has come together since the last time.

Whoever records only enqueues. Whoever answers waits for the commit of all that was enqueued
before, so that many requests share one write to the disk.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from agent.errors import SettingsError, StorageError
from agent.recording.run_store import Changes, RunStore

Change = Callable[[Changes], None]
"""Adds to a transaction what is to be written; it runs in the writer's thread."""

_LINGER = 0.05
"""Seconds that changes wait for others while nobody waits for them."""
_PAUSE = 1.0
"""Seconds between two tries to write what the database refused."""
_PATIENCE = 30.0
"""Seconds that a commit may take before whoever waits is told that it failed."""
_MOST = 100_000
"""Changes that may wait; more would fill the memory of a server whose disk is full."""

_OUT_OF_ORDER = (OperationalError, DatabaseError)
"""What no row is to blame for; kinds below `DatabaseError` are about rows. Keys that cannot be
read are a `SettingsError`, or one of these too."""

_log = logging.getLogger(__name__)


class _Waiter(NamedTuple):
    loop: asyncio.AbstractEventLoop | None
    future: "Future[None] | asyncio.Future[None]"


class Writer:
    """Commits changes in the order in which they came."""

    def __init__(self, store: RunStore, *, on_commit: Callable[[], None] | None = None) -> None:
        self._store = store
        self._on_commit = on_commit
        self._changed = threading.Condition()
        self._queue: list[Change] = []
        self._waiters: list[_Waiter] = []
        self._kept = Changes()
        """What could not be written so far; it is tried again with the next changes."""
        self._kept_size = 0
        self._is_closing = False
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="run-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change) -> None:
        """Enqueue a change; it never waits.

        Raises:
            StorageError: so much waits that the database must be out of order for long.
        """
        with self._changed:
            if self._is_closing or len(self._queue) + self._kept_size >= _MOST:
                raise StorageError(
                    "The records cannot be written, and too much waits for them already. Check "
                    "that the disk has space and that no other program holds the database."
                )
            self._queue.append(change)
            if len(self._queue) == 1:
                self._changed.notify()

    def wait(self) -> None:
        """Block until all that was enqueued before is on the disk.

        Raises:
            StorageError: it could not be written; it is tried again later.
        """
        waiter: Future[None] = Future()
        self._add(_Waiter(None, waiter))
        try:
            waiter.result(_PATIENCE)
        except TimeoutError:
            raise _too_slow() from None

    async def wait_async(self) -> None:
        """Wait as `wait` does, without blocking the event loop."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._add(_Waiter(loop, waiter))
        try:
            async with asyncio.timeout(_PATIENCE):
                await waiter
        except TimeoutError:
            raise _too_slow() from None

    def _add(self, waiter: "_Waiter") -> None:
        with self._changed:
            if self._is_over:
                raise StorageError("The records are closed, so nothing can be recorded any more.")
            self._waiters.append(waiter)
            self._changed.notify()

    def close(self) -> None:
        """Write what is left, and stop."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        failed = is_last = False
        while not (is_last and self._is_done()):
            queue, waiters, is_last = self._take(is_retry=failed)
            failed = not self._commit(queue, waiters)

    def _is_done(self) -> bool:
        """Say whether nobody came while the last changes were written; from then on nobody may."""
        with self._changed:
            self._is_over = not (self._queue or self._waiters)
            return self._is_over

    def _take(self, *, is_retry: bool) -> tuple[list[Change], list[_Waiter], bool]:
        """Wait for changes, and a little for more of them unless somebody waits."""
        with self._changed:
            self._changed.wait_for(self._is_wanted, _PAUSE if is_retry else None)
            if not self._is_urgent():
                self._changed.wait_for(self._is_urgent, _LINGER)
            queue, self._queue = self._queue, []
            waiters, self._waiters = self._waiters, []
            return queue, waiters, self._is_closing

    def _is_wanted(self) -> bool:
        return bool(self._queue) or self._is_urgent()

    def _is_urgent(self) -> bool:
        return bool(self._waiters) or self._is_closing

    def _commit(self, queue: list[Change], waiters: "list[_Waiter]") -> bool:
        """Write the changes, and say whether that could be done; if not they are kept."""
        failure = None
        try:
            lost = sum(not self._prepare(change) for change in queue)
            lost += self._write(self._kept)
        except StorageError as error:
            failure = str(error)
        else:
            self._kept = Changes()
        self._kept_size = self._kept.size
        is_written = failure is None
        if is_written and lost:
            failure = f"{lost} runs could not be recorded; the log says what kind of fault it was."
        _tell(waiters, failure)
        if is_written and queue and self._on_commit:
            with suppress(Exception):
                self._on_commit()
        return is_written

    def _prepare(self, change: Change) -> bool:
        """Add a change to what is to be written, and say whether that could be done."""
        try:
            change(self._kept)
        except Exception as error:  # noqa: BLE001 - its words may quote a prompt
            _log.error("a run could not be prepared (%s)", type(error).__name__)
            return False
        return True

    def _write(self, changes: Changes) -> int:
        """Write changes, and return how many were refused; one bad row does not hold up others.

        Raises:
            StorageError: the database takes nothing now.
        """
        if self._try(changes):
            return 0
        return sum(
            not (self._try(single) or self._try(single.without_text()))
            for single in changes.singly()
        )

    def _try(self, changes: Changes) -> bool:
        if changes.is_empty:
            return True
        try:
            self._store.write(changes)
        except Exception as error:
            cause = error.__cause__ or error
            if isinstance(error, NoConnectionError):
                raise _too_slow() from error
            if isinstance(error, SettingsError) or type(cause) in _OUT_OF_ORDER:
                raise StorageError(str(error)) from error
            _log.error("the database refuses some runs (%s)", type(cause).__name__)
            return False
        return True


def _tell(waiters: list[_Waiter], failure: str | None) -> None:
    """Wake everybody who waits, each event loop once."""
    loops: dict[asyncio.AbstractEventLoop | None, list[Any]] = {}
    for waiter in waiters:
        loops.setdefault(waiter.loop, []).append(waiter.future)
    for loop, futures in loops.items():
        if loop is None:
            _resolve(futures, failure)
        else:
            with suppress(RuntimeError):  # the loop was closed; nobody waits there any more
                loop.call_soon_threadsafe(_resolve, futures, failure)


def _resolve(futures: list[Any], failure: str | None) -> None:
    for future in futures:
        if future.done():  # whoever waited was cancelled
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(StorageError(failure))


def _too_slow() -> StorageError:
    return StorageError(
        f"The records could not be written within {_PATIENCE:g} s. Check that the disk has space "
        "and that no other program holds the database."
    )
