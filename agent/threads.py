"""The memory of threads: a checkpointer that seals, over a SQLite file of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent.database import empty_log, make_private
from agent.errors import StorageError
from agent.privacy.vault import Vault
from agent.serde import SealingSerializer

if TYPE_CHECKING:
    from agent.checkpoints import SealingSaver

_PRAGMAS = ("synchronous=FULL", "busy_timeout=5000", "secure_delete=ON")
_AT_ONCE = 200
"""Threads that are removed in one transaction, so that requests never wait long for it."""
_FIRST_DAY = datetime(1582, 10, 15, tzinfo=UTC)
"""From which the ids of checkpoints count, in steps of 100 ns."""
_KEYS = "SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM writes"
_AGE = """
SELECT count(*), coalesce(max(checkpoint_id) >= :first_kept, 0) FROM (
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = :key
    UNION ALL SELECT checkpoint_id FROM writes WHERE thread_id = :key
)
"""
_REMOVALS = (
    "DELETE FROM writes WHERE thread_id = :key",
    "DELETE FROM checkpoints WHERE thread_id = :key",
)


@asynccontextmanager
async def open_threads(path: Path, vault: Vault) -> "AsyncIterator[SealingSaver]":
    """Open the checkpointer for as long as the context lasts.

    Raises:
        StorageError: the file cannot be used.
    """
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    from agent.checkpoints import AsSealed, SealingSaver

    async with AsyncExitStack() as stack:
        try:
            await asyncio.to_thread(make_private, path)
            connection = await stack.enter_async_context(aiosqlite.connect(path))
            for pragma in _PRAGMAS:
                await connection.execute(f"PRAGMA {pragma}")
            stored = AsyncSqliteSaver(connection, serde=AsSealed())
            await stored.setup()
        except (sqlite3.Error, OSError) as error:
            raise threads_unusable(path) from error
        saver = SealingSaver(stored, SealingSerializer(vault))
        stack.push_async_callback(saver.settle)
        yield saver


def threads_unusable(path: Path) -> StorageError:
    """Return the error for a file of threads that cannot be read or written."""
    return StorageError(
        f"The threads at {path} cannot be read or written. "
        "Check that the disk has space and that the file is writable."
    )


def erase_threads(path: Path, thread_keys: Iterable[str]) -> set[str]:
    """Remove what threads remember, bytes included, and return the keys of which there was any.

    Raises:
        StorageError: the file cannot be used now; what is left is removed by another call.
    """
    return _remove(path, thread_keys, first_kept=None)


def expire_threads(path: Path, thread_keys: Iterable[str], older_than: datetime) -> int:
    """Remove what threads remember whose newest checkpoint is older than a time.

    Raises:
        StorageError: the file cannot be used now; what is left is removed by another call.
    """
    return len(_remove(path, thread_keys, first_kept=_first_id(older_than)))


def remembered(path: Path) -> set[str]:
    """Return the keys of all threads of which anything is remembered.

    Raises:
        StorageError: the file cannot be used.
    """
    with _connected(path) as connection:
        found = connection.execute(_KEYS) if connection else ()
        return {key for (key,) in found}


def newest_checkpoint(path: Path, thread_key: str) -> tuple[str, str | None, str, bytes] | None:
    """Return the id of a thread's newest checkpoint, the one it follows, and what was sealed.

    Raises:
        StorageError: the file cannot be used.
    """
    with _connected(path) as connection:
        if connection is None:
            return None
        found = connection.execute(
            "SELECT checkpoint_id, parent_checkpoint_id, type, checkpoint FROM checkpoints "
            "WHERE thread_id = ? AND checkpoint_ns = '' ORDER BY checkpoint_id DESC LIMIT 1",
            (thread_key,),
        )
        row: tuple[str, str | None, str, bytes] | None = found.fetchone()
        return row


def _remove(path: Path, thread_keys: Iterable[str], *, first_kept: str | None) -> set[str]:
    keys, removed = list(thread_keys), set[str]()
    with _connected(path) as connection:
        if connection is None:
            return removed
        for start in range(0, len(keys), _AT_ONCE):
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                some = keys[start : start + _AT_ONCE]
                removed |= {key for key in some if _remove_one(connection, key, first_kept)}
        _empty_log(connection, path)
    return removed


def _remove_one(connection: sqlite3.Connection, key: str, first_kept: str | None) -> bool:
    values = {"key": key, "first_kept": first_kept}
    rows, is_kept = connection.execute(_AGE, values).fetchone()
    if is_kept:
        return False
    for removal in _REMOVALS:
        connection.execute(removal, values)
    return bool(rows)


def _first_id(at: datetime) -> str:
    """Return the least id that a checkpoint of a time can have; ids sort by their times."""
    steps = max(0, (at - _FIRST_DAY) // timedelta(microseconds=1) * 10)
    return f"{steps >> 28:08x}-{steps >> 12 & 0xFFFF:04x}-6{steps & 0xFFF:03x}-0000-{0:012x}"


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Connect to the file; none where nothing was ever remembered."""
    if not path.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            there = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'writes'")
            yield connection if there.fetchone()[0] else None
    except sqlite3.Error as error:
        raise threads_unusable(path) from error


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Take what was removed out of SQLite's log too, as soon as nobody reads."""
    if empty_log(connection):
        return
    raise StorageError(
        f"What was removed from {path} still stands in its log, because another program reads the "
        "file all the time. Try again when less is going on."
    )
